"""What Redis packs by LZF is unpacked as liblzf would, and bytes that are no packing end quietly."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import given, strategies

from wipers.linux.engines.redis_lzf import Lzf, unpacked

FAR, LONG = 1 << 13, 264
"""Most bytes back, and most bytes of one repetition (lzf_c.c MAX_OFF, MAX_REF)."""


def packed_by_lzf(value: bytes) -> bytes:
    """A stream that takes the nearest repetition that it finds, and runs of at most 32 literal bytes."""
    made, at, run = bytearray(), 0, 32
    while at < len(value):
        length, back = _repetition(value, at)
        if length < 3:
            if run == 32:
                run = 0
                made.append(31)
            made.append(value[at])
            run += 1
            made[-run - 1] = run - 1
            at += 1
            continue
        run = 32
        count, high, low = length - 2, back - 1 >> 8, back - 1 & 0xFF
        made += bytes((count << 5 | high, low)) if count < 7 else bytes((7 << 5 | high, count - 7, low))
        at += length
    return bytes(made)


def _repetition(value: bytes, at: int) -> tuple[int, int]:
    begin = value.rfind(value[at : at + 3], max(0, at - FAR), at + 2) if at + 3 <= len(value) else -1
    if begin < 0:
        return 0, 0
    length = 3
    while length < LONG and at + length < len(value) and value[begin + length] == value[at + length]:
        length += 1
    return length, at - begin


def in_file(value: bytes) -> bytes:
    """The value as an RDB file holds it: the mark, both lengths, the stream (rdb.c rdbSaveLzfBlob)."""
    stream = packed_by_lzf(value)
    lengths = b"".join(
        bytes((size,))
        if size < 64
        else struct.pack(">H", size | 1 << 14)
        if size < 1 << 14
        else b"\x80" + struct.pack(">I", size)
        for size in (len(stream), len(value))
    )
    return b"\xc3" + lengths + stream


@given(strategies.lists(strategies.sampled_from([b"a", b"bc", b"needle-", b"\x00\xff", b"12345678" * 40]), max_size=60))
def test_a_stream_is_unpacked(parts: list[bytes]) -> None:
    """Literal bytes and repetitions, short, long and overlapping."""
    value = b"".join(parts)
    assert unpacked(packed_by_lzf(value), len(value)) == value


@given(strategies.binary(max_size=200))
def test_bytes_that_are_no_stream_end_quietly(data: bytes) -> None:
    """Every trial of the hunt is of bytes that are something else, but for a few."""
    assert len(unpacked(data, 4096)) <= 4096
    assert len(Lzf().unpack(memoryview(data))) <= 1 << 20


@pytest.mark.parametrize("size", [50, 300, 5000, 40000])
def test_a_value_in_a_file_is_found_by_its_mark(size: int) -> None:
    """Whatever number of bytes its lengths take; what stands behind is not part of it."""
    value = (b"a needle in a haystack, again and again " * (size // 40 + 1))[:size]
    told = in_file(value)
    assert re.match(Lzf.anchor, told, re.DOTALL)
    assert Lzf().unpack(memoryview(told + b"other bytes" * 9)) == value
