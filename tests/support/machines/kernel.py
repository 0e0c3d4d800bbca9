"""A kernel in memory, put in at the system call: code under test runs unchanged, and every open of a device is seen.

Paths below `ROOT` and below /dev, and files named one by one, are answered from here; every other path goes to the real
kernel. What a device's node opens is an anonymous file of the device's size, so that reads and writes are real ones.
"""

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.guard import HARMLESS_DEVICES
from wipers.linux.machine import Machine
from wipers.linux.mapper import Row

ROOT = "/simulated"
MOST_LINKS = 40

BLKSSZGET = 0x1268
BLKFLSBUF = 0x1261
BLKGETSIZE64 = 0x80081272
BLKGETDISKSEQ = 0x80081280
LOOP_GET_STATUS64 = 0x4C05
FS_IOC_GETFSUUID = 0x80111500
LOOP_STATUS = struct.Struct("=QQQQQIIII64s64s32sQQ")


def numbered(text: str) -> int:
    """Device number of `8:16`."""
    major, _, minor = text.partition(":")
    return os.makedev(int(major), int(minor))


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Node:
    """A device node; what it leads to depends on what bears the number when it is opened."""

    number: int
    is_block: bool = True


@dataclass(frozen=True, slots=True)
class File:
    """A regular file, on the file system of that device number."""

    content: bytes
    device: int = 0
    inode: int = 1


class Unreadable:
    """A file or directory that exists and may not be read."""


Entry = Link | Node | File | Unreadable | dict[str, Any]


@dataclass(slots=True)
class Backing:
    """What a loop device lies over, as its driver tells."""

    device: int
    inode: int
    offset: int = 0
    size_limit: int = 0
    block_device: int = 0


@dataclass(slots=True)
class Medium:
    """What a block device's number leads to now."""

    unit: str
    """Name of the thing itself, for the test alone: paths to one unit share it."""
    size: int
    sector: int = 512
    is_read_only: bool = False
    is_claimed: bool = False
    """Whether the kernel or a program holds it exclusively."""
    whole: int | None = None
    """Number of the disk that it is a part of."""
    backing: Backing | None = None
    sequence: int = 0
    """Number that the kernel gave it when it appeared."""
    content: dict[int, bytes] = field(default_factory=dict)
    """What lies at which offset; zeros elsewhere."""
    is_gone: bool = False
    memory: int = -1
    """Descriptor of its bytes, once it was opened."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An open of a block device that the kernel granted."""

    location: str
    unit: str
    is_for_writing: bool
    is_exclusive: bool
    was_claimed: bool
    call: int
    """Which system call it was."""


@dataclass(slots=True)
class _Opened:
    medium: Medium
    number: int
    is_exclusive: bool


