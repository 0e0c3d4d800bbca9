"""Cards, surveys and a clerk's file become the orders that were meant, or say why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cards import Card, CardList, read_cards
from agent.drafting import Means, draft
from agent.stocktaking import Stock, Taken, take_stock
from agent.surveying import Read
from certificates.encoding import decode, digest, encode
from certificates.envelope import MIB, seal
from certificates.errors import Refused
from certificates.statements import (
    Chassis,
    DeviceIdentity,
    Finding,
    FullVerification,
    Grade,
    Level,
    Matching,
    Order,
    Otherwise,
    Secrecy,
)
from tests.support import world
from tests.support.screens import EXAMPLES, Desk
from tests.support.surveyed import HOST, card, drive, read

BENCH = "sha256:" + "cd" * 32
MEANS = Means({"arch-07": BENCH}, lambda size: bytes(range(size)))
FILER = read("filer-3", drive("WFN0ABCD"), drive("WFN0ABCE"), drive("S64MNE0R512345", "system-disk"), uuid="1")
BACKUP = read("backup-1", drive("Z1"), drive("Z2"), chassis_serial="7J2K9Q3", asset_tag="T-400", uuid="2")


def listed(cards: Iterable[Card]) -> CardList:
    return CardList(tuple(cards), "sha256:" + "00" * 32, ())


def take(
    folder: Path,
    *changes: tuple[str, str],
    cards: CardList | None = None,
    reads: tuple[Read, ...] = (FILER, BACKUP),
    **how: Any,
) -> Taken:
    """The example, with texts replaced, drafted from these cards and surveys."""
    (folder / "minutes.txt").write_text("minutes")
    path = Desk(folder).edit("survey-order.toml", *changes)
    stock = Stock(cards or read_cards(EXAMPLES / "cards.csv"), Path("cards.csv"), reads, world.NOW)
    return take_stock(path, MEANS, stock, is_partial=how.get("partial", False), is_split=how.get("split", False))


def faults(folder: Path, *changes: tuple[str, str], **how: Any) -> str:
    with pytest.raises(Refused) as caught:
        take(folder, *changes, **how)
    assert caught.value.reason == "draft-wrong"
    return str(caught.value.facts["faults"])


def stopping(taken: Taken) -> set[Finding]:
    return {one.finding for one in taken.matching.noticed if one.stops}


def test_the_example_becomes_an_order(tmp_path: Path) -> None:
    """What people begin with must work: drives from surveys, assets from cards, the rest from the file."""
    taken = take(tmp_path)
    (made,) = taken.drafts
    order = made.order
    assert decode(encode(order), Order) == order
    assert {asset.card for asset in order.assets} == {"ZC-2021-00077", "ZC-2021-00078", "ZC-2019-00400"}
    serials = {c.identity.serial: c for c in order.carriers if isinstance(c.identity, DeviceIdentity)}
    assert serials.keys() == {"WFN0ABCD", "WFN0ABCE", "Z1", "Z2"}
    one = serials["Z1"]
    assert one.assets == ("ZC-2019-00400",)
    assert one.chassis == Chassis("7J2K9Q3", "T-400")
    assert one.hosts == (HOST, BENCH)
    assert (one.level, one.verification, one.destination) == (Level.CLEAR, FullVerification(), "recycling")
    assert one.otherwise == Otherwise("physical-destruction", "Shredding by the designated unit, contract 2026-07")
    assert serials["WFN0ABCD"].card == "ZC-2021-00077"
    asset = next(asset for asset in order.assets if asset.card == "ZC-2021-00078")
    assert (asset.grade, asset.secrecy, asset.book_value) == (Grade.IMPORTANT, Secrecy.NONE, 90_000)


def test_what_stands_on_the_object_is_the_label(tmp_path: Path) -> None:
    """The label that the books give, where the card has one drive; a drive's own number otherwise."""
    cards = listed([card("ZC-1", "WFN0ABCD", label="L-1"), card("ZC-2", chassis="7J2K9Q3", label="L-2")])
    taken = take(tmp_path, cards=cards, partial=True)
    carriers = taken.drafts[0].order.carriers
    labels = {one.identity.serial: one.label for one in carriers if isinstance(one.identity, DeviceIdentity)}
    assert labels == {"WFN0ABCD": "L-1", "Z1": "Z1", "Z2": "Z2"}


