"""The hunt: a needle is found in whatever form and wherever it begins, and nothing else is taken for one."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import random
import re
import threading
import zipfile
import zlib
from contextlib import suppress
from typing import Any

import pytest

from certificates.statements import Extent
from wipers import hunting
from wipers.acts import Halted
from wipers.hunting import CHUNK, Hit, forms_of, hunt
from wipers.model import MediumError
from wipers.needles import LENGTH, Needle, directory_entries, from_names
from wipers.packings import DEFLATE_HEAD, PACKINGS, Zlib, may_be_deflate
from wipers.pipeline import Unstopped
from wipers.searching import Pattern, Plain, escaped, literal, search_for
from wipers.spellings import FORMS, spellings

SECRET = b"Zhang Wei, 13812345678, room 7"[:LENGTH]
"""A value that is text, as rows hold it."""


def noise(seed: str, size: int) -> bytearray:
    """Bytes that look like chance, and contain no needle."""
    return bytearray(hashlib.shake_128(seed.encode()).digest(size))


class Memory:
    """A storage in memory, which counts its reads and fails where it is told to."""

    def __init__(self, data: bytes | bytearray, bad: tuple[range, ...] = ()) -> None:
        self.data = data
        self.bad = bad

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, buffer: memoryview) -> None:
        end = offset + len(buffer)
        if any(offset < one.stop and one.start < end for one in self.bad):
            raise MediumError("EIO", Extent(0, offset, len(buffer)))
        buffer[:] = self.data[offset:end]


def found(data: bytes | bytearray, *values: bytes, threads: int = 2) -> list[Hit]:
    needles = [Needle(number, "contents", value) for number, value in enumerate(values)]
    return hunt(Memory(data), needles, PACKINGS, told=lambda done, total: None, stop=Unstopped(), threads=threads).hits


def placed(text: bytes | bytearray, position: int, size: int = 1 << 17) -> bytearray:
    data = noise("place", size)
    data[position : position + len(text)] = text
    return data


@pytest.mark.parametrize("position", [0, 1, 4093, 70_001])
def test_a_value_is_found_as_it_is(position: int) -> None:
    """Residue lies at any offset: a file system's blocks are aligned, what programs make of them is not."""
    assert found(placed(SECRET, position), SECRET) == [Hit(0, "plain", position)]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("utf-16-le", SECRET.decode().encode("utf-16-le")),
        ("utf-16-be", SECRET.decode().encode("utf-16-be")),
        ("hex", SECRET.hex().encode()),
        ("hex-upper", SECRET.hex().upper().encode()),
    ],
)
def test_a_value_is_found_as_other_programs_write_it(form: str, text: bytes) -> None:
    """Windows keeps names in UTF-16, databases print bytes in hex."""
    assert found(placed(text, 5555), SECRET) == [Hit(0, form, 5555)]


@pytest.mark.parametrize("before", range(3))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_at_every_alignment(before: int, encode: object) -> None:
    """Three alignments write the same value in three ways, and what stands before it has part in its first letters."""
    value = bytes(255 - at * at % 61 for at in range(LENGTH))
    text = encode(b"\xff" * before + value + b"tail")  # type: ignore[operator]
    hits = found(placed(text, 900), value)
    assert [(hit.number, hit.form) for hit in hits] == [(0, "base64")]


def test_base64_is_found_across_a_line_break() -> None:
    """Mail breaks lines after 76 letters: one half of a value is always whole."""
    for before in range(60):
        text = base64.encodebytes(bytes(before) + SECRET + b"and more")
        assert {hit.form for hit in found(placed(text, 64), SECRET)} == {"base64"}, before


def test_bytes_that_are_no_text_are_not_looked_for_in_utf_16() -> None:
    """Small numbers of two bytes are ones of four then, and stand in tables everywhere."""
    value = bytes((7 * at * at % 29) for at in range(LENGTH))
    assert value.decode()
    for order in ("utf-16-le", "utf-16-be"):
        assert found(placed(value.decode().encode(order), 900), value) == []
    assert [hit.form for hit in found(placed(value, 900), value)] == ["plain"]


