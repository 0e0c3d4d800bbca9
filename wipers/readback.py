"""Reading back: chunk or sampled block, regenerate what it must hold, compare; differences narrowed to sectors."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from certificates.sampling import BLOCK_SIZE
from certificates.statements import ConstantPattern, Extent, Failure, Pattern
from wipers.buffers import Buffer, full_of, is_equal
from wipers.model import Reader
from wipers.patterns import PIECE, Source, fill, source_at
from wipers.pipeline import Chunk, Deed, Loop, chunks
from wipers.ranges import Patience, Tally, attempt

_DIFFERS = "differs"
"""Mark of a range that was read and is not the pattern; never leaves this module."""


@dataclass(frozen=True, slots=True)
class FullFindings:
    """What a full read-back found, in bytes."""

    position: int
    """Bytes that were looked at; short of the area's size if the run was stopped."""
    mismatched: tuple[Extent, ...]
    mismatched_size: int
    unread: tuple[Failure, ...]
    unread_size: int

    @property
    def matched(self) -> int:
        """Bytes that equal the pattern."""
        return self.position - self.mismatched_size - self.unread_size


@dataclass(frozen=True, slots=True)
class SampleFindings:
    """What a sampled read-back found, in blocks."""

    looked_at: int
    """Blocks that were asked for; fewer than the positions if the run was stopped."""
    read: int
    """Blocks of the sample read whole."""
    samples: str
    """Hex of SHA-256 over the digests of the sample's blocks that were read, in order of position."""
    anchors_read: int
    """Blocks read whole that were asked for beside the sample."""
    anchor_samples: str
    """The same over these."""
    raw: bytes | None
    """The bytes of all blocks that match, in order of position; none unless asked for."""
    mismatched: tuple[Extent, ...]
    mismatched_blocks: int
    unread: tuple[Failure, ...]
    unread_blocks: int
    matched_size: int
    """Bytes that equal the pattern, also in blocks that differ elsewhere."""


def read_back_all(
    reader: Reader,
    layout: Iterable[Extent],
    pattern: Pattern,
    loop: Loop,
    noticed: Callable[[], None] = lambda: None,
) -> FullFindings:
    """Return how every byte of the layout compares with the pattern; raises Lost. The caller settled the reader.

    `noticed` is called for each chunk that does not match whole.
    """
    differing, unread, patience = Tally(), Tally(), Patience()

    def make_deed() -> Deed:
        comparison = _Comparison(reader, pattern, loop.pace.chunk_size, patience)

        def compare(chunk: Chunk) -> int:
            failures, differences = comparison.of(chunk.extent)
            if not failures and not differences:
                return chunk.extent.length
            unread.add(failures)
            differing.add(differences)
            noticed()
            return chunk.extent.length - sum(one.extent.length for one in failures)

        return compare

    position = loop.run(chunks(layout, 0, loop.most), 0, make_deed)
    mismatched = tuple(one.extent for one in differing.ranges())
    return FullFindings(position, mismatched, differing.size, unread.ranges(), unread.size)


class _Comparison:
    """One thread's two buffers: what was read, and a piece of what should have been."""

    def __init__(self, reader: Reader, pattern: Pattern, size: int, patience: Patience) -> None:
        self._reader = reader
        self._pattern = pattern
        self._patience = patience
        self._read = Buffer(size)
        constant = int(pattern.byte, 16) if isinstance(pattern, ConstantPattern) else None
        self._expected = Buffer(PIECE) if constant is None else full_of(constant, PIECE)

    @property
    def read(self) -> memoryview:
        """What the last extent held."""
        return self._read.view

    def of(self, extent: Extent) -> tuple[list[Failure], list[Failure]]:
        """Return the sectors of the extent that could not be read, and those that differ."""
        reader = self._reader
        view = self._read.view[: extent.length]
        failures = attempt(reader.read, extent, view, reader.sector_size, self._patience)
        source = self._source(extent)
        if extent.length <= PIECE:
            # One piece, as nearly every file of a tree is.
            return failures, list(self._differences(extent, extent, source, failures))
        return failures, [
            one for piece in _pieces(extent) for one in self._differences(piece, extent, source, failures)
        ]

    def _source(self, extent: Extent) -> Source:
        """Return what makes the expected bytes; a constant stands in the buffer already."""
        if isinstance(self._pattern, ConstantPattern):
            return lambda _: None
        if extent.length <= PIECE:
            return lambda view: fill(self._pattern, extent.stream, extent.offset, view)
        return source_at(self._pattern, extent.stream, extent.offset)

    def _differences(self, piece: Extent, extent: Extent, source: Source, failures: list[Failure]) -> Iterator[Failure]:
        """Compare the piece, then, if it differs, sector by sector; what was not read is told as unread alone."""
        source(self._expected.view[: piece.length])
        start = piece.offset - extent.offset
        if not failures and is_equal(self._read, start, self._expected, 0, piece.length):
            return
        step = self._reader.sector_size
        unread = [(one.extent.offset - extent.offset, one.extent.length) for one in failures]
        for begin in range(0, piece.length, step):
            length = min(step, piece.length - begin)
            if any(first <= start + begin < first + size for first, size in unread):
                continue
            if not is_equal(self._read, start + begin, self._expected, begin, length):
                yield Failure(Extent(piece.stream, piece.offset + begin, length), _DIFFERS)


def _pieces(extent: Extent) -> Iterator[Extent]:
    """Cut where the expected bytes are made anew: whole sectors, but for the last."""
    for begin in range(0, extent.length, PIECE):
        yield Extent(extent.stream, extent.offset + begin, min(PIECE, extent.length - begin))


