"""The system calls that code under test makes, answered by a kernel in memory where it knows the path."""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.support.machines.kernel import Entry, File, Kernel, Link, Node, Opened, Unreadable

BLKSSZGET = 0x1268
BLKFLSBUF = 0x1261
BLKGETSIZE64 = 0x80081272
BLKGETDISKSEQ = 0x80081280
LOOP_GET_STATUS64 = 0x4C05
FS_IOC_GETFSUUID = 0x80111500
LOOP_STATUS = struct.Struct("=QQQQQIIII64s64s32sQQ")


@contextmanager
def answered(kernel: Kernel) -> Iterator[None]:
    """Inside, this process' system calls are answered by the kernel as far as its paths and devices go."""
    calls = Calls(kernel)
    places: list[tuple[Any, str, Any]] = [
        (os, "stat", calls.stat),
        (os, "lstat", calls.lstat),
        (os, "fstat", calls.fstat),
        (os, "listdir", calls.listdir),
        (os, "scandir", calls.scandir),
        (os, "readlink", calls.readlink),
        (os, "access", calls.access),
        (os.path, "realpath", calls.realpath),
        (os, "open", calls.open),
        (os, "close", calls.close),
        (io, "open", calls.open_file),
        (builtins, "open", calls.open_file),
        (fcntl, "ioctl", calls.ioctl),
        (time, "sleep", calls.sleep),
    ]
    with ExitStack() as stack:
        for module, name, call in places:
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, call)
        yield


