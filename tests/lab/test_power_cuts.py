"""The plug of a machine that erases a disk is pulled: resume completes the run, and its certificate is true."""

from __future__ import annotations

import pytest

from tests.campaigns import power_cuts
from tests.lab.base import Unavailable
from tests.lab.image import check_available

pytestmark = pytest.mark.integration
KILLS = 3
SEED = 24
"""Its first run is killed three times, which takes two boots less than runs that are killed once each."""


@pytest.fixture(scope="session")
def three_cuts() -> str:
    """What came of three kills, drawn from the same seed every time; of the session, as `outcomes` is."""
    try:
        check_available()
    except Unavailable as reason:
        pytest.skip(str(reason))
    return power_cuts.run(seed=SEED, trials=KILLS)


def test_a_run_survives_power_cuts_and_its_certificate_is_true(three_cuts: str) -> None:
    """What SIGKILL of one process cannot take, a power cut does: everything that was written and not yet flushed."""
    assert f"killed {KILLS} times" in three_cuts
