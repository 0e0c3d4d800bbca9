"""The bundle: one byte form, in which nothing can hide."""

from __future__ import annotations

import io
import zipfile
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import bundle
from certificates.errors import Untrusted
from tests.support.story import story, tell

SMALL = {
    bundle.ORDER: b"order",
    "keyrings/1.dsse.json": b"first",
    "keyrings/2.dsse.json": b"second",
    "keyrings/10.dsse.json": b"tenth",
    bundle.START: b"start",
    bundle.CERTIFICATE: b"certificate",
    bundle.JOURNAL: b"journal\n",
    "evidence/b.jsonl": b"",
    "evidence/a.jsonl": b"extents",
}
PACKED = bundle.pack(SMALL)


@cache
def golden() -> bytes:
    return tell(story()).packed


def refusal(data: bytes) -> str:
    with pytest.raises(Untrusted) as caught:
        bundle.unpack(data)
    return str(caught.value)


def zipped(names: list[str]) -> bytes:
    """What an ordinary zip program would write."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), SMALL.get(name, b"x"))
    return buffer.getvalue()


def test_what_was_packed_is_read_back_in_the_fixed_order() -> None:
    """The story's order, keyrings by number, evidence by name; however the entries were collected."""
    entries = bundle.unpack(bundle.pack(dict(reversed(SMALL.items()))))
    assert entries == SMALL
    assert list(entries) == [
        bundle.ORDER,
        "keyrings/1.dsse.json",
        "keyrings/2.dsse.json",
        "keyrings/10.dsse.json",
        bundle.START,
        bundle.CERTIFICATE,
        bundle.JOURNAL,
        "evidence/a.jsonl",
        "evidence/b.jsonl",
    ]


def test_an_ordinary_zip_program_reads_it() -> None:
    """A reviewer with nothing of ours opens the file."""
    with zipfile.ZipFile(io.BytesIO(PACKED)) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == SMALL
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}


@given(st.dictionaries(st.from_regex(r"evidence/[a-z]{1,9}\.bin", fullmatch=True), st.binary(max_size=99), max_size=5))
def test_packing_and_unpacking_are_inverse(evidence: dict[str, bytes]) -> None:
    """Whatever the evidence holds, a zip's own marks included."""
    entries = SMALL | evidence | {"evidence/trap.zip": PACKED}
    assert bundle.unpack(bundle.pack(entries)) == entries


class Parted:
    """An entry that comes in parts; from the second reading on it may be another."""

    def __init__(self, parts: list[bytes], later: list[bytes] | None = None) -> None:
        self.readings = iter([parts, parts if later is None else later])
        self.size = sum(map(len, parts))

    def parts(self) -> list[bytes]:
        return next(self.readings)


def test_an_entry_in_parts_makes_the_same_bundle() -> None:
    """The list of a million files' extents is never in memory as a whole."""
    parts = bundle.packed(SMALL | {"evidence/a.jsonl": Parted([b"ext", b"", b"ents"])})
    assert b"".join(parts) == PACKED


@pytest.mark.parametrize("later", [[b"extentz"], [b"extents", b"."], []])
def test_an_entry_that_changes_while_it_is_packed_makes_no_bundle(later: list[bytes]) -> None:
    """Its sum was taken before: nobody could unpack what was written."""
    with pytest.raises(Untrusted, match="changed while it was packed"):
        list(bundle.packed(SMALL | {"evidence/a.jsonl": Parted([b"extents"], later)}))


@given(st.integers(min_value=0, max_value=8 * len(PACKED) - 1))
def test_no_flipped_bit_survives_unpacking(bit: int) -> None:
    """Every byte follows from the entries, and the entries carry their checksums."""
    data = bytearray(PACKED)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Untrusted):
        bundle.unpack(bytes(data))


def test_no_single_flipped_bit_of_a_small_bundle_survives() -> None:
    """All of them, where that takes a second."""
    for bit in range(8 * len(PACKED)):
        data = bytearray(PACKED)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Untrusted):
            bundle.unpack(bytes(data))


@given(st.integers(min_value=0))
def test_no_flipped_bit_of_a_whole_bundle_survives(position: int) -> None:
    """Nor in a bundle of real documents."""
    data = bytearray(golden())
    bit = position % (8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Untrusted):
        bundle.unpack(bytes(data))


@given(st.integers(min_value=0, max_value=len(PACKED) - 1))
def test_a_cut_bundle_is_refused(length: int) -> None:
    """Half a download is not evidence."""
    with pytest.raises(Untrusted):
        bundle.unpack(PACKED[:length])


@pytest.mark.parametrize("more", [b"\0", b"PK", PACKED], ids=["a byte", "a mark", "another bundle"])
def test_trailing_bytes_are_refused(more: bytes) -> None:
    """What a zip reader overlooks, somebody else may show."""
    assert "bytes" in refusal(PACKED + more)


def test_leading_bytes_are_refused() -> None:
    """A zip may begin anywhere; a bundle begins at its first byte."""
    assert "no bundle" in refusal(b"#!/bin/sh\n" + PACKED)


def test_what_an_ordinary_zip_program_packs_is_refused() -> None:
    """Its flags, versions and attributes are not those of the one form."""
    refusal(zipped(list(SMALL)))


def test_a_compressed_bundle_is_refused() -> None:
    """Nothing is unpacked that could be larger than the file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(bundle.ORDER, bytes(1 << 20))
    refusal(buffer.getvalue())


def test_a_comment_is_refused() -> None:
    """It would be a place to hide something."""
    refusal(PACKED[:-2] + b"\x01\x00!")


def test_an_entry_that_stands_twice_is_refused() -> None:
    """Two readers might choose differently."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped([bundle.ORDER, bundle.ORDER])
    assert "stands twice" in refusal(data)


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "keyrings/01.dsse.json",
        "keyrings/0.dsse.json",
        "evidence/../x",
        "evidence/a/b",
        "evidence/.x",
        "ORDER.dsse.json",
    ],
)
def test_an_unlisted_entry_is_neither_packed_nor_read(name: str) -> None:
    """Every entry is signed or bound; there is no place for another."""
    with pytest.raises(Untrusted):
        bundle.pack(SMALL | {name: b"x"})
    refusal(zipped([*SMALL, name]))


@pytest.mark.parametrize("name", bundle.REQUIRED)
def test_a_bundle_without_what_it_needs_is_refused(name: str) -> None:
    """A verdict on less would be on something else."""
    with pytest.raises(Untrusted):
        bundle.pack({known: data for known, data in SMALL.items() if known != name})


def test_an_oversized_entry_is_refused() -> None:
    """An order is a megabyte at most."""
    with pytest.raises(Untrusted):
        bundle.pack(SMALL | {bundle.ORDER: bytes((1 << 20) + 1)})


def test_an_entry_that_claims_more_than_the_file_holds_is_refused() -> None:
    """The size stands in the header; the file has an end."""
    data = bytearray(PACKED)
    data[18:22] = (2**32 - 1).to_bytes(4, "little")
    assert "beyond the file" in refusal(bytes(data))


def test_keyrings_come_in_order_and_without_a_gap() -> None:
    """The chain is read from its root on."""
    entries = {bundle.keyring_name(version): str(version).encode() for version in (2, 10, 1, 3, 4, 5, 6, 7, 8, 9)}
    assert bundle.keyrings(entries) == tuple(str(version).encode() for version in range(1, 11))
    with pytest.raises(Untrusted):
        bundle.keyrings({name: data for name, data in entries.items() if "3" not in name})
