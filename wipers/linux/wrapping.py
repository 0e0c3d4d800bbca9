"""Making a file system's journal go once round, so that nothing stands in it any more that stood there before."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from wipers.linux.barriers import checkpoint, sync_file_system
from wipers.linux.direct import Storage
from wipers.linux.filesystems import FileSystem
from wipers.linux.journals import Journal, Round
from wipers.linux.loops import settle_below
from wipers.linux.machine import Machine

MOST_FILES = 512
"""Files without names whose attributes are written anew and anew: each takes a block of the journal a time."""
LEAST_FILES = 8
ATTRIBUTE = "user.e"
PATIENCE = 4
"""Rounds after which a journal that still holds a block of what it held is given up."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class Wrapped:
    """How far a journal was made to go round."""

    written: int
    """Bytes that it was made to take, as far as this can count them."""
    left: int
    """Bytes of it that still hold what they held."""


def wrap(
    root: int,
    found: FileSystem,
    storage: Storage,
    journal: Journal,
    *,
    machine: Machine,
    pause: Callable[[int, int], None] = lambda done, total: None,
) -> Wrapped:
    """Every block of the journal was written anew, but for what is told as left, by commits of attributes of files
    without names; seen on the storage below. `pause` is told how far it came, and may raise. Raises OSError,
    MediumError, Lost."""
    sync_file_system(root)
    if not journal.size:
        return Wrapped(0, 0)
    before = Round(storage, journal)
    written, left = 0, before.look()
    files = _Files(root, found.block_size, max(LEAST_FILES, min(MOST_FILES, journal.size // journal.block_size // 8)))
    try:
        while left and written < PATIENCE * journal.size:
            target = written + left
            while written < target:
                pause(min(written, journal.size), journal.size)
                written += files.commit()
            if journal.fast:
                files.commit_fast(journal.fast)
            checkpoint(root)
            left = before.look()
    finally:
        files.close()
    sync_file_system(root)
    settle_below(machine, found.device)
    return Wrapped(written, before.look() if left else 0)


class _Files:
    """Files without names, on the file system of a directory."""

    def __init__(self, root: int, block_size: int, most: int) -> None:
        """Make as many of them as there is room for; raises OSError where there is room for none."""
        self._root = root
        self._block_size = block_size
        # More than fits into an inode, less than goes to blocks of its own beside the journal.
        self._size = block_size // 2
        self._open: list[int] = []
        try:
            while len(self._open) < most:
                self._open.append(os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=root))
        except OSError as error:
            if error.errno not in FULL or not self._open:
                self.close()
                raise

    def commit(self) -> int:
        """Write all attributes anew in one commit; return the bytes of journal that it took at least; raises
        OSError."""
        chance = os.urandom(self._size * len(self._open))
        for number, descriptor in enumerate(self._open):
            value = chance[number * self._size : (number + 1) * self._size]
            try:
                os.setxattr(descriptor, ATTRIBUTE, value)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                self._do_with_less(number)
                break
        sync_file_system(self._root)
        return (len(self._open) + 2) * self._block_size

    def commit_fast(self, blocks: int) -> None:
        """Change the time of one file, and make that durable, again and again: each time takes the next of these
        blocks, from the first one on after a whole commit (linux/fs/ext4/fast_commit.c); raises OSError."""
        sync_file_system(self._root)
        for number in range(blocks + 1):
            os.utime(self._open[0], (number, number))
            os.fsync(self._open[0])

    def _do_with_less(self, count: int) -> None:
        """Where there is no room for another attribute, keep the files that have one; a file alone changes its time."""
        for descriptor in self._open[max(count, 1) :]:
            os.close(descriptor)
        del self._open[max(count, 1) :]
        if count == 0:
            os.utime(self._open[0])

    def close(self) -> None:
        """They are gone."""
        for descriptor in self._open:
            with suppress(OSError):
                os.close(descriptor)
        self._open.clear()
