"""An overwrite scheme from a TOML file that people can read: the passes go into the order, and are signed there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from agent.files import read_file
from certificates.encoding import canonical, decode
from certificates.errors import Refused, Untrusted
from certificates.statements import Scheme

LARGEST = 64 << 10
EXPECTED = (
    'must be "random", two hex digits for a byte, more for bytes repeated, "drawn NAME" for a byte drawn for the run,'
    ' or "complement NAME" for the complement of one drawn before'
)
FIELDS = ("id", "name", "passes", "source", "warning")


def read_scheme(path: Path) -> Scheme:
    """Return the scheme in a file; raises Refused naming the key that is wrong and what belongs there."""
    try:
        tree = tomllib.loads(read_file(path, LARGEST).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(path, f"it is not TOML: {error}") from error
    if unknown := sorted(tree.keys() - set(FIELDS)):
        raise _wrong(path, f"{unknown[0]} is not known here; known are {', '.join(FIELDS)}")
    wire = tree | {"passes": [_filling(path, number, one) for number, one in enumerate(_passes(path, tree), start=1)]}
    try:
        return decode(canonical(wire), Scheme)
    except Untrusted as error:
        raise _wrong(path, error.row.en.format_map(error.facts)) from error


def _passes(path: Path, tree: dict[str, Any]) -> list[Any]:
    found = tree.get("passes")
    if not isinstance(found, list) or not found:
        raise _wrong(path, 'passes must be a list of what each pass writes, e.g. ["00", "ff", "random"]')
    return found


def _filling(path: Path, number: int, text: Any) -> dict[str, str]:
    """Return the wire form of what one pass writes."""
    word = text.strip() if isinstance(text, str) else ""
    if word == "random":
        return {"kind": "aes-256-ctr"}
    if re.fullmatch(r"[0-9a-f]{2}", word):
        return {"kind": "constant", "byte": word}
    if re.fullmatch(r"(?:[0-9a-f]{2}){2,}", word):
        return {"kind": "repeated", "word": word}
    kind, _, name = word.partition(" ")
    if kind in ("drawn", "complement") and name.strip():
        return {"kind": kind, "name": name.strip()}
    raise _wrong(path, f"passes[{number}] {EXPECTED}")


def _wrong(path: Path, fault: str) -> Refused:
    return Refused("draft-wrong", where=path, faults=fault)
