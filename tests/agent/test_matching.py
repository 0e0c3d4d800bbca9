"""Cards and drives come together where it is certain, and nowhere else; each of them is accounted for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cards import Card, key
from agent.matching import Matched, Terms, match
from agent.surveying import Read
from certificates.statements import Grade, Level, Media, Noticed
from tests.support import world
from tests.support.surveyed import card, drive, read

M1 = read("m", chassis_serial="C1", host=None)
M2 = read("n", asset_tag="T2", uuid="2")
TERMS = Terms(world.NOW, timedelta(days=30))


def terms(**changes: Any) -> Terms:
    return replace(TERMS, **changes)


def pairs(found: Matched) -> set[tuple[str, str]]:
    """Card and serial number of everything that may stand in an order."""
    return {(card.number, pair.seen.serial) for pair in found.ready for card in pair.cards}


def findings(found: Matched) -> list[str]:
    return [one.finding for one in found.noticed]


def only(found: Matched) -> Noticed:
    (one,) = found.noticed
    return one


def test_a_drive_is_found_by_its_serial_number_however_it_is_typed() -> None:
    """Case, blanks and full-width letters are the typist's."""
    cards = [card("ZC-1", "wfn 0abcd"), card("ZC-2", "\uff37\uff26\uff2e\uff10ABCE")]
    found = match(cards, [read("m", drive("WFN0ABCD"), drive("WFN0ABCE"))], TERMS)
    assert pairs(found) == {("ZC-1", "WFN0ABCD"), ("ZC-2", "WFN0ABCE")}
    assert found.noticed == ()


def test_a_drive_is_found_by_its_world_wide_name() -> None:
    """Some labels print nothing else."""
    found = match([card("ZC-1", "0x5000C500A1B2C3D4")], [read("m", drive("S1", wwn="0x5000c500a1b2c3d4"))], TERMS)
    assert pairs(found) == {("ZC-1", "S1")}


@pytest.mark.parametrize("wrong", ["S1O", "0S10", "S1"])
def test_a_number_that_nearly_fits_does_not(wrong: str) -> None:
    """O for 0, or a zero too many, is another drive until a person has read the label."""
    found = match([card("ZC-1", wrong)], [read("m", drive("S10"))], TERMS)
    assert pairs(found) == set()
    assert findings(found) == ["card-unmatched", "drive-unmatched"]


def test_look_alikes_are_shown_side_by_side() -> None:
    """Whoever reads the list knows where to look."""
    found = match([card("ZC-1", "WFNOABCD")], [read("m", drive("WFN0ABCD"))], TERMS)
    assert found.noticed[0].detail == "WFNOABCD ≈ WFN0ABCD"


@pytest.mark.parametrize("how", [{"chassis": "cn-0117"}, {"asset_tag": "ZC-2019-00400"}])
def test_a_machine_s_card_takes_the_drives_that_have_none_of_their_own(how: dict[str, str]) -> None:
    """One card may hold several drives."""
    reads = [read("m", drive("S1"), drive("S2"), drive("S3"), chassis_serial="CN-0117", asset_tag="ZC-2019-00400")]
    found = match([card("ZC-1", **how), card("ZC-2", "S3")], reads, TERMS)
    assert pairs(found) == {("ZC-1", "S1"), ("ZC-1", "S2"), ("ZC-2", "S3")}
    assert found.noticed == ()


def test_a_serial_number_may_be_the_machine_s() -> None:
    """Lists have one column for it, whatever it is on."""
    found = match([card("ZC-1", "7J2K9Q3")], [read("m", drive("S1"), serial="7J2K9Q3")], TERMS)
    assert pairs(found) == {("ZC-1", "S1")}


def test_a_number_that_names_nothing_keeps_the_machine_s_drives_out() -> None:
    """The drive with that number may be gone, and the others be somebody else's."""
    found = match([card("ZC-1", "S9", chassis="CN-0117")], [read("m", drive("S1"), chassis_serial="CN-0117")], TERMS)
    assert pairs(found) == set()
    assert findings(found) == ["card-unmatched", "drive-unmatched"]


@pytest.mark.parametrize(
    ("given_card", "reads"),
    [
        (card("ZC-1", "S1"), [read("m", drive("S1"), drive("S1", model="Other"))]),
        (card("ZC-1", chassis="C1"), [M1, read("n", chassis_serial="C1")]),
        (card("ZC-1", asset_tag="T2"), [read("m", asset_tag="T2", uuid="1"), M2]),
        (card("ZC-1", chassis="C1", asset_tag="T2"), [M1, M2]),
        (card("ZC-1", "S1", asset_tag="T2"), [read("m", drive("S1"), uuid="1"), M2]),
        (card("ZC-1", "X"), [read("m", drive("X"), uuid="1"), read("n", serial="X", uuid="2")]),
    ],
    ids=["two drives", "two chassis", "two tags", "chassis and tag differ", "drive elsewhere", "drive or machine"],
)
def test_what_could_be_two_things_is_listed_and_never_guessed(given_card: Card, reads: list[Read]) -> None:
    """A wrong guess here destroys the wrong drive with everybody's signature."""
    found = match([given_card], reads, TERMS)
    assert pairs(found) == set()
    assert "card-ambiguous" in findings(found)
    assert found.noticed[0].stops


