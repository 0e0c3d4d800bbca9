"""Carry several carriers out at once: a thread each; what one of them meets holds up none of the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from agent.carrying import Result
from certificates.errors import Interrupted
from wipers.pipeline import StopSignal

PATIENCE = 120.0
"""Seconds that a device is given to answer once a stop was asked for: a drive may have that much left to flush."""
LOOK = 0.2
"""Seconds between two looks at whether all are home."""


@dataclass(frozen=True, slots=True)
class Part:
    """One carrier's share of a run that has begun."""

    carrier: str
    sequence: int
    go: Callable[[], Result]
    """Carries it out and gives its target back; returns how it ended."""


@dataclass(slots=True)
class _Desk:
    """Parts handed out in order, and how each ended."""

    parts: Sequence[Part]
    waiting: Iterator[int]
    lock: threading.Lock = field(default_factory=threading.Lock)
    begun: set[int] = field(default_factory=set)
    ends: dict[int, Result | BaseException] = field(default_factory=dict)
    all_home: threading.Event = field(default_factory=threading.Event)

    def take(self) -> int | None:
        with self.lock:
            number = next(self.waiting, None)
            if number is not None:
                self.begun.add(number)
            return number

    def note(self, number: int, end: Result | BaseException) -> None:
        with self.lock:
            self.ends[number] = end
            if len(self.ends) == len(self.parts):
                self.all_home.set()

    def work(self) -> None:
        while (number := self.take()) is not None:
            try:
                self.note(number, self.parts[number].go())
            except BaseException as error:  # noqa: BLE001 - it is told, or raised again, in the caller's thread
                self.note(number, error)


def carry_all(
    parts: Sequence[Part],
    stop: StopSignal,
    at_once: int | None = None,
    *,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Result, ...]:
    """Return how each part ended, in their order; at most `at_once` go on at a time (none: all).

    A bug in one is its own result, but for a single part, whose error is raised. After a stop a device that does not
    answer within `patience` seconds is left to itself: its journal knows how far it came.
    """
    if not parts:
        return ()
    desk = _Desk(parts, iter(range(len(parts))))
    numbers = range(min(at_once or len(parts), len(parts)))
    team = [threading.Thread(target=desk.work, name=f"carrier-{number}", daemon=True) for number in numbers]
    for member in team:
        member.start()
    _wait(desk, team, stop, patience, clock)
    with desk.lock:
        return tuple(_result(desk, number, patience) for number in range(len(parts)))


def _wait(
    desk: _Desk, team: Sequence[threading.Thread], stop: StopSignal, patience: float, clock: Callable[[], float]
) -> None:
    """Return when all parts have ended, or some have not long after a stop."""
    asked_at: float | None = None
    while not desk.all_home.wait(LOOK):
        if not any(member.is_alive() for member in team):
            # A thread may end before its first step, where the interpreter cannot set it up; what it left is done here.
            desk.work()
            return
        if stop.is_set():
            asked_at = clock() if asked_at is None else asked_at
            if clock() - asked_at >= patience:
                return


def _result(desk: _Desk, number: int, patience: float) -> Result:
    part, end = desk.parts[number], desk.ends.get(number)
    match end:
        case Result():
            return end
        case None if number in desk.begun:
            failure: Exception = Interrupted("not-answering", carrier=part.carrier, seconds=int(patience))
        case None:
            failure = Interrupted("stopped", by="signal")
        case Exception() if len(desk.parts) > 1:
            failure = end
        case _:
            raise end
    return Result(part.carrier, part.sequence, None, None, failure)
