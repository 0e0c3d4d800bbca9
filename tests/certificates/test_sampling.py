"""How many blocks a sample needs, and which: numbers that others published, exact arithmetic, and a plain reference."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.sampling import (
    blocks_of,
    miss,
    positions,
    sample_size,
    samples_to_find,
    seed_of,
    spread_size,
    strata_of,
    stratified_positions,
    stratified_size,
)

MANY = 2**50
TERABYTE = 244_140_625  # blocks of 4 KiB


def exact_miss(blocks: int, bad: int, samples: int) -> Fraction:
    return Fraction(math.comb(blocks - bad, samples), math.comb(blocks, samples))


@pytest.mark.parametrize(
    ("fraction_ppm", "at_95", "at_99"),
    [
        (100_000, 29, 44),
        (50_000, 59, 90),
        (10_000, 299, 459),
        (1_000, 2_995, 4_603),
        (100, 29_956, 46_050),
        (10, 299_572, 460_515),
        (1, 2_995_731, 4_605_168),
    ],
)
def test_on_a_vast_medium_the_sample_is_the_textbook_size(fraction_ppm: int, at_95: int, at_99: int) -> None:
    """ln(1-C)/ln(1-p), rounded up: the reference values every text on sampling gives."""
    assert sample_size(MANY, 950_000, fraction_ppm) == at_95
    assert sample_size(MANY, 990_000, fraction_ppm) == at_99


@pytest.mark.parametrize(
    ("bad", "at_95", "at_99"),
    [
        # The first rows differ from published tables in the last digits: those were made in floating point. What is
        # asserted here was checked in exact fractions.
        (1, 231_933_594, 241_699_219),
        (10, 63_199_597, 90_098_303),
        (1_000, 730_285, 1_121_722),
        (2_441, 299_438, 460_158),
        (24_414, 29_955, 46_046),
        (244_140, 2_995, 4_603),
    ],
)
def test_on_a_terabyte_the_sample_is_the_hypergeometric_size(bad: int, at_95: int, at_99: int) -> None:
    """A single left-over block needs nearly all of the disk read: sampling is no search."""
    assert samples_to_find(TERABYTE, bad, 950_000) == at_95
    assert samples_to_find(TERABYTE, bad, 990_000) == at_99


@given(st.integers(1, 400), st.data(), st.integers(0, 1_000_000))
def test_the_sample_is_enough_and_one_block_less_is_not(blocks: int, data: st.DataObject, confidence_ppm: int) -> None:
    """Too small a sample would state a confidence that it does not have."""
    bad = data.draw(st.integers(1, blocks))
    allowed = 1 - Fraction(confidence_ppm, 1_000_000)
    needed = samples_to_find(blocks, bad, confidence_ppm)
    assert 1 <= needed <= blocks
    assert exact_miss(blocks, bad, needed) <= allowed
    assert needed == 1 or exact_miss(blocks, bad, needed - 1) > allowed


@given(st.integers(1, 60), st.data())
def test_the_miss_is_never_stated_smaller_than_it_is(blocks: int, data: st.DataObject) -> None:
    """Rounding goes against us, by less than one part in 10^40."""
    bad, samples = data.draw(st.integers(1, blocks)), data.draw(st.integers(0, blocks))
    stated, exact = Fraction(miss(blocks, bad, samples)), exact_miss(blocks, bad, samples)
    assert exact <= stated <= exact + Fraction(1, 10**40)


def test_full_confidence_needs_every_block_but_the_bad_ones() -> None:
    """Only what leaves no room for the bad ones is certain."""
    assert samples_to_find(100, 3, 1_000_000) == 98


def test_a_fraction_below_one_block_means_one_block() -> None:
    """A fraction that rounds to nothing must not make the sample trivial."""
    assert sample_size(10, 990_000, 0) == sample_size(10, 990_000, 1) == 10


def test_an_empty_area_has_nothing_to_sample() -> None:
    """No blocks, no sample, no error."""
    assert blocks_of(0) == 0
    assert sample_size(0, 990_000, 1_000) == 0
    assert positions(bytes(32), 0, 0) == ()


def test_the_odd_tail_is_a_block() -> None:
    """A remainder that no position can reach would be a place to hide in."""
    assert [blocks_of(size) for size in (1, 4096, 4097)] == [1, 1, 2]


def reference_positions(seed: bytes, blocks: int, count: int) -> list[int]:
    """The docstring's words, written down a second time."""
    drawn: set[int] = set()
    wanted = count if 2 * count <= blocks else blocks - count
    word = 0
    while len(drawn) < wanted:
        digest = hashlib.sha256(seed + (word // 4).to_bytes(8, "big")).digest()
        value = int.from_bytes(digest[8 * (word % 4) :][:8], "big")
        word += 1
        if value < 2**64 - 2**64 % blocks:
            drawn.add(value % blocks)
    return sorted(drawn) if wanted == count else sorted(set(range(blocks)) - drawn)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 5_000), st.data())
