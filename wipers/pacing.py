"""How fast the chunk loop is driven: a start from what the device says of itself, then trials on the real work.

A trial is a span of the pass itself: nothing is written twice or for the clock's sake. The start is the largest setting
in memory, and trials only go below it, so that memory is bounded by the start alone.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from wipers.model import Advice

_SPAN = 3.0
"""Seconds of a trial: long enough for a device's own cache to fill; a shorter pass is not tried at all."""
_GAIN = 1.05
"""The start is left only for something faster by so much: less is noise."""
_LOSS = 0.5
"""Trials begin anew when the rate falls below this part of what was chosen."""
_APART = 60.0
"""Seconds between the ends of two rounds of trials at least."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to drive a device."""

    chunk_size: int
    """Most bytes of one read or write."""
    threads: int
    """Chunks in the air at once."""


class Company:
    """The loops that are at work at once: each takes fewer threads the more there are.

    Threads beyond twice the cores only wait for each other: with sixteen devices, one thread each is as fast as the
    devices allow, and four each take half of that away.
    """

    def __init__(self, cores: int) -> None:
        """Share so many cores."""
        self._cores = cores
        self._at_work = 0
        self._lock = threading.Lock()

    @contextmanager
    def joined(self) -> Iterator[None]:
        """One more loop is at work meanwhile."""
        with self._lock:
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1

    def bound(self, threads: int) -> int:
        """Return how many of the threads that a loop would like it may use now; one alone has all of them."""
        others = self._at_work > 1
        return max(min(threads, 2 * self._cores // self._at_work), 1) if others else threads


THIS_PROCESS = Company(os.cpu_count() or 1)
"""All loops of this process, of whatever run: they share its cores and its interpreter's lock."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the loop runs."""

    chunk_size: int = 1 << 21
    """Most bytes of one read or write: a multiple of the sector size, and the size of a huge page."""
    threads: int = 4
    """Chunks in the air at once."""
    checkpoint_size: int = 1 << 32
    """Bytes after which progress is made durable and journaled."""
    checkpoint_seconds: float = 5.0
    """Seconds after which the same is done."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, for the intervals alone."""
    sleep: Callable[[float], None] = time.sleep
    """Waits so many seconds while the run rests."""
    trials: tuple[Setting, ...] = ()
    """Other settings to try, none larger than the one above; none: the pace stays as it is."""
    company: Company = THIS_PROCESS
    """Whom it shares the cores with."""
    grace_seconds: float = 30.0
    """Seconds that chunks in the air may take once the loop shall end; whoever takes longer hangs in the device."""


def suited(advice: Advice) -> Pace:
    """Return the pace to begin with on a device that says this of itself."""
    pace = Pace()
    optimal = advice.optimal_size
    chunk = pace.chunk_size - pace.chunk_size % optimal if 0 < optimal <= pace.chunk_size else pace.chunk_size
    half = chunk // 2 - chunk // 2 % max(optimal, 4096) or chunk
    if advice.is_sequential:
        return replace(pace, chunk_size=chunk)
    if advice.is_rotational:
        # More in the air than the arm can take in order is travel: fewer are tried, and never more smaller ones.
        trials = (Setting(chunk, 2), Setting(half, 2), Setting(chunk, 1))
    else:
        trials = (Setting(half, pace.threads), Setting(chunk, 2), Setting(half // 2 or chunk, pace.threads))
    return replace(pace, chunk_size=chunk, trials=tuple(one for one in trials if one.chunk_size % 4096 == 0))


class Pacer:
    """Which setting is in force; told every chunk's end, from one thread at a time."""

    def __init__(self, pace: Pace) -> None:
        """Begin with the pace's own setting; without trials, or with one thread, stay there."""
        self._start = self.current = Setting(pace.chunk_size, pace.threads)
        self._company = pace.company
        self._others = pace.trials if pace.threads > 1 else ()
        self._clock = pace.clock
        self._waiting = list(self._others)
        self._rates: dict[Setting, float] = {}
        self._began: float | None = None
        self._moved = 0
        self._chosen_rate = 0.0
        self._chosen_at = 0.0

    @property
    def threads(self) -> int:
        """Return how many chunks may be in the air now."""
        return self._company.bound(self.current.threads)

    def done(self, size: int) -> None:
        """Count bytes that were moved; a span that is over is judged."""
        if not self._others:
            return
        now = self._clock()
        if self._began is None:
            self._began = now
            return
        self._moved += size
        if now - self._began >= _SPAN:
            rate = self._moved / (now - self._began)
            self._began, self._moved = now, 0
            self._judge(rate, now)

    def rest(self) -> None:
        """The time until the next chunk's end is in no span."""
        self._began, self._moved = None, 0

    @property
    def _is_trying(self) -> bool:
        return self._chosen_rate == 0

    def _judge(self, rate: float, now: float) -> None:
        if self._is_trying:
            self._rates[self.current] = rate
            if self._waiting:
                self.current = self._waiting.pop(0)
            else:
                self._choose(now)
        elif rate < self._chosen_rate * _LOSS and now - self._chosen_at >= _APART:
            self.current, self._rates, self._waiting, self._chosen_rate = self._start, {}, list(self._others), 0

    def _choose(self, now: float) -> None:
        fastest = max(self._rates, key=lambda setting: self._rates[setting])
        is_worth_it = self._rates[fastest] > self._rates[self._start] * _GAIN
        self.current = fastest if is_worth_it else self._start
        # A device at rest has a rate all the same, so that the trials end.
        self._chosen_rate, self._chosen_at = max(self._rates[self.current], 1.0), now
