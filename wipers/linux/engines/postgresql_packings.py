"""How PostgreSQL packs values: pglz (since 7.0) and LZ4 (since 14), in a row's own bytes and in a TOAST chunk.

A packed value begins with a header of four bytes, whose lowest two bits say that it is packed (`varatt.h`,
VARATT_IS_4B_C on a little-endian machine), and four more with the unpacked size and the method in the two highest bits.
In TOAST, the first chunk of a value begins with the second of these. What is unpacked are the first bytes; a later
chunk alone has no begin, and cannot be told from chance.
"""

from __future__ import annotations

import struct

from wipers.packings import Packing, repeat

PGLZ, LZ4 = 0, 1
LEAST, MOST = 32, 1 << 24
"""Unpacked sizes that are believed: below, nothing is packed; above, a header is rather chance."""
REACH = 8192
"""A packed value inside a row, or a chunk of TOAST, stands in one page."""
LONGEST_CHUNK = 2000
"""Bytes of a chunk with its header, so that four rows of chunks fill a page (`TOAST_MAX_CHUNK_SIZE`, 1,996 besides)."""
HEADERS = 8
"""Bytes of a length that are no packed ones; a value that packing does not make shorter is not packed."""
_HEADER = struct.Struct("<II")
_SIZE = 0x3FFFFFFF


def _runs(control: int) -> tuple[tuple[int, ...], int]:
    """Return how many literal bytes stand before each repetition of eight items, and how many behind the last."""
    before, count = [], 0
    for bit in range(8):
        if control >> bit & 1:
            before.append(count)
        count = 0 if control >> bit & 1 else count + 1
    return tuple(before), count


_GROUPS = tuple(_runs(control) for control in range(256))
"""What each control byte says of the eight items behind it: literals are then taken by the run, not one by one."""


def unpack_pglz(packed: memoryview, most: int) -> bytes:
    """Return what a pglz stream holds (`common/pg_lzcompress.c`), as far as it makes sense, at most so many bytes."""
    stream = bytes(packed)
    made = bytearray()
    at, end = 0, len(stream)
    while at < end and len(made) < most:
        before, after = _GROUPS[stream[at]]
        at += 1
        for literals in before:
            made += stream[at : at + literals]
            at += literals
            if at + 1 >= end:
                return bytes(made[:most])
            first = stream[at]
            offset, length = (first & 0xF0) << 4 | stream[at + 1], (first & 0x0F) + 3
            at += 2
            if length == 18:
                if at >= end:
                    return bytes(made[:most])
                length += stream[at]
                at += 1
            if not repeat(made, offset, length):
                return bytes(made[:most])
        made += stream[at : at + after]
        at += after
    return bytes(made[:most])


def unpack_lz4(packed: memoryview, most: int) -> bytes:
    """Return what an LZ4 block holds (lz4 block format), as far as it makes sense, at most so many bytes."""
    made = bytearray()
    at, end = 0, len(packed)
    while at < end and len(made) < most:
        token = packed[at]
        length, at = _length(packed, at + 1, token >> 4)
        made += packed[at : at + length]
        at += length
        if at + 2 > end:
            break
        offset = packed[at] | packed[at + 1] << 8
        length, at = _length(packed, at + 2, token & 15)
        if not repeat(made, offset, min(length + 4, most - len(made))):
            break
    return bytes(made[:most])


def _length(packed: memoryview, at: int, nibble: int) -> tuple[int, int]:
    """Return a length that goes on as long as its bytes are full, and where it ends."""
    if nibble < 15:
        return nibble, at
    while at < len(packed):
        nibble += packed[at]
        at += 1
        if packed[at - 1] != 255:
            break
    return nibble, at


def _size_from(least: int) -> bytes:
    """Return the expression of unpacked sizes from about so many bytes to below 1 MiB, without the highest byte.

    Smaller ones are numbers that stand in every second row.
    """
    if least < 256:
        return rb"(?:[\x%02x-\xff]\x00\x00|.[\x01-\xff]\x00|..[\x01-\x0f])" % least
    return rb"(?:.[\x%02x-\xff]\x00|..[\x01-\x0f])" % (least >> 8)


