"""Names of tiles have one spelling (c2sp.org/tlog-tiles)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.errors import Refused
from server_stub.tile_paths import TileName, parse_tile_path, tile_path

NAMES = st.builds(TileName, st.none() | st.integers(0, 63), st.integers(0, 10**15), st.integers(1, 256))


@given(NAMES)
def test_a_name_is_read_as_it_was_spelled(name: TileName) -> None:
    """Clients and server must mean the same tile."""
    assert parse_tile_path(tile_path(name)) == name


def test_the_published_example_is_spelled_as_published() -> None:
    """Index 1234067 is x001/x234/067."""
    assert tile_path(TileName(0, 1234067, 256)) == "0/x001/x234/067"
    assert parse_tile_path("entries/x001/x234/067.p/17") == TileName(None, 1234067, 17)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/1",
        "0/0000",
        "00/000",
        "64/000",
        "-1/000",
        "0/x000/001",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000.p/",
        "0/000/001",
        "0/x001",
        "entries",
        "entries/../000",
        "0/000 ",
        "0/٠٠٠",
    ],
)
def test_any_other_spelling_is_no_tile(path: str) -> None:
    """Two spellings of one tile would be two cache entries, and one of them could be stale."""
    with pytest.raises(Refused):
        parse_tile_path(path)
