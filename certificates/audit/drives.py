"""What a drive answered about itself before and after a run: in form, and told as its own word."""

from __future__ import annotations

import json
import re

from certificates import bundle
from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, holds
from certificates.errors import Untrusted
from certificates.render.words import number

NAMES = ("drive-before.jsonl", "drive-after.jsonl")
_FIELDS = {"command", "data", "detail", "outcome", "sense"}
_HEX = re.compile("(?:[0-9a-f]{2})*")
_MOST_BYTES = 1 << 20


def check_drives(case: Dossier) -> tuple[Finding, ...]:
    """Every answer filed is a line of the published form; what it says, the drive attests and nobody else."""
    files = bundle.evidence(case.entries)
    counts = [_count(name, files[name]) for name in NAMES if name in files]
    if not counts:
        return ()
    facts = {"count": number(sum(counts)), "files": len(counts)}
    return (holds("drive", Basis.ATTESTED, "drive-told", **facts),)


def _count(name: str, data: bytes) -> int:
    """Return how many answers a file holds; raises Untrusted for one that is none."""
    if len(data) > _MOST_BYTES:
        raise Untrusted("document-too-large", size=len(data), most=_MOST_BYTES)
    lines = data.splitlines()
    if not all(_is_answer(line) for line in lines):
        raise Untrusted("binding-broken", document="evidence", field=name)
    return len(lines)


def _is_answer(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        return False
    if not isinstance(found, dict) or set(found) != _FIELDS or not all(isinstance(one, str) for one in found.values()):
        return False
    return all(_HEX.fullmatch(found[name]) for name in ("data", "sense"))
