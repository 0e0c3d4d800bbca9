"""What people see of a search that takes its time."""

from __future__ import annotations

import pytest

from agent.cli.screen import Screen
from agent.cli.searches import tell_search


def test_a_long_search_is_told_after_a_second_and_then_every_five(capsys: pytest.CaptureFixture[str]) -> None:
    """A million files take half a minute, and a screen that shows nothing meanwhile looks like one that hangs."""
    at = 0.0
    met = tell_search(Screen(language="en"), lambda: at)
    for second in range(14):
        at = float(second)
        met(25_000 * (second + 1))
    assert capsys.readouterr().err.splitlines() == [
        "searching: 50,000 files so far",
        "searching: 175,000 files so far",
        "searching: 300,000 files so far",
    ]


def test_a_short_search_says_nothing_however_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Orders of a dozen carriers are searched for one after the other, and none of them makes anybody wait."""
    at = 0.0
    met = tell_search(Screen(language="en"), lambda: at)
    for search in range(6):
        for tenth in range(5):
            at = search + tenth / 10
            met(1000 * (tenth + 1))
    assert capsys.readouterr().err == ""
