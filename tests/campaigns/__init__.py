"""Long trials: the same act many times over, each time with the plug pulled somewhere else.

A campaign is a module here with

    FULL: int            how many trials `scripts/campaign` runs
    SLICE: int           how many of them every test run repeats
    NEEDS_ROOT: bool     whether a trial attaches loop devices or mounts
    def run(seed: int, trials: int) -> str

`run` draws everything that varies from `random.Random(seed)`, raises AssertionError with the number of the trial that
failed, and returns one line of results.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast


class Campaign(Protocol):
    """What a module in this folder offers."""

    FULL: int
    SLICE: int
    NEEDS_ROOT: bool

    def run(self, seed: int, trials: int) -> str: ...


def names() -> list[str]:
    """The campaigns there are, in order."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def load(name: str) -> Campaign:
    """The named campaign, imported."""
    return cast(Campaign, importlib.import_module(f"{__name__}.{name}"))