def test_two_cards_for_one_drive_are_listed() -> None:
    """Which of them is right, the books know."""
    found = match([card("ZC-1", "S1"), card("ZC-2", "S1")], [read("m", drive("S1"))], TERMS)
    assert pairs(found) == set()
    assert [(one.finding, one.card) for one in found.noticed] == [
        ("drive-ambiguous", "ZC-1"),
        ("drive-ambiguous", "ZC-2"),
    ]


def test_a_person_may_put_cards_and_drive_together() -> None:
    """By hand, several data assets may lie on one drive."""
    by_hand = {"S1": ("ZC-1", "ZC-2")}
    found = match([card("ZC-1", "S1"), card("ZC-2")], [read("m", drive("S1"))], terms(pairs=by_hand))
    assert pairs(found) == {("ZC-1", "S1"), ("ZC-2", "S1")}
    assert found.noticed == ()


def test_a_drive_in_two_machines_was_moved() -> None:
    """Where it is now, only another survey tells."""
    found = match([card("ZC-1", "S1")], [read("m", drive("S1"), uuid="1"), read("n", drive("S1"), uuid="2")], TERMS)
    assert pairs(found) == set()
    moved = next(one for one in found.noticed if one.finding == "drive-in-two-surveys")
    assert (moved.serial, moved.detail, moved.stops) == ("S1", "m, n", True)


def test_of_two_surveys_of_one_machine_the_newer_counts() -> None:
    """A drive that was taken out meanwhile is not there."""
    older = read("m", drive("S1"), drive("S2"), at=world.NOW - timedelta(days=2))
    found = match([card("ZC-1", "S1")], [older, read("m", drive("S1"))], TERMS)
    assert pairs(found) == {("ZC-1", "S1")}
    assert (only(found).finding, only(found).stops) == ("survey-superseded", False)


def test_a_drive_that_no_order_can_name_is_listed() -> None:
    """Nothing tells it from its neighbour."""
    found = match([], [read("m", drive("", "device-nameless"))], TERMS)
    assert findings(found) == ["drive-without-identity"]


def test_a_level_that_a_drive_does_not_reach_is_told_before_anybody_approves() -> None:
    """With the fallback that the order provides, if it provides one."""
    cards, reads = [card("ZC-1", "S1", level="purge")], [read("m", drive("S1", media=Media.FLASH))]
    found = match(cards, reads, TERMS)
    assert pairs(found) == set()
    assert (only(found).finding, only(found).detail) == ("level-unreachable", "purge > clear")
    found = match(cards, reads, terms(fallback="physical-destruction"))
    assert pairs(found) == {("ZC-1", "S1")}
    assert (only(found).detail, only(found).stops) == ("purge > clear; physical-destruction", False)


def test_the_level_follows_the_grade() -> None:
    """Of several cards on a drive, the strictest."""
    levels = {Grade.GENERAL: Level.CLEAR, Grade.IMPORTANT: Level.PURGE, Grade.CORE: Level.PURGE}
    cards = [card("ZC-1"), card("ZC-2", grade="important")]
    found = match(cards, [read("m", drive("S1"))], terms(pairs={"S1": ("ZC-1", "ZC-2")}, levels=levels))
    assert [pair.level for pair in found.stopped] == [Level.PURGE]


@pytest.mark.parametrize("secrecy", ["suspected", "declared"])
def test_a_card_with_state_secrets_is_for_the_hand_over_list(secrecy: str) -> None:
    """The gate would refuse the order on every host; here it is told a month earlier."""
    found = match([card("ZC-1", "S1", secrecy=secrecy)], [read("m", drive("S1"))], terms(has_benches=True))
    assert pairs(found) == set()
    assert (only(found).finding, only(found).detail) == ("secrecy", secrecy)


def test_a_system_disk_needs_a_bench() -> None:
    """The host that runs from it can never erase it."""
    cards, reads = [card("ZC-1", "S1")], [read("m", drive("S1", "system-disk", "in-use"))]
    assert pairs(match(cards, reads, TERMS)) == set()
    found = match(cards, reads, terms(has_benches=True))
    assert pairs(found) == {("ZC-1", "S1")}
    assert (only(found).finding, only(found).stops) == ("system-disk", False)


def test_a_drive_in_use_is_told_and_may_be_ordered() -> None:
    """It is freed before the run; the run refuses it otherwise."""
    found = match([card("ZC-1", "S1")], [read("m", drive("S1", "in-use"))], TERMS)
    assert pairs(found) == {("ZC-1", "S1")}
    assert (only(found).finding, only(found).detail) == ("in-use", "in-use")


