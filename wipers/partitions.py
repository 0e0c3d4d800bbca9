"""Partitions as a medium's own tables tell them, read before the first write: their ends are looked at afterwards.

Facts for a read-back, never identity: what cannot be read or makes no sense is as good as not there. MBR with logical
partitions; GPT by UEFI 2.10, 5.3, the second table where the first is broken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

from certificates.statements import Extent
from wipers.buffers import Buffer
from wipers.model import MediumError, Reader

MOST = 128
"""Partitions that are told (`Items`): as many as a GPT usually has room for."""
_MOST_ENTRIES = 1 << 10
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_PROTECTIVE = 0xEE


def partitions_on(reader: Reader, size: int) -> tuple[Extent, ...]:
    """Return the partitions inside `size` bytes of stream 0, in order of their offset; raises Lost."""
    found: set[Extent] = set()
    with suppress(MediumError):
        table = _entries(_read(reader, 0, reader.sector_size, size))
        if any(kind == _PROTECTIVE for kind, _, _ in table):
            found |= set(_gpt(reader, size))
        else:
            found |= set(_mbr(reader, size, table))
    inside = (one for one in found if one.length and one.offset + one.length <= size)
    return tuple(sorted(inside, key=lambda one: (one.offset, one.length))[:MOST])


def _read(reader: Reader, offset: int, length: int, size: int) -> bytes:
    """Return whole sectors around the bytes asked for, cut to them; fewer where the medium ends."""
    sector = reader.sector_size
    if offset < 0 or offset + length > size:
        return b""
    begin, end = offset // sector * sector, min(-(-(offset + length) // sector) * sector, size)
    buffer = Buffer(end - begin).view[: end - begin]
    reader.read(0, begin, buffer)
    return bytes(buffer[offset - begin : offset - begin + length])


def _entries(sector: bytes) -> list[tuple[int, int, int]]:
    """Return kind, first sector and number of sectors of the four entries of a boot record; none without its mark."""
    if sector[510:512] != b"\x55\xaa":
        return []
    return [
        (sector[at + 4], *struct.unpack_from("<II", sector, at + 8)) for at in range(446, 510, 16) if sector[at + 4]
    ]


def _mbr(reader: Reader, size: int, table: list[tuple[int, int, int]]) -> Iterator[Extent]:
    """Yield primary partitions, and the logical ones along the chain of an extended one."""
    unit = reader.sector_size
    for kind, first, count in table:
        if kind not in _EXTENDED:
            yield Extent(0, first * unit, count * unit)
            continue
        at = first
        for _ in range(MOST):
            inner = _entries(_read(reader, at * unit, unit, size))
            following = [start for kind, start, _ in inner if kind in _EXTENDED]
            for inner_kind, start, length in inner:
                if inner_kind not in _EXTENDED:
                    yield Extent(0, (at + start) * unit, length * unit)
            if not following:
                break
            at = first + following[0]


def _gpt(reader: Reader, size: int) -> Iterator[Extent]:
    """Yield the partitions of the first table that holds; logical sectors may be of 512 or of 4096 bytes."""
    for unit in dict.fromkeys((reader.sector_size, 512, 4096)):
        for header_at in (unit, size // unit * unit - unit):
            header = _read(reader, header_at, 92, size)
            if header[:8] == b"EFI PART":
                entries_at, count, length = struct.unpack_from("<QII", header, 72)
                if 128 <= length <= 4096 and count <= _MOST_ENTRIES:
                    yield from _gpt_entries(_read(reader, entries_at * unit, count * length, size), length, unit)
                    return


def _gpt_entries(table: bytes, length: int, unit: int) -> Iterator[Extent]:
    for at in range(0, len(table) - length + 1, length):
        first, last = struct.unpack_from("<QQ", table, at + 32)
        if any(table[at : at + 16]) and first <= last:
            yield Extent(0, first * unit, (last - first + 1) * unit)
