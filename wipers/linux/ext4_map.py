"""Whose a block of an ext4 is, read from its own tables below the mount and written nowhere.

Layout: linux/Documentation/filesystems/ext4; ext2 and ext3 are read the same way. The tables are read through the block
device's cache, where the mounted file system keeps what it has changed.
"""

from __future__ import annotations

import stat
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MAGIC = 0xEF53
EXTENTS = 0x00080000
INLINE = 0x10000000
META_BG = 0x0010
BIGALLOC = 0x0200
INODES_UNUSED = 0x1
BLOCKS_UNUSED = 0x2
EXTENT_MAGIC = 0xF30A
LONGEST = 32768
"""Blocks of the longest extent that was written; one that counts more was never written, and is that much shorter."""
JOURNAL = 8
"""Inode of the journal where the superblock names none."""

Read = Callable[[int, int], bytes]
"""Takes an offset and a length, and returns the bytes there; raises OSError."""


class Owned(NamedTuple):
    """Whose a block is."""

    inode: int
    """Inode; 0: the file system's own."""
    mode: int
    """Its type and permissions; 0 for what is no content of an inode."""
    is_written: bool
    """Whether the inode ever wrote it."""
    beyond: int
    """Bytes from the block's begin to the end of the file; negative where the whole block lies behind it."""


FREE = Owned(-1, 0, False, 0)
"""Nobody's."""
TABLES = Owned(0, 0, True, 0)
"""The file system's."""


@dataclass(frozen=True, slots=True)
class _Group:
    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    flags: int


