"""Carry several carriers out at once: a thread each; what one of them meets holds up none of the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from agent.carrying import Result
from certificates.errors import Interrupted
from wipers.acts import FillFree, Hunt, ScrubNames
from wipers.model import Plan, Step
from wipers.pipeline import StopSignal
from wipers.verifying import Stopped

FILLING = (FillFree, ScrubNames)
"""Steps that take all the room of a file system for moments."""
BEYOND = (*FILLING, Hunt)
"""Steps that concern all of a file system: first everybody has released what is his."""
PATIENCE = 120.0
"""Seconds that a device is given to answer once a stop was asked for: a drive may have that much left to flush."""
LOOK = 0.2
"""Seconds between two looks at whether all are home."""


class Meeting:
    """Parts that write on one file system: each goes on beyond its release when all have come so far, and one at a
    time."""

    def __init__(self, expected: int) -> None:
        """Take how many parts are on their way to it."""
        self._expected = expected
        self._seated: Seat | None = None
        self._changed = threading.Condition()

    def arrive(self, seat: Seat, stop: StopSignal) -> None:
        """Return when nobody is on the way any more and it is this one's turn; raises Stopped."""
        with self._changed:
            self._come(seat)
            while self._expected > 0 or self._seated not in (None, seat):
                if stop.is_set():
                    raise Stopped
                self._changed.wait(LOOK)
            self._seated = seat

    def take(self, seat: Seat) -> None:
        """Return when it is this one's turn, which was not on the way before."""
        with self._changed:
            self._changed.wait_for(lambda: self._seated is None)
            self._seated, self._expected, seat.has_come = seat, 0, True

    def leave(self, seat: Seat) -> None:
        """It has ended, wherever it was."""
        with self._changed:
            self._come(seat)
            self._seated = None if self._seated is seat else self._seated
            self._changed.notify_all()

    def _come(self, seat: Seat) -> None:
        if not seat.has_come:
            seat.has_come = True
            self._expected -= 1
            self._changed.notify_all()


@dataclass(slots=True, eq=False)
class Seat:
    """One part's place at a meeting, if there is one."""

    meeting: Meeting | None = None
    has_come: bool = False

    def before(self, step: Step, stop: StopSignal) -> None:
        """Wait for the others where the step fills or searches what all of them write in; raises Stopped."""
        if self.meeting is not None and isinstance(step, BEYOND):
            self.meeting.arrive(self, stop)


@dataclass(frozen=True, slots=True)
class Part:
    """One carrier's share of a run that has begun."""

    carrier: str
    sequence: int
    go: Callable[[], Result]
    """Carries it out and gives its target back; returns how it ended."""
    seat: Seat = field(default_factory=Seat)
    """Asked before each step."""


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


def in_turn(parts: Sequence[Part], plans: Sequence[Plan], at_once: int | None = None) -> list[Part]:
    """Return the parts so that those on one file system of which one fills its free space meet before they do: nobody
    else finds room to write there meanwhile, a database server least of all, and who looks for samples would find them
    in what another part has still to destroy. Where not all may go on at once, each goes alone."""
    places = [_file_system(plan) for plan in plans]
    filled = {
        place for place, plan in zip(places, plans, strict=True) if any(isinstance(s, FILLING) for s in plan.steps)
    }
    are_all = at_once is None or at_once >= len(parts)
    meetings = {place: Meeting(places.count(place) if are_all else 1) for place in filled if place is not None}
    return [
        replace(part, go=partial(_seated, part, meetings[place], is_alone=not are_all)) if place in meetings else part
        for part, place in zip(parts, places, strict=True)
    ]


def _seated(part: Part, meeting: Meeting, *, is_alone: bool) -> Result:
    part.seat.meeting = meeting
    try:
        if is_alone:
            meeting.take(part.seat)
        return part.go()
    finally:
        meeting.leave(part.seat)


def _file_system(plan: Plan) -> str | None:
    """Return the file system that the plan writes in; none for what is no part of one."""
    if plan.kind not in ("files", "records", "database"):
        return None
    return next((fact.value for fact in plan.facts if fact.name == "filesystem"), None)


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
