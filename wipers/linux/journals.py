"""Where a file system keeps its journal on the storage below, and which of its blocks still hold what they held."""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from wipers.linux.direct import Storage, page_aligned
from wipers.linux.filesystems import EXT4_MAGIC, NO_JOURNAL, SUPERBLOCK_OFFSET, FileSystem
from wipers.model import Lost, MediumError
from wipers.verdicts import EXT

HAS_JOURNAL = 0x0004
"""s_feature_compat of ext4."""
EXTENT_MAGIC = 0xF30A
JBD2_MAGIC = 0xC03B3998
FAST_COMMIT = 0x20
"""s_feature_incompat of a journal: its last blocks take changes of single files, names among them, in no round."""
FAST_BLOCKS = 256
"""How many, where the journal does not say."""
XFS_MAGIC = b"XFSB"
READ = 1 << 20
"""Bytes of one read."""

Range = tuple[int, int]
"""First byte on the storage below, and length."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The blocks of the storage that a journal goes round in; none where the file system keeps no journal."""

    ranges: tuple[Range, ...]
    block_size: int
    fast: int = 0
    """Blocks at its end that take fast commits."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(length for _, length in self.ranges)


def journal_of(found: FileSystem, storage: Storage | None) -> Journal | None:
    """Return where the file system's journal lies; none where that cannot be told, or it lies on another device."""
    if found.kind in EXT and found.data_mode == NO_JOURNAL:
        return Journal((), found.block_size)
    if storage is None:
        return None
    try:
        if found.kind in EXT:
            return _of_ext4(storage)
        if found.kind == "xfs":
            return _of_xfs(storage)
    except (MediumError, Lost, struct.error, ValueError):
        return None
    return None


def _of_ext4(storage: Storage) -> Journal | None:
    """Take the copy of the journal inode's map that e2fsprogs keeps in the superblock (`s_jnl_blocks`)."""
    found = storage.peek(SUPERBLOCK_OFFSET, 1024)
    if struct.unpack_from("<H", found, 0x38)[0] != EXT4_MAGIC:
        return None
    block_size = 1024 << struct.unpack_from("<I", found, 0x18)[0]
    has_journal = struct.unpack_from("<I", found, 0x5C)[0] & HAS_JOURNAL
    inode, is_kept = struct.unpack_from("<I", found, 0xE0)[0], found[0xFD] == 1
    if not has_journal:
        return Journal((), block_size)
    if not inode or not is_kept:
        return None
    high, low = struct.unpack_from("<II", found, 0x10C + 15 * 4)
    blocks = ((high << 32) + low) // block_size
    kept = found[0x10C : 0x10C + 60]
    is_extents = struct.unpack_from("<H", kept)[0] == EXTENT_MAGIC
    mapped = _extents(storage, kept, block_size) if is_extents else _pointed_to(storage, kept, block_size, blocks)
    return _behind_its_head(storage, tuple(_joined(mapped)), block_size)


def _extents(storage: Storage, node: bytes, block_size: int) -> Iterator[Range]:
    """Yield what a node of an extent tree (ext4_extent_header) leads to, in order."""
    magic, count, _, depth = struct.unpack_from("<HHHH", node)
    if magic != EXTENT_MAGIC:
        raise ValueError("no node of an extent tree")
    for at in range(12, 12 + 12 * count, 12):
        if depth:
            low, high = struct.unpack_from("<IH", node, at + 4)
            yield from _extents(storage, storage.peek(((high << 32) + low) * block_size, block_size), block_size)
        else:
            length, high, low = struct.unpack_from("<HHI", node, at + 4)
            yield ((high << 32) + low) * block_size, length * block_size


def _pointed_to(storage: Storage, pointers: bytes, block_size: int, blocks: int) -> Iterator[Range]:
    """Yield the first blocks of what twelve pointers and three trees of pointers lead to, as ext3 kept them."""

    def below(pointer: int, depth: int) -> Iterator[int]:
        if depth == 0:
            yield pointer
        elif pointer:
            for one in struct.unpack(f"<{block_size // 4}I", storage.peek(pointer * block_size, block_size)):
                yield from below(one, depth - 1)

    left = blocks
    for number, pointer in enumerate(struct.unpack("<15I", pointers)):
        for block in below(pointer, max(number - 11, 0)):
            if not left:
                return
            if not block:
                raise ValueError("a journal has no holes")
            left -= 1
            yield block * block_size, block_size


def _joined(ranges: Iterator[Range]) -> Iterator[Range]:
    """Yield the ranges with those joined that follow one another."""
    waiting: Range | None = None
    for offset, length in ranges:
        if waiting is not None and sum(waiting) == offset:
            waiting = (waiting[0], waiting[1] + length)
            continue
        if waiting is not None:
            yield waiting
        waiting = (offset, length)
    if waiting is not None:
        yield waiting


def _behind_its_head(storage: Storage, ranges: tuple[Range, ...], block_size: int) -> Journal | None:
    """Return the journal without what stands before its first block of log: its superblock is never part of a round."""
    begin, length = ranges[0]
    head = storage.peek(begin, 1024)
    if struct.unpack_from(">I", head)[0] != JBD2_MAGIC:
        return None
    skipped = struct.unpack_from(">I", head, 20)[0] * block_size
    is_fast = struct.unpack_from(">I", head, 0x28)[0] & FAST_COMMIT
    fast = struct.unpack_from(">I", head, 0x54)[0] or FAST_BLOCKS
    return Journal(((begin + skipped, length - skipped), *ranges[1:]), block_size, fast if is_fast else 0)


def _of_xfs(storage: Storage) -> Journal | None:
    """Take the log's place from the superblock (xfs_dsb); a log on another device has none here."""
    found = storage.peek(0, 512)
    if found[:4] != XFS_MAGIC:
        return None
    block_size, group_blocks, blocks = (struct.unpack_from(">I", found, at)[0] for at in (4, 84, 96))
    start, shift = struct.unpack_from(">Q", found, 48)[0], found[124]
    if not start:
        return None
    block = (start >> shift) * group_blocks + (start & ((1 << shift) - 1))
    return Journal(((block * block_size, blocks * block_size),), block_size)


class Round:
    """What each block of a journal held when it was looked at first; blocks without content count as passed."""

    def __init__(self, storage: Storage, journal: Journal) -> None:
        """Look at all blocks; raises MediumError, Lost."""
        self._storage = storage
        self._journal = journal
        self._marks = array("Q", self._marks_now())

    def look(self) -> int:
        """Return the bytes that still hold what they held; raises MediumError, Lost.

        A block that was once seen to hold something else is done with: nothing comes back into a journal.
        """
        for number, mark in enumerate(self._marks_now()):
            if mark != self._marks[number]:
                self._marks[number] = 0
        return sum(1 for mark in self._marks if mark) * self._journal.block_size

    def _marks_now(self) -> Iterator[int]:
        size = self._journal.block_size
        empty, buffer = bytes(size), page_aligned(READ)
        for begin, length in self._journal.ranges:
            for offset in range(begin, begin + length, READ):
                view = buffer[: min(READ, begin + length - offset)]
                self._storage.read(offset, view)
                for at in range(0, len(view), size):
                    yield _mark(view[at : at + size], empty)


def _mark(block: memoryview, empty: bytes) -> int:
    """Return a number that another content would hardly have; 0 for a block of zeros."""
    return 0 if block == empty else int.from_bytes(hashlib.blake2b(block, digest_size=8).digest(), "big") | 1
