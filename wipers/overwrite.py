"""Overwriting an area: pattern for that offset, write it, next; what everything that overwrites shares."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from certificates.statements import ConstantPattern, Extent, Failure, Pattern
from wipers.buffers import Buffer
from wipers.model import Writer
from wipers.patterns import fill
from wipers.pipeline import Chunk, Deed, Loop, Milestones, chunks
from wipers.ranges import KEPT, Patience, attempt, coalesce

Advance = Callable[[int, tuple[Failure, ...], int], None]
"""Told a position and what before it (and after the position told last) could not be written: ranges and all bytes."""


class _Failed:
    """What could not be written, by the chunk it lay in, until the mark has passed that chunk."""

    def __init__(self) -> None:
        self._chunks: dict[int, tuple[list[Failure], int]] = {}
        self._kept = 0
        self._lock = threading.Lock()

    def add(self, position: int, failures: list[Failure]) -> None:
        """Keep the ranges while there is room; the bytes are counted in any case."""
        with self._lock:
            size = sum(one.extent.length for one in failures)
            kept = list(coalesce(failures))[: max(KEPT - self._kept, 0)]
            self._chunks[position] = (kept, size)
            self._kept += len(kept)

    def take_before(self, mark: int) -> tuple[tuple[Failure, ...], int]:
        """Return and forget what lies before the mark."""
        with self._lock:
            taken = [self._chunks.pop(position) for position in sorted(self._chunks) if position < mark]
            self._kept -= sum(len(kept) for kept, _ in taken)
        return coalesce(one for kept, _ in taken for one in kept), sum(size for _, size in taken)


def overwrite(
    writer: Writer,
    layout: Iterable[Extent],
    pattern: Pattern,
    *,
    start: int,
    advance: Advance,
    loop: Loop,
) -> int:
    """The layout from byte `start` on holds the pattern, flushed, but for what `advance` was told; return the position.

    Every checkpoint flushes and only then tells the low-water mark that was taken before the flush; the last one comes
    at the end, also of a stopped run, whose position then lies short of the layout's end. Raises Lost, and MediumError
    of a flush: what such a barrier covered is unknown, and the next run begins at the mark told last.
    """
    failed = _Failed()

    def reach(mark: int) -> None:
        writer.flush()
        advance(mark, *failed.take_before(mark))

    def make_deed() -> Deed:
        return _make_deed(writer, pattern, loop.pace.chunk_size, patience, failed)

    patience = Patience()
    milestones = Milestones(loop.pace, start, reach)
    position = loop.run(chunks(layout, start, loop.pace.chunk_size), start, make_deed, milestones)
    milestones.end(position)
    return position


def _make_deed(writer: Writer, pattern: Pattern, chunk_size: int, patience: Patience, failed: _Failed) -> Deed:
    buffer = Buffer(chunk_size)
    is_constant = isinstance(pattern, ConstantPattern)
    if is_constant:
        fill(pattern, 0, 0, buffer.view)

    def write(chunk: Chunk) -> None:
        extent = chunk.extent
        view = buffer.view[: extent.length]
        if not is_constant:
            fill(pattern, extent.stream, extent.offset, view)
        if failures := attempt(writer.write, extent, view, writer.sector_size, patience):
            failed.add(chunk.position, failures)

    return write
