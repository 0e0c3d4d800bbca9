"""A registry in memory for each test, and one in a file where that is the point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server_stub.world import World, opened


@pytest.fixture
def world() -> Iterator[World]:
    yield from opened()


@pytest.fixture(params=["memory", "file"])
def any_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Once over each kind of store: what holds for one must hold for all."""
    yield from opened("sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'registry.sqlite'}")