@pytest.mark.parametrize("age", [timedelta(days=31), -timedelta(minutes=6)])
def test_a_survey_of_another_time_does_not_count(age: timedelta) -> None:
    """Drives move; a clock that runs ahead would make a survey fresh for ever."""
    found = match([card("ZC-1", "S1")], [read("m", drive("S1"), at=world.NOW - age)], TERMS)
    assert pairs(found) == set()
    assert only(found).finding == "survey-stale"


@pytest.mark.parametrize("doubt", ["unsigned", "no-keyring", "unknown-host", "key-not-valid"])
def test_a_survey_for_which_nobody_vouches_does_not_count(doubt: str) -> None:
    """Unless the draft says that it may, and names where such drives are wiped."""
    cards, reads = [card("ZC-1", "S1")], [read("m", drive("S1"), doubt=doubt)]
    assert pairs(match(cards, reads, TERMS)) == set()
    found = match(cards, reads, terms(takes_unverified=True, has_benches=True))
    assert pairs(found) == {("ZC-1", "S1")}
    assert (only(found).finding, only(found).stops) == ("survey-unverified", False)
    needs_bench = match(cards, reads, terms(takes_unverified=True))
    assert ("no-host" in findings(needs_bench)) is (doubt in ("unsigned", "unknown-host"))


def test_what_is_left_out_is_told_with_the_reason() -> None:
    """An approver sees what stays, and why."""
    left = terms(cards_left_out={"ZC-9": "monitor"}, drives_left_out={key("s2"): "stays in service"})
    found = match([card("ZC-1", "S1"), card("ZC-9")], [read("m", drive("S1"), drive("S2"))], left)
    assert pairs(found) == {("ZC-1", "S1")}
    told = [(one.finding, one.detail, one.stops) for one in found.noticed]
    assert told == [("card-left-out", "monitor", False), ("drive-left-out", "stays in service", False)]


SERIALS = st.sampled_from(["S0", "SO", "S1", "0S1", "s1", "S 1", "S2", "S3", ""])
DRIVES = st.lists(SERIALS, max_size=5, unique_by=key).map(
    lambda names: tuple(drive(name, *(() if name else ("device-nameless",))) for name in names)
)
MACHINES = st.lists(
    st.tuples(DRIVES, st.sampled_from([None, "C1", "C2"]), st.sampled_from([None, "T1"])), max_size=4
).map(
    lambda told: [
        read(f"m{number}", *drives, chassis_serial=chassis, asset_tag=tag, uuid=f"u{number}")
        for number, (drives, chassis, tag) in enumerate(told)
    ]
)
CARDS = st.lists(
    st.tuples(
        st.lists(SERIALS.filter(bool), max_size=2), st.sampled_from([None, "C1", "c2"]), st.sampled_from([None, "T1"])
    ),
    max_size=5,
).map(
    lambda told: [
        card(f"ZC-{number}", *serials, chassis=chassis, asset_tag=tag)
        for number, (serials, chassis, tag) in enumerate(told)
    ]
)


@given(CARDS, MACHINES, st.randoms(use_true_random=False))
def test_the_order_of_lines_and_files_changes_nothing(cards: list[Card], reads: list[Read], chance: Any) -> None:
    """Two clerks with the same papers make the same draft."""
    found = match(cards, reads, TERMS)
    chance.shuffle(cards)
    chance.shuffle(reads)
    assert match(cards, reads, TERMS) == found


@given(CARDS, MACHINES)
def test_every_card_and_drive_is_accounted_for(cards: list[Card], reads: list[Read]) -> None:
    """What is in no order is on the list: nothing falls between the two."""
    found = match(cards, reads, TERMS)
    paired = {card.number for pair in (*found.ready, *found.stopped) for card in pair.cards}
    listed = {one.card for one in found.noticed if one.stops}
    assert {card.number for card in cards} <= paired | listed
    drives = {pair.seen.drive.id for pair in (*found.ready, *found.stopped)}
    told = {one.drive for one in found.noticed if one.stops}
    assert {drive.id for read in reads for drive in read.survey.drives} <= drives | told


@given(CARDS, MACHINES)
def test_a_drive_goes_with_a_card_only_by_equal_numbers(cards: list[Card], reads: list[Read]) -> None:
    """Whatever else is on the table, no pair is made that the numbers do not make."""
    found = match(cards, reads, TERMS)
    counted = Counter(pair.seen.drive.id for pair in found.ready)
    assert all(count == 1 for count in counted.values())
    for pair in found.ready:
        (one,) = pair.cards
        machine = pair.seen.read.survey.machine
        numbers = {key(text) for text in (pair.seen.serial, machine.chassis_serial, machine.serial) if text}
        by_tag = one.asset_tag is not None and machine.asset_tag == one.asset_tag
        assert by_tag or numbers & {key(text) for text in (*one.serials, one.chassis or "") if text}
