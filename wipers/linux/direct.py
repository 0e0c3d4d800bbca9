"""Bytes to and from a medium past every cache, with each failure told apart: a bad range, or a medium that is gone."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from certificates.statements import Extent
from wipers.linux.machine import PAGE_SIZE
from wipers.model import Lost, MediumError

BLKFLSBUF = 0x1261
BLKSSZGET = 0x1268
BLKGETSIZE64 = 0x80081272

# What the block layer reports of a range that it could not read or write (linux/blk-mq: blk_errors[]); ENOSPC and
# EDQUOT are how a thin device or a sparse image says that it has no block for it.
OF_THE_MEDIUM = frozenset(
    {
        errno.EIO,
        errno.ENODATA,
        errno.EREMOTEIO,
        errno.EILSEQ,
        errno.ETIMEDOUT,
        errno.EBADMSG,
        errno.EUCLEAN,
        errno.ENOSPC,
        errno.EDQUOT,
    }
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """What an open block device says of itself."""

    size: int
    """Bytes."""
    sector_size: int
    """Smallest unit of direct read and write, in bytes."""


def device_geometry(descriptor: int) -> Geometry:
    """Size and logical sector of the block device behind the descriptor; raises OSError."""
    size = bytearray(8)
    sector = bytearray(4)
    fcntl.ioctl(descriptor, BLKGETSIZE64, size)
    fcntl.ioctl(descriptor, BLKSSZGET, sector)
    return Geometry(struct.unpack("=Q", size)[0], struct.unpack("=i", sector)[0])


def error_name(error: OSError) -> str:
    """`EIO` and the like; `E` and the number for one without a name."""
    return errno.errorcode.get(error.errno or 0, f"E{error.errno}")


def page_aligned(size: int) -> memoryview:
    """A buffer that direct input and output accept."""
    return memoryview(mmap.mmap(-1, max(size, 1)))[:size]


class Storage:
    """An open device or file whose reads come from the medium and whose writes reach it with `flush`. Thread-safe."""

    def __init__(self, descriptor: int, location: str, size: int, sector_size: int, stream: int = 0) -> None:
        """Take over a descriptor; where it refuses direct access, go through the cache and drop it around each read."""
        self.descriptor = descriptor
        self.location = location
        self.size = size
        self.sector_size = sector_size
        self.stream = stream
        self.is_device = stat.S_ISBLK(os.fstat(descriptor).st_mode)
        self.is_direct = _accepts_direct(descriptor, sector_size, size)
        self._aligned_size = size - size % sector_size if self.is_direct else 0
        self._cached = descriptor
        self._users = 0
        self._is_closed = False
        self._turn = threading.Lock()
        if self.is_direct and self._aligned_size < size:
            self._cached = os.open(f"/proc/self/fd/{descriptor}", _access(descriptor) | os.O_CLOEXEC)

    def __enter__(self) -> Storage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptors back; where a thread hangs in the device, once it wakes up: nobody else's file may get
        the number of a descriptor into which that thread will write."""
        with self._turn:
            self._is_closed = True
            is_free = self._users == 0
        if is_free:
            self._give_back()

    def _give_back(self) -> None:
        if self._cached != self.descriptor:
            os.close(self._cached)
        os.close(self.descriptor)

    @contextmanager
    def used(self) -> Iterator[None]:
        """The descriptors stay open meanwhile; raises Lost once they were given back."""
        with self._turn:
            if self._is_closed:
                raise Lost("target-lost", where=self.location, detail="it was given back")
            self._users += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._turn:
            self._users -= 1
            is_last = self._is_closed and self._users == 0
        if is_last:
            self._give_back()

    def read(self, offset: int, buffer: memoryview) -> None:
        """Fill the page-aligned buffer from the medium; raises MediumError, Lost."""
        self._check_bounds(offset, len(buffer))
        direct = self._direct_part(offset, len(buffer))
        if self.is_direct and (offset % self.sector_size or direct % self.sector_size):
            self._read_around(offset, buffer[:direct])
        else:
            self._transfer(self.descriptor, offset, buffer[:direct], is_write=False)
        if direct < len(buffer):
            rest = offset + direct
            self._drop(rest, len(buffer) - direct)
            self._transfer(self._cached, rest, buffer[direct:], is_write=False)

    def peek(self, offset: int, length: int) -> bytes:
        """A few bytes from the medium; raises MediumError, Lost."""
        buffer = page_aligned(length)
        self.read(offset, buffer)
        return bytes(buffer)

    def write(self, offset: int, buffer: memoryview) -> None:
        """Write the page-aligned buffer; durable after `flush`; raises MediumError, Lost."""
        self._check_bounds(offset, len(buffer))
        direct = self._direct_part(offset, len(buffer))
        self._transfer(self.descriptor, offset, buffer[:direct], is_write=True)
        self._transfer(self._cached, offset + direct, buffer[direct:], is_write=True)

    def flush(self) -> None:
        """Every write that returned before is durable; raises MediumError, Lost."""
        try:
            with self.used():
                for descriptor in {self.descriptor, self._cached}:
                    os.fdatasync(descriptor)
        except OSError as error:
            raise self.told(error, 0, self.size) from error

    def settle(self) -> None:
        """Everything written is durable and no page of it stays in this device's or file's cache; raises as `flush`."""
        self.flush()
        with self.used():
            self._forget_pages()

    def _forget_pages(self) -> None:
        if self.is_device:
            try:
                fcntl.ioctl(self.descriptor, BLKFLSBUF)
            except PermissionError:
                # Needs CAP_SYS_ADMIN; dropping clean pages by advice does not, and nothing here is dirty any more.
                pass
            except OSError as error:
                raise self.told(error, 0, self.size) from error
        self._drop(0, 0)

    def is_gone(self) -> bool:
        """Whether the device behind the descriptor has left the machine."""
        if not self.is_device:
            return False
        try:
            return device_geometry(self.descriptor).size == 0
        except OSError:
            return True

    def _check_bounds(self, offset: int, length: int) -> None:
        if offset < 0 or offset + length > self.size:
            raise ValueError(f"{length} bytes at {offset} lie outside {self.location} ({self.size} bytes)")

    def _direct_part(self, offset: int, length: int) -> int:
        """How many of the bytes go the direct way: all but a tail shorter than a sector."""
        return max(0, min(length, self._aligned_size - offset))

    def _read_around(self, offset: int, buffer: memoryview) -> None:
        """Read the whole sectors that a part of one lies in, since direct access knows no smaller unit."""
        before = offset % self.sector_size
        length = -(-(before + len(buffer)) // self.sector_size) * self.sector_size
        sectors = page_aligned(length)
        self._transfer(self.descriptor, offset - before, sectors, is_write=False)
        buffer[:] = sectors[before : before + len(buffer)]

    def _drop(self, offset: int, length: int) -> None:
        os.posix_fadvise(self._cached, offset, length, os.POSIX_FADV_DONTNEED)

    def _transfer(self, descriptor: int, offset: int, buffer: memoryview, *, is_write: bool) -> None:
        done = 0
        while done < len(buffer):
            part, at = buffer[done:], offset + done
            try:
                with self.used():
                    moved = os.pwrite(descriptor, part, at) if is_write else os.preadv(descriptor, [part], at)
            except OSError as error:
                raise self.told(error, at, len(part)) from error
            if moved == 0:
                raise Lost("target-lost", where=self.location, detail=f"it ends at {at}, not at {self.size}")
            done += moved

    def told(self, error: OSError, offset: int, length: int) -> MediumError | Lost:
        """What an error of the kernel's means: a bad range, or a medium that is gone."""
        name = error_name(error)
        if error.errno in OF_THE_MEDIUM and not self.is_gone():
            return MediumError(name, Extent(self.stream, offset, length))
        return Lost("target-lost", where=self.location, detail=name)


def _access(descriptor: int) -> int:
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE


def _accepts_direct(descriptor: int, sector_size: int, size: int) -> bool:
    """Whether direct access works, tried by a read: some file systems accept the flag and refuse the transfer."""
    if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
        return False
    if size < sector_size:
        return True
    try:
        os.preadv(descriptor, [page_aligned(max(sector_size, PAGE_SIZE))[:sector_size]], 0)
    except OSError as error:
        if error.errno == errno.EINVAL:
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)
            return False
    return True


def open_descriptor(location: str, flags: int) -> int:
    """A descriptor with O_DIRECT where the file system has it, without where it does not; raises OSError."""
    try:
        return os.open(location, flags | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.open(location, flags | os.O_CLOEXEC)