def test_text_in_chinese_is_found_in_utf_16_though_the_sample_cuts_a_character() -> None:
    """A sample is so many bytes, and a character of Chinese has three."""
    text = "身份证号：110101199003070011，住址：北京市东城区".encode()
    value = text[1 : 1 + LENGTH]
    forms = [hit.form for hit in found(placed(text.decode().encode("utf-16-le"), 4001), value)]
    assert forms == ["utf-16-le"]


@pytest.mark.parametrize("level", [1, 6, 9])
def test_a_value_inside_zlib_is_found(level: int) -> None:
    """A search for the bytes alone misses every compressed page."""
    packed = zlib.compress(bytes(noise("a", 300)) + SECRET * 2 + b"x" * 500, level)
    assert found(placed(packed, 7777), SECRET) == [Hit(0, "zlib", 7777)]


def test_a_value_inside_zlib_with_a_small_window_is_found() -> None:
    """InnoDB's compressed pages begin with 0x68: a window of 16 KiB."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 14)
    packed = packer.compress(b"page " * 200 + SECRET + b"tail") + packer.flush()
    assert packed[0] == 0x68
    assert found(placed(packed, 31), SECRET) == [Hit(0, "zlib", 31)]


def test_a_value_inside_gzip_and_inside_an_archive_is_found() -> None:
    """Logs are rotated into gzip, office documents are archives."""
    text = b"log line\n" * 50 + SECRET
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("doc.xml", text)
    assert found(placed(gzip.compress(text), 12), SECRET) == [Hit(0, "gzip", 12)]
    assert found(placed(archive.getvalue(), 12), SECRET) == [Hit(0, "zip", 12)]


def test_a_stream_whose_end_was_overwritten_gives_what_it_held_before() -> None:
    """What is left in free blocks is rarely whole."""
    packed = bytearray(zlib.compress(b"row 1 " + SECRET + noise("body", 9000).hex().encode(), 9))
    packed[4096:] = bytes(len(packed) - 4096)
    assert found(placed(packed, 4096), SECRET) == [Hit(0, "zlib", 4096)]


@pytest.mark.parametrize("shift", [-LENGTH, -LENGTH + 1, -1, 0, 1])
def test_a_value_across_two_chunks_is_found_once(shift: int) -> None:
    """Chunks overlap, and each find belongs to the one that it begins in."""
    data = placed(SECRET, CHUNK + shift, CHUNK + (1 << 16))
    assert found(data, SECRET) == [Hit(0, "plain", CHUNK + shift)]


def test_what_is_packed_across_two_chunks_is_found_once() -> None:
    """A compressed page may begin in the last sector of a chunk."""
    packed = zlib.compress(noise("page", 20_000).hex().encode() + SECRET[:9] + SECRET)
    data = placed(packed, CHUNK - 100, CHUNK + (1 << 16))
    assert found(data, SECRET) == [Hit(0, "zlib", CHUNK - 100)]


def test_a_value_in_the_last_bytes_of_an_odd_storage_is_found() -> None:
    """The end of a storage is no multiple of anything."""
    data = noise("odd", CHUNK + 1001)
    data[-LENGTH:] = SECRET
    assert found(data, SECRET) == [Hit(0, "plain", len(data) - LENGTH)]


def test_nothing_is_found_where_nothing_is() -> None:
    """A find that is none would cost a claim."""
    values = [bytes(noise(f"needle {number}", LENGTH)) for number in range(200)]
    assert found(noise("clean", CHUNK + 4096), *values) == []


def test_the_slow_way_finds_what_the_fast_one_finds() -> None:
    """Two programs that share nothing must agree; each is the other's proof."""
    values = [bytes(noise(f"v{number}", LENGTH)) for number in range(20)]
    data = noise("mix", 40_000)
    for number, value in enumerate(values):
        for at, (_, text, _) in enumerate(spellings(value)):
            place = (number * 1900 + at * 170) % 39_000
            data[place : place + len(text)] = text
    patterns = [literal(text) for value in values for _, text, _ in spellings(value)]
    patterns.append(Pattern(rb"\x78[\x01\x9c]", 2))
    fast, slow = search_for(patterns)(), Plain(patterns)
    assert sorted(fast.scan(memoryview(data))) == sorted(slow.scan(memoryview(data)))
    assert len(fast.scan(memoryview(data))) > 100


