"""LZF, as Redis packs texts in its files: what an RDB file holds of them is found by unpacking alone."""

from __future__ import annotations

from wipers.packings import repeat

MOST = 1 << 20
"""Bytes that are unpacked at most."""


class Lzf:
    """A packed text in an RDB file: a mark, its length packed and unpacked, and the packed bytes."""

    name = "lzf"
    anchor = (
        rb"\xc3(?:[\x10-\x3f][\x14-\x3f][\x00-\xff]|[\x10-\x3f][\x40-\x7f][\x00-\xff]|[\x40-\x7f][\x00-\xff][\x40-\x7f]"
        rb"|[\x40-\x7f][\x00-\xff]\x80|\x80\x00[\x00-\xff])"
    )
    """The mark (rdb.h RDB_ENC_LZF), then two lengths of one, two or five bytes."""
    anchor_size = 4
    anchors: tuple[bytes, ...] = ()
    align = 1

    def unpack(self, view: memoryview) -> bytes:
        """Return what the text holds, as far as it can be followed."""
        at, packed = _length(view, 1)
        at, size = _length(view, at)
        if not packed or not size or packed >= size or size > 1 << 29:
            return b""
        return unpacked(bytes(view[at : at + min(packed, MOST)]), min(size, MOST))


def _length(view: memoryview, at: int) -> tuple[int, int]:
    """Return where a length ends, and the length; 0 where it is none (rdb.c rdbLoadLen)."""
    if at >= len(view):
        return at, 0
    first = view[at]
    if first < 0x40:
        return at + 1, first
    if first < 0x80 and at + 1 < len(view):
        return at + 2, (first & 0x3F) << 8 | view[at + 1]
    if first == 0x80:
        return at + 5, int.from_bytes(view[at + 1 : at + 5], "big")
    return at, 0


def unpacked(data: bytes, size: int) -> bytes:
    """Return at most so many bytes of what LZF packed, up to where it makes no sense (liblzf's lzf_d.c)."""
    found = bytearray()
    at = 0
    while at < len(data) and len(found) < size:
        control = data[at]
        at += 1
        if control < 32:
            found += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7 and at < len(data):
            length += data[at]
            at += 1
        if at >= len(data):
            break
        back = ((control & 0x1F) << 8 | data[at]) + 1
        at += 1
        if not repeat(found, back, length + 2):
            break
    return bytes(found[:size])
