"""How much of what is there must be known again before it is destroyed again."""

from __future__ import annotations

import pytest

from agent.replaying import least_known


@pytest.mark.parametrize(
    ("values", "samples", "rows", "least"),
    [
        (0, 0, 10, 1),
        (3, 100, 50, 1),
        (400, 400, 100, 100),
        (4000, 1499, 1000, 1000),
        # One of four thousand was enough: strangers share a street.
        (4000, 2000, 1000, 125),
        # Two samples were alike: a quarter was asked for, where a tenth could be known.
        (4000, 1999, 10_000, 12),
        (4000, 2000, 1_000_000, 1),
        (2000, 2000, 1, 500),
    ],
)
def test_so_many_values_must_be_known_as_samples_allow(values: int, samples: int, rows: int, least: int) -> None:
    """A quarter where all that told enough were sampled; where not, what would come of it by far less than chance."""
    assert least_known(values, samples, rows) == least