def test_positions_follow_the_published_rule(seed: bytes, blocks: int, data: st.DataObject) -> None:
    """An auditor's own program must find the same blocks."""
    count = data.draw(st.integers(0, blocks))
    found = positions(seed, blocks, count)
    assert list(found) == reference_positions(seed, blocks, count)
    assert len(set(found)) == count


def test_words_that_would_favour_a_block_are_passed_over() -> None:
    """With so many blocks every other word is one of them; with few it happens once in an age."""
    blocks = 2**63 + 1
    assert list(positions(b"\x01" * 32, blocks, 40)) == reference_positions(b"\x01" * 32, blocks, 40)
    assert max(positions(b"\x01" * 32, blocks, 40)) < blocks


def test_positions_are_fixed_for_ever() -> None:
    """A certificate of today must be redone by the programs of ten years on."""
    assert positions(bytes(range(32)), 1_000_000, 5) == (186783, 364221, 487105, 933392, 946120)


def test_no_region_is_favoured() -> None:
    """A tenth of the medium gets a tenth of the samples, give or take five standard deviations."""
    found = positions(b"\x07" * 32, 1_000_000, 20_000)
    tenths = [sum(1 for one in found if one // 100_000 == tenth) for tenth in range(10)]
    assert all(abs(count - 2_000) < 5 * 43 for count in tenths)


def test_the_seed_mixes_both_parts() -> None:
    """SHA-256(local || nonce); offline the local part alone."""
    local, nonce = "11" * 32, "22" * 32
    assert seed_of(local, nonce) == hashlib.sha256(b"\x11" * 32 + b"\x22" * 32).digest()
    assert seed_of(local, None) == b"\x11" * 32


# ------------------------------------------------------------------------------------------------------ strata


def strata(blocks: int, count: int) -> list[range]:
    """The sections, by the words of the docstring."""
    return [range(number * blocks // count, (number + 1) * blocks // count) for number in range(count)]


def worst_miss(sizes: list[int], read: list[int], bad: int) -> Fraction:
    """The highest chance that no bad block is read, over every way of spreading `bad` blocks over the strata."""
    best: dict[int, Fraction] = {0: Fraction(1)}
    for size, count in zip(sizes, read, strict=True):
        after: dict[int, Fraction] = {}
        for placed, chance in best.items():
            for here in range(min(size, bad - placed) + 1):
                missed = chance * exact_miss(size, here, count)
                after[placed + here] = max(after.get(placed + here, Fraction(0)), missed)
        best = after
    return best[bad]


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 1_000_000), st.integers(1, 1_000_000))
def test_the_confidence_holds_however_bad_blocks_lie(blocks: int, cut: int, confidence: int, fraction: int) -> None:
    """Exact arithmetic over every distribution of the least number of bad blocks that the fraction allows."""
    count = min(cut, blocks)
    bad = max(-(-blocks * fraction // 1_000_000), 1)
    size = spread_size(blocks, confidence, fraction)
    sections = [len(section) for section in strata(blocks, count)]
    read = [-(-size * section // blocks) for section in sections]
    assert stratified_size(blocks, count, confidence, fraction) == sum(read)
    assert worst_miss(sections, read, bad) <= 1 - Fraction(confidence, 1_000_000)


def test_the_plain_sample_size_would_not_be_enough_for_strata() -> None:
    """One bad block in each of two halves is missed more often by one draw from each than by two draws from all."""
    assert sample_size(4, 830_000, 500_000) == 2
    assert exact_miss(4, 2, 2) == Fraction(1, 6)
    assert worst_miss([2, 2], [1, 1], 2) == Fraction(1, 4) > 1 - Fraction(830_000, 1_000_000)
    assert spread_size(4, 830_000, 500_000) == 3


@given(st.integers(1, 400), st.integers(0, 1_000_000), st.integers(0, 1_000_000))
def test_strata_never_ask_for_fewer_blocks_than_a_plain_sample(blocks: int, confidence: int, fraction: int) -> None:
    """Whoever ordered a confidence gets at least that; and what is asked for is the least that the bound allows."""
    size = spread_size(blocks, confidence, fraction)
    bad = max(-(-blocks * fraction // 1_000_000), 1)
    allowed = 1 - Fraction(confidence, 1_000_000)
    assert sample_size(blocks, confidence, fraction) <= size <= blocks
    if size < blocks - bad + 1:
        assert (1 - Fraction(size, blocks)) ** bad <= allowed
        assert size == 1 or (1 - Fraction(size - 1, blocks)) ** bad >= allowed


def test_strata_cost_a_few_blocks_in_a_thousand() -> None:
    """Beyond the rounding up in each stratum there is no price to speak of."""
    assert (sample_size(TERABYTE, 950_000, 1_000), spread_size(TERABYTE, 950_000, 1_000)) == (2_995, 2_996)
    assert stratified_size(TERABYTE, 1000, 950_000, 1_000) == 3_000
    assert stratified_size(TERABYTE, 1000, 990_000, 1_000) == 5_000
    assert stratified_size(TERABYTE, 1000, 950_000, 10_000) == 1_000


def reference_stratified(seed: bytes, blocks: int, count: int, size: int) -> list[int]:
    """The docstring's words, written down a second time."""
    found = []
    for number, section in enumerate(strata(blocks, count)):
        own = hashlib.sha256(seed + b"stratum" + number.to_bytes(8, "big")).digest()
        read = math.ceil(Fraction(size * len(section), blocks))
        found += [section[0] + at for at in reference_positions(own, len(section), read)]
    return found


@given(st.binary(min_size=32, max_size=32), st.integers(1, 5_000), st.integers(1, 20), st.integers(0, 999_999))
def test_stratified_positions_follow_the_published_rule(seed: bytes, blocks: int, cut: int, confidence: int) -> None:
    """An auditor's own program must find the same blocks."""
    count, size = min(cut, blocks), spread_size(blocks, confidence, 20_000)
    found = stratified_positions(seed, blocks, count, confidence, 20_000)
    assert list(found) == reference_stratified(seed, blocks, count, size)
    assert list(found) == sorted(set(found))


def test_every_stratum_is_looked_at() -> None:
    """A wipe that stopped early leaves whole strata: it is found for certain, whatever the confidence ordered."""
    found = stratified_positions(b"\x05" * 32, 1_000_003, strata_of(1_000_003), 500_000, 500_000)
    assert [sum(1 for at in found if at in section) for section in strata(1_000_003, 1000)] == [1] * 1000


def test_stratified_positions_are_fixed_for_ever() -> None:
    """A certificate of today must be redone by the programs of ten years on."""
    found = stratified_positions(bytes(range(32)), 1_000_000, 1000, 950_000, 10_000)
    assert len(found) == 1000
    assert found[:5] == (535, 1207, 2681, 3108, 4642)


def test_an_area_smaller_than_the_strata_is_read_whole() -> None:
    """One block a stratum: under four mebibytes a sample spares nothing."""
    assert strata_of(16) == 16
    assert stratified_positions(bytes(32), 16, 16, 900_000, 200_000) == tuple(range(16))
    assert stratified_positions(bytes(32), 0, 0, 900_000, 200_000) == ()
