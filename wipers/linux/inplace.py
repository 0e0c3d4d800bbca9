"""One file overwritten in place: written through the file system, read back on the storage below it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from certificates.errors import Refused
from certificates.statements import Extent
from wipers.linux.beneath import open_beneath, open_root
from wipers.linux.direct import Storage, error_name, open_descriptor
from wipers.linux.extents import Span, check_not_moved, map_extents, moved_ranges, open_below, read_below
from wipers.linux.filesystems import FileSystem, file_system_of, forbidding_flags, refusals
from wipers.linux.inodes import reasons_against
from wipers.linux.loops import settle_below
from wipers.linux.machine import Machine
from wipers.linux.openers import FileNumber
from wipers.linux.places import places_at_start
from wipers.linux.streams import is_written_elsewhere
from wipers.linux.usage import file_obstacles, in_use, observe
from wipers.model import Lost, Obstacle

LOOKING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file that may be overwritten in place, and why it must not be now."""

    path: str
    """Where it is."""
    number: FileNumber
    """Device and inode."""
    size: int
    """Bytes by st_size."""
    file_system: FileSystem
    """What it lies on."""
    obstacles: tuple[Obstacle, ...]
    """Why it must not be touched."""


def find_file(path: str, machine: Machine) -> FoundFile | None:
    """The regular file at an absolute path that no link is part of; none where there is none; reads only."""
    try:
        descriptor = open_plain(path)
    except OSError:
        return None
    try:
        return look_at(descriptor, path, machine)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def open_plain(path: str) -> int:
    """A descriptor for reading of a regular file, no component of whose path is a link; raises OSError."""
    folder = open_root(os.path.dirname(path))
    try:
        descriptor = open_beneath(folder, os.path.basename(path), LOOKING)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(f"{path} is no regular file")
    return descriptor


def look_at(descriptor: int, path: str, machine: Machine) -> FoundFile:
    """What the file is and who uses it; the descriptor must be the only one of this process; raises OSError."""
    status = os.fstat(descriptor)
    number = (status.st_dev, status.st_ino)
    below = file_system_of(descriptor, machine)
    found = list(refusals(below, path, machine))
    if not found:
        reasons = dict.fromkeys((*forbidding_flags(descriptor), *_reasons(below, descriptor)))
        found += [Obstacle(reason, _facts(path)) for reason in reasons]
    users = list(file_obstacles(path, number, observe(machine, frozenset({number}))))
    if not users and is_written_elsewhere(descriptor):
        users = [in_use(path, "somebody who has it open for writing")]
    if not os.access(f"/proc/self/fd/{descriptor}", os.W_OK):
        found.append(Obstacle("open-failed", (("error", "EACCES"), ("where", path))))
    return FoundFile(path, number, status.st_size, below, (*found, *users))


def _reasons(below: FileSystem, descriptor: int) -> tuple[str, ...]:
    """Return why the file cannot be overwritten in place and proven; the journal is not wrapped for a single file."""
    journaled = ("file-data-journaled",) if below.data_mode == "journal" else ()
    return (*journaled, *reasons_against(below, descriptor, map_extents(descriptor)))


def _facts(path: str) -> tuple[tuple[str, str], ...]:
    return (("count", "1"), ("where", path))


