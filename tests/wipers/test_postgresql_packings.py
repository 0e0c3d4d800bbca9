"""What PostgreSQL packs is unpacked as its own source says, and bytes that are no packing are left alone."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import given, strategies

from tests.support import raw_scanner
from wipers.linux.engines.postgresql_packings import PACKED, unpack_lz4, unpack_pglz
from wipers.searching import Pattern, search_for

INLINE, CHUNK = PACKED


def packed_by_pglz(value: bytes) -> bytes:
    """A pglz stream that takes the longest repetition it finds, up to 4,095 bytes back and 273 long."""
    made, items, at = bytearray(), [], 0
    while at < len(value):
        length, offset = _repetition(value, at)
        if length < 3:
            items.append(value[at : at + 1])
            at += 1
            continue
        head = bytes(((offset >> 4 & 0xF0) | (min(length, 18) - 3), offset & 0xFF))
        items.append(head + (bytes((length - 18,)) if length >= 18 else b""))
        at += length
    for first in range(0, len(items), 8):
        group = items[first : first + 8]
        made.append(sum(1 << bit for bit, item in enumerate(group) if len(item) > 1))
        made += b"".join(group)
    return bytes(made)


def _repetition(value: bytes, at: int) -> tuple[int, int]:
    best = (0, 0)
    for back in range(1, min(at, 64) + 1):
        length = 0
        while at + length < len(value) and length < 273 and value[at + length] == value[at + length - back]:
            length += 1
        best = max(best, (length, back))
    return best


def stored(value: bytes) -> bytes:
    """The value as a row holds it: header, unpacked size, stream."""
    stream = packed_by_pglz(value)
    return struct.pack("<II", (len(stream) + 8) << 2 | 2, len(value)) + stream


@given(strategies.lists(strategies.sampled_from([b"a", b"bc", b"needle-", b"\x00\xff", b"12345678"]), max_size=80))
def test_a_pglz_stream_is_unpacked(parts: list[bytes]) -> None:
    """Literal bytes and repetitions, short, long and overlapping."""
    value = b"".join(parts)
    assert unpack_pglz(memoryview(packed_by_pglz(value)), len(value)) == value


@given(strategies.binary(max_size=200))
def test_bytes_that_are_no_stream_end_quietly(data: bytes) -> None:
    """Every trial of the hunt is of bytes that are something else, but for a few."""
    assert len(unpack_pglz(memoryview(data), 4096)) <= 4096 + 273
    assert len(unpack_lz4(memoryview(data), 4096)) <= 4096


def test_lz4_repeats_what_overlaps() -> None:
    """A token, literals, an offset shorter than the length."""
    block = bytes((0x3B,)) + b"abc" + bytes((3, 0)) + bytes((0x50,)) + b"tail!"
    assert unpack_lz4(memoryview(block), 100) == b"abc" * 6 + b"tail!"
    assert raw_scanner.unpack_lz4(block, 23) == b"abc" * 6 + b"tail!"


@pytest.mark.parametrize("size", [64, 700, 6000])
def test_a_value_in_a_row_is_found_by_its_header(size: int) -> None:
    """The header is the anchor; what stands behind it is not part of the value."""
    value = (b"a needle in a haystack, again " * 300)[:size]
    assert INLINE.unpack(memoryview(stored(value) + b"other bytes" * 9)) == value


def test_the_first_piece_outside_a_row_is_unpacked_as_far_as_it_goes() -> None:
    """Its header tells the piece's length, the next word the whole value's."""
    value = b"".join(b"%06d-needle " % number for number in range(2000))
    stream = packed_by_pglz(value)[:1992]
    chunk = struct.pack("<III", 0, (len(stream) + 8) << 2, len(value)) + stream
    found = CHUNK.unpack(memoryview(chunk + bytes(100)))
    assert value.startswith(found)
    assert len(found) > 1992


@pytest.mark.parametrize("header", [(8 << 2 | 2, 100), (100 << 2 | 2, 0x3FFFFFFF), (9000 << 2 | 2, 9900)])
def test_a_header_that_makes_no_sense_is_passed_by(header: tuple[int, int]) -> None:
    """Too short, too large for a page, too large for a value."""
    assert INLINE.unpack(memoryview(struct.pack("<II", *header) + bytes(range(200)))) == b""


@pytest.mark.parametrize("size", [40, 700, 2900, 6000, 60000])
def test_a_native_search_looks_where_any_other_does(size: int) -> None:
    """Many expressions with fixed bytes are one with sets, as far as something packed can begin there."""
    value = b"".join(b"%06d-needle " % (number * 7919 % 10**6) for number in range(size // 14 + 1))[:size] + bytes(40)
    row = stored(value)
    whole = [one for one in (INLINE,) if len(row) < 8192]
    chunk = struct.pack("<III", 0, min(len(row) - 4, 2000) << 2, len(value)) + row[8:][:1992]
    outside = [CHUNK] if len(chunk) - 4 >= 64 else []
    assert whole or outside
    for packing, told in [*((one, row) for one in whole), *((one, chunk) for one in outside)]:
        assert packing.unpack(memoryview(told))
        assert re.match(packing.anchor, told, re.DOTALL)
        matches = search_for([Pattern(regex, packing.anchor_size) for regex in packing.anchors])().scan(
            memoryview(told)
        )
        assert 0 in [at for _, at in matches]
