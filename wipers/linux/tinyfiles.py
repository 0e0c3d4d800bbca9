"""Filling the inodes that no file has: what a small file, a link's target or an attribute held stands in them still."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType

from wipers.linux.beneath import open_beneath
from wipers.linux.filesystems import FileSystem
from wipers.linux.room import Room, leave_project
from wipers.verdicts import EXT

PREFIX = ".expunge-fill-"
NAME = re.compile(re.escape(PREFIX) + "[0-9a-f]{16}")
MOST = 1 << 20
"""Inodes that are filled at most; a file system with more free ones than that is not filled whole."""
AGAIN = 8
"""Times that inodes are taken which were given back while others were."""
SHARE = 4096
"""Inodes between two looks at whether the run is to stop."""
XFS_IOC_FSCOUNTS = 0x80205871
"""_IOR('X', 113) of struct xfs_fsop_counts: free blocks, free real-time extents, free and allocated inodes."""
TARGET = {"ext4": 58, "xfs": 300, "btrfs": 1000}
"""Bytes of a link's target that stays inside the inode, or among the names."""
ATTRIBUTE = {"ext4": 64}
"""Bytes of an attribute that stays inside an inode of 256 bytes."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMLINK})
AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY


class TinyFiles:
    """Links in a directory of their own, as many as there are free inodes; gone when this ends, and those that a crash
    left are gone when it begins."""

    def __init__(self, root: int, found: FileSystem, room: Room) -> None:
        """Make nothing yet."""
        self._root = root
        self._room = room
        self._kind = "ext4" if found.kind in EXT else found.kind
        self._name = PREFIX + secrets.token_hex(8)
        self._folder = -1
        self.is_apart = self._kind in {"ext4", "xfs"}
        """Whether inodes have a place of their own, which files cannot take."""
        self.is_whole = False
        """Whether all that was free was taken."""

    def __enter__(self) -> TinyFiles:
        take_out(self._root)
        if self._kind in TARGET:
            try:
                os.mkdir(self._name, 0o700, dir_fd=self._root)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                return self
            self._folder = open_beneath(self._root, self._name, AS_FOLDER)
            leave_project(self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder >= 0:
            os.close(self._folder)
            _remove(self._root, self._name)

    def fill(self, pause: Callable[[int, int], None]) -> None:
        """Take every inode that is free; raises OSError, and what `pause` raises."""
        wanted, made = self._free(), 0
        if self._folder >= 0:
            made = self._take(range(min(wanted, MOST)), pause)
        if self._kind == "ext4":
            # Another run gives back inodes of its own meanwhile, with nothing in them, and they count as free.
            for _ in range(AGAIN):
                if wanted > MOST or self._folder < 0 or not (freed := self._free()):
                    break
                made += self._take(range(made, made + min(freed, SHARE)), pause)
        is_taken = wanted <= MOST and self._folder >= 0 if self._kind == "xfs" else self._free() == 0
        self.is_whole = self.is_apart and is_taken

    def _take(self, numbers: range, pause: Callable[[int, int], None]) -> int:
        """Take so many inodes, or as many as there are; return how many."""
        for count, number in enumerate(numbers):
            if count % SHARE == 0:
                pause(0, 0)
            if not self._make(number):
                return count
        return len(numbers)

    def _make(self, number: int) -> bool:
        """Take one inode; tell false where there is none, or no room for another name."""
        length = TARGET[self._kind]
        name = f"{number:x}"
        try:
            os.symlink(secrets.token_hex(length // 2), name, dir_fd=self._folder)
            if length := ATTRIBUTE.get(self._kind, 0):
                path = f"/proc/self/fd/{self._folder}/{name}"
                os.setxattr(path, "trusted.e", os.urandom(length), follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return False
        return True

    def _free(self) -> int:
        """Return how many inodes are free; where they have no place until they are made, as many as may be."""
        if self._kind == "ext4":
            return self._room.inodes
        if self._kind == "xfs":
            answer = bytearray(32)
            with suppress(OSError):
                fcntl.ioctl(self._root, XFS_IOC_FSCOUNTS, answer)
                return int(struct.unpack("=QQQQ", answer)[2])
        return MOST


def take_out(root: int) -> None:
    """Nothing stands in the directory any more that a fill which crashed left there; raises OSError. Of what only has
    such a name nothing is touched: whoever may write there could give it to anything."""
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries if NAME.fullmatch(entry.name) and _is_ours(entry)]
    for name in names:
        _remove(root, name)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Tell whether it is a directory as this program makes it: of this user, open to nobody else."""
    try:
        about = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and stat.S_IMODE(about.st_mode) == 0o700


def _remove(root: int, name: str) -> None:
    """Remove the links in a directory, and the directory unless something else lies in it; raises OSError."""
    folder = open_beneath(root, name, AS_FOLDER)
    try:
        for one in _names(folder):
            with suppress(FileNotFoundError):
                os.unlink(one, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        os.rmdir(name, dir_fd=root)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise


def _names(folder: int) -> Iterator[str]:
    """Yield the names of a directory's links, however many, without holding them all."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield entry.name