@dataclass(frozen=True, slots=True)
class _Block:
    """One block as it was read."""

    data: bytes | None
    """Its bytes where they match; none where they differ: what is left there must not leave the host in any form."""

    @property
    def digest(self) -> bytes:
        """What the block counts as in the digest over all."""
        return DIFFERING if self.data is None else hashlib.sha256(self.data).digest()


DIFFERING = bytes(32)
"""A block that differs counts as this: the digest of what is left there would let anyone test a guess of it."""


class _Samples:
    """Blocks that end in any order, hashed in order of position; keeps only those that came too early."""

    def __init__(self, *, keeps_raw: bool, is_anchor: Callable[[int], bool]) -> None:
        self._hashes = (hashlib.sha256(), hashlib.sha256())
        self._counts = [0, 0]
        self._early: dict[int, _Block | None] = {}
        self._raw = bytearray() if keeps_raw else None
        self._is_anchor = is_anchor
        self._next = 0
        self._lock = threading.Lock()

    def add(self, number: int, block: _Block | None) -> None:
        """Take the sample of that number; none if the block could not be read."""
        with self._lock:
            self._early[number] = block
            while self._next in self._early:
                found = self._early.pop(self._next)
                if found is not None:
                    self._take(found, self._is_anchor(self._next))
                self._next += 1

    def _take(self, block: _Block, group: int) -> None:
        self._hashes[group].update(block.digest)
        self._counts[group] += 1
        if self._raw is not None and block.data is not None:
            self._raw += block.data

    def findings(self, differing: Tally, unread: Tally, counts: dict[str, int]) -> SampleFindings:
        """Return what all blocks together showed."""
        sample, anchors = (one.hexdigest() for one in self._hashes)
        return SampleFindings(
            looked_at=self._next,
            read=self._counts[False],
            samples=sample,
            anchors_read=self._counts[True],
            anchor_samples=anchors,
            raw=bytes(self._raw) if self._raw is not None else None,
            mismatched=tuple(one.extent for one in differing.ranges()),
            mismatched_blocks=counts["differing"],
            unread=unread.ranges(),
            unread_blocks=counts["unread"],
            matched_size=counts["matched"],
        )


def read_back_sample(
    reader: Reader,
    layout: Iterable[Extent],
    pattern: Pattern,
    positions: tuple[int, ...],
    *,
    loop: Loop,
    anchors: frozenset[int] = frozenset(),
    keeps_raw: bool = False,
    noticed: Callable[[], None] = lambda: None,
) -> SampleFindings:
    """Return how the blocks at the positions (ascending, in blocks along the layout) compare; raises Lost.

    Those of the positions that are `anchors` are told apart from the sample; `noticed` as above.
    """
    differing, unread, patience = Tally(), Tally(), Patience()
    samples = _Samples(keeps_raw=keeps_raw, is_anchor=lambda number: positions[number] in anchors)
    blocks: dict[int, tuple[Extent, ...]] = {}
    counts = {"differing": 0, "unread": 0, "matched": 0}
    lock = threading.Lock()

    def make_deed() -> Deed:
        comparison = _Comparison(reader, pattern, BLOCK_SIZE, patience)

        def compare(chunk: Chunk) -> None:
            parts = blocks.pop(chunk.position)
            failures, differences, data = _compare_block(comparison, parts)
            samples.add(chunk.position, None if failures else _Block(None if differences else data))
            unread.add(failures)
            differing.add(Failure(part, _DIFFERS) for part in parts if differences)
            with lock:
                counts["unread"] += bool(failures)
                counts["differing"] += bool(differences)
                counts["matched"] += len(data) - sum(one.extent.length for one in (*failures, *differences))
            if failures or differences:
                noticed()

        return compare

    loop.run(_numbered(blocks_at(layout, positions), blocks), 0, make_deed)
    return samples.findings(differing, unread, counts)


def _compare_block(comparison: _Comparison, parts: tuple[Extent, ...]) -> tuple[list[Failure], list[Failure], bytes]:
    """Return the block's unread and differing sectors, and its bytes as read."""
    failures: list[Failure] = []
    differences: list[Failure] = []
    data = bytearray()
    for part in parts:
        unread, differs = comparison.of(part)
        failures += unread
        differences += differs
        data += comparison.read[: part.length]
    return failures, differences, bytes(data)


def _numbered(found: Iterator[tuple[Extent, ...]], blocks: dict[int, tuple[Extent, ...]]) -> Iterator[Chunk]:
    """Yield one chunk a sample, whose position is the sample's number; its extents wait in `blocks`."""
    for number, parts in enumerate(found):
        blocks[number] = parts
        yield Chunk(number, Extent(parts[0].stream, parts[0].offset, 1))


def blocks_at(layout: Iterable[Extent], positions: tuple[int, ...]) -> Iterator[tuple[Extent, ...]]:
    """Yield the extents of each block: more than one where two extents meet inside it; the last may be short."""
    extents = iter(layout)
    begin, extent = 0, next(extents, None)
    for position in positions:
        start, end = position * BLOCK_SIZE, (position + 1) * BLOCK_SIZE
        parts: list[Extent] = []
        while extent is not None:
            first, last = max(start, begin), min(end, begin + extent.length)
            if first < last:
                parts.append(Extent(extent.stream, extent.offset + first - begin, last - first))
            if end < begin + extent.length:
                break
            begin, extent = begin + extent.length, next(extents, None)
        if not parts:
            return
        yield tuple(parts)
