"""What ext4's directories keep of names that are gone, as their blocks show it, and filling the gaps where they stood.

A name that is removed leaves a gap that belongs to the entry before it. Linux clears the gap since 5.13, but not the
copies that stay behind when an indexed directory splits a block. A new entry takes a gap whole, and is cleared with all
of it when it is removed again: that is how a gap is filled (linux/fs/ext4/namei.c). A gap too short for any entry,
behind one that stays, is reached by another split alone, whose copies stand in a gap that is long enough.
"""

from __future__ import annotations

import errno
import os
import secrets
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from wipers.linux.extents import Span, map_extents
from wipers.linux.filesystems import SUPERBLOCK_OFFSET, inode_flags
from wipers.linux.indexed import LONGEST, Gap, names_beyond, names_into, tree_of

INDEXED = 0x00001000
"""Inode flag of a directory with a tree of hashes (EXT4_INDEX_FL)."""
NOT_PLAIN = 0x00000800 | 0x10000000 | 0x40000000
"""Inode flags of a directory whose entries stand encrypted, inside the inode, or without regard to case."""
MARK = "user.expunge-fill"
"""Attribute of the one file that all filling names lead to: what a crash leaves is known by it."""
LEAST = 12
"""Bytes of the shortest entry there is."""
PATIENCE = 8
"""Rounds in a row that reach nothing more, after which a directory that still keeps names is given up."""
TRIES = 100_000
"""Names that are tried at most in one round, for a hash that leads where one is wanted."""
NOT_HERE = frozenset({errno.EOPNOTSUPP, errno.ENOSPC, errno.EDQUOT, errno.EMLINK})
DIGITS = frozenset(b"0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Gaps:
    """The gaps of a directory's blocks, in the order in which the file system looks for room."""

    leaves: dict[int, list[Gap]]
    """Those that an entry can be put into, by the number of the block; of an indexed directory only of blocks in which
    something stands."""
    index: dict[int, bytes]
    """Blocks of the tree of hashes; none where entries stand in the order of their coming."""
    stale: int
    """Bytes other than zero in all of them."""
    lost: int
    """Bytes other than zero where no entry can be put."""
    cramped: frozenset[int]
    """Blocks of an indexed directory in which some of those stand behind an entry."""
    blocks: int
    """Blocks of the directory."""

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing stands there but names that are in use."""
        return not self.stale and not self.lost


def scrub(folder: int, raw: int, block_size: int) -> bool:
    """Fill the gaps of an ext4 directory in which names stand that are gone, and take out again what filled them; tell
    whether none is left there. A crash leaves names that the next call takes out. Raises OSError.

    `raw` reads the storage below through its cache, which the file system's own blocks of directories share. Only
    where something stands in a gap too short for an entry does the directory grow: by a block for each such block.
    """
    take_out(folder)
    found = _filled(folder, raw, block_size, gaps_of(folder, raw, block_size))
    for _ in range(PATIENCE):
        if found is None or found.stale or not found.cramped:
            break
        if not _fill(folder, _splitting(found, raw)):
            return False
        found = _filled(folder, raw, block_size, gaps_of(folder, raw, block_size))
    return found is not None and found.is_clean


def _filled(folder: int, raw: int, block_size: int, found: Gaps | None) -> Gaps | None:
    """Fill the gaps that an entry can be put into, as far as that goes without the directory growing; return what is
    left; raises OSError."""
    blocks = found.blocks if found is not None else 0
    dry = 0
    while found is not None and found.stale and dry < PATIENCE:
        # A directory never becomes shorter again: one that begins to grow is left as it is.
        if found.blocks > blocks or not _fill(folder, _names(found, raw)):
            return found
        before, found = found.stale, gaps_of(folder, raw, block_size)
        dry = 0 if found is not None and found.stale < before else dry + 1
    return found


def gaps_of(folder: int, raw: int, block_size: int) -> Gaps | None:
    """Return what an ext4 directory keeps of names that are gone; none where that cannot be told; raises OSError."""
    flags = inode_flags(folder)
    mapped = map_extents(folder)
    if flags & NOT_PLAIN or mapped.doubts:
        return None
    is_indexed = bool(flags & INDEXED)
    leaves: dict[int, list[Gap]] = {}
    index: dict[int, bytes] = {}
    blocks = sum(span.length for span in mapped.spans) // block_size
    cramped: set[int] = set()
    stale = lost = 0
    for number, block in _blocks(mapped.spans, raw, block_size):
        if is_indexed and (not number or _is_node(block)):
            index[number] = block
            lost += _behind_the_index(block, 8 if number else 0x20, blocks)
            continue
        found = list(_gaps(block))
        short = sum(left for size, left in found if size < LEAST)
        here = sum(left for size, left in found if size >= LEAST)
        stale, lost = stale + here, lost + short
        if short and is_indexed:
            cramped.add(number)
        if here or short or not is_indexed:
            leaves[number] = [Gap(size, left > 0) for size, left in found if size >= LEAST]
    return Gaps(leaves, index, stale, lost, frozenset(cramped), blocks)


def _blocks(spans: tuple[Span, ...], raw: int, block_size: int) -> Iterator[tuple[int, bytes]]:
    for span in spans:
        for at in range(0, span.length, block_size):
            yield (span.logical + at) // block_size, os.pread(raw, block_size, span.physical + at)


def _gaps(block: bytes) -> Iterator[tuple[int, int]]:
    """Yield how many bytes an entry could take behind, or in place of, each entry, and how many of them are not zero.

    The bytes that round a name up to four are no gap: at most three, which a later name in the same place may leave.
    """
    at = 0
    while at + 8 <= len(block):
        inode, length, name_length, kind = struct.unpack_from("<IHBB", block, at)
        if length < 8 or at + length > len(block):
            return
        is_checksum = not inode and length == LEAST and kind == 0xDE
        used = (8 + name_length + 3) & ~3 if inode else 0
        if not is_checksum and length > used:
            yield length - used, _nonzero(block[at + (used or 8) : at + length])
        at += length


def _is_node(block: bytes) -> bool:
    """Tell whether a block of an indexed directory belongs to the index: an entry of nobody over all of it, and a limit
    that fills it."""
    inode, length = struct.unpack_from("<IH", block)
    limit, count = struct.unpack_from("<HH", block, 8)
    is_limit = limit in {(len(block) - 8) // 8, (len(block) - 16) // 8}
    return bool(not inode and length == len(block) and is_limit and 0 < count <= limit)


def _behind_the_index(block: bytes, begin: int, blocks: int) -> int:
    """Count the bytes other than zero behind the entries of a block of the index, but those of older entries: a hash
    and the number of one of the directory's blocks, which are no name."""
    limit, count = struct.unpack_from("<HH", block, begin)
    old = struct.iter_unpack("<II", block[begin + 8 * count : begin + 8 * limit])
    return sum(_nonzero(struct.pack("<II", *one)) for one in old if one[1] & 0x0FFFFFFF >= blocks)


def _nonzero(part: bytes) -> int:
    return len(part) - part.count(0)


def _fill(folder: int, names: Iterator[str]) -> bool:
    """Make the names, and remove them; tell false where that cannot be done here; raises OSError."""
    try:
        file = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in NOT_HERE:
            return False
        raise
    made: list[str] = []
    try:
        os.setxattr(file, MARK, b"")
        for name in names:
            with suppress(FileExistsError):
                os.link(f"/proc/self/fd/{file}", name, dst_dir_fd=folder, follow_symlinks=True)
                made.append(name)
    except OSError as error:
        if error.errno not in NOT_HERE:
            raise
        return bool(made)
    finally:
        for name in made:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        os.close(file)
    return bool(made)


def _names(found: Gaps, raw: int) -> Iterator[str]:
    """Return names that fill the gaps: where hashes choose the block, such as are chosen by theirs."""
    if not found.index:
        return _in_order(found)
    tree = tree_of(found.index)
    return names_into(tree, found.leaves, _seed(raw), TRIES) if tree is not None else iter(())


def _splitting(found: Gaps, raw: int) -> Iterator[str]:
    """Return names for which the file system splits the blocks that have gaps too short for an entry."""
    tree = tree_of(found.index)
    gaps = {number: found.leaves[number] for number in sorted(found.cramped)}
    return names_beyond(tree, gaps, _seed(raw), TRIES) if tree is not None else iter(())


def _seed(raw: int) -> tuple[int, ...]:
    return struct.unpack("<4I", os.pread(raw, 16, SUPERBLOCK_OFFSET + 0xEC))


def _in_order(found: Gaps) -> Iterator[str]:
    """Yield names that fill all gaps up to the last in which something stands, one after the other."""
    gaps = [gap for leaf in found.leaves.values() for gap in leaf]
    last = max(number for number, gap in enumerate(gaps) if gap.is_stale)
    for gap in gaps[: last + 1]:
        left = gap.size
        while left >= LEAST:
            taken = min(left, LONGEST)
            length = min(taken - 8, 255)
            yield secrets.token_hex(length)[:length]
            left -= taken


def take_out(folder: int) -> None:
    """Remove what gaps were filled with, and a run that crashed left there; raises OSError."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if DIGITS.issuperset(os.fsencode(entry.name))]
    for name in names:
        if _is_ours(folder, name):
            os.unlink(name, dir_fd=folder)


def _is_ours(folder: int, name: str) -> bool:
    try:
        os.getxattr(f"/proc/self/fd/{folder}/{name}", MARK, follow_symlinks=False)
    except OSError:
        return False
    return True
