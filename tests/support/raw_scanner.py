"""A reader of raw images that shares no code with the wipers: it knows bytes and three ways of packing them (zlib,
pglz, lz4 as PostgreSQL packs values), and neither file systems nor databases."""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_UNPACKED = 1 << 16
"""Bytes that one trial unpacks."""
ZLIB_BEGINS = re.compile(rb"[\x78\x68][\x01\x05\x43\x5e\x81\x9c\xda\xde]", re.DOTALL)
"""The two bytes of a zlib stream, with a window of 32 or 16 KiB (InnoDB takes the smaller one)."""
GZIP_BEGINS = re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]", re.DOTALL)
"""The ten bytes of a gzip file: deflate, flags, a time, how hard it was packed, the system."""
MOST_LENGTH = 1 << 19
"""A packed value's header is below: four times its length, and two where it stands inside its row."""


@dataclass(frozen=True, slots=True)
class Finds:
    """How often a pattern stands on an image."""

    plain: int
    """As it is."""
    packed: int
    """Inside something packed; one may be reached from several places."""
    places: tuple[int, ...]
    """Positions of the first of them."""

    @property
    def total(self) -> int:
        return self.plain + self.packed


def scan(image: Path, pattern: bytes, *, packed: bool = True) -> Finds:
    """Every match of the regular expression on the image, and in what unpacks there."""
    wanted = re.compile(pattern, re.DOTALL)
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        plain = [found.start() for found in wanted.finditer(whole)]
        inside = list(_inside(whole, wanted)) if packed else []
    return Finds(len(plain), len(inside), tuple(sorted(plain + inside)[:32]))


def _inside(whole: mmap.mmap, wanted: re.Pattern[bytes]) -> Iterator[int]:
    for found in ZLIB_BEGINS.finditer(whole):
        yield from [found.start()] * len(wanted.findall(_inflated(whole, found.start())))
    size = len(whole) & ~7
    with memoryview(whole) as view, view[:size].cast("I") as words:
        begins = [at * 4 for at, word in enumerate(words) if 52 <= word < MOST_LENGTH and not word & 1]
    for begin in begins:
        yield from [begin] * len(wanted.findall(_unpacked(whole, begin)))


def gzipped(image: Path, pattern: bytes) -> int:
    """How often the pattern stands inside what gzip packed and wrote in one piece (RFC 1952, deflate)."""
    wanted = re.compile(pattern, re.DOTALL)
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return sum(len(wanted.findall(_gunzipped(whole, one.start()))) for one in GZIP_BEGINS.finditer(whole))


def _gunzipped(whole: mmap.mmap, begin: int) -> bytes:
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    found = bytearray()
    try:
        for at in range(begin, len(whole), 1 << 16):
            found += unpacking.decompress(whole[at : at + (1 << 16)])
            if unpacking.eof:
                break
    except zlib.error:
        pass
    return bytes(found)


def _inflated(whole: mmap.mmap, begin: int) -> bytes:
    unpacking = zlib.decompressobj()
    found = b""
    try:
        for at in range(begin, min(begin + MOST_UNPACKED, len(whole)), 512):
            found += unpacking.decompress(whole[at : at + 512], MOST_UNPACKED)
            if unpacking.eof or len(found) >= MOST_UNPACKED:
                break
    except zlib.error:
        pass
    return found


def _unpacked(whole: mmap.mmap, begin: int) -> bytes:
    """What a value of PostgreSQL's holds: a length, then the unpacked length with the way of packing in its top bits.
    Inside its row the length has its second bit set; a piece that stands outside has not, and holds more than it."""
    header, about = struct.unpack_from("<II", whole[begin : begin + 8].ljust(8, b"\0"))
    length, size, way = (header >> 2) - 8, about & 0x3FFFFFFF, about >> 30
    if length < 5 or size > 1 << 24 or (size <= length and header & 2) or way > 1:
        return b""
    data = whole[begin + 8 : begin + 8 + length]
    return unpack_pglz(data, min(size, MOST_UNPACKED)) if way == 0 else unpack_lz4(data, min(size, MOST_UNPACKED))


def unpack_pglz(data: bytes, size: int) -> bytes:
    """What PostgreSQL's own packing holds, as far as it can be followed (src/common/pg_lzcompress.c)."""
    found = bytearray()
    at = 0
    while at < len(data) and len(found) < size:
        control = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data) or len(found) >= size:
                break
            if not control >> bit & 1:
                found.append(data[at])
                at += 1
                continue
            if at + 1 >= len(data):
                return bytes(found)
            length, offset = (data[at] & 0x0F) + 3, (data[at] & 0xF0) << 4 | data[at + 1]
            at += 2
            if length == 18 and at < len(data):
                length += data[at]
                at += 1
            if not 0 < offset <= len(found):
                return bytes(found)
            for _ in range(length):
                found.append(found[-offset])
    return bytes(found)


def unpack_lz4(data: bytes, size: int) -> bytes:
    """What a block of LZ4 holds, as far as it can be followed (lz4 block format)."""
    found = bytearray()
    at = 0

    def longer(count: int) -> int:
        nonlocal at
        while count >= 15 and at < len(data):
            at += 1
            count += data[at - 1]
            if data[at - 1] != 255:
                break
        return count

    while at < len(data) and len(found) < size:
        token = data[at]
        at += 1
        literals = longer(token >> 4)
        found += data[at : at + literals]
        at += literals
        if at + 2 > len(data):
            break
        offset = data[at] | data[at + 1] << 8
        at += 2
        length = longer(token & 15) + 4
        if not 0 < offset <= len(found) or length > MOST_UNPACKED:
            break
        for _ in range(length):
            found.append(found[-offset])
    return bytes(found)