class Kernel:
    """The files, devices and media of one machine."""

    def __init__(self) -> None:
        self.tree: dict[str, Entry] = {}
        self.files: dict[str, File] = {}
        self.media: dict[int, Medium] = {}
        self.seen: dict[int, Medium] = {}
        """Media that were opened, by the id of the object, those that left the machine too."""
        self.uuids: dict[int, bytes] = {}
        self.openings: list[Opening] = []
        self.calls = 0
        self.surprises: list[tuple[int, Callable[[], None]]] = []
        self._known: dict[tuple[str, bool], tuple[str, Entry | None]] = {}
        self._open: dict[int, _Opened | File] = {}
        self.tables: dict[int, tuple[Row, ...]] = {}
        self.properties: dict[str, dict[str, str]] = {}
        self.machine = Machine(
            sys=Path(ROOT, "sys"),
            proc=Path(ROOT, "proc"),
            dev=Path(ROOT, "dev"),
            runs=Path(ROOT, "runs"),
            table=self.tables.get,
            properties=lambda folder: self.properties.get(str(folder), {}),
        )

    # What a machine is built with; paths are relative to ROOT.

    def write(self, path: str, text: str | bytes) -> None:
        self.put(path, File(text if isinstance(text, bytes) else text.encode()))

    def link(self, path: str, target: str) -> None:
        """A link at the path to an absolute path below ROOT."""
        self.put(path, Link(f"{ROOT}/{target}"))

    def put(self, path: str, entry: Entry) -> None:
        above, _, name = path.rpartition("/")
        self.folder(above)[name] = entry
        self._known.clear()

    def folder(self, path: str) -> dict[str, Entry]:
        """The directory at the path, made where there is none."""
        found = self.tree
        for part in path.split("/") if path else ():
            below = found.setdefault(part, {})
            assert isinstance(below, dict), path
            found = below
        self._known.clear()
        return found

    def remove(self, path: str) -> None:
        above, _, name = path.rpartition("/")
        self.folder(above).pop(name, None)
        self._known.clear()

    def later(self, calls: int, surprise: Callable[[], None]) -> None:
        """The surprise happens when so many more system calls were made."""
        self.surprises.append((self.calls + calls, surprise))

    # What a test asks.

    @property
    def opened_for_writing(self) -> tuple[Opening, ...]:
        return tuple(opening for opening in self.openings if opening.is_for_writing)

    def close(self) -> None:
        """All memory is given back."""
        for descriptor in [*self._open]:
            os.close(descriptor)
        self._open.clear()
        for medium in self.seen.values():
            self.forget(medium)

    def forget(self, medium: Medium) -> None:
        if medium.memory >= 0:
            os.close(medium.memory)
            medium.memory = -1

    @contextmanager
    def shown(self) -> Iterator[Machine]:
        """Inside, this process runs on this machine as far as its paths and devices go."""
        calls = _Calls(self)
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
            yield self.machine

    # What the system calls ask.

    def is_here(self, path: object) -> str | None:
        """The path as text, if this kernel answers for it."""
        if isinstance(path, int):
            return None
        text = path if isinstance(path, str) else os.fsdecode(os.fspath(path))  # type: ignore[call-overload]
        if text.startswith("/dev/") and text not in HARMLESS_DEVICES:
            return ROOT + text
        return text if text.startswith(ROOT) or text in self.files else None

    def tick(self) -> None:
        """One more system call; what was to happen by now does."""
        self.calls += 1
        while self.surprises and self.surprises[0][0] <= self.calls:
            self.surprises.pop(0)[1]()

    def found(self, path: str, *, follows: bool) -> Entry:
        """What lies at the path; raises FileNotFoundError."""
        entry = self.resolved(path, follows=follows)[1]
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", path)
        return entry

    def resolved(self, path: str, *, follows: bool = True) -> tuple[str, Entry | None]:
        """The path without links, and what lies there; none where nothing does."""
        self.tick()
        known = self._known.get((path, follows))
        if known is None:
            file = self.files.get(path)
            known = (path, file) if file else self._looked_up(path, follows=follows)
            self._known[path, follows] = known
        return known

    def _looked_up(self, path: str, *, follows: bool) -> tuple[str, Entry | None]:
        """By the folder above, which most look-ups share; else by a walk from the root."""
        above, _, name = path.rpartition("/")
        if name in {"", ".", ".."} or not above.startswith(ROOT):
            return self._walked(path, follows)
        known = self._known.get((above, True))
        if known is None:
            known = self._known[above, True] = self._looked_up(above, follows=True)
        place, folder = known
        entry = folder.get(name) if isinstance(folder, dict) else None
        if isinstance(entry, Link) and follows:
            return self._walked(path, follows)
        return f"{place}/{name}", entry

    def _walked(self, path: str, follows: bool) -> tuple[str, Entry | None]:
        waiting = [part for part in path.removeprefix(ROOT).split("/")[::-1] if part not in {"", "."}]
        names: list[str] = []
        trail: list[dict[str, Entry]] = [self.tree]
        here: Entry = self.tree
        links = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                trail, names = trail[:-1] or trail, names[:-1]
                here = trail[-1]
                continue
            entry = here.get(part) if isinstance(here, dict) else None
            if entry is None:
                return "/".join((ROOT, *names, part, *waiting[::-1])), None
            if isinstance(entry, Link) and (follows or waiting):
                links += 1
                if not entry.target.startswith(ROOT) or links > MOST_LINKS:
                    return entry.target, None if waiting else self.files.get(entry.target)
                names, trail, here = [], [self.tree], self.tree
                waiting += [one for one in entry.target.removeprefix(ROOT).split("/")[::-1] if one not in {"", "."}]
                continue
            here = entry
            names.append(part)
            if isinstance(entry, dict):
                trail.append(entry)
        return "/".join((ROOT, *names)), here

    def opened(self, descriptor: int) -> _Opened | File | None:
        return self._open.get(descriptor)

    def give(self, medium: Medium, number: int, flags: int, location: str) -> int:
        """A descriptor of the device; raises OSError as the block layer does."""
        is_for_writing = flags & os.O_ACCMODE != os.O_RDONLY
        if medium.is_gone:
            raise OSError(errno.ENXIO, "no such device or address", location)
        if not medium.size:
            raise OSError(errno.ENOMEDIUM, "no medium found", location)
        if is_for_writing and medium.is_read_only:
            raise OSError(errno.EROFS, "read-only", location)
        is_claimed = self.is_claimed(number)
        if flags & os.O_EXCL and is_claimed:
            raise OSError(errno.EBUSY, "device or resource busy", location)
        descriptor = REAL_OPEN(f"/proc/self/fd/{self._memory(medium)}", flags & os.O_ACCMODE | os.O_CLOEXEC)
        is_exclusive = bool(flags & os.O_EXCL)
        self._open[descriptor] = _Opened(medium, number, is_exclusive)
        self.openings.append(Opening(location, medium.unit, is_for_writing, is_exclusive, is_claimed, self.calls))
        return descriptor

    def give_file(self, file: File) -> int:
        memory = os.memfd_create("file")
        os.write(memory, file.content)
        self._open[memory] = file
        return memory

    def take(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)

    def is_claimed(self, number: int) -> bool:
        """Whether the device, the disk that it is a part of, or a part of it is held exclusively."""
        held = {one.number for one in self._open.values() if isinstance(one, _Opened) and one.is_exclusive}
        held |= {other for other, medium in self.media.items() if medium.is_claimed}
        return bool(held & {number, self.media[number].whole}) or any(self._is_part(one, number) for one in held)

    def _is_part(self, one: int, number: int) -> bool:
        medium = self.media.get(one)
        return medium is not None and medium.whole == number

    def _memory(self, medium: Medium) -> int:
        if medium.memory < 0:
            medium.memory = os.memfd_create("medium")
            self.seen[id(medium)] = medium
            os.ftruncate(medium.memory, medium.size)
            for offset, data in medium.content.items():
                os.pwrite(medium.memory, data, offset)
        return medium.memory


REAL_OPEN = os.open


class _Calls:
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


def _answer(kernel: Kernel, opened: _Opened | File, request: int) -> bytes:
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
