"""How long it will take, as far as anybody can know: carriers go on at once, and a machine has its limit too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.expecting import seconds_of_plan, seconds_together
from tests.agent.cli.test_progress import PLAN

HOUR = replace(PLAN, size=150_000_000 * 1800)
"""A magnetic disk that is written for half an hour and read for another."""


def test_a_carrier_takes_all_its_steps() -> None:
    """At the usual rate of its medium."""
    assert seconds_of_plan(HOUR) == 3600


@pytest.mark.parametrize(("at_once", "hours"), [(None, 1), (8, 1), (4, 2), (3, 3), (1, 8)])
def test_carriers_at_once_take_as_long_as_the_last_to_end(at_once: int | None, hours: int) -> None:
    """Eight disks in an hour, unless only some may go on at a time."""
    assert seconds_together([HOUR] * 8, at_once) == hours * 3600


def test_a_machine_moves_no_more_than_it_can() -> None:
    """A hundred disks on two cores are not wiped in the time of one."""
    assert seconds_together([HOUR] * 100) == 100 * 2 * HOUR.size // 3_000_000_000


def test_nothing_takes_no_time() -> None:
    """No carrier could be planned."""
    assert seconds_together([]) == 0
