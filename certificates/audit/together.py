"""Did the carriers of one order go in their turns? What a run's journal says that it came after is held against the
certificate that is here of that carrier, whichever host sealed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from certificates import bundle
from certificates.audit.dossier import read_journal
from certificates.audit.findings import Basis, Finding, fails, holds, unknown
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.errors import Untrusted
from certificates.statements import Certificate, Noted, Order
from certificates.turns import Turn, noted_after, turns_of

_RECOMPUTABLE = Basis.RECOMPUTABLE


@dataclass(frozen=True, slots=True)
class Part:
    """One carrier of an order whose carriers wait for one another, as its bundle tells; its audit has judged that."""

    order: str
    """Digest of the order."""
    carrier: str
    host: str
    sequence: int
    start: str
    """Digest of the Start."""
    certificate: str
    """Digest of the certificate."""
    turns: tuple[Turn, ...]
    """What the order asks of all its carriers."""
    notes: tuple[str, ...]
    """What the run's journal notes."""

    def is_shown_by(self, told: str, host: str, *, is_ended: bool) -> bool:
        """Tell whether it is this run that a journal of a host means, and that what it names shows that it had ended,
        where it had to."""
        own = f"run {self.sequence}" if host == self.host else ""
        return told in (f"certificate {self.certificate}", own) or (not is_ended and told == f"start {self.start}")


def read_part(data: bytes) -> Part | None:
    """Return what a bundle that holds tells of its turn; none where its order has no carriers that wait."""
    entries = bundle.unpack(data)
    ordered = unwrap(entries[bundle.ORDER])
    turns = turns_of(decode(ordered.payload, Order))
    if not turns:
        return None
    sealed = unwrap(entries[bundle.CERTIFICATE], 4 << 20)
    certificate = decode(sealed.payload, Certificate)
    events = (entry.event for entry, _ in read_journal(entries[bundle.JOURNAL], bundle.JOURNAL))
    return Part(
        order=ordered.digest,
        carrier=certificate.carrier,
        host=certificate.host,
        sequence=certificate.binding.journal_sequence,
        start=unwrap(entries[bundle.START]).digest,
        certificate=sealed.digest,
        turns=turns,
        notes=tuple(one.note for one in events if isinstance(one, Noted)),
    )


def compare_parts(parts: Iterable[Part]) -> tuple[Finding, ...]:
    """Return a finding for each carrier that waited for another one of the same order: what its journal relied on is
    the run that is certified here, another one, or not among what was given."""
    orders: dict[str, dict[str, list[Part]]] = {}
    for part in parts:
        orders.setdefault(part.order, {}).setdefault(part.carrier, []).append(part)
    return tuple(finding for known in orders.values() for finding in _of_order(known))


def _of_order(known: Mapping[str, Sequence[Part]]) -> Iterable[Finding]:
    for part in (one for parts in known.values() for one in parts):
        # A copy that goes in the same run needs no note.
        waited = (turn.first for turn in part.turns if turn.then == part.carrier and turn.how != "released")
        for first in dict.fromkeys(waited):
            told = noted_after(part.notes, first)
            if told is not None:
                yield _judge(part, first, told, known.get(first, ()))


def _judge(part: Part, first: str, told: str, others: Sequence[Part]) -> Finding:
    facts = {"carrier": part.carrier, "first": first, "by": told}
    if not others:
        return unknown("turns", _RECOMPUTABLE, "turn-elsewhere", **facts)
    is_ended = any((turn.first, turn.then, turn.how) == (first, part.carrier, "certified") for turn in part.turns)
    if any(other.is_shown_by(told, part.host, is_ended=is_ended) for other in others):
        return holds("turns", _RECOMPUTABLE, "turn-together", **facts)
    return fails("turns", _RECOMPUTABLE, Untrusted("turn-contradicted", **facts))
