"""What a mounted file system itself says of its blocks: whose they are, or that they are nobody's."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

GETFSMAP = 0xC0C0583B
"""_IOWR('X', 59, struct fsmap_head): ext4 since Linux 4.12, xfs since 4.12 (linux/fsmap.h)."""
GETBMAPX = 0xC0305838
"""_IOWR('X', 56, struct getbmapx) of xfs: extents of directories too (xfs_fs.h)."""
SPECIAL_OWNER = 0x10
PREALLOCATED = 0x1
ATTRIBUTES = 0x2
EXTENT_MAP = 0x4
FREE = 1
UNKNOWN = 2
OF_XFS = ord("X") << 32
LOG = OF_XFS | 2

_HEAD = struct.Struct("=4I6Q")
_KEY = struct.Struct("=IIQQQQ3Q")
_BMAP = struct.Struct("=qqqiiiiii")
_MOST = 512
SECTOR = 512
"""Bytes of the unit in which GETBMAPX counts."""


class Range(NamedTuple):
    """A stretch of the storage that has one owner."""

    begin: int
    """First byte."""
    length: int
    """Bytes."""
    owner: int
    """Inode, or where `is_special` a code."""
    is_special: bool
    """Whether it is no inode's."""
    flags: int
    """Marks of linux/fsmap.h."""
    offset: int
    """First byte within the inode."""


def ranges(descriptor: int, begin: int, end: int) -> Iterator[Range]:
    """Yield who has the bytes from `begin` up to `end`; raises OSError where the file system cannot tell."""
    position = begin
    while position < end:
        found = _asked(descriptor, position, end)
        if not found:
            return
        yield from found
        last = found[-1].begin + found[-1].length
        if last <= position:
            return
        position = last


def _asked(descriptor: int, begin: int, end: int) -> list[Range]:
    device = os.fstat(descriptor).st_dev
    encoded = os.minor(device) & 0xFF | os.major(device) << 8 | (os.minor(device) & ~0xFF) << 12
    buffer = bytearray(_HEAD.size + (2 + _MOST) * _KEY.size)
    _HEAD.pack_into(buffer, 0, 0, 0, _MOST, 0, *(0,) * 6)
    _KEY.pack_into(buffer, _HEAD.size, encoded, 0, begin, 0, 0, 0, 0, 0, 0)
    every = 0xFFFFFFFFFFFFFFFF
    _KEY.pack_into(buffer, _HEAD.size + _KEY.size, encoded, 0xFFFFFFFF, end - 1, every, every, 0, 0, 0, 0)
    fcntl.ioctl(descriptor, GETFSMAP, buffer, True)
    entries = _HEAD.unpack_from(buffer, 0)[3]
    found = []
    for at in range(entries):
        _, flags, physical, owner, offset, length, *_ = _KEY.unpack_from(buffer, _HEAD.size + (2 + at) * _KEY.size)
        found.append(Range(physical, length, owner, bool(flags & SPECIAL_OWNER), flags, offset))
    return found


def extents_of_folder(descriptor: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of the storage that hold a directory of xfs, as begin and length; raises OSError."""
    buffer = bytearray((1 + _MOST) * _BMAP.size)
    _BMAP.pack_into(buffer, 0, 0, 0, -1, 1 + _MOST, 0, 0, 0, 0, 0)
    fcntl.ioctl(descriptor, GETBMAPX, buffer, True)
    entries = _BMAP.unpack_from(buffer, 0)[4]
    for at in range(1, 1 + entries):
        _, block, length, *_ = _BMAP.unpack_from(buffer, at * _BMAP.size)
        if block >= 0:
            yield block * SECTOR, length * SECTOR


def files_below(root: int, most: int) -> Iterator[tuple[int, os.stat_result]]:
    """Yield an open descriptor and the status of every file and directory of the file system, at most so many."""
    device = os.fstat(root).st_dev
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
    waiting = [b"."]
    seen = 0
    while waiting and seen < most:
        folder = waiting.pop()
        try:
            opened = os.open(folder, flags | os.O_DIRECTORY, dir_fd=root)
        except OSError:
            continue
        try:
            yield opened, os.fstat(opened)
            with os.scandir(opened) as entries:
                found = [(os.fsencode(entry.name), entry.stat(follow_symlinks=False)) for entry in entries]
            for name, about in found:
                if about.st_dev != device:
                    continue
                if stat.S_ISDIR(about.st_mode):
                    waiting.append(folder + b"/" + name)
                elif stat.S_ISREG(about.st_mode):
                    seen += 1
                    yield from _opened(opened, name, flags)
        finally:
            os.close(opened)


def _opened(folder: int, name: bytes, flags: int) -> Iterator[tuple[int, os.stat_result]]:
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return
    try:
        yield descriptor, os.fstat(descriptor)
    finally:
        os.close(descriptor)