_PGLZ = rb"\x00[" + b"".join(b"\\x%02x" % byte for byte in range(0, 256, 2)) + rb"]"
_LZ4 = rb"\x40[\x10-\xff]"
"""Method and first byte of what is packed: the first item of pglz is a literal, the first of LZ4 has one."""


_ONE_BY_ONE = 256
"""Lengths below this are looked for one by one: what is fixed in an expression makes a search fast, and the noughts of
short lengths stand all around."""


def _low(mark: int) -> bytes:
    """Return the set of lowest bytes of a header with these two bits."""
    return b"[" + b"".join(b"\\x%02x" % byte for byte in range(mark, 256, 4)) + b"]"


def _anchors(before: bytes, mark: int, lengths: range) -> tuple[bytes, ...]:
    """Return expressions of headers with these lengths for pglz, and one for LZ4, whose method is a rare byte."""
    one_by_one = range(lengths.start, _ONE_BY_ONE if mark else lengths.start)
    heads = [(length, b"\\x%02x\\x%02x" % (length << 2 & 0xFF | mark, length >> 6)) for length in one_by_one]
    higher = range(one_by_one.stop >> 6, (lengths.stop - 1 >> 6) + 1)
    heads += [(high << 6, b"%b\\x%02x" % (_low(mark), high)) for high in higher]
    pglz = tuple(
        b"%b%b\\x00\\x00%b%b" % (before, head, _size_from(max(LEAST, length - HEADERS + 1)), _PGLZ)
        for length, head in heads
    )
    return (*pglz, b"%b%b[\\x00-\\x7f]\\x00\\x00%b%b" % (before, _low(mark), _size_from(LEAST), _LZ4))


class _Inline:
    """A packed value inside a row, an index or a catalog."""

    name = "postgresql-packed"
    # Header: low bits 10, at most 8 KiB; then the unpacked size, below 1 MiB, with method 0 or 1.
    anchor = _low(2) + rb"[\x00-\x7f]\x00\x00" + _size_from(LEAST) + rb"[\x00\x40]."
    anchor_size = 9
    anchors = _anchors(b"", 2, range(12, REACH))
    align = 4

    def unpack(self, view: memoryview) -> bytes:
        """Return what the value holds; nothing where its header makes no sense."""
        if len(view) < 12:
            return b""
        header, told = _HEADER.unpack_from(view)
        length, size = header >> 2, told & _SIZE
        if not 12 <= length <= REACH or not LEAST <= size <= MOST or size <= length - HEADERS:
            return b""
        return _unpack(view[8 : min(length, len(view))], told >> 30, size)


class _Chunk:
    """The first chunk of a packed value in TOAST: its number, which is 0, an unpacked header (a quarter of a page at
    most), then size and method."""

    name = "postgresql-toast"
    # Number of the chunk; varlena header of the chunk (low bits 00); then the unpacked size as in a packed value.
    anchor = rb"\x00{4}" + _low(0) + rb"[\x01-\x1f]\x00\x00" + _size_from(LEAST) + rb"[\x00\x40]."
    anchor_size = 13
    anchors = _anchors(rb"\x00{4}", 0, range(64, LONGEST_CHUNK + 1))
    align = 4

    def unpack(self, view: memoryview) -> bytes:
        """Return what the chunk holds; nothing where its header makes no sense."""
        if len(view) < 16:
            return b""
        header, told = _HEADER.unpack_from(view, 4)
        length, size = header >> 2, told & _SIZE
        if not 64 <= length <= REACH or not LEAST <= size <= MOST or size <= length - HEADERS:
            return b""
        return _unpack(view[12 : min(length + 4, len(view))], told >> 30, size)


def _unpack(packed: memoryview, method: int, size: int) -> bytes:
    return unpack_lz4(packed, size) if method == LZ4 else unpack_pglz(packed, size)


PACKED: tuple[Packing, ...] = (_Inline(), _Chunk())
"""Forms in which PostgreSQL packs values, beside those that every hunt knows."""
