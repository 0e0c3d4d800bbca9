"""What plain files of a directory are, in numbers. Reads only, and imports nothing of this program: the processes that
look at many files side by side run this file alone, and begin within a few hundredths of a second."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import stat
import struct
import sys
from array import array
from typing import NamedTuple

FS_IOC_FIEMAP = 0xC020660B
FS_IOC_GETFLAGS = 0x80086601
FS_IOC_GETVERSION = 0x80087601
FS_IOC_FSGETXATTR = 0x801C581F
"""_IOR('X', 31, struct fsxattr): flags first."""
SYNC = 0x01
"""FIEMAP_FLAG_SYNC: write dirty pages first, so that delayed blocks have an address."""
LAST = 0x0001
"""FIEMAP_EXTENT_LAST."""

NOT_PLAIN = 255
"""Mark of a name that must be looked at with every question there is; other marks are numbers of extents."""
EXTENTS = 16
"""Extents asked for at once; a file with more is not plain."""

_HEAD = struct.Struct("=QQIIII")
_BODY = struct.Struct("=QQQ16xI12x")
_ONE = struct.Struct("=20xI8xQQQ16xI")
"""How many there are, and the first: logical, physical, length, flags."""
_LONG = bytes(8)
_LENGTHS = struct.Struct("=II")
_BEGUN = _HEAD.pack(0, 0xFFFFFFFFFFFFFFFF, SYNC, 0, EXTENTS, 0)
LARGEST = 1 << 18
"""Bytes of a message at most: 256 names of 255 bytes, or 256 files of 16 extents."""


class Asked(NamedTuple):
    """What a file must be to be plain. Of one that is not, nothing is said here."""

    call: int
    """Number of the system call `openat2`."""
    flags: int
    """With which a file is opened."""
    resolve: int
    """Where its name may not lead."""
    device: int
    """Which it must lie on."""
    forbidden: int
    """Inode flags of which it may have none."""
    needed: int
    """Inode flags of which it must have all, if it has blocks."""
    doubtful: int
    """Extent flags of which it may have none."""
    may_be_realtime: int
    """Whether it could lie on another device than its file system's own."""


_ASKED = struct.Struct(f"={len(Asked._fields)}Q")


class Facts(NamedTuple):
    """What was seen of names in their order."""

    marks: bytes
    """Of each name how many extents it has, or that it is not plain."""
    numbers: array[int]
    """Of each plain file its inode, st_size, stamp and generation."""
    rows: array[int]
    """Of each extent of a plain file logical and physical address and length."""

    @property
    def extents(self) -> list[int]:
        """How many extents each plain file has."""
        return [mark for mark in self.marks if mark != NOT_PLAIN]

    def part(self, begin: int, count: int) -> Facts:
        """Return what was seen of so many names from one on."""
        if count == len(self.marks):
            return self
        before, marks = Facts(self.marks[:begin], self.numbers, self.rows).extents, self.marks[begin : begin + count]
        part = Facts(marks, self.numbers, self.rows).extents
        number, row = 4 * len(before), 3 * sum(before)
        return Facts(marks, self.numbers[number : number + 4 * len(part)], self.rows[row : row + 3 * sum(part)])


def nothing_of(names: list[bytes]) -> Facts:
    """Return that nobody looked at these names."""
    return Facts(bytes([NOT_PLAIN]) * len(names), array("Q"), array("Q"))