def test_approvers_are_told_what_goes_together(tmp_path: Path) -> None:
    """Bound to the orders, the list and the surveys by their digests."""
    taken = take(tmp_path)
    told = taken.matching
    assert decode(encode(told), Matching) == told
    assert [(one.id, one.digest, one.carriers) for one in told.orders] == [
        ("2026-0121", digest(taken.drafts[0].order), 4)
    ]
    assert {(one.serial, one.card, one.by) for one in told.matched} == {
        ("WFN0ABCD", "ZC-2021-00077", "drive-serial"),
        ("WFN0ABCE", "ZC-2021-00078", "drive-serial"),
        ("Z1", "ZC-2019-00400", "chassis-serial"),
        ("Z2", "ZC-2019-00400", "chassis-serial"),
    }
    assert [(one.finding, one.detail) for one in told.noticed] == [
        ("drive-left-out", "System disk of the file server, which stays")
    ]
    assert told.surveys == tuple(sorted((FILER.digest, BACKUP.digest)))


def test_a_gap_stops_the_draft(tmp_path: Path) -> None:
    """Nobody should have to find out from the machine room."""
    more = read("filer-4", drive("NEW1"), uuid="3")
    taken = take(tmp_path, reads=(FILER, BACKUP, more))
    assert taken.drafts == ()
    assert stopping(taken) == {"drive-unmatched"}
    assert taken.refusal is not None
    assert taken.refusal.reason == "matching-incomplete"
    assert all(one.order is None for one in taken.matching.matched)


def test_a_partial_draft_leaves_gaps_out(tmp_path: Path) -> None:
    """What goes together is ordered, what does not is told."""
    more = read("filer-4", drive("NEW1"), uuid="3")
    stale = replace(BACKUP, doubt="unsigned")
    taken = take(tmp_path, reads=(FILER, stale, more), partial=True)
    assert len(taken.drafts[0].order.carriers) == 2
    assert stopping(taken) == {"drive-unmatched", "survey-unverified"}
    left_out = {one.serial for one in taken.matching.matched if one.order is None}
    assert left_out == {"Z1", "Z2"}


def test_nothing_to_order_is_no_order(tmp_path: Path) -> None:
    """A partial draft of nothing would be an empty order."""
    taken = take(tmp_path, cards=listed([card("ZC-9", "NONE")]), partial=True)
    assert (taken.drafts, taken.refusal and taken.refusal.reason) == ((), "matching-incomplete")


def test_a_draft_that_leaves_everything_out_is_no_order(tmp_path: Path) -> None:
    """Without a gap, and without anything to approve."""
    only = read("filer-3", drive("S64MNE0R512345"), uuid="1")
    taken = take(
        tmp_path,
        (
            "[[from_survey.leave_out]]",
            '[[from_survey.leave_out]]\ncard = "ZC-1"\nreason = "sold"\n[[from_survey.leave_out]]',
        ),
        cards=listed([card("ZC-1", "S64MNE0R512345")]),
        reads=(only,),
    )
    assert (taken.drafts, taken.refusal and taken.refusal.reason) == ((), "matching-empty")


def test_an_order_may_name_carriers_of_its_own(tmp_path: Path) -> None:
    """A drive that no survey could see, or one with another level; its card may come from the list."""
    own = """
[[carriers]]
id = "disk-1"
label = "L-1"
assets = ["ZC-2021-00077"]
hosts = ["arch-07"]
level = "clear"
verification = "full"
destination = "internal-reuse"
[carriers.identity]
kind = "device"
vendor = "ATA"
model = "ST4000DM004"
serial = "WFN0ABCD"
size = 4000787030016
"""
    path = ('reason = "System disk of the file server, which stays"\n', 'reason = "stays"\n' + own)
    taken = take(tmp_path, path)
    assert taken.drafts[0].order.carriers[0].id == "disk-1"
    assert len(taken.drafts[0].order.carriers) == 4
    assert len(taken.drafts[0].order.assets) == 3
    assert "ZC-2021-00077" not in {one.card for one in taken.matching.matched}


