"""An image that fails where it is told to, or flushes slowly: one file, served to the kernel through /dev/fuse.

Below a loop device it is a disk with bad places, or one slower than this machine's (linux/fuse.h, version 7.31 of its
protocol).
"""

from __future__ import annotations

import ctypes
import errno
import multiprocessing
import os
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path

LOOKUP, FORGET, GETATTR, OPEN, READ, WRITE, STATFS, FSYNC, INTERRUPT, INIT, DESTROY, BATCH_FORGET = (
    1, 2, 3, 14, 15, 16, 17, 20, 36, 26, 38, 42,
)  # fmt: skip
SILENT = frozenset({FORGET, INTERRUPT, BATCH_FORGET})
"""What the kernel wants no answer to."""
PLAIN = frozenset({4, 18, 25, 27, 29, 30, 34, DESTROY})
"""SETATTR, RELEASE, FLUSH and their likes for directories, ACCESS: done, and nothing to say."""
BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22
DIRECT_IO = 1
"""The kernel keeps nothing of the file in its cache."""
MOST = 1 << 20
FILE = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class ServedImage:
    """The file as it is served, and what lies behind it."""

    path: Path
    backing: Path
    _bad: SynchronizedArray[int]

    def fail(self, offset: int, length: int, *, reads: bool = False, writes: bool = False) -> None:
        """Whatever touches these bytes ends with EIO from now on."""
        self._bad[:] = [offset, offset + length, int(reads), int(writes)]

    def mend(self) -> None:
        """Nothing fails any more."""
        self._bad[:] = [0, 0, 0, 0]


@contextmanager
def served_image(folder: Path, backing: Path, flush: float = 0.0) -> Iterator[ServedImage]:
    """The backing file is served below the folder until this ends. All wait while a flush takes so many seconds."""
    folder.mkdir()
    context = multiprocessing.get_context("fork")
    bad = context.Array("Q", 4)
    with ExitStack() as held:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        held.callback(os.close, device)
        told = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
        assert _LIBC.mount(b"served", os.fsencode(folder), b"fuse", 0, told.encode()) == 0, ctypes.get_errno()
        server = context.Process(target=_serve, args=(device, backing, bad, flush))
        server.start()
        held.callback(server.join, 10)
        held.callback(_LIBC.umount2, os.fsencode(folder), 0)
        yield ServedImage(folder / "image", backing, bad)


def _serve(device: int, backing: Path, bad: SynchronizedArray[int], flush: float) -> None:
    """Answer until the file system is unmounted."""
    file = os.open(backing, os.O_RDWR)
    while True:
        try:
            asked = os.read(device, MOST + 4096)
        except OSError as error:
            if error.errno in {errno.EINTR, errno.ENOENT}:
                continue
            return
        _, operation, unique, node = struct.unpack_from("<IIQQ", asked)
        if operation in SILENT:
            continue
        code, told = 0, b""
        try:
            told = _flush(file, flush) if operation == FSYNC else _answer(operation, node, asked[40:], file, bad)
        except OSError as error:
            code = error.errno or errno.EIO
        try:
            os.write(device, struct.pack("<IiQ", 16 + len(told), -code, unique) + told)
        except OSError:
            continue


def _flush(file: int, least: float) -> bytes:
    """What was written is on this machine's disk, and the time is over that a slower one takes."""
    over = time.monotonic() + least
    os.fdatasync(file)
    time.sleep(max(0.0, over - time.monotonic()))
    return b""


def _answer(operation: int, node: int, body: bytes, file: int, bad: SynchronizedArray[int]) -> bytes:
    """Return what the kernel is told; raises OSError with what it is told instead."""
    match operation:
        case 26:
            flags = BIG_WRITES | MAX_PAGES
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, MOST, flags, 12, 8, MOST, 1, MOST // 4096, 0, 0)
        case 1 if body.rstrip(b"\0") == b"image":
            return struct.pack("<QQQQII", FILE, 0, 0, 0, 0, 0) + _attributes(FILE, file)
        case 1:
            raise OSError(errno.ENOENT, "no such file")
        case 3:
            return struct.pack("<QII", 0, 0, 0) + _attributes(node, file)
        case 14:
            return struct.pack("<QII", 0, DIRECT_IO, 0)
        case 15:
            _, offset, size = struct.unpack_from("<QQI", body)
            _check(bad, offset, size, 2)
            return os.pread(file, size, offset)
        case 16:
            _, offset, size = struct.unpack_from("<QQI", body)
            _check(bad, offset, size, 3)
            return struct.pack("<II", os.pwrite(file, body[40 : 40 + size], offset), 0)
        case 17:
            return struct.pack("<5Q4I24x", 0, 0, 0, 0, 0, 4096, 255, 4096, 0)
        case _ if operation in PLAIN:
            return bytes(16) if operation == 27 else b""
    raise OSError(errno.ENOSYS, "not served")


def _check(bad: SynchronizedArray[int], offset: int, size: int, which: int) -> None:
    """Fail what touches the bad place."""
    begin, end, *_ = now = bad[:]
    if now[which] and offset < end and begin < offset + size:
        raise OSError(errno.EIO, "a bad place")


def _attributes(node: int, file: int) -> bytes:
    is_file = node == FILE
    size, mode = (os.fstat(file).st_size, 0o100600) if is_file else (0, 0o40700)
    return struct.pack("<6Q3I7I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
