"""LUKS headers are recognised as an attacker would: by any copy, however damaged."""

from __future__ import annotations

import hashlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wipers.linux.luks_header import BINARY, PRIMARY, SECONDARY, SECONDARY_OFFSETS, find_headers

UUID = "12345678-1234-1234-1234-123456789abc"
SIZE = 0x4000
DESCRIPTION = {
    "keyslots": {
        "0": {"area": {"offset": "32768", "size": "258048"}},
        "3": {"area": {"offset": "290816", "size": "258048"}},
    },
    "segments": {"0": {"type": "crypt", "offset": "16777216", "size": "dynamic"}},
}


def header(offset: int = 0, size: int = SIZE, described: object = DESCRIPTION, uuid: str = UUID) -> bytes:
    """One intact copy, made by the book (LUKS2 On-Disk Format 1.1.3, 2.1 and 2.2)."""
    magic = SECONDARY if offset else PRIMARY
    fields = (magic, 2, size, 5, b"label", b"sha256", bytes(range(64)), uuid.encode(), b"", offset)
    whole = BINARY.pack(*fields).ljust(4096, b"\0") + json.dumps(described).encode().ljust(size - 4096, b"\0")
    checksum = hashlib.sha256(whole).digest()
    return whole[:0x1C0] + checksum.ljust(64, b"\0") + whole[0x200:]


def found(medium: bytes):
    return find_headers(lambda offset, length: medium[offset : offset + length], len(medium))


def test_both_copies_are_found_with_what_they_hold() -> None:
    """Two keyslots, and a header area that ends where the payload begins."""
    first, second = found(header() + header(SIZE) + bytes(1 << 24))
    assert (first.offset, second.offset) == (0, SIZE)
    assert {(one.uuid, one.is_intact, one.keyslots, one.end) for one in (first, second)} == {(UUID, True, 2, 16777216)}


@pytest.mark.parametrize("size", SECONDARY_OFFSETS)
def test_the_second_copy_is_found_behind_a_first_of_any_size(size: int) -> None:
    """`cryptsetup repair` would find it there, and so must we."""
    (only,) = found(bytes(size) + header(size, size) + bytes(4096))
    assert (only.offset, only.is_intact) == (size, True)


@pytest.mark.parametrize(
    ("segment", "is_encrypted"),
    [
        ({"type": "crypt", "encryption": "aes-xts-plain64"}, True),
        ({"type": "crypt", "encryption": "cipher_null-ecb"}, False),
        ({"type": "linear"}, False),
        ({"type": "hw-opal"}, False),
    ],
)
def test_a_segment_that_no_key_protects_is_told(segment: dict[str, str], *, is_encrypted: bool) -> None:
    """Destroying the key says nothing about it."""
    segments = {"0": {"type": "crypt", "offset": "16777216", "encryption": "aes-xts-plain64"}, "1": segment}
    (only,) = found(header(described={**DESCRIPTION, "segments": segments}) + bytes(4096))
    assert only.is_encrypted == is_encrypted


def test_a_single_changed_bit_breaks_a_copy_but_does_not_hide_it() -> None:
    """Destroyed means gone, not damaged."""
    damaged = bytearray(header())
    damaged[5000] ^= 1
    (only,) = found(bytes(damaged))
    assert not only.is_intact


def test_a_copy_that_lies_elsewhere_than_it_says_is_not_intact() -> None:
    """The offset is in the header so that a copied one is not taken for the real one (2.1)."""
    moved = bytes(SIZE) + header(0x8000, SIZE) + bytes(4096)
    assert [one.is_intact for one in found(moved)] == [False]


def test_luks1_is_told_apart() -> None:
    """It keeps one header and other keyslots: this technique would not reach them."""
    binary = PRIMARY + struct.pack(">H", 1) + bytes(160) + UUID.encode()
    (only,) = found(binary.ljust(8192, b"\0"))
    assert (only.version, only.uuid, only.is_intact) == (1, UUID, False)


def test_keyslots_behind_a_payload_offset_of_zero_belong_to_the_header() -> None:
    """A detached header's segment starts at 0 of another device; the keyslots are still here."""
    (first, *_) = found(header(described={**DESCRIPTION, "segments": {"0": {"offset": "0"}}}) + bytes(1 << 20))
    assert first.end == 290816 + 258048


@pytest.mark.parametrize("described", [[], {"keyslots": 7, "segments": []}, {"keyslots": {"0": {"area": None}}}, "x"])
def test_a_header_with_a_strange_description_still_counts(described: object) -> None:
    """What we cannot read, somebody's tool may."""
    (only,) = found(header(described=described) + bytes(SIZE))
    assert (only.uuid, only.end) == (UUID, 2 * SIZE)


def test_a_header_area_ends_with_the_medium() -> None:
    """A container that was cut short must not make anybody write behind its end."""
    (first, *_) = found(header() + bytes(1 << 20))
    assert first.end == SIZE + (1 << 20)


@given(st.binary(max_size=0x5000), st.sampled_from([b"", PRIMARY, PRIMARY + b"\0\2", PRIMARY + b"\0\1"]))
def test_no_medium_breaks_the_search(rest: bytes, start: bytes) -> None:
    """It reads media that others wrote."""
    assert len(found(start + rest)) <= 1
