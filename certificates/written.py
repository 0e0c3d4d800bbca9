"""Were the passes of an order's own scheme written, byte for byte? What was signed is compared with the evidence."""

from __future__ import annotations

from certificates.errors import Untrusted
from certificates.statements import (
    ComplementOf,
    ConstantByte,
    ConstantPattern,
    DrawnByte,
    Evidence,
    Filling,
    FreshKeystream,
    KeystreamPattern,
    OverwriteRecord,
    Pattern,
    RepeatedPattern,
    RepeatedWord,
    Scheme,
)


def check_written(evidence: Evidence, scheme: Scheme) -> None:
    """Return if every pass recorded wrote what the scheme says, in its order; raises Untrusted naming the first that
    did not. That passes are missing is the rule book's to judge."""
    drawn: dict[str, int] = {}
    records = [record for record in evidence.records if isinstance(record, OverwriteRecord)]
    for place, record in enumerate(sorted(records, key=lambda one: one.step)):
        filling = scheme.passes[place] if place < len(scheme.passes) else None
        if filling is None or not _is_written(filling, record.pattern, drawn):
            raise Untrusted("binding-broken", document="evidence", field=f"pass {place + 1} of scheme {scheme.id}")


def _is_written(filling: Filling, pattern: Pattern, drawn: dict[str, int]) -> bool:
    """Tell whether a pattern is the filling, and note what was drawn."""
    match filling, pattern:
        case ConstantByte(byte=byte), ConstantPattern(byte=found):
            return byte == found
        case RepeatedWord(word=word), RepeatedPattern(word=found):
            return word == found
        case FreshKeystream(), KeystreamPattern():
            return True
        case DrawnByte(name=name), ConstantPattern(byte=found):
            return drawn.setdefault(name, int(found, 16)) == int(found, 16)
        case ComplementOf(name=name), ConstantPattern(byte=found):
            return name in drawn and drawn[name] ^ 0xFF == int(found, 16)
        case _:
            return False