class FileInPlace:
    """An opened file: written directly, read below its file system at the addresses of the last `settle`; what no
    longer lies where it lay when the run began cannot be read."""

    def __init__(
        self, found: FoundFile, descriptor: int, machine: Machine, stream: int, before: tuple[Span, ...]
    ) -> None:
        """Take over a descriptor that was opened for writing, with the blocks that the file had when the run began."""
        self._before = before
        self._found = found
        self._machine = machine
        self._stream = stream
        self._storage = Storage(descriptor, found.path, found.size, found.file_system.sector_size, stream)
        self._below = open_below(found.file_system, descriptor)
        self._spans: tuple[Span, ...] = ()
        self._moved: tuple[tuple[int, int], ...] = ()

    def __enter__(self) -> FileInPlace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._storage.close()
        if self._below is not None:
            self._below.close()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._storage.size

    @property
    def sector_size(self) -> int:
        """Smallest unit of direct read and write, in bytes."""
        return self._storage.sector_size

    def now(self) -> tuple[FileNumber, int, str]:
        """Device and inode, size, and file-system UUID of what is open; raises Lost."""
        try:
            status = os.fstat(self._storage.descriptor)
            uuid = file_system_of(self._storage.descriptor, self._machine).uuid or ""
        except OSError as error:
            raise Lost("target-lost", where=self._found.path, detail=error_name(error)) from error
        return (status.st_dev, status.st_ino), status.st_size, uuid

    def read(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer from the storage below the file system; raises MediumError, Lost."""
        check_not_moved(self._moved, self._stream, offset, len(buffer))
        read_below(self._below, self._stream, self._spans, offset, buffer)

    def peek(self, offset: int, length: int) -> bytes:
        """Bytes as the file system gives them, for recognising the file; raises MediumError, Lost."""
        return self._storage.peek(offset, length)

    def write(self, offset: int, buffer: memoryview) -> None:
        """Write in place, into holes too; raises MediumError, Lost."""
        self._storage.write(offset, buffer)

    def flush(self) -> None:
        """Every write that returned before is durable; raises MediumError, Lost."""
        self._storage.flush()

    def settle(self) -> None:
        """Contents are on the medium, their addresses known, and no cache above it answers; raises as `flush`."""
        self._storage.settle()
        try:
            self._spans = map_extents(self._storage.descriptor).spans
        except OSError as error:
            raise Lost("target-lost", where=self._found.path, detail=error_name(error)) from error
        self._moved = moved_ranges(self._before, self._spans)
        if self._below is not None:
            settle_below(self._machine, self._found.file_system.device)

    def moved(self) -> tuple[Extent, ...]:
        """Ranges that no longer lay where they lay when the run began, at the last `settle`."""
        return tuple(Extent(self._stream, offset, length) for offset, length in self._moved)

    def extent_lines(self) -> Iterable[str]:
        """The file's extents as the last `settle` found them, numbers only, a JSON line each."""
        for span in self._spans:
            line = {"stream": self._stream, "logical": span.logical, "physical": span.physical, "length": span.length}
            yield json.dumps(line, separators=(",", ":"))


def open_in_place(found: FoundFile, machine: Machine, stream: int, *, resuming: bool) -> FileInPlace:
    """The file, opened for writing after it was looked at again on a descriptor that leads to the same inode; raises
    Refused where it is another by now, or in use."""
    try:
        looking = open_plain(found.path)
    except OSError as error:
        raise Refused("open-failed", where=found.path, error=error_name(error)) from error
    try:
        now = look_at(looking, found.path, machine)
        _check_same(found, now)
        descriptor = open_descriptor(f"/proc/self/fd/{looking}", os.O_RDWR)
    except OSError as error:
        raise Refused("open-failed", where=found.path, error=error_name(error)) from error
    finally:
        os.close(looking)
    try:
        mark = (now.file_system.uuid or "", now.number[1])
        before = places_at_start(descriptor, mark, machine.runs, resuming=resuming)
        return FileInPlace(now, descriptor, machine, stream, before)
    except OSError as error:
        os.close(descriptor)
        raise Refused("open-failed", where=found.path, error=error_name(error)) from error
    except BaseException:
        os.close(descriptor)
        raise


def _check_same(found: FoundFile, now: FoundFile) -> None:
    for fact, expected, seen in (("inode", found.number, now.number), ("size", found.size, now.size)):
        if expected != seen:
            raise Refused("identity-changed", where=found.path, fact=fact, found=str(seen), expected=str(expected))
    for obstacle in now.obstacles:
        raise Refused(obstacle.reason, **dict(obstacle.facts))
