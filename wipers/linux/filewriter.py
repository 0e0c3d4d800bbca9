"""Writing over the blocks that files hold, and reading those blocks back on the storage below the file system."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Literal, cast

from certificates.statements import Area, Check, Extent, Fact, StepRecord
from wipers.acts import Act, Given
from wipers.linux.barriers import sync_file_system
from wipers.linux.descriptors import DIRECT_FROM, Descriptors
from wipers.linux.direct import OF_THE_MEDIUM, error_name
from wipers.linux.extents import (
    Span,
    StorageBelow,
    check_not_moved,
    map_extents,
    moved_ranges,
    read_below,
    runs,
)
from wipers.linux.fileacts import FileActs, Wishes
from wipers.linux.filesystems import JOURNALED, FileSystem, inode_flags
from wipers.linux.loops import settle_below
from wipers.linux.machine import Machine
from wipers.linux.release import remove_names
from wipers.linux.rows import Row, Rows
from wipers.linux.runstate import Begun, StateFile
from wipers.linux.streams import READING, Streams
from wipers.linux.trees import Folders
from wipers.linux.windows import Windows
from wipers.model import Advice, KeyState, Lost, MediumError
from wipers.verdicts import EXT

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

LINES_AT_ONCE = 1 << 12
"""Lines of the list of extents that are in memory together."""


class FilesWriter:
    """The blocks of numbered files as streams: written through the file system, read below it."""

    def __init__(
        self,
        root: int,
        found: FileSystem,
        storage: StorageBelow | None,
        begun: Begun,
        state: StateFile,
        *,
        is_saved: bool,
        identify: Callable[[], tuple[Fact, ...]],
        machine: Machine,
        wishes: Wishes | None = None,
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
        self._rows = Rows(self._streams)
        # What interrupted a run may be a sector that takes no write. Through the cache that shows at a barrier over
        # everything; past it, at the file that lies there: a run that is taken up again goes past it throughout.
        self._direct_from = 0 if is_saved else DIRECT_FROM
        self._descriptors = Descriptors(root, self._rows, direct_from=self._direct_from)
        self._acts = FileActs(root, found, storage, machine, wishes or Wishes())
        self._is_journaled = found.kind in EXT and found.data_mode == "journal"
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
        for stream, offset, length in self._rows.runs():
            yield Extent(stream, offset, length)

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        if not self._is_saved:
            self._begin()
        extent = Extent(stream, offset, len(buffer))
        if self._lost and stream in self._lost:
            raise MediumError(self._lost[stream], extent)
        try:
            if offset or len(buffer) >= self._direct_from or len(buffer) < self._rows[stream].end:
                with self._descriptors.borrow(stream) as descriptor:
                    _write(descriptor, offset, buffer)
            else:
                self._write_at_once(stream, buffer)
        except OSError as error:
            raise self._told(error, extent) from error

    def _write_at_once(self, stream: int, buffer: memoryview) -> None:
        """Write a small file whole, and be done with it; raises OSError."""
        descriptor = self._descriptors.opened(stream)
        try:
            _write(descriptor, 0, buffer)
        finally:
            os.close(descriptor)

    def flush(self) -> None:
        try:
            sync_file_system(self._root)
        except OSError as error:
            if error.errno in OF_THE_MEDIUM:
                raise MediumError(error_name(error), Extent(0, 0, self._begun.size)) from error
            raise self._gone(error) from error

    def settle(self) -> None:
        self.flush()
        self._moved = dict(self._find_moved())
        try:
            if self._is_journaled and not self._acts.is_journal_wrapped():
                # What was overwritten may stand in the journal still: nothing that is read elsewhere says otherwise.
                self._moved = {stream: runs(row.spans) for stream, row in enumerate(self._rows)}
        except OSError as error:
            raise self._gone(error) from error
        if self._storage is not None:
            self._storage.settle()
            settle_below(self._machine, self._file_system.device)
        if self._windows is not None:
            self._windows.forget()

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        if self._moved and stream in self._moved:
            check_not_moved(self._moved[stream], stream, offset, len(buffer))
        spans = self._rows[stream].spans
        if len(spans) == 1 and self._windows is not None and spans[0].length == len(buffer):
            # Nearly every file: one extent, read whole.
            self._read_whole(stream, spans[0], buffer)
        else:
            read_below(self._windows, stream, spans, offset, buffer)

    def _read_whole(self, stream: int, span: Span, buffer: memoryview) -> None:
        try:
            cast(Windows, self._windows).read(span.physical, buffer)
        except MediumError as error:
            raise MediumError(error.error, Extent(stream, span.logical, span.length)) from error

    def moved(self) -> tuple[Extent, ...]:
        return tuple(Extent(stream, *one) for stream, ranges in self._moved.items() for one in ranges)

    def physical_extents(self) -> Iterable[bytes]:
        lines = self._extent_lines()
        while part := b"".join(islice(lines, LINES_AT_ONCE)):
            yield part

    def release(self) -> int:
        if self._begun.streams is None:
            # Again, since a crash may have come between the mark and the end of the list.
            self._state.mark_released(self._begun)
            return self._begun.names
        self._begin()
        self.flush()
        self._descriptors.close()
        try:
            with self._acts.scrubbing(self._state.note_unclean) as scrub:
                left, unclean = remove_names(self._root, self._streams, self._begun.seed, scrub)
        except OSError as error:
            raise self._gone(error) from error
        self.flush()
        self._begun = replace(self._begun, unclean=self._begun.unclean + unclean)
        self._state.mark_released(self._begun)
        if not left:
            self._acts.note_given_back()
        return self._begun.names - left

    def key_state(self) -> KeyState:
        raise TypeError("files hold no keys of their own")

    def advice(self) -> Advice:
        return Advice()

    def temperature(self) -> int | None:
        return None

    def act(self, step: Act, given: Given) -> StepRecord | Check:
        try:
            return self._acts.do(step, given, self._begun, self._streams)
        except OSError as error:
            raise self._gone(error) from error

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
        folders = Folders(self._root)
        try:
            for stream, row in enumerate(self._rows):
                now = self._spans_now(folders, row)
                if now != row.spans:
                    yield stream, moved_ranges(row.spans, () if moved_ranges(now, row.spans) else now)
        finally:
            folders.close()

    def _spans_now(self, folders: Folders, row: Row) -> tuple[Span, ...]:
        """Return where the file's bytes lie now, and take note where the journal keeps them too."""
        try:
            folder, name = folders.of(row.path)
            descriptor = os.open(name, READING | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            return ()
        try:
            if os.fstat(descriptor).st_ino != row.inode:
                return ()
            if self._file_system.kind in EXT and inode_flags(descriptor) & JOURNALED:
                self._is_journaled = True
            return map_extents(descriptor).spans
        except OSError:
            return ()
        finally:
            os.close(descriptor)

    def _extent_lines(self) -> Iterator[bytes]:
        for stream, row in enumerate(self._rows):
            for logical, physical, length in row.spans:
                # The order of the keys is that of the published form; the values are numbers alone.
                line = f'{{"stream":{stream},"logical":{logical},"physical":{physical},"length":{length}}}\n'
                yield line.encode()

    def _told(self, error: OSError, extent: Extent) -> MediumError | Lost:
        name = error_name(error)
        if error.errno in OF_THE_FILE:
            self._lost[extent.stream] = name
            return MediumError(name, extent)
        return MediumError(name, extent) if error.errno in OF_THE_MEDIUM else self._gone(error)

    def _gone(self, error: OSError) -> Lost:
        return Lost("target-lost", where="the file system", detail=error_name(error))


def _write(descriptor: int, offset: int, buffer: memoryview) -> None:
    """Write all of the buffer; raises OSError."""
    done = os.pwrite(descriptor, buffer, offset)
    while done < len(buffer):
        done += os.pwrite(descriptor, buffer[done:], offset + done)
