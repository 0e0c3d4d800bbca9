"""How PostgreSQL packs values: pglz (since 7.0) and LZ4 (since 14), in a row's own bytes and in a TOAST chunk.

A packed value begins with a header of four bytes, whose lowest two bits say that it is packed (`varatt.h`,
VARATT_IS_4B_C on a little-endian machine), and four more with the unpacked size and the method in the two highest bits.
In TOAST, the first chunk of a value begins with the second of these. What is unpacked are the first bytes; a later
chunk alone has no begin, and cannot be told from chance.
"""

from __future__ import annotations

import struct

from wipers.packings import Packing

PGLZ, LZ4 = 0, 1
LEAST, MOST = 32, 1 << 24
"""Unpacked sizes that are believed: below, nothing is packed; above, a header is rather chance."""
REACH = 8192
"""A packed value inside a row, or a chunk of TOAST, stands in one page."""
LONGEST_CHUNK = 2000
"""Bytes of a chunk with its header, so that four rows of chunks fill a page (`TOAST_MAX_CHUNK_SIZE`, 1,996 besides)."""
LONGEST_KEY = 2752
"""Bytes up to which a packed value is common: in an index a third of a page, in a row a quarter."""
_HEADER = struct.Struct("<II")
_SIZE = 0x3FFFFFFF


def unpack_pglz(packed: memoryview, most: int) -> bytes:
    """Return what a pglz stream holds (`common/pg_lzcompress.c`), as far as it makes sense, at most so many bytes."""
    made = bytearray()
    at, end = 0, len(packed)
    while at < end and len(made) < most:
        control = packed[at]
        at += 1
        for bit in range(8):
            if at >= end or len(made) >= most:
                break
            if not control >> bit & 1:
                made.append(packed[at])
                at += 1
                continue
            if at + 1 >= end:
                return bytes(made)
            length = (packed[at] & 0x0F) + 3
            offset = (packed[at] & 0xF0) << 4 | packed[at + 1]
            at += 2
            if length == 18:
                if at >= end:
                    return bytes(made)
                length += packed[at]
                at += 1
            if not _copy(made, offset, min(length, most - len(made))):
                return bytes(made)
    return bytes(made)


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
        if not _copy(made, offset, min(length + 4, most - len(made))):
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


def _copy(made: bytearray, offset: int, length: int) -> bool:
    """What was made so far is repeated from so far back; false where that is before the begin."""
    if not 0 < offset <= len(made):
        return False
    if offset >= length:
        made += made[len(made) - offset : len(made) - offset + length]
    else:
        piece = bytes(made[-offset:])
        made += (piece * (length // offset + 1))[:length]
    return True


_SIZE_OF = rb"..[\x00-\x0f]"
"""Unpacked size, below 1 MiB, without its highest byte."""
_PGLZ = rb"\x00[" + b"".join(b"\\x%02x" % byte for byte in range(0, 256, 2)) + rb"]"
_LZ4 = rb"\x40[\x10-\xff]"
"""Method and first byte of what is packed: the first item of pglz is a literal, the first of LZ4 has one."""


def _anchors(before: bytes, mark: int, lengths: range) -> tuple[bytes, ...]:
    """Return an expression for each length of a header of pglz: what is fixed in it is what makes a search fast. For
    LZ4, whose method is a byte that is rare, and for longer values one will do."""
    fixed = tuple(
        b"%b\\x%02x\\x%02x\\x00\\x00%b%b" % (before, length << 2 & 0xFF | mark, length >> 6, _SIZE_OF, _PGLZ)
        for length in lengths
    )
    low = b"".join(b"\\x%02x" % byte for byte in range(mark, 256, 4))
    longer = tuple(
        b"%b[%b]\\x%02x\\x00\\x00%b%b" % (before, low, high, _SIZE_OF, _PGLZ)
        for high in (range(lengths.stop >> 6, 0x80) if mark else ())
    )
    return (*fixed, *longer, b"%b[%b][\\x00-\\x7f]\\x00\\x00%b" % (before, low, _SIZE_OF + _LZ4))


class _Inline:
    """A packed value inside a row, an index or a catalog."""

    name = "postgresql-packed"
    # Header: low bits 10, at most 8 KiB; then the unpacked size, below 1 MiB, with method 0 or 1.
    anchor = (
        rb"[\x02\x06\x0a\x0e\x12\x16\x1a\x1e\x22\x26\x2a\x2e\x32\x36\x3a\x3e\x42\x46\x4a\x4e\x52\x56\x5a\x5e"
        rb"\x62\x66\x6a\x6e\x72\x76\x7a\x7e\x82\x86\x8a\x8e\x92\x96\x9a\x9e\xa2\xa6\xaa\xae\xb2\xb6\xba\xbe"
        rb"\xc2\xc6\xca\xce\xd2\xd6\xda\xde\xe2\xe6\xea\xee\xf2\xf6\xfa\xfe][\x00-\x7f]\x00\x00"
        + _SIZE_OF
        + rb"[\x00\x40]."
    )
    anchor_size = 9
    anchors = _anchors(b"", 2, range(12, LONGEST_KEY))
    align = 4

    def unpack(self, view: memoryview) -> bytes:
        """Return what the value holds; nothing where its header makes no sense."""
        if len(view) < 12:
            return b""
        header, told = _HEADER.unpack_from(view)
        length, size = header >> 2, told & _SIZE
        if not 12 <= length <= REACH or not LEAST <= size <= MOST or size <= length - 8:
            return b""
        return _unpack(view[8 : min(length, len(view))], told >> 30, size)


class _Chunk:
    """The first chunk of a packed value in TOAST: its number, which is 0, an unpacked header (a quarter of a page at
    most), then size and method."""

    name = "postgresql-toast"
    # Number of the chunk; varlena header of the chunk (low bits 00); then the unpacked size as in a packed value.
    anchor = (
        rb"\x00\x00\x00\x00"
        rb"[\x00\x04\x08\x0c\x10\x14\x18\x1c\x20\x24\x28\x2c\x30\x34\x38\x3c\x40\x44\x48\x4c\x50\x54\x58\x5c\x60\x64\x68"
        rb"\x6c\x70\x74\x78\x7c\x80\x84\x88\x8c\x90\x94\x98\x9c\xa0\xa4\xa8\xac\xb0\xb4\xb8\xbc\xc0\xc4\xc8\xcc\xd0\xd4"
        rb"\xd8\xdc\xe0\xe4\xe8\xec\xf0\xf4\xf8\xfc][\x01-\x1f]\x00\x00" + _SIZE_OF + rb"[\x00\x40]."
    )
    anchor_size = 13
    anchors = _anchors(rb"\x00{4}", 0, range(64, LONGEST_CHUNK + 1))
    align = 4

    def unpack(self, view: memoryview) -> bytes:
        """Return what the chunk holds; nothing where its header makes no sense."""
        if len(view) < 16:
            return b""
        header, told = _HEADER.unpack_from(view, 4)
        length, size = header >> 2, told & _SIZE
        if not 64 <= length <= REACH or not LEAST <= size <= MOST:
            return b""
        return _unpack(view[12 : min(length + 4, len(view))], told >> 30, size)


def _unpack(packed: memoryview, method: int, size: int) -> bytes:
    return unpack_lz4(packed, size) if method == LZ4 else unpack_pglz(packed, size)


PACKED: tuple[Packing, ...] = (_Inline(), _Chunk())
"""Forms in which PostgreSQL packs values, beside those that every hunt knows."""
