"""The way along a layout: cut into chunks as they are taken, and going round what fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from certificates.statements import Extent

SKIPPED = "skipped"
"""Error of a range that was gone round, and not tried yet."""
_PART = 256
"""No detour skips more than this part of the area at once."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one extent, and where it lies along the layout."""

    position: int
    """Bytes of the layout before it."""
    extent: Extent
    """Which bytes of which stream."""
    error: str | None = None
    """Why it is not to be tried, where it is not."""
    whole: Extent | None = None
    """Extent of the layout from which it was cut."""

    @property
    def end(self) -> int:
        """Position behind it."""
        return self.position + self.extent.length

    @property
    def is_first(self) -> bool:
        """Tell whether it begins its extent."""
        return self.whole is None or self.extent.offset == self.whole.offset

    @property
    def is_last(self) -> bool:
        """Tell whether it ends its extent."""
        return self.whole is None or self.extent.offset + self.extent.length == self.whole.offset + self.whole.length


class Detour:
    """How far to go round what fails, in bytes; shared by the threads of a pass.

    One failure is a bad sector: the next chunk is tried. From the second in a row on, a chunk is skipped before the
    next is tried, then twice as many each time, up to a 256th of the area: a dying disk spends half a minute on each.
    In an extent that must be written in order nothing behind a failure can be written: the rest of it fails with it.
    """

    def __init__(self, area_size: int, chunk_size: int, *, is_sequential: bool = False) -> None:
        """Skip whole chunks; an area too small for that skips nothing."""
        self._chunk_size = chunk_size
        self._most = area_size // _PART // chunk_size * chunk_size
        self._is_sequential = is_sequential
        self._in_a_row = 0
        self._due = 0
        self._error: str | None = None
        self._lock = threading.Lock()

    def failed(self, error: str) -> None:
        """A chunk failed."""
        with self._lock:
            self._in_a_row += 1
            self._error = error
            if self._in_a_row > 1:
                self._due = min(self._chunk_size << min(self._in_a_row - 2, 40), self._most)

    def succeeded(self) -> None:
        """A chunk was written: whatever failed is behind."""
        if not self._in_a_row:
            # Asked without the lock, once a file of a tree: a failure in this very moment counts as one after it.
            return
        with self._lock:
            self._in_a_row = self._due = 0

    def begin_extent(self) -> None:
        """An extent begins: what failed in another one says nothing of it where each stands for itself."""
        if self._error is not None:
            with self._lock:
                self._error = None

    def take(self, left: int) -> tuple[int, str] | None:
        """Return how much of the `left` bytes of an extent to skip before the next try, and why; none for nothing."""
        if not self._due and self._error is None:
            return None
        with self._lock:
            if self._is_sequential:
                return (left, self._error) if self._error is not None else None
            due, self._due = self._due, 0
            return (min(due, left), SKIPPED) if due else None


def chunks(
    layout: Iterable[Extent], start: int, most: int | Callable[[], int], detour: Detour | None = None
) -> Iterator[Chunk]:
    """Yield the layout from byte `start` along it in pieces of at most `most` bytes, none across two extents."""
    ask = most if callable(most) else lambda: most
    position = 0
    for extent in layout:
        begin = min(max(start - position, 0), extent.length)
        if detour is not None:
            detour.begin_extent()
        while begin < extent.length:
            left = extent.length - begin
            length, error = (detour.take(left) if detour is not None else None) or (min(ask(), left), None)
            piece = extent if length == extent.length else Extent(extent.stream, extent.offset + begin, length)
            yield Chunk(position + begin, piece, error, extent)
            begin += length
        position += extent.length
