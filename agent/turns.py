"""Whether it is a carrier's turn: shown by this host's own runs, and by what other hosts sealed.

Each carrier is carried out by the agent of its host, and nobody's word is taken for what another host did (ADR 0045).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.site import Site
from certificates import bundle
from certificates.audit import Verdict, audit, certificate_of
from certificates.encoding import decode
from certificates.envelope import unseal, unwrap
from certificates.errors import Refused, Untrusted
from certificates.keyring import is_revoked, resolver
from certificates.statements import Certificate, Order, Outcome, Start, WithdrawalRecord
from certificates.trust import Trust, TrustedLog
from certificates.turns import Turn, in_turn, note_of, turns_of

ZIP = b"PK"
"""What a bundle begins with; a document in its envelope does not."""
STILL_THERE = frozenset({"contents-found", "contents-unlocated", "identity-changed"})
"""Why a claim is denied or unknown whose rows may still be in use where they were, by the rule book's codes."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How far a carrier of the order is, and what shows it."""

    carrier: str
    state: Literal["begun", "ended", "left"]
    """`left`: it ended, and what was ordered may still be where it was."""
    kind: Literal["run", "certificate", "start"]
    """What shows it: a run of this host, or a document."""
    which: str
    """The run's number, or the document's digest."""
    outcome: Outcome | None = None
    """What its certificate claims; none where there is none yet."""

    @property
    def by(self) -> str:
        """What shows it, for a journal."""
        return f"{self.kind} {self.which}"


@dataclass(frozen=True, slots=True)
class Handed:
    """A document that a person hands over to show what another host did."""

    name: str
    """What to call it in a message: its file's name."""
    data: bytes
    """A bundle, or a Start in its envelope."""


def out_of_turn(
    order: Order, chosen: Sequence[str], shown: Mapping[str, Shown], *, are_together: bool = True
) -> dict[str, Refused]:
    """Return why carriers that were chosen must not go now, by their ids. `are_together`: all go on at once."""
    try:
        in_turn(order)
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
    found: dict[str, Refused] = {}
    for turn in turns_of(order):
        if turn.then in chosen and turn.then not in found:
            is_beside = turn.first in chosen and (are_together or turn.how != "released")
            refusal = _refusal(turn, shown.get(turn.first), is_beside=is_beside)
            found.update({turn.then: refusal} if refusal is not None else {})
    return found


def _refusal(turn: Turn, first: Shown | None, *, is_beside: bool) -> Refused | None:
    match turn.how:
        case "begun":
            return None if first is not None else Refused("standby-not-begun", carrier=turn.then, copy=turn.first)
        case "released":
            is_done = is_beside or (first is not None and first.state != "begun")
            return None if is_done else Refused("rows-before-copy", carrier=turn.then, copy=turn.first)
    if first is not None and first.state == "ended":
        return None
    if first is not None and first.state == "left":
        return Refused("rows-left", carrier=turn.first, copy=turn.then)
    return Refused("copies-in-one-run" if is_beside else "copy-before-rows", carrier=turn.first, copy=turn.then)


def waits_for(order: Order, carrier: str, shown: Mapping[str, Shown]) -> tuple[str, ...]:
    """Return the carriers that this one still waits for."""
    turns = (turn for turn in turns_of(order) if turn.then == carrier)
    waiting = (turn.first for turn in turns if _refusal(turn, shown.get(turn.first), is_beside=False) is not None)
    return tuple(dict.fromkeys(waiting))


def relied_on(order: Order, carrier: str, shown: Mapping[str, Shown]) -> tuple[str, ...]:
    """Return, a line each, what shows that it is this carrier's turn: for its journal."""
    firsts = dict.fromkeys(turn.first for turn in turns_of(order) if turn.then == carrier)
    return tuple(note_of(first, shown[first].by) for first in firsts if first in shown)