def test_matches_that_overlap_are_all_found() -> None:
    """A search that skips behind each match loses the needle that begins inside it."""
    patterns = [literal(b"aaaa"), Pattern(escaped(b"ab") + b".", 3)]
    for search in (search_for(patterns)(), Plain(patterns)):
        assert sorted(search.scan(memoryview(b"aaaaab\x00"))) == [(0, 0), (0, 1), (1, 4)]


def test_a_short_name_is_found_as_a_directory_entry_alone() -> None:
    """Five letters stand anywhere by chance; with inode and length before them they do not."""
    (needle,) = from_names([(b"a.txt", 77)], "ext4", b"k")
    entry = (77).to_bytes(4, "little") + (16).to_bytes(2, "little") + b"\x05\x01a.txt"
    data = placed(entry, 3000)
    data[100:105] = b"a.txt"
    hits = hunt(Memory(data), [needle], PACKINGS, told=lambda done, total: None, stop=Unstopped()).hits
    assert hits == [Hit(0, "directory-entry", 3000)]


def test_a_short_name_is_left_out_where_the_shape_of_entries_is_not_known() -> None:
    """To look for it would find it everywhere, and to count it would say that it was looked for."""
    assert from_names([(b"a.txt", 77)], "vfat", b"k") == ()
    assert directory_entries("vfat", b"a.txt", 77) == ()


@pytest.mark.parametrize(
    "entry",
    [
        (131).to_bytes(8, "big") + b"\x05a.txt\x01",
        b"\xff\xff\x00\x18" + (131).to_bytes(4, "big") + b"\x05a.txt\x01",
        b"\x05\x00\x60a.txt\x01" + (131).to_bytes(4, "big"),
        b"\x05\x00\x60a.txt\x01" + (131).to_bytes(8, "big"),
    ],
    ids=["in a block", "removed from a block", "in an inode", "in an inode, of large numbers"],
)
def test_a_short_name_is_found_in_every_shape_that_xfs_gives_it(entry: bytes) -> None:
    """Also where it was removed: the mark of free room takes half of the inode's number."""
    (needle,) = from_names([(b"a.txt", 131)], "xfs", b"k")
    hits = hunt(Memory(placed(entry, 3000)), [needle], PACKINGS, told=lambda done, total: None, stop=Unstopped()).hits
    assert [(hit.number, hit.form) for hit in hits] == [(0, "directory-entry")]


def test_what_cannot_be_read_is_counted_and_the_rest_is_searched() -> None:
    """One bad sector must not hide what lies around it."""
    data = placed(SECRET, 200_000, 1 << 18)
    storage = Memory(data, (range(100_000, 100_010), range(150_000, 150_001)))
    needle = Needle(0, "contents", SECRET)
    findings = hunt(storage, [needle], PACKINGS, told=lambda done, total: None, stop=Unstopped())
    assert findings.hits == [Hit(0, "plain", 200_000)]
    assert findings.unread_size == 2 * 4096


def test_a_bad_sector_where_chunks_overlap_is_counted_once() -> None:
    """The stretch beyond a chunk is read twice, and is missing once."""
    storage = Memory(noise("two", CHUNK + 8192), (range(CHUNK + 10, CHUNK + 11),))
    findings = hunt(storage, [Needle(0, "contents", SECRET)], PACKINGS, told=lambda *_: None, stop=Unstopped())
    assert findings.unread_size == 4096


