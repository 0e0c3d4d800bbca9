"""Reading many small files that lie side by side: a stretch of the storage is read once, past every cache, for all
threads."""

from __future__ import annotations

import threading

from wipers.linux.direct import page_aligned
from wipers.linux.extents import StorageBelow
from wipers.model import MediumError

WINDOW = 1 << 20
"""Bytes read ahead where reads follow one another."""
SMALL = 1 << 17
"""Bytes from which a read is big enough on its own."""


SHARED = 4
"""Windows held: threads follow the files side by side, and some files lie apart from their neighbours."""


class _Window:
    """A stretch of the storage, read when somebody first wants of it."""

    def __init__(self, start: int, end: int, room: memoryview | None) -> None:
        self.start = start
        self.end = end
        self.turn = threading.Lock()
        self._room = room
        self._view: memoryview | None = None
        self._is_tried = False

    def fill(self, storage: StorageBelow) -> memoryview | None:
        """Return what stands there, read once; none where that failed, or its room was taken. For who has the turn."""
        if not self._is_tried:
            self._is_tried = True
            room = page_aligned(WINDOW) if self._room is None else self._room
            try:
                storage.read(self.start, room[: self.end - self.start])
            except MediumError:
                return None
            self._view = room
        return self._view

    def give_up(self) -> memoryview | None:
        """Return its room for another window to fill; none where somebody is at it."""
        if not self.turn.acquire(blocking=False):
            return None
        try:
            self._is_tried = True
            room, self._view = self._view, None
            return room
        finally:
            self.turn.release()


class _Last(threading.local):
    """Where one thread's last read ended."""

    def __init__(self) -> None:
        self.end = -1


class Windows:
    """A storage whose small reads in sequence are answered from one larger read of the same medium. Thread-safe.

    A window is as good as the read it replaces: it was filled past every cache, and since the storage was settled
    last. Where it cannot be filled, the bytes asked for are read alone, so that an error names those and no others.
    Threads share the windows: were each to have its own, each would read all that the others read.
    """

    def __init__(self, storage: StorageBelow) -> None:
        """Hold nothing yet."""
        self.storage = storage
        self._windows: list[_Window] = []
        self._last = _Last()
        self._finding = threading.Lock()

    def forget(self) -> None:
        """Every later read comes from the medium anew."""
        with self._finding:
            # Not emptied but dropped: whoever reads one now began before.
            self._windows = []

    def read(self, offset: int, buffer: memoryview) -> None:
        """Fill the page-aligned buffer from the medium; raises MediumError, Lost."""
        end = offset + len(buffer)
        if len(buffer) >= SMALL or not self._is_answered(offset, end, buffer):
            self.storage.read(offset, buffer)
        self._last.end = end

    def _is_answered(self, offset: int, end: int, buffer: memoryview) -> bool:
        """Fill the buffer from a window that holds the bytes, or shall hold them; tell false where there is none."""
        with self._finding:
            window = self._holding(offset, end) or self._opened(offset, end)
        if window is None:
            return False
        with window.turn:
            view = window.fill(self.storage)
            if view is None:
                return False
            buffer[:] = view[offset - window.start : end - window.start]
        return True

    def _holding(self, offset: int, end: int) -> _Window | None:
        return next((one for one in self._windows if one.start <= offset and end <= one.end), None)

    def _opened(self, offset: int, end: int) -> _Window | None:
        """Return a window for what comes from the offset on, where this thread's reads or everybody's lead there."""
        ends = (self._last.end, *(one.end for one in self._windows))
        size = min(offset + WINDOW, self.storage.size)
        if end > size or not any(0 <= offset - one < WINDOW // 2 for one in ends if one >= 0):
            return None
        room = self._windows.pop(0).give_up() if len(self._windows) == SHARED else None
        self._windows.append(_Window(offset, size, room))
        return self._windows[-1]
