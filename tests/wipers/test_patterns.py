"""A pattern's byte depends on key, stream and offset alone, and stock tools make the same bytes."""

from __future__ import annotations

import subprocess

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from certificates.audit.patterns import expected
from certificates.statements import ConstantPattern, KeystreamPattern, Pattern, RepeatedPattern
from wipers.patterns import fill, source_at

KEY = bytes(range(32))
KEYSTREAM = KeystreamPattern(KEY.hex())
PATTERNS: list[Pattern] = [KEYSTREAM, ConstantPattern("a5"), RepeatedPattern("924924"), RepeatedPattern("e4ffffff")]


def filled(pattern: Pattern, stream: int, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    fill(pattern, stream, offset, memoryview(buffer))
    return bytes(buffer)


def one_block_at_a_time(key: bytes, stream: int, offset: int, length: int) -> bytes:
    """AES of each counter block in turn: the definition, without a CTR mode."""
    aes = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    first, last = offset // 16, (offset + length + 15) // 16
    blocks = [aes.update(stream.to_bytes(8, "big") + number.to_bytes(8, "big")) for number in range(first, last)]
    return b"".join(blocks)[offset % 16 :][:length]


@given(st.integers(0, 2**40), st.integers(0, 2**52), st.integers(0, 600))
def test_the_keystream_is_aes_of_stream_and_offset(stream: int, offset: int, length: int) -> None:
    """The counter block is 8 bytes of stream number and 8 bytes of offset/16, big-endian."""
    assert filled(KEYSTREAM, stream, offset, length) == one_block_at_a_time(KEY, stream, offset, length)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.kind)
@given(st.integers(0, 3), st.integers(0, 4000), st.integers(0, 4000))
def test_a_slice_agrees_with_the_whole(pattern: Pattern, stream: int, begin: int, length: int) -> None:
    """Threads, resumed runs and samples all make only their own part."""
    whole = filled(pattern, stream, 0, 8000)
    assert filled(pattern, stream, begin, length) == whole[begin : begin + length]


@given(st.binary(min_size=1, max_size=64), st.integers(0, 2**52), st.integers(0, 600))
def test_a_word_is_repeated_from_offset_zero(word: bytes, offset: int, length: int) -> None:
    """Byte n is byte n modulo the word's length, wherever a chunk begins; the auditor's own arithmetic agrees."""
    pattern = RepeatedPattern(word.hex())
    one_by_one = bytes(word[(offset + n) % len(word)] for n in range(length))
    assert filled(pattern, 5, offset, length) == one_by_one
    assert expected(pattern, offset, length, 5) == one_by_one


@pytest.mark.parametrize("length", [(1 << 20) - 1, 1 << 20, (1 << 20) + 16, (3 << 20) + 5])
def test_a_large_buffer_is_filled_to_its_last_byte(length: int) -> None:
    """The cipher is given zeros in pieces; the seams must not show."""
    buffer = filled(KEYSTREAM, 1, 48, length)
    for at in (0, (1 << 20) - 32, length - 40):
        assert buffer[at:][:32] == one_block_at_a_time(KEY, 1, 48 + at, min(32, length - at))


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.kind)
@given(st.integers(0, 100), st.lists(st.integers(0, 100), max_size=8))
def test_a_source_goes_on_where_it_stopped(pattern: Pattern, offset: int, lengths: list[int]) -> None:
    """A read-back makes what it expects piece by piece, and starts the cipher once a read."""
    source = source_at(pattern, 3, offset)
    made = b""
    for length in lengths:
        buffer = bytearray(length)
        source(memoryview(buffer))
        made += buffer
    assert made == filled(pattern, 3, offset, sum(lengths))


def test_two_streams_share_no_block() -> None:
    """Two files of the same size would otherwise hold the same bytes, and a swap of them go unseen."""
    assert filled(KEYSTREAM, 0, 0, 64) != filled(KEYSTREAM, 1, 0, 64)


@pytest.mark.integration
@pytest.mark.parametrize(("stream", "offset"), [(0, 0), (0, 1 << 40), (7, 4096)])
def test_openssl_makes_the_same_bytes(stream: int, offset: int) -> None:
    """An auditor re-checks a medium with stock tools, years later."""
    start = stream.to_bytes(8, "big") + (offset // 16).to_bytes(8, "big")
    command = ["openssl", "enc", "-aes-256-ctr", "-K", KEY.hex(), "-iv", start.hex()]
    made = subprocess.run(command, input=bytes(100_000), capture_output=True, check=True)
    assert made.stdout == filled(KEYSTREAM, stream, offset, 100_000)
