"""Records: their steps, and copies that a server knows and an order does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from certificates.statements import (
    Fact,
    FullVerification,
    KnownCopy,
    Media,
    Method,
    RecordsIdentity,
    Residual,
)
from tests.support import world
from wipers.linux.engines import CopyKnown, Look, facts_of
from wipers.linux.records import copies_obstacles, is_ordered
from wipers.model import Target, Wanted
from wipers.records import RECORDS, listing_copies
from wipers.techniques import find_technique

UUID = "5f7d4c52-8a3e-4c2b-9f6e-0d1a2b3c4d5e"
IDENTITY = RecordsIdentity("postgresql", "744413", UUID, 12, "erp", "table", 1, 9, object="16401")
FACTS = facts_of("postgresql", system="744413", filesystem=UUID, inode=12, database="erp", thing="16401")


def look(*copies: tuple[str, str]) -> Look:
    return Look(FACTS, 3, 8192, Method.COPY_FORWARD, copies=tuple(CopyKnown(*one) for one in copies))


def obstacles(look: Look, *named: KnownCopy) -> list[dict[str, str]]:
    carrier = replace(world.carrier(), identity=IDENTITY, copies=named)
    return [dict(one.facts) for one in copies_obstacles(carrier, look)]


def test_what_is_held_is_written_and_read_back_between_withdrawal_and_release() -> None:
    """No name goes before its blocks were read back, and survivors are looked at last."""
    steps = RECORDS.steps(find_technique("random-1"), Wanted(FullVerification(), history=True))
    assert [one.kind for one in steps] == [
        "sample",
        "withdraw",
        "overwrite",
        "read-back",
        "release",
        "fill-free",
        "hunt",
        "confirm-survivors",
    ]


@pytest.mark.parametrize(
    "named",
    [
        (),
        (KnownCopy("archive"),),
        (KnownCopy("replica"),),
        (KnownCopy("replica", place="standby-1"),),
        (KnownCopy("replica", place="standby-1"), KnownCopy("replica", place="standby-9")),
    ],
)
def test_a_replica_that_no_order_names_is_in_the_way(named: tuple[KnownCopy, ...]) -> None:
    """Two follow the server; naming one of them, or a third, is not naming both."""
    found = obstacles(look(("replica", "standby-1"), ("replica", "standby-2")), *named)
    assert [one["what"] for one in found] == ["replica"]


@pytest.mark.parametrize(
    "named",
    [
        (KnownCopy("replica"), KnownCopy("replica")),
        (KnownCopy("replica", place="standby-1"), KnownCopy("replica")),
        (KnownCopy("replica", place="standby-1"), KnownCopy("replica", place="standby-2")),
    ],
)
def test_copies_may_be_named_by_their_sort_or_one_by_one(named: tuple[KnownCopy, ...]) -> None:
    """A clerk may know how many there are, or which."""
    assert obstacles(look(("replica", "standby-1"), ("replica", "standby-2")), *named) == []


def test_a_site_may_list_them_instead() -> None:
    """They are then on the certificate, as what was not reached; other obstacles stay."""
    found = [*copies_obstacles(world.carrier(), look(("replica", "standby-1"), ("archive", "/a"), ("archive", "/b")))]
    target = Target(
        kind="records",
        location="/srv/pg",
        facts=FACTS,
        unit="u",
        media=Media.FLASH,
        size=1,
        header_size=0,
        sector_size=512,
        objects=3,
        obstacles=tuple(found),
    )
    listed = listing_copies(target)
    assert listed.obstacles == ()
    assert listed.residual == (Residual("unordered-archives", 2), Residual("unordered-replicas", 1))
    assert listing_copies(listed) == listed


def test_one_word_of_a_place_names_a_copy_and_each_line_of_the_order_names_one() -> None:
    """A server tells of an address, a name and a state, which passes; a place in an order is one word."""
    known = look(("replica", "10.0.0.2 standby-1 streaming"), ("replica", "10.0.0.2 standby-2 catchup"))
    first, host = KnownCopy("replica", place="standby-1"), KnownCopy("replica", place="10.0.0.2")
    assert obstacles(known, first, host) == []
    assert [one["count"] for one in obstacles(known, host)] == ["1"]
    assert [one["count"] for one in obstacles(known, KnownCopy("slot", place="standby-1"))] == ["2"]


@pytest.mark.parametrize("name", ["system", "filesystem", "inode", "database", "object"])
def test_every_fact_of_the_identity_counts(name: str) -> None:
    """A data directory of another server, a table dropped and created again: each is another thing."""
    assert is_ordered(IDENTITY, FACTS)
    changed = tuple(Fact(one.name, "other") if one.name == name else one for one in FACTS)
    assert not is_ordered(IDENTITY, changed)
