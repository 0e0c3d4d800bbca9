"""What a piece of work took: by the clock, and of the processors."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

GIBIBYTE = 1 << 30


@dataclass(frozen=True, slots=True)
class Taken:
    """What moving so many bytes took."""

    size: int
    """Bytes."""
    seconds: float
    processor: float
    """Seconds of processor time of this process or of its children, without what the kernel's own threads took."""

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.size / self.seconds

    @property
    def processor_per_gibibyte(self) -> float:
        """Seconds of processor time."""
        return self.processor * GIBIBYTE / self.size


@dataclass(slots=True)
class Stopwatch:
    """Seconds by the clock and of the processors."""

    seconds: float = 0.0
    processor: float = 0.0


@contextmanager
def stopwatch(of: int) -> Iterator[Stopwatch]:
    """What the block took stands in it at the end; `of` is RUSAGE_SELF, or RUSAGE_CHILDREN of those waited for."""
    watch = Stopwatch()
    began, used = time.perf_counter(), _processor_time(of)
    yield watch
    watch.seconds = time.perf_counter() - began
    watch.processor = _processor_time(of) - used


def _processor_time(of: int) -> float:
    usage = resource.getrusage(of)
    return usage.ru_utime + usage.ru_stime
