"""Progress for people: a bar a device on a terminal, a line a minute and device otherwise, none for quiet."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agent.carrying import Result
from agent.cli.exits import code_of
from agent.cli.planning import duration, step_name
from agent.cli.screen import Screen
from agent.cli.sheets import size_text
from agent.cli.words import WORDS
from agent.gauge import ENDED, WAITING, WORKING, Board, Gauge, Total, total_of
from wipers.model import Plan
from wipers.ports import Observer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

INTERVAL = 60.0
"""Seconds between lines where there is no terminal."""
REDRAWN = 0.5
"""Seconds between two pictures on a terminal."""


class Display(Protocol):
    """What a run is watched by, drawn again every so often."""

    def of(self, sequence: int, carrier: str, plan: Plan) -> Observer: ...

    def ended(self, result: Result) -> None: ...

    def draw(self) -> None:
        """Show how all stand now."""
        ...


def step_text(screen: Screen, gauge: Gauge) -> str:
    """Return carrier and step in words."""
    if gauge.step >= len(gauge.plan.steps):
        return f"{gauge.carrier}  {screen.word('progress.step', number=gauge.step + 1)}"
    return f"{gauge.carrier}  {gauge.step + 1} {step_name(screen, gauge.plan, gauge.step)}"


def state_text(screen: Screen, state: str) -> str:
    """Return what a run is at, in words; nothing for one that works, and what the engine says for an unknown word."""
    if state == WORKING:
        return ""
    key = f"state.{state}"
    return screen.word(key) if key in WORDS else state


def speed_text(rate: float) -> str:
    """Return bytes a second as people say them."""
    return f"{size_text(int(rate))}/s"


def left_text(screen: Screen, seconds: float | None) -> str:
    """Return how long it still takes; a dash while nobody can know."""
    return screen.word("progress.left", time=duration(round(seconds))) if seconds is not None else "-"


def percent_of(done: int, size: int) -> int:
    """Return how many hundredths are behind us; all of nothing."""
    return 100 * done // size if size else 100


def gauge_line(screen: Screen, gauge: Gauge) -> str:
    """Return how one run stands, in a line."""
    amounts = f"{percent_of(gauge.done, gauge.total)} %  {size_text(gauge.done)} / {size_text(gauge.total)}"
    parts = [step_text(screen, gauge), amounts]
    if gauge.state not in (WAITING, ENDED) and gauge.rate:
        parts += [speed_text(gauge.rate), left_text(screen, gauge.seconds_left)]
    return "  ".join(part for part in (*parts, state_text(screen, gauge.state)) if part)


def total_line(screen: Screen, total: Total) -> str:
    """Return how all runs stand, in a line."""
    head = screen.word("progress.total", ended=total.ended, runs=total.runs)
    amounts = f"{percent_of(total.position, total.size)} %  {size_text(total.position)} / {size_text(total.size)}"
    return f"{head}  {amounts}  {speed_text(total.rate)}  {left_text(screen, total.seconds_left)}"


@dataclass(slots=True)
class _Told:
    """Passes on what a gauge is told, and says so where a step begins or ends, or the state changes."""

    gauge: Gauge
    say: Callable[[Gauge], None]

    def progressed(self, step: int, done: int, total: int) -> None:
        is_new = step != self.gauge.step or self.gauge.state == WAITING
        self.gauge.progressed(step, done, total)
        if is_new or done >= total:
            self.say(self.gauge)

    def entered(self, state: str) -> None:
        is_new = state != self.gauge.state
        self.gauge.entered(state)
        if is_new:
            self.say(self.gauge)


class Lines:
    """A line at the start of each step, one a minute, and one at its end; and how each run ended as soon as it does."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        """Take where to print and a clock in seconds."""
        self._screen, self._clock = screen, clock
        self.board = Board(clock)
        self._told_at = clock()
        self._last: dict[int, tuple[int, bool, str]] = {}
        self._lock = threading.Lock()

    def of(self, sequence: int, carrier: str, plan: Plan) -> Observer:
        return _Told(self.board.of(sequence, carrier, plan), self._say)

    def ended(self, result: Result) -> None:
        self.board.ended(result)
        if len(self.board.gauges) > 1:
            self._screen.tell(f"{result.carrier}  {end_text(self._screen, result)}")

    def draw(self) -> None:
        """Print a line for each run that goes on, and one for all, if the minute is over."""
        now = self._clock()
        if now - self._told_at < INTERVAL:
            return
        self._told_at = now
        gauges = self.board.gauges
        for gauge in gauges:
            if gauge.state != ENDED:
                self._screen.tell(gauge_line(self._screen, gauge))
        if len(gauges) > 1:
            self._screen.tell(total_line(self._screen, total_of(gauges)))

    def _say(self, gauge: Gauge) -> None:
        with self._lock:
            # Threads of one step all see its end; it is told once.
            news = (gauge.step, gauge.done >= gauge.total, gauge.state)
            if self._last.get(gauge.sequence) != news:
                self._last[gauge.sequence] = news
                self._screen.tell(gauge_line(self._screen, gauge))


def end_text(screen: Screen, result: Result) -> str:
    """Return in a few words how a run ended."""
    from certificates.render.words import term

    told = term("outcome", result.claim.outcome.value, screen.language) if result.claim else screen.word("state.ended")
    code = code_of(result.failure)
    return f"{told}  [exit {code}]"


class Bars:
    """A bar a device over all its steps, and one for all where there are several."""

    def __init__(self, screen: Screen, bars: Progress) -> None:
        """Take rich's progress display."""
        self._screen, self._bars = screen, bars
        self.board = Board()
        self._tasks: dict[int, TaskID] = {}
        self._all: TaskID | None = None
        self._lock = threading.Lock()

    def of(self, sequence: int, carrier: str, plan: Plan) -> Observer:
        return self.board.of(sequence, carrier, plan)

    def ended(self, result: Result) -> None:
        self.board.ended(result)
        self.draw()

    def draw(self) -> None:
        """Bring all bars up to date; until the first run begins the terminal belongs to the questions."""
        gauges = self.board.gauges
        if not gauges:
            return
        with self._lock:
            self._bars.start()
            for gauge in gauges:
                task = self._task(gauge)
                self._bars.update(task, completed=gauge.position, description=step_text(self._screen, gauge))
                speed = speed_text(gauge.rate) if gauge.state != ENDED else ""
                self._bars.update(task, speed=speed, left=self._left(gauge))
            if len(gauges) > 1:
                self._draw_all(total_of(gauges))

    def _task(self, gauge: Gauge) -> TaskID:
        if gauge.sequence not in self._tasks:
            self._tasks[gauge.sequence] = self._bars.add_task("", total=gauge.size, speed="", left="")
        return self._tasks[gauge.sequence]

    def _left(self, gauge: Gauge) -> str:
        if gauge.result is not None:
            return end_text(self._screen, gauge.result)
        return state_text(self._screen, gauge.state) or left_text(self._screen, gauge.seconds_left)

    def _draw_all(self, total: Total) -> None:
        if self._all is None:
            self._all = self._bars.add_task("", total=total.size, speed="", left="")
        head = self._screen.word("progress.total", ended=total.ended, runs=total.runs)
        left = left_text(self._screen, total.seconds_left)
        self._bars.update(self._all, total=total.size, completed=total.position, description=head)
        self._bars.update(self._all, speed=speed_text(total.rate), left=left)


