"""The names of tiles: `<level>/<index>[.p/<width>]` as c2sp.org/tlog-tiles spells them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from certificates.errors import Refused

TILE_WIDTH = 256
_FORM = re.compile(
    r"(?P<level>entries|[0-9]|[1-5][0-9]|6[0-3])/(?P<index>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[0-9]+))?"
)


@dataclass(frozen=True, slots=True)
class TileName:
    """Which tile is asked for."""

    level: int | None
    """Level of the tile; None for a bundle of entries."""
    position: int
    """Index within the level."""
    width: int
    """Hashes or entries asked for: 256 for a full tile."""


def parse_tile_path(path: str) -> TileName:
    """The tile that `path` names; Refused when it is not the one spelling that a tile has."""
    match = _FORM.fullmatch(path)
    if match is None:
        raise Refused("registry-unknown", what=f"tile {path[:80]}")
    level = None if match["level"] == "entries" else int(match["level"])
    position = int(match["index"].replace("x", "").replace("/", ""))
    name = TileName(level, position, int(match["width"][:4]) if match["width"] else TILE_WIDTH)
    if tile_path(name) != path:
        raise Refused("registry-unknown", what=f"tile {path[:80]}")
    return name


def tile_path(name: TileName) -> str:
    """The spelling of a tile's name, in elements of three digits, all but the last marked with `x`."""
    digits = f"{name.position:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    elements = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    index = "/".join([*(f"x{element}" for element in elements[:-1]), elements[-1]])
    level = "entries" if name.level is None else name.level
    partial = f".p/{name.width}" if 0 < name.width < TILE_WIDTH else ""
    return f"{level}/{index}{partial}"
