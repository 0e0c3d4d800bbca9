"""Writing over the blocks that files hold, and reading those blocks back on the storage below the file system."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from certificates.statements import Area, Check, Extent, Fact, StepRecord
from wipers.acts import Act, Given
from wipers.linux.direct import OF_THE_MEDIUM, Storage, error_name
from wipers.linux.extents import Span, check_not_moved, map_extents, moved_ranges, read_below
from wipers.linux.filesystems import FileSystem, generation
from wipers.linux.loops import settle_below
from wipers.linux.machine import Machine
from wipers.linux.release import remove_names
from wipers.linux.runstate import Begun, StateFile
from wipers.linux.streams import READING, Streams, open_stream
from wipers.linux.windows import Windows
from wipers.model import Advice, KeyState, Lost, MediumError

MOST_OPEN = 64
"""Files held open at once; a tree may have more files than a process may have descriptors."""
DIRECT_FROM = 1 << 18
"""Bytes from which a file is written past the page cache; below, one barrier for many cached writes is faster."""

# What tells that a name no longer leads to the file that was planned, or that it may not be written any more: a
# finding about that file. The others go on.
OF_THE_FILE = frozenset(
    {
        errno.EACCES,
        errno.ELOOP,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENXIO,
        errno.EPERM,
        errno.ESTALE,
        errno.ETXTBSY,
        errno.EXDEV,
    }
)

_LIBC = ctypes.CDLL(None, use_errno=True)


def sync_file_system(descriptor: int) -> None:
    """Make everything written to the descriptor's file system durable, in one barrier; raises OSError, also for a
    write that failed in the background since the last barrier (Linux 5.8)."""
    if _LIBC.syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Descriptors:
    """At most so many numbered files open for writing; each is known again by inode and generation when opened."""

    def __init__(self, root: int, streams: Streams, most: int = MOST_OPEN) -> None:
        """Open nothing yet."""
        self._root = root
        self._streams = streams
        self._most = most
        self._lock = threading.Lock()
        self._open: OrderedDict[int, list[int]] = OrderedDict()

    @contextmanager
    def borrow(self, stream: int) -> Iterator[int]:
        """Give a descriptor of the file, which stays open meanwhile; raises OSError. Thread-safe."""
        with self._lock:
            entry = self._open.get(stream)
            if entry is None:
                self._make_room()
                entry = self._open[stream] = [self._opened(stream), 0]
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

    def _make_room(self) -> None:
        idle = [stream for stream, (_, users) in self._open.items() if not users]
        for stream in idle[: max(len(self._open) - self._most + 1, 0)]:
            os.close(self._open.pop(stream)[0])

    def _opened(self, stream: int) -> int:
        """Open a file for writing, and make it as long as its last block, so that no block lies beyond its end."""
        streams = self._streams
        is_large = streams.allocated(stream) >= DIRECT_FROM
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | (os.O_DIRECT if is_large else 0)
        descriptor = open_stream(self._root, streams.tree, stream, flags)
        try:
            if generation(descriptor) != streams.generations[stream]:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            if os.fstat(descriptor).st_size < streams.end(stream):
                os.ftruncate(descriptor, streams.end(stream))
        except OSError:
            os.close(descriptor)
            raise
        return descriptor


class FilesWriter:
    """The blocks of numbered files as streams: written through the file system, read below it."""

    def __init__(
        self,
        root: int,
        found: FileSystem,
        storage: Storage | None,
        begun: Begun,
        state: StateFile,
        *,
        is_saved: bool,
        identify: Callable[[], tuple[Fact, ...]],
        machine: Machine,
    ) -> None:
        """Write nothing yet, not even the list of the files, which becomes durable before the first write."""
        self._root = root
        self._file_system = found
        self._storage = storage
        self._windows = Windows(storage) if storage is not None else None
        self._begun = begun
        self._state = state
        self._is_saved = is_saved
        self._identify = identify
        self._machine = machine
        self._streams = begun.streams if begun.streams is not None else Streams.empty()
        self._descriptors = Descriptors(root, self._streams)
        self._moved: dict[int, tuple[tuple[int, int], ...]] = {}
        self._lost: dict[int, str] = {}
        self._lock = threading.Lock()

    @property
    def sector_size(self) -> int:
        return self._file_system.sector_size

    @property
    def place(self) -> Literal["device", "below-file-system"]:
        return "below-file-system"

    def close(self) -> None:
        """Give the descriptors back."""
        self._descriptors.close()

    def facts(self) -> tuple[Fact, ...]:
        try:
            return self._identify()
        except OSError as error:
            raise self._gone(error) from error

    def layout(self, area: Area) -> Iterable[Extent]:
        if area == "header":
            return
        for stream in range(len(self._streams)):
            for offset, length in self._streams.runs(stream):
                yield Extent(stream, offset, length)

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        if not self._is_saved:
            self._begin()
        extent = Extent(stream, offset, len(buffer))
        if stream in self._lost:
            raise MediumError(self._lost[stream], extent)
        try:
            with self._descriptors.borrow(stream) as descriptor:
                done = 0
                while done < len(buffer):
                    done += os.pwrite(descriptor, buffer[done:], offset + done)
        except OSError as error:
            raise self._told(error, extent) from error

    def flush(self) -> None:
        try:
            sync_file_system(self._root)
        except OSError as error:
            if error.errno in OF_THE_MEDIUM:
                raise MediumError(error_name(error), Extent(0, 0, self._begun.size)) from error
            raise self._gone(error) from error

    def settle(self) -> None:
        self.flush()
        if self._storage is not None:
            self._storage.settle()
            settle_below(self._machine, self._file_system.device)
        if self._windows is not None:
            self._windows.forget()
        self._moved = dict(self._find_moved())

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        check_not_moved(self._moved.get(stream, ()), stream, offset, len(buffer))
        read_below(self._windows, stream, self._streams.spans(stream), offset, buffer)

    def moved(self) -> tuple[Extent, ...]:
        return tuple(Extent(stream, *one) for stream, ranges in self._moved.items() for one in ranges)

    def physical_extents(self) -> bytes | None:
        return b"".join(self._extent_lines())

    def release(self) -> int:
        if self._begun.streams is None:
            # Again, since a crash may have come between the mark and the end of the list.
            self._state.mark_released(self._begun)
            return self._begun.names
        self._begin()
        self.flush()
        self._descriptors.close()
        try:
            left = remove_names(self._root, self._streams, self._begun.seed)
        except OSError as error:
            raise self._gone(error) from error
        self.flush()
        self._state.mark_released(self._begun)
        return self._begun.names - left

    def key_state(self) -> KeyState:
        raise TypeError("files hold no keys of their own")

    def advice(self) -> Advice:
        return Advice()

    def temperature(self) -> int | None:
        return None

    def act(self, step: Act, given: Given) -> StepRecord | Check:
        raise TypeError(f"{step.kind} is not done on files")

    def status(self) -> bytes:
        """Nothing: a file is no drive."""
        return b""

    def prepare(self, extent: Extent) -> None:
        """Nothing: every extent takes writes in any order."""

    def _begin(self) -> None:
        """Make the numbered list durable, once, before anything is written: a crash must not renumber the files."""
        with self._lock:
            if self._is_saved:
                return
            try:
                self._state.save(self._begun)
            except OSError as error:
                raise self._gone(error) from error
            self._is_saved = True

    def _find_moved(self) -> Iterator[tuple[int, tuple[tuple[int, int], ...]]]:
        """Yield the files whose bytes no longer lie where they lay before the first write, with those ranges; all
        ranges of a file that has blocks which no pass wrote to."""
        for stream in range(len(self._streams)):
            before = self._streams.spans(stream)
            now = self._spans_now(stream)
            if now != before:
                yield stream, moved_ranges(before, () if moved_ranges(now, before) else now)

    def _spans_now(self, stream: int) -> tuple[Span, ...]:
        try:
            descriptor = open_stream(self._root, self._streams.tree, stream, READING)
        except OSError:
            return ()
        try:
            return map_extents(descriptor).spans
        except OSError:
            return ()
        finally:
            os.close(descriptor)

    def _extent_lines(self) -> Iterator[bytes]:
        for stream in range(len(self._streams)):
            for span in self._streams.spans(stream):
                line = {"stream": stream, "logical": span.logical, "physical": span.physical, "length": span.length}
                yield json.dumps(line, separators=(",", ":")).encode() + b"\n"

    def _told(self, error: OSError, extent: Extent) -> MediumError | Lost:
        name = error_name(error)
        if error.errno in OF_THE_FILE:
            self._lost[extent.stream] = name
            return MediumError(name, extent)
        return MediumError(name, extent) if error.errno in OF_THE_MEDIUM else self._gone(error)

    def _gone(self, error: OSError) -> Lost:
        return Lost("target-lost", where="the file system", detail=error_name(error))
