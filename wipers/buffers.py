"""Page-aligned memory for direct input and output, and its comparison without copying."""

from __future__ import annotations

import ctypes
import mmap
import threading
from contextlib import suppress
from weakref import WeakValueDictionary

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_memcmp.restype = ctypes.c_int


class Buffer:
    """Anonymous memory of whole pages: direct input and output ask for alignment, and `mmap` gives it."""

    __slots__ = ("__weakref__", "_start", "view")

    def __init__(self, size: int) -> None:
        """Hold at least `size` bytes, zero at first."""
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            # One huge page is pinned for the device faster than hundreds of small ones, in fewer requests; a wish only.
            with suppress(OSError):
                memory.madvise(mmap.MADV_HUGEPAGE)
        self.view = memoryview(memory)
        self._start = ctypes.c_char.from_buffer(memory)

    @property
    def address(self) -> int:
        """Address of the first byte, valid while the buffer lives."""
        return ctypes.addressof(self._start)


_FULL: WeakValueDictionary[tuple[int, int], Buffer] = WeakValueDictionary()
_FILLING = threading.Lock()


def full_of(byte: int, size: int) -> Buffer:
    """Return memory that holds the byte throughout, which cannot be written to: one for all who want the same.

    Sixteen devices of four threads would fill 128 MiB with zeros before the first is written, and read all of it again
    and again where one copy stays in the cores' caches.
    """
    with _FILLING:
        found = _FULL.get((byte, size))
        if found is None:
            found = _FULL[(byte, size)] = Buffer(size)
            ctypes.memset(found.address, byte, size)
            found.view = found.view.toreadonly()
        return found


def is_equal(whole: Buffer, start: int, piece: Buffer, begin: int, length: int) -> bool:
    """Tell whether `length` bytes of `whole` from `start` on are those of `piece` from `begin` on.

    The interpreter lock is free meanwhile. Raises ValueError for bytes outside a buffer.
    """
    for buffer, first in ((whole, start), (piece, begin)):
        if not 0 <= first <= first + length <= len(buffer.view):
            raise ValueError(f"{length} bytes from {first} lie outside the buffer")
    return bool(_memcmp(whole.address + start, piece.address + begin, length) == 0)
