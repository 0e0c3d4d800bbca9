"""What is kept as a needle: samples from everywhere, each telling, none shared, bounded in number."""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

import pytest

from wipers.needles import (
    EACH,
    LENGTH,
    from_names,
    from_streams,
    from_values,
    is_telling,
    label,
    labels_of,
    most_telling,
    renumbered,
)

KEY = bytes(range(32))


def content(stream: int, size: int) -> bytes:
    return hashlib.shake_128(f"file {stream}".encode()).digest(size)


def reader(files: dict[int, bytes]):
    return lambda stream, offset, length: files[stream][offset : offset + length]


def sampled(files: dict[int, bytes], most: int = 100, key: bytes = KEY):
    return from_streams(reader(files), [len(files[stream]) for stream in range(len(files))], key, most)


def test_every_needle_is_what_stands_in_its_file() -> None:
    """Evidence names file and offset: who has a copy of the file can open the label."""
    files = {stream: content(stream, 5000 + stream) for stream in range(5)}
    needles = sampled(files)
    assert needles
    assert all(files[one.stream][one.offset :].startswith(one.value) and len(one.value) == LENGTH for one in needles)


def test_samples_come_from_all_sections_of_all_files() -> None:
    """Residue of a file's last part is found only with a needle from there."""
    files = {stream: content(stream, 80_000) for stream in range(4)}
    sections = {(one.stream, one.offset * EACH // 80_000) for one in sampled(files)}
    assert len(sections) >= 4 * EACH - 4
    assert {stream for stream, _ in sections} == set(range(4))


def test_of_a_million_files_so_many_are_chosen_from_everywhere() -> None:
    """The number of needles is bounded, and no part of the list is left out."""

    class Sizes:
        def __len__(self) -> int:
            return 1_000_000

        def __getitem__(self, stream: int) -> int:
            return 4096

    needles = from_streams(lambda stream, offset, length: content(stream, 4096)[offset:][:length], Sizes(), KEY, 50)
    assert [one.stream * 50 // 1_000_000 for one in needles] == list(range(50))


def test_numbers_count_from_zero() -> None:
    """Evidence speaks of needles by number."""
    needles = sampled({0: content(0, 9000)})
    assert [one.number for one in needles] == list(range(len(needles)))
    assert next(one.number for one in renumbered(needles, 7)) == 7


def test_another_key_chooses_other_places() -> None:
    """Nobody may know beforehand what will be looked for."""
    files = {0: content(0, 1 << 20)}
    assert {one.offset for one in sampled(files)} != {one.offset for one in sampled(files, key=bytes(32))}
    assert sampled(files) == sampled(files)


def test_zeros_and_repetitions_give_no_needle() -> None:
    """They stand all over a storage, and would be found there for ever."""
    assert sampled({0: bytes(1 << 16), 1: b"ab" * 5000, 2: b"", 3: b"short"}) == ()
    assert not is_telling(b"aaaaaaaa")
    assert most_telling(bytes(512)) is None


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("step", [1, 3, 200])
def test_numbers_that_count_up_give_no_needle(width: int, order: Literal["little", "big"], step: int) -> None:
    """Tables of file systems and databases hold such: the list of an ext4's reserved blocks was taken for a part of an
    index that had gone."""
    numbers = (2 + at * step & (1 << 8 * width) - 1 for at in range(200))
    count = b"".join(number.to_bytes(width, order) for number in numbers)
    assert sampled({0: count}) == ()
    assert most_telling(count[:512]) is None


@pytest.mark.parametrize("value", [b"19870406", b"AB12AB34", b"Jo-Anne 12", b"4711-0815-4712-0816-4713-0817"])
def test_short_values_that_repeat_some_of_themselves_are_needles(value: bytes) -> None:
    """Dates, plates and numbers in groups are what is to be gone."""
    assert is_telling(value)


def test_what_two_files_share_is_no_needle() -> None:
    """The text of a licence or a form letter is found in every other file too."""
    same = content(9, 300)
    assert sampled({0: same, 1: same}) == ()


def test_a_small_file_is_sampled_whole() -> None:
    """Most files of an office are small."""
    (needle,) = sampled({0: b"PIN 4711 of card 6222"})
    assert needle.value == b"PIN 4711 of card 6222"


def test_values_that_tell_nothing_are_left_out() -> None:
    """`Beijing` and `0` stand in the rows that stay, too."""
    values = [b"Beijing", b"0", b"", b"13812345678", b"a value that is longer than a needle is", b"13812345678"]
    kept = [one.value for one in from_values(values, KEY)]
    assert kept[0] == b"13812345678"
    assert len(kept) == 2
    assert len(kept[1]) == LENGTH


def test_many_values_are_chosen_from_the_first_to_the_last() -> None:
    """The victims of a large deletion cannot all be kept."""
    values = [f"value number {number:06d}".encode() for number in range(20_000)]
    numbers = [int(one.value[-6:]) for one in from_values(values, KEY, most=200)]
    assert len(numbers) == 200
    assert all(any(begin <= one < begin + 4000 for one in numbers) for begin in range(0, 20_000, 4000))


def test_a_long_value_gives_a_part_from_anywhere_in_it() -> None:
    """TOAST and off-page parts hold what comes later in a value."""
    value = content(3, 100_000)
    offsets = {value.index(one.value) for seed in range(20) for one in from_values([value], bytes([seed]))}
    assert max(offsets) > 50_000


def test_long_names_are_needles_and_short_ones_in_shape_alone() -> None:
    """Names of four letters are directory entries or nothing."""
    needles = from_names([(b"salary-2025-Zhang.xlsx", 12), (b"a.md", 13)], "ext4", KEY)
    assert [one.value for one in needles] == [b"salary-2025-Zhang.xlsx", b"a.md"]
    assert all(one.sort == "names" for one in needles)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "vfat"])
def test_names_are_bounded(kind: str) -> None:
    """A tree of a million names gives so many needles."""
    names = ((f"document-{number:07d}.odt".encode(), number) for number in range(5000))
    assert len(from_names(names, kind, KEY, most=100)) == 100


def test_a_label_says_nothing_without_the_key() -> None:
    """It travels with the certificate; whoever has the selector can tell what it stands for."""
    assert label(KEY, b"secret") == hmac.new(KEY, b"secret", hashlib.sha256).hexdigest()
    assert label(KEY, b"secret") != label(bytes(32), b"secret")


def test_what_was_sampled_is_known_again_by_its_label() -> None:
    """After a restore the values are there again and the samples are not: a label tells, to whoever has the key."""
    values = [content(one, size) for one, size in enumerate((9, 20, 28, 29, 200, 512))]
    sampled = {label(KEY, needle.value) for needle in from_values(values, bytes(32))}
    assert len(sampled) == len(values)
    assert all(labels & sampled for labels in labels_of(values, KEY))
    assert not any(labels & sampled for labels in labels_of(values, bytes(32)))
    assert list(labels_of([b"short", bytes(40)], KEY)) == []
