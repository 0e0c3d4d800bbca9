"""Where a directory of ours may stand in what belongs to others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wipers.linux.secluded import secluded

pytestmark = pytest.mark.needs_root


@pytest.fixture
def above(tmp_path: Path) -> Path:
    (tmp_path / "above" / "data").mkdir(parents=True)
    return tmp_path / "above"


def test_a_directory_of_ours_is_taken_as_it_is(above: Path) -> None:
    """Nobody else can rename anything there."""
    assert secluded(above / "data") == above / "data"


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_in_a_directory_of_somebody_else_the_one_above_is_taken(above: Path, mode: int) -> None:
    """Its owner could put a link in the place of what root keeps there, and choose where root's files go."""
    os.chown(above / "data", 1000, 1000)
    (above / "data").chmod(mode)
    assert secluded(above / "data") == above


@pytest.mark.parametrize(("mode", "is_shut"), [(0o775, False), (0o777, False), (0o1777, True), (0o755, True)])
def test_what_others_may_write_to_is_theirs_unless_it_is_sticky(above: Path, mode: int, is_shut: bool) -> None:
    """Write permission on a directory is the right to rename what is in it."""
    (above / "data").chmod(mode)
    assert secluded(above / "data") == (above / "data" if is_shut else above)


def test_what_stands_in_somebody_elses_directory_is_not_safe_either(above: Path) -> None:
    """Renaming the directory that it stands in is enough."""
    os.chown(above, 1000, 1000)
    assert secluded(above / "data") == above.parent
