"""Partition tables, read only: the id that a table gives each of its parts, and what it says a part is for."""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Read = Callable[[int, int], bytes]
"""(offset, length) -> bytes; raises OSError, and gives fewer bytes behind the end."""

GPT_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
"""Signature, revision, size, checksum, reserved, own and other place, first and last usable, disk id, then the entries:
first block, number, size of one, checksum (UEFI 2.10, 5.3.2)."""
GPT_ENTRY = struct.Struct("<16s16sQQ")
"""Type, id, first and last block (UEFI 2.10, 5.3.3)."""
MOST_ENTRIES = 1024
"""More than any tool makes; a table that claims more is damaged."""
MBR_ENTRY = struct.Struct("<B3sB3sII")
"""Status, first place, type, last place, first block, blocks."""
EXTENDED = frozenset({0x05, 0x0F, 0x85})
"""Types of an MBR entry that holds further partitions."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a table says of one of its parts."""

    uuid: str
    """GPT: the part's own GUID. MBR: the disk's id and the part's number, as Linux writes it."""
    kind: str
    """GPT: GUID of the type. MBR: `0x` and the type's number."""
    start: int
    """First byte."""


def part_of(node: Path, number: int, sector_size: int) -> Part | None:
    """What the table on a whole device says of its part of that number; none where it cannot be read or has none."""
    try:
        descriptor = os.open(node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return read_part(lambda offset, length: os.pread(descriptor, length, offset), number, sector_size)
    except (OSError, struct.error):
        return None
    finally:
        os.close(descriptor)


def read_part(read: Read, number: int, sector_size: int) -> Part | None:
    """What the table says of its part of that number, counted from 1; raises OSError."""
    header = read(sector_size, GPT_HEADER.size)
    if header.startswith(b"EFI PART"):
        return _in_gpt(read, GPT_HEADER.unpack(header), number, sector_size)
    return _in_mbr(read, number, sector_size)


def _in_gpt(read: Read, header: tuple[int, ...], number: int, sector_size: int) -> Part | None:
    at, count, size = header[10], header[11], header[12]
    if not 1 <= number <= min(count, MOST_ENTRIES) or not GPT_ENTRY.size <= size <= 4096:
        return None
    entry = read(at * sector_size + (number - 1) * size, GPT_ENTRY.size)
    kind, own, first, _ = GPT_ENTRY.unpack(entry)
    if not any(kind):
        return None
    return Part(str(uuid.UUID(bytes_le=own)), str(uuid.UUID(bytes_le=kind)), first * sector_size)


def _in_mbr(read: Read, number: int, sector_size: int) -> Part | None:
    sector = read(0, 512)
    if sector[510:] != b"\x55\xaa":
        return None
    own = f"{int.from_bytes(sector[440:444], 'little'):08x}-{number:02x}"
    entries = [MBR_ENTRY.unpack_from(sector, 446 + 16 * place) for place in range(4)]
    if 1 <= number <= 4:
        _, _, kind, _, first, _ = entries[number - 1]
        return Part(own, f"0x{kind:x}", first * sector_size) if kind else None
    extended = next((entry[4] for entry in entries if entry[2] in EXTENDED), None)
    return None if extended is None else _logical(read, own, number, extended, sector_size)


def _logical(read: Read, own: str, number: int, extended: int, sector_size: int) -> Part | None:
    """Follow the chain of tables in an extended partition: each tells one part and where the next table lies."""
    at = extended
    for place in range(5, 64):
        sector = read(at * sector_size, 512)
        if sector[510:] != b"\x55\xaa":
            return None
        _, _, kind, _, first, _ = MBR_ENTRY.unpack_from(sector, 446)
        _, _, onward, _, following, _ = MBR_ENTRY.unpack_from(sector, 462)
        if place == number:
            return Part(own, f"0x{kind:x}", (at + first) * sector_size) if kind else None
        if onward not in EXTENDED:
            return None
        at = extended + following
    return None
