"""Closing in on what a pass went round: from the far end backwards, then by halves down to the sectors that fail.

A pass leaves coarse ranges: chunks that failed, and what was skipped behind them. Here every skipped range is written
from its far end backwards until something fails; whatever is left is halved, the far half first. What succeeds is no
longer a failure. Patience is bounded in attempts and in time; where it ends, what was not tried stays a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from certificates.statements import Extent, Failure, Pattern
from wipers.course import SKIPPED, Chunk
from wipers.model import MediumError, Writer
from wipers.overwrite import PatternWriter
from wipers.pipeline import Deed, Loop, Milestones
from wipers.ranges import KEPT, Patience, coalesce, halves

TRIES = 2
"""How often a single sector is tried here before it is taken for bad: some come back at the second."""
ATTEMPTS = 1 << 14
"""Failed attempts at most: megabytes of bad sectors in a row; where each takes long, an hour of them comes first."""
_CHECKPOINT_SECONDS = 300.0
"""Seconds between two checkpoints: each journals all that is left, and redoing five minutes is cheap beside that."""

Told = Callable[[tuple[Failure, ...], int], None]
"""Told the ranges that still fail, the first 4096, and all bytes that do; everything else is flushed."""


def revisit(
    writer: Writer,
    pattern: Pattern,
    failures: tuple[Failure, ...],
    unlisted: int,
    *,
    told: Told,
    loop: Loop,
    attempts: int = ATTEMPTS,
) -> bool:
    """What can be written of the failed ranges is, flushed, and `told` what is left; tell whether this came to its end.

    `unlisted` bytes failed in ranges that nobody kept: they stay failures. Raises Lost, and MediumError of a flush.
    """
    patience = Patience(attempts, clock=loop.pace.clock)
    left = _Left(failures, loop.pace.chunk_size, patience)

    def make_deed() -> Deed:
        return _Closing(writer, pattern, loop.pace.chunk_size, patience, left).close_in

    def reach(_: int) -> None:
        ranges = left.failures()
        told(ranges[:KEPT], sum(one.extent.length for one in ranges) + unlisted)

    pace = replace(loop.pace, checkpoint_size=1 << 62, checkpoint_seconds=_CHECKPOINT_SECONDS)
    milestones = Milestones(pace, 0, reach, writer.flush)
    end = loop.run(left.pieces(), 0, make_deed, milestones)
    # One more than the end: the last piece is settled only now, whatever checkpoint came with it.
    loop.end(milestones, end + 1)
    return left.is_done


class _Left:
    """What still fails, and in which order it is approached; one piece of it is in the air."""

    def __init__(self, failures: tuple[Failure, ...], chunk_size: int, patience: Patience) -> None:
        self._waiting = list(failures)
        self._current: list[Failure] = []
        self._approached: list[Failure] = []
        self._settled: list[Failure] = []
        self._chunk_size = chunk_size
        self._patience = patience
        self.found: list[Failure] = []
        self.is_done = False

    def failures(self) -> tuple[Failure, ...]:
        """Return all that still fails; a piece in the air counts, for it may."""
        return coalesce((*self._waiting, *self._current, *self._approached, *self._settled))

    def pieces(self) -> Iterator[Chunk]:
        """Yield what to try next; one with an error has been tried whole already, and is to be halved."""
        position = 0
        for stage in (self._approach, self._narrow):
            for piece, error in stage():
                yield Chunk(position, piece, error)
                position += piece.length
        self.is_done = True

    def _approach(self) -> Iterator[tuple[Extent, str | None]]:
        """Take every skipped range from its far end backwards, until something in it fails."""
        while self._waiting:
            one = self._waiting.pop()
            if one.error == SKIPPED:
                yield from self._backwards(one)
            else:
                self._approached.append(one)
        self._waiting, self._approached = self._approached[::-1], []

    def _backwards(self, one: Failure) -> Iterator[tuple[Extent, str | None]]:
        rest: Failure | None = one
        while rest is not None and not self._patience.is_spent:
            piece, before = self._cut(rest)
            self._current = [rest]
            yield piece, None
            rest, self._current = before, []
            if self.found:
                self._approached += self.found
                break
        self._approached += [rest] if rest is not None else []

    def _narrow(self) -> Iterator[tuple[Extent, str | None]]:
        """Take whatever is left from the far end, a chunk at a time, down to the sectors that fail."""
        while self._waiting and not self._patience.is_spent:
            one = self._waiting.pop()
            piece, before = self._cut(one)
            self._waiting += [before] if before is not None else []
            self._current = self.found = [Failure(piece, one.error)]
            if one.error == SKIPPED:
                yield piece, None
            for failed in self.found:
                yield piece, failed.error
            self._settled += self.found
            self._current = []

    def _cut(self, one: Failure) -> tuple[Extent, Failure | None]:
        """Return the last chunk of a range, and what lies before it."""
        length = one.extent.length % self._chunk_size or self._chunk_size
        begin = one.extent.offset + one.extent.length - length
        before = Extent(one.extent.stream, one.extent.offset, one.extent.length - length)
        return Extent(one.extent.stream, begin, length), (Failure(before, one.error) if before.length else None)


class _Closing:
    """What one thread does with a piece."""

    def __init__(self, writer: Writer, pattern: Pattern, chunk_size: int, patience: Patience, left: _Left) -> None:
        self._writer = writer
        self._source = PatternWriter(writer, pattern, chunk_size)
        self._patience = patience
        self._left = left

    def close_in(self, chunk: Chunk) -> int:
        """Try the piece whole, or by halves if that is known to fail; return the bytes that were written."""
        view = self._source.view(chunk.extent)
        failed = self._halve(chunk.extent, view, chunk.error) if chunk.error else self._try(chunk.extent, view)
        self._left.found = failed
        return chunk.extent.length - sum(one.extent.length for one in failed)

    def _try(self, extent: Extent, view: memoryview) -> list[Failure]:
        """Write the extent, or return it as a failure."""
        began = self._patience.clock()
        try:
            self._writer.write(extent.stream, extent.offset, view)
        except MediumError as error:
            self._patience.spend(began)
            return [Failure(extent, error.error)]
        return []

    def _halve(self, extent: Extent, view: memoryview, error: str) -> list[Failure]:
        """Write what can be written, the far half first, and return the sectors that fail, or what was not tried."""
        failed: list[Failure] = []
        sector = self._writer.sector_size
        waiting = [*halves(extent, sector)] if extent.length > sector else [extent]
        while waiting:
            part = waiting.pop()
            if self._patience.is_spent:
                failed.append(Failure(part, error))
                continue
            begin = part.offset - extent.offset
            found = self._try_sector if part.length <= sector else self._try
            still = found(part, view[begin : begin + part.length])
            if still and part.length > sector:
                waiting += halves(part, sector)
            else:
                failed += still
        return failed

    def _try_sector(self, extent: Extent, view: memoryview) -> list[Failure]:
        still: list[Failure] = []
        for _ in range(TRIES):
            still = self._try(extent, view)
            if not still:
                break
        return still