class _Looker:
    """One look after another, with room for the kernel's answers."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._how = struct.pack("=QQQ", asked.flags | os.O_CLOEXEC, 0, asked.resolve)
        self._call = ctypes.CDLL(None).syscall
        self._room = bytearray(_HEAD.size + EXTENTS * _BODY.size)
        self._numbers: array[int] = array("Q")
        self._rows: array[int] = array("Q")

    def all(self, folder: int, names: list[bytes]) -> Facts:
        """Return what each name leads to; an empty name stands for one that is not plain."""
        marks = bytearray()
        call, number, how, length = self._call, self._asked.call, self._how, len(self._how)
        for name in names:
            opened = call(number, folder, name, how, length) if name else -1
            if opened < 0:
                marks.append(NOT_PLAIN)
                continue
            try:
                marks.append(self._one(opened))
            except OSError:
                marks.append(NOT_PLAIN)
            finally:
                # Which gives the lease back too.
                os.close(opened)
        return Facts(bytes(marks), self._numbers, self._rows)

    def _one(self, opened: int) -> int:
        """Add the file's numbers, if it is plain; return its mark; raises OSError."""
        asked, room = self._asked, self._room
        found = os.fstat(opened)
        size = found.st_size
        if found.st_dev != asked.device or found.st_nlink != 1 or not stat.S_ISREG(found.st_mode):
            return NOT_PLAIN
        room[: _HEAD.size] = _BEGUN
        fcntl.ioctl(opened, FS_IOC_FIEMAP, room, True)
        count, logical, physical, length, marks = _ONE.unpack_from(room)
        (flags,) = struct.unpack_from("=I", fcntl.ioctl(opened, FS_IOC_GETFLAGS, _LONG))
        if flags & asked.forbidden or found.st_blocks * 512 < size:
            return NOT_PLAIN
        if count and (flags & asked.needed != asked.needed or (marks & asked.doubtful)):
            return NOT_PLAIN
        further = () if count < 2 and marks & LAST else self._further(count)
        if further is None or (asked.may_be_realtime and _is_realtime(opened)):
            return NOT_PLAIN
        (generation,) = struct.unpack_from("=I", fcntl.ioctl(opened, FS_IOC_GETVERSION, _LONG))
        # A lease is refused where anybody, in whatever namespace, has the file open for writing. Who opens it in this
        # moment waits, and the kernel tells by a signal, which is set to one that is ignored.
        fcntl.fcntl(opened, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        self._numbers.extend((found.st_ino, size, found.st_ctime_ns & 0xFFFFFFFFFFFFFFFF, generation))
        if count:
            self._rows.extend((logical, physical, length))
            self._rows.extend(further)
        return int(count)

    def _further(self, count: int) -> list[int] | None:
        """Return the rows behind the first; none where they are not all, or one is doubtful."""
        found: list[int] = []
        marks = LAST
        for number in range(1, count):
            *row, marks = _BODY.unpack_from(self._room, _HEAD.size + number * _BODY.size)
            if marks & self._asked.doubtful:
                return None
            found += row
        return found if count == 0 or (count > 1 and marks & LAST) else None


def _is_realtime(opened: int) -> bool:
    answer = bytearray(28)
    fcntl.ioctl(opened, FS_IOC_FSGETXATTR, answer)
    return bool(struct.unpack_from("=I", answer)[0] & 1)


def examined(folder: int, names: list[bytes], asked: Asked) -> Facts:
    """Return what the names in an opened directory lead to, an empty one standing for what is not plain."""
    return _Looker(asked).all(folder, names)


def packed(facts: Facts) -> bytes:
    """Return what was seen as bytes."""
    head = _LENGTHS.pack(len(facts.marks), len(facts.numbers))
    return b"".join((head, facts.marks, facts.numbers.tobytes(), facts.rows.tobytes()))


def unpacked(message: bytes, names: int) -> Facts:
    """Return what was seen of so many names; raises ValueError where the bytes are not that."""
    if len(message) < _LENGTHS.size:
        raise ValueError("nothing is said")
    count, length = _LENGTHS.unpack_from(message)
    begin = _LENGTHS.size
    marks = message[begin : begin + count]
    numbers, rows = array("Q"), array("Q")
    numbers.frombytes(message[begin + count : begin + count + length * 8])
    rows.frombytes(message[begin + count + length * 8 :])
    facts = Facts(marks, numbers, rows)
    if (len(marks), len(numbers), len(rows)) != (names, 4 * len(facts.extents), 3 * sum(facts.extents)):
        raise ValueError("more or less is said than was asked")
    return facts


def request(asked: Asked) -> bytes:
    """Return the first message to a process that looks."""
    return _ASKED.pack(*asked)


def serve(descriptor: int) -> None:
    """Answer what comes over a socket until nobody asks any more: names in a directory whose descriptor comes along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as asking:
        asked = Asked(*_ASKED.unpack(asking.recv(_ASKED.size)))
        while True:
            message, folders, _, _ = socket.recv_fds(asking, LARGEST, 1)
            if not message:
                return
            try:
                asking.send(packed(examined(folders[0], message.split(b"\0"), asked)))
            except OSError as error:
                if error.errno in {errno.EPIPE, errno.ECONNRESET}:
                    return
                raise
            finally:
                os.close(folders[0])


if __name__ == "__main__":
    serve(int(sys.argv[1]))
