"""Progress for people: bars on a terminal, one line a minute otherwise, none where they asked for quiet."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.cli.planning import step_name
from agent.cli.screen import Screen
from agent.cli.sheets import size_text
from wipers.model import Observer, Plan

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

INTERVAL = 60.0
"""Seconds between lines where there is no terminal."""


@dataclass(slots=True)
class Track:
    """Which carrier and step is meant: carriers are carried out one after another, each from a low step upwards."""

    plans: list[tuple[str, Plan]] = field(default_factory=list)
    position: int = 0
    step: int = -1

    def expect(self, carrier: str, plan: Plan) -> None:
        """Add a carrier that will be carried out."""
        self.plans.append((carrier, plan))

    def follow(self, step: int) -> tuple[str, Plan] | None:
        """Return the carrier and plan that a step belongs to now; none where nothing was expected."""
        if step < self.step:
            self.position += 1
        self.step = step
        return self.plans[self.position] if self.position < len(self.plans) else None

    def name(self, screen: Screen, step: int) -> str:
        """Return the step in words, with its carrier."""
        found = self.follow(step)
        if found is None or step >= len(found[1].steps):
            return screen.word("progress.step", number=step + 1)
        return f"{found[0]}  {step + 1} {step_name(screen, found[1], step)}"


class Lines:
    """A line at the start of each step, one a minute, and one at its end."""

    def __init__(self, screen: Screen, track: Track, clock: Callable[[], float] = time.monotonic) -> None:
        """Take where to print and a clock in seconds."""
        self._screen, self._track, self._clock = screen, track, clock
        self._told_at = -INTERVAL
        self._name = ""

    def progressed(self, step: int, done: int, total: int) -> None:
        name = self._track.name(self._screen, step)
        now = self._clock()
        if name == self._name and now - self._told_at < INTERVAL and done < total:
            return
        self._name, self._told_at = name, now
        per_cent = 100 * done // total if total else 100
        self._screen.tell(f"{name}  {per_cent} %  {size_text(done)} / {size_text(total)}")


class Bars:
    """A bar a step."""

    def __init__(self, screen: Screen, track: Track, bars: Progress) -> None:
        """Take rich's progress display."""
        self._screen, self._track, self._bars = screen, track, bars
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def progressed(self, step: int, done: int, total: int) -> None:
        with self._lock:
            # Not before: until the first write the terminal belongs to the questions.
            self._bars.start()
            name = self._track.name(self._screen, step)
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=total)
            self._bars.update(self._tasks[name], completed=done, total=total)


@contextmanager
def observe(screen: Screen, track: Track) -> Iterator[Observer | None]:
    """Yield what shows progress; nothing for quiet."""
    if screen.is_quiet:
        yield None
    elif sys.stderr.isatty():
        bars = _display()
        try:
            yield Bars(screen, track, bars)
        finally:
            # A terminal that was closed must not change how the run is told to have ended.
            with suppress(OSError):
                bars.stop()
    else:
        yield Lines(screen, track)


def _display() -> Progress:
    """Return rich's display on stderr, a line a step however narrow the terminal; rich itself honours NO_COLOR."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    def narrow(**settings: Any) -> Column:
        return Column(no_wrap=True, **settings)

    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}", table_column=narrow(overflow="ellipsis", ratio=1)),
        BarColumn(16, table_column=narrow(min_width=8)),
        TextColumn("{task.percentage:>3.0f} %", table_column=narrow(min_width=5)),
        TransferSpeedColumn(table_column=narrow(min_width=10)),
        TimeRemainingColumn(table_column=narrow(min_width=7)),
    )
    return Progress(*columns, console=Console(stderr=True), expand=True)
