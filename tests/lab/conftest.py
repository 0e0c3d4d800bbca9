"""The lab's tests: on the host they are shown, in the guest they are run."""

from __future__ import annotations

import os

import pytest

from tests.lab.base import Unavailable
from tests.lab.image import check_available
from tests.lab.reports import IN_THE_GUEST, Outcomes, listed, run_in_the_guest

collect_ignore = [] if os.environ.get(IN_THE_GUEST) else ["guest"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-k` finds a test of the guest by what it is for as well: `-k flakey`."""
    for item in items:
        if isinstance(item, pytest.Function) and "outcomes" in item.fixturenames:
            item.extra_keyword_matches.add(listed()[str(item.callspec.params["test"])])


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Outcomes:
    """What became of the chosen tests of the guest, all run in one boot."""
    try:
        check_available()
    except Unavailable as reason:
        pytest.skip(str(reason))
    items = [item for item in request.session.items if "outcomes" in getattr(item, "fixturenames", ())]
    chosen = [str(item.callspec.params["test"]) for item in items if isinstance(item, pytest.Function)]
    return run_in_the_guest(tuple(dict.fromkeys(chosen)))
