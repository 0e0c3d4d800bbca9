"""A slice of every campaign, always drawn from the same seed, so that no campaign rots between full runs."""

from __future__ import annotations

import os

import pytest

from tests import campaigns


@pytest.mark.integration
@pytest.mark.long
def test_a_slice_of_every_campaign_holds() -> None:
    """The full counts take too long for every change; the first few trials do not."""
    lacking = []
    for name in campaigns.names():
        campaign = campaigns.load(name)
        if campaign.NEEDS_ROOT and os.geteuid() != 0:
            lacking.append(name)
            continue
        campaign.run(seed=1, trials=campaign.SLICE)
    if lacking:
        pytest.skip(f"needs root: campaigns {', '.join(lacking)}")
