"""Page-aligned memory for direct input and output, and its comparison without copying."""

from __future__ import annotations

import ctypes
import mmap

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_memcmp.restype = ctypes.c_int


class Buffer:
    """Anonymous memory of whole pages: direct input and output ask for alignment, and `mmap` gives it."""

    __slots__ = ("_start", "view")

    def __init__(self, size: int) -> None:
        """Hold at least `size` bytes, zero at first."""
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.view = memoryview(memory)
        self._start = ctypes.c_char.from_buffer(memory)

    @property
    def address(self) -> int:
        """Address of the first byte, valid while the buffer lives."""
        return ctypes.addressof(self._start)


def is_equal(left: Buffer, right: Buffer, start: int, length: int) -> bool:
    """Tell whether `length` bytes from `start` on are the same in both; the interpreter lock is free meanwhile."""
    if not 0 <= start <= start + length <= min(len(left.view), len(right.view)):
        raise ValueError(f"{length} bytes from {start} lie outside the buffers")
    return bool(_memcmp(left.address + start, right.address + start, length) == 0)