class Ext4Map:
    """The tables of one ext4."""

    def __init__(self, read: Read) -> None:
        """Read superblock and group descriptors; raises OSError, and ValueError for a layout that is not known here."""
        self._read = read
        head = read(1024, 1024)
        if struct.unpack_from("<H", head, 0x38)[0] != MAGIC:
            raise ValueError("no ext4")
        incompat, read_only = struct.unpack_from("<II", head, 0x60)
        if incompat & META_BG or read_only & BIGALLOC:
            raise ValueError("groups laid out in another way")
        self.block_size = 1024 << struct.unpack_from("<I", head, 0x18)[0]
        low, high = struct.unpack_from("<I", head, 0x4)[0], struct.unpack_from("<I", head, 0x150)[0]
        self.blocks = low | (high << 32 if incompat & 0x80 else 0)
        (self._first,) = struct.unpack_from("<I", head, 0x14)
        (self._per_group,) = struct.unpack_from("<I", head, 0x20)
        (self._inodes_per_group,) = struct.unpack_from("<I", head, 0x28)
        revision = struct.unpack_from("<I", head, 0x4C)[0]
        self._inode_size = struct.unpack_from("<H", head, 0x58)[0] if revision else 128
        self._desc_size = max(struct.unpack_from("<H", head, 0xFE)[0], 32) if incompat & 0x80 else 32
        self.journal = struct.unpack_from("<I", head, 0xE0)[0] or JOURNAL
        self._groups = tuple(self._read_groups())
        self._own = {block for group in self._groups for block in (group.block_bitmap, group.inode_bitmap)}
        self._tables = sorted((group.inode_table, number) for number, group in enumerate(self._groups))
        self._bitmaps: dict[int, bytes] = {}

    def owners(self, blocks: Sequence[int]) -> dict[int, Owned]:
        """Return whose each block is; one that nobody could be found for is left out."""
        found: dict[int, Owned] = {}
        sought: list[int] = []
        for block in sorted(set(blocks)):
            known = self._at_once(block)
            if known is None:
                sought.append(block)
            else:
                found[block] = known
        if sought:
            self._find(sought, found)
        return found

    def _at_once(self, block: int) -> Owned | None:
        """Return what the tables say of a block without looking at inodes; none where an inode has it."""
        if block in self._own or block < self._first or self._table_at(block) is not None:
            return TABLES
        group, bit = divmod(block - self._first, self._per_group)
        if group >= len(self._groups):
            return TABLES
        if self._groups[group].flags & BLOCKS_UNUSED:
            return FREE
        return None if _is_set(self._bitmap(self._groups[group].block_bitmap), bit) else FREE

    def _table_at(self, block: int) -> int | None:
        """Return the number of the group whose inodes stand in the block."""
        at = bisect_left(self._tables, (block + 1, 0)) - 1
        length = -(-self._inodes_per_group * self._inode_size // self.block_size)
        return self._tables[at][1] if at >= 0 and block < self._tables[at][0] + length else None

    def inode_at(self, position: int) -> tuple[int, bool] | None:
        """Return the inode whose record holds the byte at this position, and whether it is in use; none elsewhere."""
        number = self._table_at(position // self.block_size)
        if number is None:
            return None
        group = self._groups[number]
        at = (position - group.inode_table * self.block_size) // self._inode_size
        in_use = not group.flags & INODES_UNUSED and _is_set(self._bitmap(group.inode_bitmap), at)
        return number * self._inodes_per_group + at + 1, in_use

    def _find(self, sought: list[int], found: dict[int, Owned]) -> None:
        """Look through all inodes until every block has its owner."""
        left = set(sought)
        for number, record in self._inodes():
            for begin, length, owned, first in self._runs(number, record):
                at = bisect_left(sought, begin)
                while at < len(sought) and sought[at] < begin + length:
                    block = sought[at]
                    beyond = owned.beyond - (first + block - begin) * self.block_size
                    found[block] = owned._replace(beyond=beyond)
                    left.discard(block)
                    at += 1
            if not left:
                return

    def _inodes(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and record of every inode in use."""
        for number, group in enumerate(self._groups):
            if group.flags & INODES_UNUSED:
                continue
            used = self._bitmap(group.inode_bitmap)
            step = max(1, (1 << 18) // self._inode_size)
            for begin in range(0, self._inodes_per_group, step):
                count = min(step, self._inodes_per_group - begin)
                if not any(used[begin // 8 : (begin + count + 7) // 8]):
                    continue
                offset = group.inode_table * self.block_size + begin * self._inode_size
                records = self._read(offset, count * self._inode_size)
                for at in range(count):
                    if _is_set(used, begin + at):
                        record = records[at * self._inode_size : (at + 1) * self._inode_size]
                        yield number * self._inodes_per_group + begin + at + 1, record

    def _runs(self, number: int, record: bytes) -> Iterator[tuple[int, int, Owned, int]]:
        """Yield the blocks of an inode as first, count, owner with its size, and first block within the file."""
        mode = struct.unpack_from("<H", record, 0)[0]
        flags = struct.unpack_from("<I", record, 0x20)[0]
        size = struct.unpack_from("<I", record, 4)[0] | struct.unpack_from("<I", record, 0x6C)[0] << 32
        attributes = struct.unpack_from("<I", record, 0x68)[0] | struct.unpack_from("<H", record, 0x76)[0] << 32
        if attributes:
            yield attributes, 1, Owned(number, 0, True, self.block_size), 0
        is_link = stat.S_ISLNK(mode) and size < 60
        if flags & INLINE or is_link or stat.S_IFMT(mode) not in {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
            return
        owned = Owned(number, mode, True, size)
        root = record[0x28:0x64]
        yield from self._extents(owned, root) if flags & EXTENTS else self._indirect(owned, root)

    def _extents(self, owned: Owned, node: bytes) -> Iterator[tuple[int, int, Owned, int]]:
        magic, entries, _, depth = struct.unpack_from("<4H", node)
        if magic != EXTENT_MAGIC:
            return
        for at in range(12, 12 + min(entries, (len(node) - 12) // 12) * 12, 12):
            first, count, high, low = struct.unpack_from("<IHHI", node, at)
            if depth == 0:
                written = count <= LONGEST
                length = count if written else count - LONGEST
                yield low | high << 32, length, owned._replace(is_written=written), first
            else:
                leaf, leaf_high = struct.unpack_from("<IH", node, at + 4)
                below = leaf | leaf_high << 32
                yield below, 1, owned._replace(mode=0), 0
                if 0 < below < self.blocks:
                    yield from self._extents(owned, self._read(below * self.block_size, self.block_size))

    def _indirect(self, owned: Owned, root: bytes) -> Iterator[tuple[int, int, Owned, int]]:
        """Yield the blocks of an inode of ext2 or ext3: twelve direct ones, then through one to three levels."""
        pointers = struct.unpack("<15I", root)
        first = 0
        for level, pointer in zip((*(0,) * 12, 1, 2, 3), pointers, strict=True):
            yield from self._pointed(owned, pointer, level, first)
            first += (self.block_size // 4) ** level

    def _pointed(self, owned: Owned, pointer: int, level: int, first: int) -> Iterator[tuple[int, int, Owned, int]]:
        if not 0 < pointer < self.blocks:
            return
        if level == 0:
            yield pointer, 1, owned, first
            return
        yield pointer, 1, owned._replace(mode=0), 0
        each = (self.block_size // 4) ** (level - 1)
        table = struct.unpack(f"<{self.block_size // 4}I", self._read(pointer * self.block_size, self.block_size))
        for at, below in enumerate(table):
            yield from self._pointed(owned, below, level - 1, first + at * each)

    def _read_groups(self) -> Iterator[_Group]:
        count = -(-(self.blocks - self._first) // self._per_group)
        table = self._read((self._first + 1) * self.block_size, count * self._desc_size)
        for at in range(0, count * self._desc_size, self._desc_size):
            low = struct.unpack_from("<3I", table, at)
            high = struct.unpack_from("<3I", table, at + 0x20) if self._desc_size >= 64 else (0, 0, 0)
            blocks, inodes, records = (one | more << 32 for one, more in zip(low, high, strict=True))
            yield _Group(blocks, inodes, records, struct.unpack_from("<H", table, at + 0x12)[0])

    def _bitmap(self, block: int) -> bytes:
        if block not in self._bitmaps:
            self._bitmaps[block] = self._read(block * self.block_size, self.block_size)
        return self._bitmaps[block]


def _is_set(bitmap: bytes, bit: int) -> bool:
    return bool(bitmap[bit // 8] >> bit % 8 & 1)
