"""Where a file's bytes lie on the storage below its file system, and how to read them there."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from certificates.statements import Extent
from wipers.linux.chunks import ChunkStorage
from wipers.linux.direct import Storage, device_geometry
from wipers.linux.filesystems import FileSystem, open_raw
from wipers.model import Lost, MediumError

FS_IOC_FIEMAP = 0xC020660B
SYNC = 0x01
"""FIEMAP_FLAG_SYNC: write dirty pages first, so that delayed blocks have an address."""
TO_THE_END = 0xFFFFFFFFFFFFFFFF
LAST = 0x0001
NOT_PROVABLE = {
    0x0002: "unknown",
    0x0004: "delayed",
    0x0008: "encoded",
    0x0080: "encrypted",
    0x0100: "not-aligned",
    0x0200: "inline",
    0x0400: "tail",
    0x2000: "shared",
}
"""Flags of an extent whose address does not say where the file's bytes lie alone (linux/fiemap.h)."""

DOUBTFUL = sum(NOT_PROVABLE)
UNWRITTEN = 0x0800
"""FIEMAP_EXTENT_UNWRITTEN: allocated, and reads as zeros whatever lies there."""

_HEAD = struct.Struct("=QQIIII")
_BODY = struct.Struct("=QQQ16xI12x")
_Raw = tuple[int, int, int, int]
"""Logical, physical, length, flags: what counts of `struct fiemap_extent`."""
_BATCH = 16
"""Extents a call; small, because nearly every file has one."""


class Span(NamedTuple):
    """A run of bytes that is contiguous in the file and on the storage below."""

    logical: int
    """First byte in the file."""
    physical: int
    """First byte on the device below the file system."""
    length: int
    """Bytes."""


class Mapping(NamedTuple):
    """Every allocated extent of a file, with what lies beyond its end and what was never written."""

    spans: tuple[Span, ...]
    """Ordered and coalesced."""
    doubts: tuple[str, ...]
    """Flags that keep an address from being provable, each once."""
    is_preallocated: bool = False
    """Whether some of it was never written to since it was allocated."""


def map_extents(descriptor: int) -> Mapping:
    """Return where the file's allocated bytes lie now, after its dirty pages were written; raises OSError."""
    first = _mapped(descriptor, 0)
    if len(first) == 1 and first[0][3] & (LAST | DOUBTFUL) == LAST:
        # Nearly every file of a tree.
        logical, physical, length, marks = first[0]
        return Mapping((Span(logical, physical, length),), (), bool(marks & UNWRITTEN))
    spans: list[Span] = []
    every = 0
    for logical, physical, length, marks in _further(descriptor, first):
        every |= marks
        spans.append(Span(logical, physical, length))
    doubts = tuple(name for flag, name in NOT_PROVABLE.items() if every & flag) if every & DOUBTFUL else ()
    return Mapping(coalesced(spans) if len(spans) > 1 else tuple(spans), doubts, bool(every & UNWRITTEN))


def raw_extents(descriptor: int) -> Iterator[_Raw]:
    """Yield the file's extents as logical, physical, length, flags, after its dirty pages were written; raises
    OSError."""
    return _further(descriptor, _mapped(descriptor, 0))


def _further(descriptor: int, found: list[_Raw]) -> Iterator[_Raw]:
    """Yield what was found, and all extents behind it."""
    while True:
        yield from found
        if not found or found[-1][3] & LAST:
            return
        found = _mapped(descriptor, found[-1][0] + found[-1][2])


class _Answer(threading.local):
    """Room for the kernel's answer, one for each thread: a tree has a million files, each asked several times."""

    def __init__(self) -> None:
        self.room = bytearray(_HEAD.size + _BATCH * _BODY.size)


_ANSWER = _Answer()


def _mapped(descriptor: int, start: int) -> list[_Raw]:
    """Return the next extents as logical, physical, length, flags."""
    buffer = _ANSWER.room
    _HEAD.pack_into(buffer, 0, start, TO_THE_END - start, SYNC, 0, _BATCH, 0)
    fcntl.ioctl(descriptor, FS_IOC_FIEMAP, buffer, True)
    mapped = _HEAD.unpack_from(buffer, 0)[3]
    return [_BODY.unpack_from(buffer, _HEAD.size + number * _BODY.size) for number in range(mapped)]


