"""Drives that fail, lie, vanish or stand below others, on the kernel of a virtual machine: what each test there found.

The tests themselves stand in guest/. All of them that were chosen are run in one boot, and each is shown here.
"""

from __future__ import annotations

import pytest

from tests.lab.reports import Outcomes, listed

pytestmark = [pytest.mark.integration, pytest.mark.long]


@pytest.mark.parametrize("test", listed(), ids=str)
def test_in_the_guest(test: str, outcomes: Outcomes) -> None:
    """A test that was not run, or was skipped there, has failed."""
    failure = outcomes.failure_of(test)
    if failure:
        pytest.fail(failure, pytrace=False)
