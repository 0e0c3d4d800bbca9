"""Overwriting an area: pattern for that offset, write it, next; what everything that overwrites shares.

A chunk that fails is noted whole and gone round, so that the good rest of a dying disk is overwritten first; `rescue`
closes in on it afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from certificates.statements import ConstantPattern, Extent, Failure, Pattern
from wipers.buffers import Buffer, full_of
from wipers.course import Chunk, Detour, chunks
from wipers.model import MediumError, Writer
from wipers.patterns import fill
from wipers.pipeline import Deed, Loop, Milestones
from wipers.ranges import KEPT, coalesce

Advance = Callable[[int, tuple[Failure, ...], int], None]
"""Told a position and what before it (and after the position told last) could not be written: ranges and all bytes."""


class _Failed:
    """What could not be written, by the chunk it lay in, until the mark has passed that chunk."""

    def __init__(self) -> None:
        self._chunks: dict[int, Failure] = {}
        self._lock = threading.Lock()

    def add(self, chunk: Chunk, error: str) -> None:
        """Keep the chunk as a failure."""
        with self._lock:
            self._chunks[chunk.position] = Failure(chunk.extent, error)

    def take_before(self, mark: int) -> tuple[tuple[Failure, ...], int]:
        """Return and forget what lies before the mark: the first ranges, and all bytes."""
        with self._lock:
            taken = [self._chunks.pop(position) for position in sorted(self._chunks) if position < mark]
        return coalesce(taken)[:KEPT], sum(one.extent.length for one in taken)


def overwrite(
    writer: Writer,
    layout: Iterable[Extent],
    pattern: Pattern,
    *,
    start: int,
    advance: Advance,
    loop: Loop,
    size: int = 0,
) -> int:
    """The layout from byte `start` on holds the pattern, flushed, but for what `advance` was told; return the position.

    Every checkpoint flushes and only then tells the low-water mark that was taken before the flush; the last one comes
    at the end, also of a stopped run, whose position then lies short of the layout's end. The area's `size` bounds how
    far failures are gone round. Where extents are written in order only, marks are ends of extents. Raises Lost, and
    MediumError of a flush: what such a barrier covered is unknown, and the next run begins at the mark told last.
    """
    is_sequential = writer.advice().is_sequential
    if is_sequential:
        loop = loop.in_order()
    failed = _Failed()
    detour = Detour(size, loop.pace.chunk_size, is_sequential=is_sequential)

    def reach(mark: int) -> None:
        advance(mark, *failed.take_before(mark))

    def make_deed() -> Deed:
        return _make_deed(writer, pattern, loop.pace.chunk_size, detour, failed)

    milestones = Milestones(loop.pace, start, reach, writer.flush)
    waiting = chunks(layout, start, loop.most, detour)
    position = loop.run(waiting, start, make_deed, milestones, whole_extents=is_sequential)
    loop.end(milestones, position)
    return position


class PatternWriter:
    """One thread's buffer, which holds what is to be written."""

    def __init__(self, writer: Writer, pattern: Pattern, size: int) -> None:
        """Hold at most `size` bytes."""
        self._writer = writer
        self._pattern = pattern
        self._is_constant = isinstance(pattern, ConstantPattern)
        constant = int(pattern.byte, 16) if isinstance(pattern, ConstantPattern) else None
        self._buffer = Buffer(size) if constant is None else full_of(constant, size)

    def view(self, extent: Extent) -> memoryview:
        """Return the bytes that the extent shall hold."""
        view = self._buffer.view[: extent.length]
        if not self._is_constant:
            fill(self._pattern, extent.stream, extent.offset, view)
        return view

    def write(self, extent: Extent) -> None:
        """The extent is written; raises MediumError, Lost."""
        self._writer.write(extent.stream, extent.offset, self.view(extent))


def _make_deed(writer: Writer, pattern: Pattern, chunk_size: int, detour: Detour, failed: _Failed) -> Deed:
    pattern_writer = PatternWriter(writer, pattern, chunk_size)
    is_sequential = writer.advice().is_sequential

    def write(chunk: Chunk) -> int:
        if chunk.error is not None:
            failed.add(chunk, chunk.error)
            return 0
        try:
            if is_sequential and chunk.is_first:
                writer.prepare(chunk.whole or chunk.extent)
            pattern_writer.write(chunk.extent)
        except MediumError as error:
            failed.add(chunk, error.error)
            detour.failed(error.error)
            return 0
        detour.succeeded()
        return chunk.extent.length

    return write
