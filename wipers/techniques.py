"""Techniques as rows of data, each with its citation, and the steps that their passes become."""

from __future__ import annotations

from collections.abc import Iterable

from certificates.statements import Area, ConstantByte, FreshKeystream, Kind, Method, Scheme, Verification
from wipers.model import Overwrite, Pass, ReadBack, Step, Technique
from wipers.schemes import OVERWRITTEN, SCHEMES, technique_of

_KEYS: dict[Kind, Method] = {"luks": Method.KEY_DESTRUCTION}
_PAGES: dict[Kind, Method] = {"records": Method.HOLE_FILLING}

TECHNIQUES: tuple[Technique, ...] = (
    Technique(
        id="random-1",
        name="One pass of AES-256-CTR keystream",
        method=OVERWRITTEN,
        passes=(Pass(FreshKeystream()),),
        citation="NIST SP 800-88 r2, clear by overwriting; keystream by NIST SP 800-38A, 6.5",
    ),
    Technique(
        id="zeros-1",
        name="One pass of 0x00",
        method=OVERWRITTEN,
        passes=(Pass(ConstantByte("00")),),
        citation="NIST SP 800-88 r2, clear by overwriting with a fixed value",
        warning="A medium that was never written may read as 0x00 too; random-1 tells a written block from such a one.",
    ),
    Technique(
        id="luks2-header",
        name="LUKS2: keyslots and both header copies overwritten",
        method=_KEYS,
        passes=(Pass(FreshKeystream(), "header"),),
        citation="NIST SP 800-88 r2, cryptographic erase (3.2.2 to 3.2.5); LUKS2 On-Disk Format 1.1.3, 2 and 3",
        warning="Rests on the encryption: what was written before the container was made, or outside it, stays.",
    ),
    Technique(
        id="luks2-header-and-payload",
        name="LUKS2: header overwritten, then the whole container",
        method=_KEYS,
        passes=(Pass(FreshKeystream(), "header"), Pass(FreshKeystream())),
        citation="NIST SP 800-88 r2, cryptographic erase (3.2.2 to 3.2.5), and clear by overwriting",
    ),
    Technique(
        id="hole-filling",
        name="Database rows: deleted in place, their space filled with other rows; logs held and overwritten",
        method=_PAGES,
        passes=(Pass(FreshKeystream()),),
        citation="NIST SP 800-88 r2, clear by overwriting; measured on PostgreSQL 15, docs/databases.md",
        warning="For few rows of a large table; what rewrites the table reaches more of its older pages.",
    ),
    *SCHEMES,
)
"""Rows in order of preference: among those that reach the ordered level, the first of the lowest level is taken."""


def techniques_for(kind: Kind, rows: Iterable[Technique] = TECHNIQUES) -> tuple[Technique, ...]:
    """Return the rows that apply to a kind of carrier, in order of preference."""
    return tuple(row for row in rows if kind in row.method)


def find_technique(name: str, scheme: Scheme | None = None) -> Technique:
    """Return the row with this id, or the order's own scheme of that name; raises KeyError for one that never was."""
    if scheme is not None and scheme.id == name:
        return technique_of(scheme)
    return {row.id: row for row in TECHNIQUES}[name]


def overwrites(technique: Technique, area: Area) -> tuple[Overwrite, ...]:
    """Return the technique's overwrites of one area, in order; what is held takes the passes over a whole."""
    written = "whole" if area == "held" else area
    return tuple(Overwrite(area, one.filling) for one in technique.passes if one.area == written)


def written_and_read_back(technique: Technique, area: Area, verification: Verification, first: int) -> tuple[Step, ...]:
    """Return all overwrites of the area, numbered from `first`, and the read-back of the last; none for none."""
    written = overwrites(technique, area)
    if not written:
        return ()
    return (*written, ReadBack(area, first + len(written) - 1, verification))