def coalesced(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans with those joined that follow one another both in the file and on the storage."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last and last.logical + last.length == span.logical and last.physical + last.length == span.physical:
            joined[-1] = Span(last.logical, last.physical, last.length + span.length)
        else:
            joined.append(span)
    return tuple(joined)


def runs(spans: Iterable[Span]) -> tuple[tuple[int, int], ...]:
    """Return the allocated runs of the file as offset and length, wherever they lie below."""
    found: list[tuple[int, int]] = []
    for span in spans:
        if found and found[-1][0] + found[-1][1] == span.logical:
            found[-1] = (found[-1][0], found[-1][1] + span.length)
        else:
            found.append((span.logical, span.length))
    return tuple(found)


def moved_ranges(before: tuple[Span, ...], now: tuple[Span, ...]) -> tuple[tuple[int, int], ...]:
    """Return the ranges, as offset and length, of what was mapped before and is not mapped to the same place now."""
    found: list[tuple[int, int]] = []
    if before == now:
        return ()
    for span in before:
        position, end = span.logical, span.logical + span.length
        for other in now:
            begin, stop = max(position, other.logical), min(end, other.logical + other.length)
            is_same_place = other.physical - other.logical == span.physical - span.logical
            if begin >= stop or not is_same_place:
                continue
            if begin > position:
                found.append((position, begin - position))
            position = stop
        if position < end:
            found.append((position, end - position))
    return tuple(found)


def check_not_moved(moved: Iterable[tuple[int, int]], stream: int, offset: int, length: int) -> None:
    """None of the bytes lies in a range that moved; raises MediumError for the first part that does."""
    for begin, size in moved:
        first, end = max(begin, offset), min(begin + size, offset + length)
        if first < end:
            raise MediumError("ESTALE", Extent(stream, first, end - first))


def within(spans: Iterable[Span], offset: int, length: int) -> tuple[Span, ...]:
    """Return the parts of the spans that hold the bytes, in order; what is not allocated has none."""
    end = offset + length
    found = []
    for span in spans:
        begin, stop = max(offset, span.logical), min(end, span.logical + span.length)
        if begin < stop:
            found.append(Span(begin, span.physical + begin - span.logical, stop - begin))
    return tuple(found)


def open_below(found: FileSystem, descriptor: int = -1) -> StorageBelow | None:
    """Return the storage below the file system, opened for reading past every cache; none where it may not be read.

    `descriptor`: anything open on the file system, which says how its addresses lie on devices where they are its own.
    """
    if found.kind == "btrfs":
        try:
            return ChunkStorage(descriptor)
        except (OSError, Lost):
            return None
    if found.node is None:
        return None
    try:
        descriptor = open_raw(found.node, found.device, os.O_DIRECT)
    except OSError:
        return None
    geometry = device_geometry(descriptor)
    return Storage(descriptor, str(found.node), geometry.size, geometry.sector_size)


StorageBelow = Storage | ChunkStorage
"""Storage below a file system, by the addresses that its files' extents show."""


class Below(Protocol):
    """What reads the storage below a file system."""

    def read(self, offset: int, buffer: memoryview) -> None:
        """Fill the page-aligned buffer from the medium; raises MediumError, Lost."""
        ...


def read_below(storage: Below | None, stream: int, spans: Iterable[Span], offset: int, buffer: memoryview) -> None:
    """Fill the buffer with the file's bytes from the storage below; raises MediumError for the part that failed, Lost.

    `spans` are where those bytes lay when they were mapped; a byte without one cannot be read.
    """
    if storage is None:
        raise MediumError("EACCES", Extent(stream, offset, len(buffer)))
    parts = within(spans, offset, len(buffer))
    if sum(part.length for part in parts) != len(buffer):
        raise MediumError("ENXIO", Extent(stream, offset, len(buffer)))
    for part in parts:
        begin = part.logical - offset
        try:
            storage.read(part.physical, buffer[begin : begin + part.length])
        except MediumError as error:
            raise MediumError(error.error, Extent(stream, part.logical, part.length)) from error
