"""Before a resumed step goes on: what its journal says is on the medium is read, the last of it whole.

A journal is written after a flush, and a flush may lie: then the power cut took what the journal counts as done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from certificates.sampling import blocks_of, positions, sample_size
from certificates.statements import Extent, Failure, Pattern
from wipers.model import Reader
from wipers.pipeline import Loop
from wipers.readback import read_back_all, read_back_sample

CONFIDENCE_PPM, FRACTION_PPM = 990_000, 10_000
"""What the sample finds: with 99 % confidence a medium of which 1 % is not what was written."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a re-proof read, in blocks."""

    blocks: int
    mismatched: int
    unread: int
    is_whole: bool
    """It was not stopped before its end."""
    matched_size: int
    """Bytes that are what is claimed, also in blocks that differ elsewhere."""

    @property
    def shows_nothing(self) -> bool:
        """Tell whether of all that was read not one sector is what is claimed."""
        return self.mismatched > 0 and self.matched_size == 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a journal says is on the medium."""

    pattern: Pattern
    position: int
    """Bytes along the layout."""
    stretch: int
    """Position of the checkpoint before the last one: what came after it was flushed last."""
    failures: tuple[Failure, ...] = field(default=())
    """Ranges before the position that were not written, all of them."""


Layout = Callable[[], Iterable[Extent]]
"""Begins the layout anew: it may be too long to keep."""


def reprove(reader: Reader, layout: Layout, claimed: Claimed, seed: bytes, loop: Loop) -> Proof:
    """Return how much of what is claimed differs; the caller settled the reader.

    What was flushed last is read whole, of all before it a sample that the seed chooses. Raises Lost.
    """
    sampled = sample(reader, _written(layout, claimed, 0, claimed.stretch), claimed.pattern, seed, loop)
    last = _written(layout, claimed, claimed.stretch, claimed.position)
    whole = read_back_all(reader, last(), claimed.pattern, loop)
    return Proof(
        blocks=sampled.blocks + blocks_of(whole.position),
        mismatched=sampled.mismatched + blocks_of(whole.mismatched_size),
        unread=sampled.unread + blocks_of(whole.unread_size),
        is_whole=sampled.is_whole and whole.position == sum(one.length for one in last()),
        matched_size=sampled.matched_size + whole.matched,
    )


def sample(reader: Reader, layout: Layout, pattern: Pattern, seed: bytes, loop: Loop) -> Proof:
    """Return how blocks of the layout that the seed chooses compare with the pattern; raises Lost."""
    blocks = blocks_of(sum(one.length for one in layout()))
    count = sample_size(blocks, CONFIDENCE_PPM, FRACTION_PPM) if blocks else 0
    chosen = positions(hashlib.sha256(seed).digest(), blocks, count)
    found = read_back_sample(reader, layout(), pattern, chosen, loop=loop)
    return Proof(
        blocks=found.looked_at,
        mismatched=found.mismatched_blocks,
        unread=found.unread_blocks,
        is_whole=found.looked_at == len(chosen),
        matched_size=found.matched_size,
    )


def _written(layout: Layout, claimed: Claimed, begin: int, end: int) -> Layout:
    """Return the layout between two positions without the ranges that failed."""
    return lambda: without(between(layout(), begin, end), claimed.failures)


def between(layout: Iterable[Extent], begin: int, end: int) -> Iterator[Extent]:
    """Yield the part of a layout from byte `begin` along it up to `end`."""
    position = 0
    for extent in layout:
        first, last = max(begin - position, 0), min(end - position, extent.length)
        if first < last:
            yield Extent(extent.stream, extent.offset + first, last - first)
        position += extent.length
        if position >= end:
            return


def without(layout: Iterable[Extent], failures: Iterable[Failure]) -> Iterator[Extent]:
    """Yield the layout's extents with the failed ranges, which do not overlap, cut out."""
    failed: dict[int, list[Extent]] = {}
    for one in sorted(failures, key=lambda failure: failure.extent.offset):
        failed.setdefault(one.extent.stream, []).append(one.extent)
    for extent in layout:
        begin, end = extent.offset, extent.offset + extent.length
        for hole in failed.get(extent.stream, ()):
            if begin < hole.offset < end:
                yield Extent(extent.stream, begin, hole.offset - begin)
            if begin < hole.offset + hole.length and hole.offset < end:
                begin = hole.offset + hole.length
        if begin < end:
            yield Extent(extent.stream, begin, end - begin)
