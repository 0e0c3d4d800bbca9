"""Reading many small files that lie side by side: a stretch of the storage is read once, past every cache."""

from __future__ import annotations

import threading

from wipers.linux.direct import page_aligned
from wipers.linux.extents import StorageBelow
from wipers.model import MediumError

WINDOW = 1 << 20
"""Bytes read ahead where a thread's reads follow one another."""
SMALL = 1 << 17
"""Bytes from which a read is big enough on its own."""


class _Held(threading.local):
    """One thread's window."""

    def __init__(self) -> None:
        self.view: memoryview | None = None
        self.start = 0
        self.end = 0
        self.settled = -1
        self.next = -1


class Windows:
    """A storage whose small reads in sequence are answered from one larger read of the same medium. Thread-safe.

    A window is as good as the read it replaces: it was filled past every cache, and since the storage was settled
    last. Where it cannot be filled, the bytes asked for are read alone, so that an error names those and no others.
    """

    def __init__(self, storage: StorageBelow) -> None:
        """Hold nothing yet."""
        self.storage = storage
        self._held = _Held()
        self._settled = 0

    def forget(self) -> None:
        """Every later read comes from the medium anew."""
        self._settled += 1

    def read(self, offset: int, buffer: memoryview) -> None:
        """Fill the page-aligned buffer from the medium; raises MediumError, Lost."""
        held = self._held
        end = offset + len(buffer)
        is_next = 0 <= offset - held.next < WINDOW // 2
        held.next = end
        if len(buffer) >= SMALL or not (self._has(offset, end) or (is_next and self._fill(offset))):
            self.storage.read(offset, buffer)
        elif held.view is not None and self._has(offset, end):
            buffer[:] = held.view[offset - held.start : end - held.start]
        else:
            self.storage.read(offset, buffer)

    def _has(self, offset: int, end: int) -> bool:
        held = self._held
        return held.settled == self._settled and held.start <= offset and end <= held.end

    def _fill(self, offset: int) -> bool:
        held = self._held
        if held.view is None:
            held.view = page_aligned(WINDOW)
        settled, length = self._settled, min(WINDOW, self.storage.size - offset)
        held.settled = -1
        try:
            self.storage.read(offset, held.view[:length])
        except MediumError:
            return False
        held.start, held.end, held.settled = offset, offset + length, settled
        return True