def test_progress_ends_at_the_whole() -> None:
    """A person sees how far a pass over terabytes has come."""
    told: list[tuple[int, int]] = []
    data = noise("told", CHUNK * 2 + 5)
    hunt(Memory(data), [Needle(0, "contents", SECRET)], PACKINGS, told=lambda *at: told.append(at), stop=Unstopped())
    assert sorted(told) == told
    assert told[-1] == (len(data), len(data))


def test_a_hunt_rests_when_the_run_is_to_stop() -> None:
    """Ctrl-C must not wait for the end of a disk; a resume hunts anew."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Halted):
        hunt(Memory(noise("stop", 9000)), [Needle(0, "contents", SECRET)], PACKINGS, told=lambda *_: None, stop=stop)


def test_an_error_of_one_thread_reaches_the_caller() -> None:
    """A hunt that lost a thread has not looked everywhere."""

    class Broken(Memory):
        def read(self, offset: int, buffer: memoryview) -> None:
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        hunt(
            Broken(noise("err", CHUNK * 3)),
            [Needle(0, "contents", SECRET)],
            PACKINGS,
            told=lambda *_: None,
            stop=Unstopped(),
        )


def test_finds_beyond_what_is_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk full of one value must not fill the memory; the count stays true."""
    monkeypatch.setattr(hunting, "KEPT", 10)
    data = noise("many", 1 << 16)
    for at in range(25):
        data[at * 100 : at * 100 + LENGTH] = SECRET
    needle = Needle(0, "contents", SECRET)
    told: dict[str, Any] = {"told": lambda *_: None, "stop": Unstopped(), "threads": 1}
    findings = hunt(Memory(data), [needle], PACKINGS, **told)
    assert (len(findings.hits), findings.more) == (10, {("contents", "unknown"): 15})
    # What contradicts the destruction is told of all of them.
    placed = hunt(Memory(data), [needle], PACKINGS, place=lambda at: "carrier" if at < 2000 else "unknown", **told)
    before = 20 - sum(hit.position < 2000 for hit in placed.hits)
    assert sum(placed.more.values()) == 15
    assert placed.more.get(("contents", "carrier"), 0) == before


def test_the_forms_are_listed() -> None:
    """A certificate says in which forms was looked."""
    assert forms_of(PACKINGS) == (*FORMS, "directory-entry", "zlib", "gzip", "zip")


def test_no_stream_that_zlib_reads_is_passed_over() -> None:
    """Most trials are of chance bytes, so what cannot be a stream is not tried: which must never be one that can."""
    drawn = random.Random(7)
    packing = Zlib()
    anchor = re.compile(packing.anchor, re.DOTALL)
    for number in range(2000):
        data = drawn.choice((drawn.randbytes(number), b"name %d;" % number * 30, b"x", bytes(number)))
        packer = zlib.compressobj(drawn.randrange(10), wbits=drawn.choice((14, 15)), strategy=drawn.randrange(5))
        stream = packer.compress(data) + packer.flush()
        assert anchor.match(stream)
        assert packing.unpack(memoryview(stream + bytes(20))) == data
    tried = [b"\x78\x9c" + drawn.randbytes(40) for _ in range(20_000)]
    passed_over = [one for one in tried if not anchor.match(one) or not may_be_deflate(memoryview(one)[2:DEFLATE_HEAD])]
    assert len(passed_over) > 10_000
    assert not any(_read_of(one) for one in passed_over)


def _read_of(stream: bytes) -> bytes:
    """What zlib reads before it finds out."""
    reader, found = zlib.decompressobj(), b""
    with suppress(zlib.error):
        for at in range(len(stream)):
            found += reader.decompress(stream[at : at + 1])
    return found
