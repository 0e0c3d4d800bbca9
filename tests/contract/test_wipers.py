"""What every wiper promises for every technique that applies to it, and every row of the tables."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import get_args

import pytest

from certificates.statements import (
    CryptoEraseConditions,
    FullVerification,
    Kind,
    Level,
    Outcome,
    OverwriteRecord,
    SampledVerification,
    Verification,
)
from tests.support.runs import Run, run_of
from wipers import WIPERS
from wipers.model import Overwrite, ReadBack, Release, Technique, Wanted
from wipers.techniques import TECHNIQUES, techniques_for

PAIRS = [(kind, row) for kind in WIPERS for row in techniques_for(kind)]
VERIFICATIONS: list[Verification] = [FullVerification(), SampledVerification(990_000, 50_000)]
every_pair = pytest.mark.parametrize(("kind", "row"), PAIRS, ids=lambda value: getattr(value, "id", value))
every_verification = pytest.mark.parametrize("verification", VERIFICATIONS, ids=lambda one: one.kind)


def test_every_kind_of_carrier_has_its_wiper() -> None:
    """An order can name it, so the table must have an answer."""
    assert set(WIPERS) == set(get_args(Kind))
    assert all(wiper.kind == kind and wiper.summary for kind, wiper in WIPERS.items())


def test_every_technique_has_a_name_and_a_citation_of_its_own() -> None:
    """A row without a source is a folk tale."""
    assert len({row.id for row in TECHNIQUES}) == len({row.name for row in TECHNIQUES}) == len(TECHNIQUES)
    assert all(row.citation and row.passes and row.method for row in TECHNIQUES)


def test_every_technique_applies_somewhere() -> None:
    """A row nobody can order is a promise."""
    assert {row.id for _, row in PAIRS} == {row.id for row in TECHNIQUES}


@every_verification
@every_pair
def test_the_last_pass_of_every_area_is_read_back(kind: Kind, row: Technique, verification: Verification) -> None:
    """Before a later pass covers it, and before anything is released."""
    steps = WIPERS[kind].steps(row, Wanted(verification))
    holds: dict[str, int] = {}
    read: set[int] = set()
    for number, step in enumerate(steps):
        match step:
            case Overwrite(area=area):
                if area == "whole":
                    assert read >= {last for name, last in holds.items() if name == "header"}
                holds[area] = number
            case ReadBack(area=area, compared_with=compared_with):
                assert holds[area] == compared_with
                read.add(compared_with)
            case Release():
                assert not any(isinstance(later, Overwrite | ReadBack) for later in steps[number:])
    assert read >= set(holds.values())


def planned(kind: Kind, technique: str, verification: Verification | None = None) -> Run:
    return run_of(kind, verification, technique=technique, crypto_erase=CryptoEraseConditions(*[True] * 7))


@cache
def flawless(kind: Kind, technique: str, verification: Verification) -> Run:
    """A run on which nothing is wrong, carried out once for all who look at it."""
    run = planned(kind, technique, verification)
    run.go()
    return run


@every_verification
@every_pair
def test_a_flawless_run_proves_clear(kind: Kind, row: Technique, verification: Verification) -> None:
    """Otherwise the technique would be of no use on this kind of carrier."""
    run = flawless(kind, row.id, verification)
    assert run.claim.outcome is Outcome.PROVEN, run.claim.reasons
    assert run.is_concluded


@every_pair
def test_one_sector_left_is_never_proven(kind: Kind, row: Technique) -> None:
    """A full read-back that misses a sector anywhere, at either end or between, would miss what it is there for."""
    sector = (0, 7, 31)[PAIRS.index((kind, row)) % 3]
    run = planned(kind, row.id)
    stream = len(run.simulated.sizes) - 1
    run.simulated.lies.drops_writes = frozenset({(stream, sector)})
    run.go()
    assert run.claim.outcome is Outcome.NOT_REACHED
    assert run.claim.level is None


@every_pair
def test_a_run_needs_the_keys_it_draws_and_no_more(kind: Kind, row: Technique) -> None:
    """The certificate publishes every key, each with the pass it made."""
    run = flawless(kind, row.id, FullVerification())
    records = [record for record in run.evidence.records if isinstance(record, OverwriteRecord)]
    assert len(records) == len(row.passes) == run.evidence.passes
    keys = [getattr(record.pattern, "key", None) for record in records]
    assert len({key for key in keys if key}) == sum(one.filling.kind == "aes-256-ctr" for one in row.passes)


@every_pair
def test_the_plan_is_the_same_every_time(kind: Kind, row: Technique) -> None:
    """Its digest is what a person confirms; entropy is no part of it."""
    one, other = (planned(kind, row.id).plan for _ in range(2))
    assert one == other
    assert one.digest == other.digest
    assert dataclasses.replace(one, level=Level.PURGE).digest != one.digest
