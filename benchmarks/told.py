"""Where the seconds of a run went, from the times of its journal's lines, and how long others waited meanwhile."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from certificates.statements import Advanced, Began, Checked, Entry, Noted, Recorded
from tests.support.carrying_out import CarriedOut
from tests.support.runs import JournalInMemory
from tests.support.simulated_host import Plug

PAUSE = 0.001
"""Seconds between two reads of somebody else."""


class Clocked(JournalInMemory):
    """A journal that knows when each line was written."""

    def __init__(self) -> None:
        """Begin the clock."""
        super().__init__(Plug())
        self.began = time.perf_counter()
        self.times: list[float] = []

    def _append(self, event: object) -> None:
        super()._append(event)
        self.times.append(time.perf_counter() - self.began)


def parts_of(run: CarriedOut, whole: float) -> dict[str, float]:
    """Seconds of each part of a run: up to its first step, each step and what it noted, and what came after."""
    journal = run.journal
    assert isinstance(journal, Clocked)
    assert run.plan is not None
    steps = run.plan.steps
    found: dict[str, float] = {}
    label, since = "find, plan, open", 0.0
    for entry, at in zip(journal.entries, journal.times, strict=True):
        following = _label(entry, [type(one).__name__ for one in steps], label)
        if following != label:
            found[label] = found.get(label, 0.0) + at - since
            label, since = following, at
    found[label] = found.get(label, 0.0) + whole - since
    return {name: round(seconds, 3) for name, seconds in found.items()}


def _label(entry: Entry, steps: list[str], label: str) -> str:
    """Name of the part that a line begins."""
    match entry.event:
        case Began(step=number):
            return f"{number} {steps[number]}"
        case Noted(note=note):
            return f"{label.split(':', maxsplit=1)[0]}: {note}"
        case Recorded() | Checked():
            return "between steps"
        case Advanced():
            return label
    return label


@dataclass
class Waits:
    """How long reads of somebody else took."""

    count: int = 0
    errors: int = 0
    worst: float = 0.0
    p99: float = 0.0
    """Seconds."""
    detail: dict[str, int] = field(default_factory=dict)
    """What was answered instead, with how often."""

    def told(self) -> dict[str, float]:
        """For people and programs."""
        milliseconds = {"readers-worst-ms": self.worst * 1000, "readers-p99-ms": self.p99 * 1000}
        rounded = {name: round(value, 1) for name, value in milliseconds.items()}
        return rounded | {"readers-reads": self.count, "readers-errors": self.errors} | self.detail


@contextmanager
def others_reading(connect: Callable[[], Callable[[], object]] | None) -> Iterator[Waits | None]:
    """Where somebody may read meanwhile, a process reads what stays again and again; its waits stand in the result at
    the end. `connect` makes, in that process, what reads once."""
    if connect is None:
        yield None
        return
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    is_over = context.Event()
    process = context.Process(target=_read, args=(connect, theirs, is_over), daemon=True)
    process.start()
    waits = Waits()
    try:
        ours.recv()
        yield waits
    finally:
        is_over.set()
        took, errors = ours.recv() if ours.poll(60) else ([], {"no-answer": 1})
        process.join(10)
        waits.count, waits.errors, waits.detail = len(took), sum(errors.values()), errors
        waits.worst = max(took, default=0.0)
        waits.p99 = sorted(took)[len(took) * 99 // 100] if took else 0.0


def _read(connect: Callable[[], Callable[[], object]], told: Any, is_over: Any) -> None:
    read = connect()
    read()
    told.send("ready")
    took: list[float] = []
    errors: dict[str, int] = {}
    while not is_over.is_set():
        began = time.perf_counter()
        try:
            read()
        except Exception as error:  # noqa: BLE001 - whatever others see is what is measured
            errors[type(error).__name__] = errors.get(type(error).__name__, 0) + 1
        took.append(time.perf_counter() - began)
        time.sleep(PAUSE)
    told.send((took, errors))
