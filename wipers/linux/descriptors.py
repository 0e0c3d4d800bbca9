"""Numbered files open for writing: each known again, as long as its last block, and without its attributes' values."""

from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from wipers.linux.attributes import overwrite_attributes
from wipers.linux.filesystems import generation
from wipers.linux.rows import Rows
from wipers.linux.trees import Folders

MOST_OPEN = 64
"""Files held open at once; a tree may have more files than a process may have descriptors."""
DIRECT_FROM = 1 << 18
"""Bytes from which a file is written past the page cache; below, one barrier for many cached writes is faster."""
WRITING = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC


class Descriptors:
    """At most so many numbered files open for writing; each is known again by inode and generation when opened.

    Thread-safe. Files come sorted by directory, so each thread holds the directory that it used last.
    """

    def __init__(self, root: int, rows: Rows, most: int = MOST_OPEN, direct_from: int = DIRECT_FROM) -> None:
        """Open nothing yet; files of so many bytes and more will be written past the page cache."""
        self._direct_from = direct_from
        self._root = root
        self._rows = rows
        self._most = most
        self._lock = threading.Lock()
        self._open: OrderedDict[int, list[int]] = OrderedDict()
        self._device = os.fstat(root).st_dev
        self._near = threading.local()
        self._folders: list[Folders] = []
        self.kept_attributes = 0
        """Attributes whose values could not be replaced."""

    @contextmanager
    def borrow(self, stream: int) -> Iterator[int]:
        """Give a descriptor of the file, which stays open meanwhile; raises OSError."""
        with self._lock:
            entry = self._open.get(stream)
            if entry is None:
                self._make_room()
                entry = self._open[stream] = [self.opened(stream), 0]
            self._open.move_to_end(stream)
            entry[1] += 1
        try:
            yield entry[0]
        finally:
            with self._lock:
                entry[1] -= 1

    def close(self) -> None:
        """Close all."""
        with self._lock:
            while self._open:
                os.close(self._open.popitem()[1][0])
            while self._folders:
                self._folders.pop().close()
            self._near = threading.local()

    def _make_room(self) -> None:
        if len(self._open) < self._most:
            return
        idle = [stream for stream, (_, users) in self._open.items() if not users]
        for stream in idle[: len(self._open) - self._most + 1]:
            os.close(self._open.pop(stream)[0])

    def opened(self, stream: int) -> int:
        """Return a file open for writing, for whoever asks alone; raises OSError, ESTALE where it is another by now.

        It is as long as its last block, so that no block lies beyond its end.
        """
        row = self._rows[stream]
        end = row.end
        folder, name = self._folder_of(row.path)
        direct = os.O_DIRECT if row.allocated >= self._direct_from else 0
        descriptor = os.open(name, WRITING | direct, dir_fd=folder)
        try:
            found = os.fstat(descriptor)
            is_same = found.st_ino == row.inode and found.st_dev == self._device
            if not is_same or generation(descriptor) != row.generation:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            if found.st_size < end:
                os.ftruncate(descriptor, end)
            self.kept_attributes += overwrite_attributes(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _folder_of(self, path: str) -> tuple[int, str]:
        """Return the descriptor of the file's directory, and its name there; raises OSError."""
        folders: Folders | None = getattr(self._near, "folders", None)
        if folders is None:
            folders = self._near.folders = Folders(self._root)
            self._folders.append(folders)
        return folders.of(path)
