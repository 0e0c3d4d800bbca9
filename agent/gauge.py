"""How far runs are, how fast they go and how long they still take. Pure but for a clock; for people alone."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agent.carrying import Result
from agent.expecting import size_of_step
from wipers.model import Plan

WINDOW = 30.0
"""Seconds over which a rate is measured."""
SPACING = 0.5
"""Least seconds between two marks of a rate."""
WAITING, WORKING, ENDED = "waiting", "working", "ended"

Clock = Callable[[], float]


@dataclass(slots=True)
class Gauge:
    """One run: told by the engine's threads, read by whoever draws."""

    sequence: int
    carrier: str
    plan: Plan
    clock: Clock = time.monotonic
    state: str = WAITING
    """What it is at: waiting for its turn, working, or what the engine says (paused, too hot, slow ...)."""
    step: int = 0
    done: int = 0
    """Bytes of the step behind us."""
    total: int = 0
    """Bytes of the step."""
    result: Result | None = None
    sizes: tuple[int, ...] = field(init=False)
    """Bytes that each step moves."""
    _marks: deque[tuple[float, int]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.sizes = tuple(size_of_step(self.plan, step) for step in self.plan.steps)

    def progressed(self, step: int, done: int, total: int) -> None:
        """Take note of how far the step is."""
        with self._lock:
            self.step, self.done, self.total = step, done, total
            if self.state == WAITING:
                self.state = WORKING
            self._mark()

    def entered(self, state: str) -> None:
        """Take note of what the run is at now."""
        with self._lock:
            self.state = state

    def end(self, result: Result) -> None:
        """Take note of how the run ended."""
        with self._lock:
            self.state, self.result = ENDED, result

    @property
    def size(self) -> int:
        """Bytes that all steps move."""
        return sum(self.sizes)

    @property
    def position(self) -> int:
        """Bytes of all steps behind us."""
        if self.result is not None and self.result.claim is not None:
            return self.size
        return min(sum(self.sizes[: self.step]) + self.done, self.size)

    @property
    def rate(self) -> float:
        """Bytes a second over the last half minute; it falls while nothing moves."""
        with self._lock:
            if not self._marks or self.state in (WAITING, ENDED):
                return 0.0
            at, position = self._marks[0]
            passed = self.clock() - at
            return max(self.position - position, 0) / passed if passed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds that it will still take at this rate; none where nothing moves."""
        if self.state == ENDED:
            return 0.0
        rate = self.rate
        return (self.size - self.position) / rate if rate > 0 else None

    def _mark(self) -> None:
        """Keep marks of the last half minute; start anew where a check begins again."""
        now, position = self.clock(), self.position
        if self._marks and position < self._marks[-1][1]:
            self._marks.clear()
        if not self._marks or now - self._marks[-1][0] >= SPACING:
            self._marks.append((now, position))
        while len(self._marks) > 2 and now - self._marks[0][0] > WINDOW:
            self._marks.popleft()


@dataclass(frozen=True, slots=True)
class Total:
    """All runs together."""

    runs: int
    ended: int
    position: int
    size: int
    rate: float
    seconds_left: float | None


class Board:
    """The gauges of all runs of this process: what a run is watched by."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Begin without a run."""
        self._clock = clock
        self._gauges: dict[int, Gauge] = {}
        self._lock = threading.Lock()

    def of(self, sequence: int, carrier: str, plan: Plan) -> Gauge:
        """Return the gauge of a run that has begun."""
        gauge = Gauge(sequence, carrier, plan, self._clock)
        with self._lock:
            self._gauges[sequence] = gauge
        return gauge

    def ended(self, result: Result) -> None:
        """Take note of how a run ended."""
        gauge = self.gauge(result.sequence)
        if gauge is not None:
            gauge.end(result)

    def gauge(self, sequence: int) -> Gauge | None:
        """Return a run's gauge; none of a run that is not carried out here."""
        with self._lock:
            return self._gauges.get(sequence)

    @property
    def gauges(self) -> tuple[Gauge, ...]:
        """All gauges, in the order of their runs."""
        with self._lock:
            return tuple(self._gauges[sequence] for sequence in sorted(self._gauges))


def total_of(gauges: Iterable[Gauge]) -> Total:
    """Return all runs together; the time left is that of the one that takes longest, or of all that still wait."""
    known = tuple(gauges)
    going = tuple(one for one in known if one.state != ENDED)
    rate, size = sum(one.rate for one in going), sum(one.size for one in known)
    behind, left = sum(one.position for one in known), sum(one.size - one.position for one in going)
    return Total(len(known), len(known) - len(going), behind, size, rate, _longest(going, left, rate))


def _longest(going: tuple[Gauge, ...], left: int, rate: float) -> float | None:
    """Return the seconds until all have ended; none while one of them does not move."""
    if not going:
        return 0.0
    each = [one.seconds_left for one in going if one.state != WAITING]
    known = [seconds for seconds in each if seconds is not None]
    return max(*known, left / rate) if known and len(known) == len(each) and rate > 0 else None