def shown_of(site: Site, order: Order, digest: str, handed: Sequence[Handed] = ()) -> dict[str, Shown]:
    """Return how far carriers of the order are, by this host's own runs and by what was handed over; raises Refused for
    a document that shows nothing of it."""
    found = {one.carrier: one for one in (_shown_by(site, order, digest, each) for each in handed)}
    ledger = site.ledger.read()
    for carrier in order.carriers:
        spent = ledger.find_spent(digest, carrier.id)
        if spent is not None and spent.sequence is not None:
            certificate = site.folder(spent.sequence).fixed()
            found[carrier.id] = _shown(carrier.id, certificate, "run", str(spent.sequence))
    return found


def _shown(carrier: str, certificate: Certificate | None, kind: Literal["run", "certificate"], which: str) -> Shown:
    if certificate is None:
        return Shown(carrier, "begun", kind, which)
    state: Literal["ended", "left"] = "ended" if _is_taken_out(certificate) else "left"
    return Shown(carrier, state, kind, which, certificate.claim.outcome)


def _is_taken_out(certificate: Certificate) -> bool:
    """Tell whether what was ordered is out of the place from which copies could get it again: also where not
    everything about it could be proven, or where samples of it stand elsewhere, as in the copies themselves."""
    evidence, claim = certificate.evidence, certificate.claim
    is_withdrawn = any(isinstance(record, WithdrawalRecord) for record in evidence.records)
    return is_withdrawn and not any(reason.code in STILL_THERE for reason in claim.reasons)


def _shown_by(site: Site, order: Order, digest: str, handed: Handed) -> Shown:
    try:
        found = (_of_bundle if handed.data.startswith(ZIP) else _of_start)(site, order, digest, handed)
    except Untrusted as error:
        raise _unfounded(handed, error.row.en.format_map(error.facts)) from error
    if all(found.carrier not in (turn.first, turn.then) for turn in turns_of(order)):
        raise _unfounded(handed, f"no carrier of this order waits for {found.carrier}")
    return found


def _of_bundle(site: Site, order: Order, digest: str, handed: Handed) -> Shown:
    """Return what a certificate shows, having audited its bundle by what this site trusts."""
    chain = site.documents.chain()
    logs = tuple(TrustedLog(log.origin, log.key.spki) for log in chain.current.logs)
    # Packed when it ended, it cannot know of keys that were revoked since: this site's keyrings tell.
    known = {bundle.keyring_name(sealed.statement.version): sealed.envelope for sealed in chain.sealed}
    data = bundle.pack(bundle.unpack(handed.data) | known)
    report = audit(data, Trust((site.config.keyring_root,), logs), handed.name)
    if report.verdict is Verdict.DOES_NOT_HOLD:
        wanting = next(one for one in report.findings if one.leaves is Verdict.DOES_NOT_HOLD)
        raise _unfounded(handed, wanting.tell())
    certificate, identity = certificate_of(bundle.unpack(handed.data))
    _check_order(handed, certificate.binding.order, digest)
    return _shown(certificate.carrier, certificate, "certificate", identity)


def _of_start(site: Site, order: Order, digest: str, handed: Handed) -> Shown:
    """Return what a Start shows: the ordered executor's word before the first write."""
    told = decode(unwrap(handed.data).payload, Start)
    chain = site.documents.chain()
    keyring = chain.version(told.keyring)
    if keyring is None:
        raise _unfounded(handed, "it names a keyring that this site does not know")
    start = unseal(handed.data, Start, resolver(keyring, told.started_at))
    if any(is_revoked(chain, signature.key_id, told.started_at) for signature in start.signatures):
        raise _unfounded(handed, "its key was revoked by then, as a later keyring says")
    _check_order(handed, told.order, digest)
    is_named = any(one.id == told.carrier and told.host in one.hosts for one in order.carriers)
    if not is_named or told.persons[0].id != order.executing.person:
        raise _unfounded(handed, "carrier, host or executor are not those of the order")
    return Shown(told.carrier, "begun", "start", start.digest)


def _check_order(handed: Handed, found: str, digest: str) -> None:
    if found != digest:
        raise _unfounded(handed, "it is of another order")


def _unfounded(handed: Handed, detail: str) -> Refused:
    return Refused("after-unfounded", name=handed.name, detail=detail)