@contextmanager
def observe(screen: Screen) -> Iterator[Display | None]:
    """Yield what shows progress; nothing for quiet."""
    if screen.is_quiet:
        yield None
    elif sys.stderr.isatty():
        bars = _display()
        display = Bars(screen, bars)
        try:
            with drawing(display):
                yield display
            with suppress(OSError):
                display.draw()
        finally:
            # A terminal that was closed must not change how the run is told to have ended.
            with suppress(OSError):
                bars.stop()
    else:
        lines = Lines(screen)
        with drawing(lines):
            yield lines


@contextmanager
def drawing(display: Display, interval: float = REDRAWN) -> Iterator[None]:
    """Have the display drawn again and again meanwhile, also while a device is silent."""
    is_over = threading.Event()

    def draw() -> None:
        while not is_over.wait(interval):
            with suppress(Exception):
                display.draw()

    drawer = threading.Thread(target=draw, name="progress", daemon=True)
    drawer.start()
    try:
        yield
    finally:
        is_over.set()
        drawer.join()


def _display() -> Progress:
    """Return rich's display on stderr, a line a device however narrow the terminal; rich itself honours NO_COLOR."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.table import Column

    def narrow(**settings: Any) -> Column:
        return Column(no_wrap=True, **settings)

    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}", table_column=narrow(overflow="ellipsis", ratio=1)),
        BarColumn(16, table_column=narrow(min_width=8)),
        TextColumn("{task.percentage:>3.0f} %", table_column=narrow(min_width=5)),
        TextColumn("{task.fields[speed]}", table_column=narrow(min_width=10)),
        TextColumn("{task.fields[left]}", table_column=narrow(min_width=10)),
    )
    return Progress(*columns, console=Console(stderr=True), expand=True)