class Calls:
    """The system calls that code under test makes, answered by the kernel in memory where it knows the path."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.real = {
            name: getattr(os, name)
            for name in ("stat", "lstat", "fstat", "listdir", "scandir", "readlink", "access", "open", "close")
        }
        self.real_file = io.open
        self.real_path: Callable[..., Any] = os.path.realpath
        self.real_ioctl = fcntl.ioctl

    def stat(self, path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        if isinstance(path, int):
            return self.fstat(path)
        here = self.kernel.is_here(path)
        if here is None or dir_fd is not None:
            return self.real["stat"](path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)  # type: ignore[no-any-return]
        return _status(self.kernel.found(here, follows=follow_symlinks))

    def lstat(self, path: Any, *, dir_fd: int | None = None) -> os.stat_result:
        here = self.kernel.is_here(path)
        if here is None:
            return self.real["lstat"](path, dir_fd=dir_fd)  # type: ignore[no-any-return]
        return _status(self.kernel.found(here, follows=False))

    def fstat(self, descriptor: int) -> os.stat_result:
        opened = self.kernel.opened(descriptor)
        if opened is None:
            return self.real["fstat"](descriptor)  # type: ignore[no-any-return]
        return _status(opened if isinstance(opened, File) else Node(opened.number))

    def listdir(self, path: Any = ".") -> list[str]:
        here = self.kernel.is_here(path)
        if here is None:
            return self.real["listdir"](path)  # type: ignore[no-any-return]
        found = self.kernel.found(here, follows=True)
        if isinstance(found, dict):
            return list(found)
        if isinstance(found, Unreadable):
            raise PermissionError(errno.EACCES, "permission denied", here)
        raise NotADirectoryError(errno.ENOTDIR, "not a directory", here)

    def scandir(self, path: Any = ".") -> Any:
        if self.kernel.is_here(path) is not None:
            raise NotImplementedError("this kernel lists names only")
        return self.real["scandir"](path)

    def readlink(self, path: Any, *, dir_fd: int | None = None) -> str:
        here = self.kernel.is_here(path)
        if here is None:
            return self.real["readlink"](path, dir_fd=dir_fd)  # type: ignore[no-any-return]
        found = self.kernel.found(here, follows=False)
        if isinstance(found, Unreadable):
            raise PermissionError(errno.EACCES, "permission denied", here)
        if not isinstance(found, Link):
            raise OSError(errno.EINVAL, "not a link", here)
        return found.target

    def realpath(self, path: Any, *, strict: bool = False) -> str:
        here = self.kernel.is_here(path)
        if here is None:
            return self.real_path(path, strict=strict)  # type: ignore[no-any-return]
        resolved, entry = self.kernel.resolved(here)
        if strict and entry is None:
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", here)
        return resolved

    def access(self, path: Any, mode: int, **options: Any) -> bool:
        here = self.kernel.is_here(path)
        if here is None:
            return self.real["access"](path, mode, **options)  # type: ignore[no-any-return]
        try:
            return not isinstance(self.kernel.found(here, follows=True), Unreadable)
        except FileNotFoundError:
            return False

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        here = self.kernel.is_here(path)
        if here is None:
            return self.real["open"](path, flags, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]
        found = self.kernel.found(here, follows=not flags & os.O_NOFOLLOW)
        match found:
            case Node(number=number, is_block=True) if number in self.kernel.media:
                return self.kernel.give(self.kernel.media[number], number, flags, here)
            case Node():
                raise OSError(errno.ENXIO, "no such device or address", here)
            case File():
                return self.kernel.give_file(found)
            case Link():
                raise OSError(errno.ELOOP, "too many levels of symbolic links", here)
        raise PermissionError(errno.EACCES, "permission denied", here)

    def close(self, descriptor: int) -> None:
        self.kernel.take(descriptor)
        self.real["close"](descriptor)

    def open_file(self, file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        here = self.kernel.is_here(file)
        if here is None:
            return self.real_file(file, mode, *arguments, **options)
        found = self.kernel.found(here, follows=True)
        if isinstance(found, Node):
            descriptor = self.open(here, os.O_RDONLY if "+" not in mode and "w" not in mode else os.O_RDWR)
            return self.real_file(descriptor, mode, *arguments, **options)
        if isinstance(found, dict):
            raise IsADirectoryError(errno.EISDIR, "is a directory", here)
        if not isinstance(found, File):
            raise PermissionError(errno.EACCES, "permission denied", here)
        if "b" in mode:
            return io.BytesIO(found.content)
        return io.StringIO(found.content.decode("utf-8", "surrogateescape"))

    def sleep(self, _seconds: float) -> None:
        """Time passes here only with what is asked of the kernel."""
        self.kernel.tick()

    def ioctl(self, descriptor: Any, request: int, argument: Any = 0, mutate: bool = True) -> Any:
        opened = self.kernel.opened(descriptor) if isinstance(descriptor, int) else None
        if opened is None:
            return self.real_ioctl(descriptor, request, argument, mutate)
        self.kernel.tick()
        answer = _answer(self.kernel, opened, request)
        if isinstance(argument, bytearray):
            argument[: len(answer)] = answer
        return 0


def _answer(kernel: Kernel, opened: Opened | File, request: int) -> bytes:
    """What a driver writes back; raises OSError."""
    if isinstance(opened, File):
        if request == FS_IOC_GETFSUUID and opened.device in kernel.uuids:
            return b"\x10" + kernel.uuids[opened.device]
        raise OSError(errno.ENOTTY, "inappropriate ioctl for device")
    medium = opened.medium
    match request:
        case _ if request == BLKGETSIZE64:
            return struct.pack("=Q", 0 if medium.is_gone else medium.size)
        case _ if request == BLKSSZGET:
            return struct.pack("=i", medium.sector)
        case _ if request == BLKGETDISKSEQ:
            whole = kernel.media.get(medium.whole, medium) if medium.whole is not None else medium
            return struct.pack("=Q", whole.sequence)
        case _ if request == BLKFLSBUF:
            return b""
        case _ if request == LOOP_GET_STATUS64 and medium.backing is not None:
            back = medium.backing
            told = (back.device, back.inode, back.block_device or back.device, back.offset, back.size_limit)
            return LOOP_STATUS.pack(*told, 0, 0, 0, 0, b"", b"", b"", 0, 0)
        case _ if request == LOOP_GET_STATUS64:
            raise OSError(errno.ENXIO, "no such device or address")
    raise OSError(errno.ENOTTY, "inappropriate ioctl for device")


def _status(entry: Entry) -> os.stat_result:
    match entry:
        case dict():
            return _stat_result(stat.S_IFDIR | 0o755)
        case Link():
            return _stat_result(stat.S_IFLNK | 0o777)
        case Node(number=number, is_block=is_block):
            return _stat_result((stat.S_IFBLK if is_block else stat.S_IFCHR) | 0o660, rdev=number)
        case File(content=content, device=device, inode=inode):
            return _stat_result(stat.S_IFREG | 0o644, device=device, inode=inode, size=len(content))
    return _stat_result(stat.S_IFREG)


def _stat_result(mode: int, *, device: int = 0, inode: int = 0, size: int = 0, rdev: int = 0) -> os.stat_result:
    return os.stat_result((mode, inode, device, 1, 0, 0, size, 0, 0, 0), {"st_rdev": rdev})
