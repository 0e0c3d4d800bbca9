"""The confidence that a certificate states is had: a seeded slice of the campaign, and a sampler that would not do."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from math import comb

import pytest

from tests.campaigns import calibration
from tests.campaigns.calibration import CASES, SHAPES, Case, Row, at_most, check, lower_bound, measure


@pytest.mark.parametrize("case", [Case(20_011, 950_000, 10_000), Case(6_145, 990_000, 5_000)], ids=str)
def test_residue_is_found_as_often_as_claimed(case: Case) -> None:
    """A hundred devices each, whatever the shape of what was left; the campaign makes ten thousand."""
    rows = measure(case, seed=1, trials=100)
    assert [row.shape for row in rows] == list(SHAPES)
    for row in rows:
        check(row)


def test_a_claim_that_is_not_had_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler that leaves out every other section finds residue anywhere, and not what lies packed in one."""
    case = Case(20_011, 950_000, 10_000)

    def lazy(self: Case, chance: random.Random) -> tuple[int, ...]:
        return tuple(chance.randrange(section.start, section.stop) for section in self.sections[::40])

    monkeypatch.setattr(Case, "positions", lazy)
    rows = {row.shape: row for row in measure(case, seed=1, trials=60)}
    with pytest.raises(AssertionError, match="too few"):
        check(rows["packed"])


def test_positions_that_follow_the_residue_are_noticed() -> None:
    """More found than can be is as wrong as too little: then residue and positions were not drawn apart."""
    with pytest.raises(AssertionError, match="too many"):
        check(Row(CASES[1], "scattered", 10_000, 10_000))


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_has_the_size_claimed(shape: str) -> None:
    """Distinct blocks, all of them on the device."""
    case, chance = Case(20_011, 950_000, 10_000), random.Random(3)
    if shape == "contiguous":
        every = tuple(range(0, case.blocks, case.bad))
        assert all(calibration.finds_run(case, every, chance) for _ in range(100))
        return
    placed = list(
        {"scattered": calibration.scattered, "even": calibration.even, "packed": calibration.packed}[shape](
            case, chance
        )
    )
    assert len(set(placed)) == len(placed) == case.bad
    assert all(0 <= block < case.blocks for block in placed)


def test_the_binomial_bounds_are_the_textbook_s() -> None:
    """Against exact fractions, and against published Clopper-Pearson limits."""
    exact = sum(comb(50, k) * Fraction(95, 100) ** k * Fraction(5, 100) ** (50 - k) for k in range(46))
    assert abs(Fraction(at_most(45, 50, Decimal("0.95"))) - exact) < Fraction(1, 10**40)
    assert abs(lower_bound(95, 100, Decimal("0.025")) - Decimal("0.88717")) < Decimal("0.00001")
    assert abs(lower_bound(100, 100, Decimal("0.01")) - Decimal("0.95499")) < Decimal("0.00001")
