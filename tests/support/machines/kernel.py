"""A kernel in memory, put in at the system call: code under test runs unchanged, and every open of a device is seen.

Paths below `ROOT` and below /dev, and files named one by one, are answered from here; every other path goes to the real
kernel. What a device's node opens is an anonymous file of the device's size, so that reads and writes are real ones.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.guard import HARMLESS_DEVICES
from wipers.linux.machine import Machine
from wipers.linux.mapper import Row

ROOT = "/simulated"
MOST_LINKS = 40

REAL_OPEN = os.open


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
class Opened:
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
        self._open: dict[int, Opened | File] = {}
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
        from tests.support.machines.calls import answered

        with answered(self):
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

    def opened(self, descriptor: int) -> Opened | File | None:
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
        self._open[descriptor] = Opened(medium, number, is_exclusive)
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
        held = {one.number for one in self._open.values() if isinstance(one, Opened) and one.is_exclusive}
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
