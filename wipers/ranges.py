"""Ranges that failed: narrowed to sectors, coalesced, the first of them kept, their bytes counted exactly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from certificates.statements import Extent, Failure
from wipers.model import MediumError

KEPT = 4096
"""Most ranges that a statement lists (`Items`)."""
_MOST_NARROWED = 4096
"""Failed attempts of one step that are narrowed: on a dying drive each may take half a minute."""
_LONGEST = 3600.0
"""Seconds that failed attempts of one step may take together: after that nothing is narrowed any more."""


class Patience:
    """How many more failed attempts are worth narrowing, and for how long; shared by the threads of a step."""

    def __init__(
        self,
        attempts: int = _MOST_NARROWED,
        seconds: float = _LONGEST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Allow so many, and so long."""
        self.clock = clock
        self._left = attempts
        self._seconds = seconds
        self._lock = threading.Lock()

    def spend(self, since: float) -> bool:
        """Take one attempt that began at `since` on the clock; false when none was left."""
        with self._lock:
            was_spent = self.is_spent
            self._left -= 1
            self._seconds -= self.clock() - since
            return not was_spent

    @property
    def is_spent(self) -> bool:
        """Tell whether nothing is left."""
        return self._left <= 0 or self._seconds <= 0


Effect = Callable[[int, int, memoryview], None]
"""`Reader.read` or `Writer.write`."""


def attempt(effect: Effect, extent: Extent, view: memoryview, sector_size: int, patience: Patience) -> list[Failure]:
    """Do the effect on all of the extent that lets it be done, and return the sectors that do not, in order.

    A range that fails is halved down to sectors. Out of patience, it counts as failed whole: that says more damage than
    there may be, never less.
    """
    failures: list[Failure] = []
    waiting = [extent]
    while waiting:
        part = waiting.pop()
        begin = part.offset - extent.offset
        since = patience.clock()
        try:
            effect(part.stream, part.offset, view[begin : begin + part.length])
        except MediumError as error:
            if part.length > sector_size and patience.spend(since):
                waiting += reversed(halves(part, sector_size))
            else:
                failures.append(Failure(part, error.error))
    return failures


def halves(extent: Extent, sector_size: int) -> tuple[Extent, Extent]:
    """Return the extent in two, cut between two sectors; an odd tail stays with the second half."""
    sectors = -(-extent.length // sector_size)
    first = sectors // 2 * sector_size
    rest = Extent(extent.stream, extent.offset + first, extent.length - first)
    return Extent(extent.stream, extent.offset, first), rest


def coalesce(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Return the same ranges in order of stream and offset, neighbours with the same error joined."""
    joined: list[Failure] = []
    for one in sorted(failures, key=lambda failure: (failure.extent.stream, failure.extent.offset)):
        last = joined[-1] if joined else None
        if last is not None and last.error == one.error and _touches(last.extent, one.extent):
            joined[-1] = Failure(_join(last.extent, one.extent), one.error)
        else:
            joined.append(one)
    return tuple(joined)


def _touches(first: Extent, second: Extent) -> bool:
    return first.stream == second.stream and first.offset + first.length == second.offset


def _join(first: Extent, second: Extent) -> Extent:
    return Extent(first.stream, first.offset, first.length + second.length)


@dataclass(slots=True)
class Tally:
    """Ranges from many threads: the first kept, all counted; memory does not grow with the damage."""

    kept: list[Failure] = field(default_factory=list)
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, failures: Iterable[Failure]) -> None:
        """Count them; when many are kept, join neighbours and let the last ones go."""
        with self.lock:
            for one in failures:
                self.size += one.extent.length
                self.kept.append(one)
            if len(self.kept) > 2 * KEPT:
                self.kept = list(coalesce(self.kept)[:KEPT])

    def ranges(self) -> tuple[Failure, ...]:
        """Return the first ranges, coalesced."""
        with self.lock:
            return coalesce(self.kept)[:KEPT]
