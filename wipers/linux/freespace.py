"""Filling a file system's free space to the last block, and giving it back at once.

What fills it has no name: a crash frees it. A margin is left until everything else is full, so that the machine is
without room for moments only.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass

from certificates.statements import KeystreamPattern
from wipers.linux.barriers import sync_file_system
from wipers.linux.direct import page_aligned
from wipers.linux.filesystems import FileSystem
from wipers.linux.machine import Machine
from wipers.linux.reserves import without_reserve
from wipers.linux.room import NO_ROOM, Room, leave_project
from wipers.linux.tinyfiles import TinyFiles
from wipers.patterns import fill

CHUNK = 4 << 20
"""Bytes of one write while there is room."""
MARGIN = 64 << 20
"""Bytes left to the machine until the very last moment."""
TOO_LONG = frozenset({errno.EFBIG})
PATIENCE = 3
"""Times in a row that a barrier frees nothing more before the file system counts as full."""
ALIGNED = 4096
FILES = 4
"""Files that share the free space: one may be too long for the file system before all is full."""


@dataclass(frozen=True, slots=True)
class Filled:
    """How far free space was filled."""

    filled: int
    """Bytes written."""
    unreached: int
    """Bytes that were free, or kept back, and that no file could be given, at the fullest moment."""
    left: tuple[str, ...]
    """What was not reached, by residual code."""


def fill_free(
    root: int,
    found: FileSystem,
    key: bytes,
    *,
    machine: Machine,
    pause: Callable[[int, int], None] = lambda done, total: None,
) -> Filled:
    """Every block of the file system that no file has was written with the keystream of the key (32 bytes), but for
    what is told as left, and is free again. `pause` is told how far it came, and may raise. Raises OSError."""
    sync_file_system(root)
    with ExitStack() as held:
        # First of all: what another carrier's run fills with lies here too, and would be taken for a crash's.
        is_whole = held.enter_context(without_reserve(root, found, machine, pause))
        room = held.enter_context(closing(Room(root)))
        tiny = held.enter_context(TinyFiles(root, found, room))
        filler = _Filler(root, room, key)
        try:
            if tiny.is_apart:
                tiny.fill(pause)
            filler.go(max(min(MARGIN, room.size // 16), found.block_size), pause)
            unreached = filler.to_the_brim(found.block_size)
            if not tiny.is_apart:
                # What small files hold lies among the names here, in room that only they can be given.
                tiny.fill(pause)
                unreached = filler.to_the_brim(found.block_size)
        finally:
            filler.close()
    sync_file_system(root)
    left = [] if is_whole and not unreached else ["reserved-blocks"]
    left += [] if tiny.is_whole else ["inode-slack"]
    return Filled(filler.done, unreached, tuple(left))


class _Filler:
    """Files without names that take all there is."""

    def __init__(self, root: int, room: Room, key: bytes) -> None:
        """Take no block yet, but the inodes while there are any; raises OSError."""
        self._root = root
        self._room = room
        self._pattern = KeystreamPattern(key.hex())
        self._buffer = page_aligned(CHUNK)
        self._files: list[int] = []
        self._number = self._at = 0
        self.done = 0
        try:
            for _ in range(FILES):
                self._files.append(_without_name(root))
                leave_project(self._files[-1])
        except OSError as error:
            if error.errno not in NO_ROOM:
                self.close()
                raise

    def go(self, margin: int, pause: Callable[[int, int], None]) -> None:
        """Take whole chunks until no more than the margin is free; raises OSError."""
        total = self.done + self._room.size
        while (free := self._room.size) > margin:
            pause(max(total - free, 0), total)
            if not self._write(min(CHUNK, -(-(free - margin) // ALIGNED) * ALIGNED)):
                return

    def to_the_brim(self, block_size: int) -> int:
        """Take what is left, down to single blocks; return the bytes still free then; raises OSError."""
        dry = 0
        while dry < PATIENCE:
            before, size = self.done, CHUNK
            while size >= block_size:
                if not self._write(size):
                    size //= 2
            # What was freed a moment ago can be taken once that is durable.
            sync_file_system(self._root)
            dry = dry + 1 if self.done == before else 0
        return self._room.size

    def _write(self, size: int) -> bool:
        """Take so many bytes; tell false where there is no room for them; raises OSError."""
        view = self._buffer[:size]
        fill(self._pattern, self._number, self._at, view)
        try:
            moved = os.pwrite(self._files[self._number], view, self._at) if self._number < len(self._files) else 0
        except OSError as error:
            if error.errno in TOO_LONG:
                self._number, self._at = self._number + 1, 0
                return self._number < len(self._files)
            if error.errno in NO_ROOM:
                return False
            raise
        self._at += moved
        self.done += moved
        return moved == size

    def close(self) -> None:
        """All is free again."""
        while self._files:
            os.close(self._files.pop())


def _without_name(root: int) -> int:
    """Return a file that a crash frees; written past the cache where the file system has a way; raises OSError."""
    flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
    try:
        return os.open(".", flags | os.O_DIRECT, 0o600, dir_fd=root)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.open(".", flags, 0o600, dir_fd=root)
