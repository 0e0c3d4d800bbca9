"""Loop devices: which file lies below, who shares it, and how to keep its cache from answering for the medium."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from wipers.linux.machine import Machine, attribute, devno, entries, number, sys_folder, whole_disk
from wipers.linux.mounts import WITHOUT_MEDIUM, mount_of
from wipers.model import Lost

LOOP_GET_STATUS64 = 0x4C05
STATUS64 = struct.Struct("=QQQQQIIII64s64s32sQQ")
"""struct loop_info64 (linux/loop.h)."""
CACHESTAT = 451
"""System call number of cachestat(2), the same on every architecture (Linux 6.5)."""
PATIENCE = (0.0, 0.01, 0.05, 0.2, 0.5)
"""Waits between attempts to empty a cache, in seconds: pages under read-ahead or writeback cannot go at once."""
WHILE_OTHERS_WRITE = (0.25,) * 480
"""Further waits while others write to the same file: two minutes."""


@dataclass(frozen=True, slots=True)
class Loop:
    """An attached loop device."""

    name: str
    """Kernel name, e.g. loop0."""
    path: str
    """Backing file as the kernel names it."""
    file: tuple[int, int] | None
    """Device and inode of the backing file; none where it cannot be told."""
    offset: int
    """First byte of the file that the device shows."""
    size_limit: int
    """Most bytes of the file that the device shows; 0: all."""
    device: int | None = None
    """Number of the block device that lies below in place of a file."""

    @property
    def is_reachable(self) -> bool:
        """Whether the path still leads to the backing file: false once it is deleted, replaced or out of sight."""
        return self.file is not None and file_of(self.path) == self.file

    @property
    def below(self) -> int | None:
        """Number of the device that carries it: the one below, or the one that the backing file lies on."""
        return self.device if self.device is not None or self.file is None else self.file[0]


def file_of(path: str) -> tuple[int, int] | None:
    """Device and inode of the file at a path; none where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def loops(machine: Machine) -> tuple[Loop, ...]:
    """Every attached loop device."""
    names = (name for name in entries(machine.sys / "block") if name.startswith("loop"))
    return tuple(loop for name in names if (loop := loop_named(machine, name)) is not None)


def loop_named(machine: Machine, name: str) -> Loop | None:
    """The loop device of that name; none where nothing is attached to it, or it is no loop device."""
    folder = machine.sys / "block" / name / "loop"
    path = attribute(folder / "backing_file")
    if not path:
        return None
    try:
        descriptor = os.open(machine.dev / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return _as_sysfs_tells(machine, name, path)
    try:
        return loop_behind(descriptor, name, path)
    except OSError:
        return _as_sysfs_tells(machine, name, path)
    finally:
        os.close(descriptor)


def loop_behind(descriptor: int, name: str, path: str) -> Loop:
    """The loop device behind an open descriptor, as the driver tells; raises OSError."""
    status = bytearray(STATUS64.size)
    fcntl.ioctl(descriptor, LOOP_GET_STATUS64, status)
    device, inode, own, offset, size_limit, *_ = STATUS64.unpack(status)
    # For a regular file the kernel tells no number of its own; older ones repeat that of its file system.
    return Loop(name, path, (device, inode), offset, size_limit, own if own not in {0, device} else None)


def _as_sysfs_tells(machine: Machine, name: str, path: str) -> Loop:
    """What an ordinary user can see: the backing file by its path alone."""
    folder = machine.sys / "block" / name / "loop"
    return Loop(name, path, file_of(path), number(folder / "offset"), number(folder / "sizelimit"), devno(Path(path)))


def settle_below(machine: Machine, device: int) -> None:
    """Nothing between the block device and its medium is cached, through every loop below it; raises Lost."""
    folder = sys_folder(machine, device)
    if folder is None:
        return
    disk = whole_disk(folder)
    for slave in entries(disk / "slaves"):
        settle_below(machine, _number_of(machine, slave))
    loop = loop_named(machine, disk.name)
    if loop is None or loop.below is None:
        return
    mount = mount_of(machine, loop.below)
    if mount is not None and mount.kind in WITHOUT_MEDIUM:
        return
    _empty_cache(loop)
    settle_below(machine, loop.below)


def _number_of(machine: Machine, name: str) -> int:
    major, _, minor = attribute(machine.sys / "block" / name / "dev", "0:0").partition(":")
    return os.makedev(int(major), int(minor))


def _empty_cache(loop: Loop) -> None:
    """No page of the backing file is in memory; raises Lost where somebody keeps them there."""
    where = f"/dev/{loop.name}"
    try:
        descriptor = os.open(loop.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Lost("target-lost", where=where, detail="its backing file cannot be reached") from error
    try:
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) != loop.file:
            raise Lost("target-lost", where=where, detail="its backing file was replaced")
        os.fsync(descriptor)
        if not empty_cache(descriptor):
            raise Lost("target-lost", where=where, detail="the cache of its backing file cannot be emptied")
    except OSError as error:
        raise Lost(
            "target-lost", where=where, detail=f"its backing file cannot be flushed: {error.strerror}"
        ) from error
    finally:
        os.close(descriptor)


def empty_cache(descriptor: int) -> bool:
    """Drop a file's pages from memory; false where the kernel can tell, and some stay; raises OSError.

    Pages that stay as they are, somebody keeps: they are given up soon. Where their number changes, somebody writes to
    another part of the file, another carrier of the same run for example: that is waited for.
    """
    before, unchanged = -1, 0
    for wait in (*PATIENCE, *WHILE_OTHERS_WRITE):
        time.sleep(wait)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        left = cached_pages(descriptor)
        if not left:
            return True
        unchanged = unchanged + 1 if left == before else 1
        if unchanged >= len(PATIENCE):
            return False
        before = left
    return False


def cached_pages(descriptor: int) -> int | None:
    """How many pages of a file are in memory; none where this kernel cannot tell (before Linux 6.5)."""
    libc = ctypes.CDLL(None, use_errno=True)
    whole = (ctypes.c_uint64 * 2)(0, 0)
    counts = (ctypes.c_uint64 * 5)()
    if libc.syscall(ctypes.c_long(CACHESTAT), descriptor, whole, counts, 0) != 0:
        return None
    return int(counts[0])