def test_every_fault_names_where_it_stands(tmp_path: Path) -> None:
    """In the clerk's file by key, in the list by line and card."""
    told = faults(
        tmp_path,
        ('verification = "full"', 'verification = "most"'),
        ('hosts = ["arch-07"]', 'hosts = ["nowhere"]'),
        ('oldest = "30d"', 'oldest = "a month"'),
        ('secrecy_declared_by = "P-0101"', 'declared_by = "P-0101"'),
        ('reason = "Retired', 'raison = "Retired'),
    )
    for expected in (
        "from_survey.verification must be",
        "from_survey.hosts names nowhere",
        "from_survey.oldest must be hours or days, e.g. 36h or 30d",
        "from_survey.declared_by is not known here",
        "from_survey.secrecy_declared_by is missing",
        "raison is not known here; did you mean reason?",
    ):
        assert expected in told


def test_names_that_are_in_no_list_or_survey_are_faults(tmp_path: Path) -> None:
    """A typing error in what is left out would otherwise leave nothing out."""
    by_hand = '[[from_survey.by_hand]]\ndrive = "NONE"\ncards = ["ZC-0"]\n\n[[from_survey.leave_out]]'
    told = faults(tmp_path, ("[[from_survey.leave_out]]", by_hand), ("S64MNE0R512345", "S64MNEOR512345"))
    for expected in (
        "from_survey.by_hand[1].drive names NONE",
        "from_survey.by_hand[1].cards names ZC-0, which is not in cards.csv",
        "from_survey.leave_out[1].drive names S64MNEOR512345, which is neither",
    ):
        assert expected in told


def test_what_a_card_does_not_say_is_asked_for(tmp_path: Path) -> None:
    """By line and card; only of cards that go with a drive."""
    bare = Card("ZC-1", 7, ("WFN0ABCD",), facts={"name": "盘"})
    told = faults(tmp_path, cards=listed([bare, Card("ZC-2", 8, ("NONE",))]))
    assert "cards.csv line 7 (card ZC-1) has no code: fill the cell, or set from_survey.asset.code" in told
    assert "cards.csv line 7 (card ZC-1) has no book_value: fill the cell" in told
    assert "ZC-2" not in told


def test_the_table_is_refused_where_there_are_no_surveys(tmp_path: Path) -> None:
    """It would be an order without drives."""
    (tmp_path / "minutes.txt").write_text("minutes")
    with pytest.raises(Refused, match="give --from-survey and --cards"):
        draft(Desk(tmp_path).edit("survey-order.toml"), MEANS)


def many(cards: int, machines: int) -> tuple[CardList, tuple[Read, ...]]:
    """So many cards with a drive each, in so many machines."""
    numbers = [f"S{number:05}" for number in range(cards)]
    reads = tuple(
        read(f"m{number}", *(drive(serial) for serial in numbers[number::machines]), uuid=str(number))
        for number in range(machines)
    )
    return listed(card(f"ZC-{serial}", serial) for serial in numbers), (*reads, SPARE)


LEFT_OUT = ('drive = "S64MNE0R512345"', 'drive = "SPARE"')
SPARE = read("spare", drive("SPARE"), uuid="spare")


def test_an_order_that_is_too_large_names_the_bounds(tmp_path: Path) -> None:
    """And the way out."""
    cards, reads = many(300, 10)
    with pytest.raises(Refused) as caught:
        take(tmp_path, LEFT_OUT, cards=cards, reads=reads)
    assert caught.value.reason == "order-too-large"
    assert "--split" in str(caught.value)


def test_a_split_draft_keeps_cards_whole(tmp_path: Path) -> None:
    """All drives of a card are approved, and later reported, together."""
    cards, reads = many(250, 5)
    whole = card("ZC-A-WHOLE", *(f"W{number:03}" for number in range(40)))
    reads = (*reads, read("w", *(drive(serial) for serial in whole.serials), uuid="w"))
    taken = take(tmp_path, LEFT_OUT, cards=listed((*cards.cards, whole)), reads=reads, split=True)
    assert [made.order.id for made in taken.drafts] == ["2026-0121-001", "2026-0121-002"]
    assert sum(len(made.order.carriers) for made in taken.drafts) == 290
    assert all(len(made.order.carriers) <= 256 and len(seal(made.order, ())) < MIB for made in taken.drafts)
    holding = [made for made in taken.drafts if any(asset.card == "ZC-A-WHOLE" for asset in made.order.assets)]
    assert len(holding) == 1
    assert {one.order for one in taken.matching.matched} == {made.order.id for made in taken.drafts}
