"""Checks of what the host recorded: binding, journal, evidence, samples, and the claim that follows from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from certificates import bundle, claims
from certificates.audit.documents import signers_of
from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, Verdict, holds, short, unknown
from certificates.audit.telling import code_reasons, code_seen
from certificates.encoding import decode, digest
from certificates.errors import Untrusted
from certificates.keyring import highest_grade
from certificates.render.words import number
from certificates.selectors import commitment
from certificates.statements import (
    Certificate,
    Check,
    Checked,
    Claim,
    Concluded,
    DeviceIdentity,
    Drew,
    Entry,
    Evidence,
    FullReadBack,
    Identified,
    ImageIdentity,
    KeyGone,
    KeystreamPattern,
    LuksIdentity,
    Opened,
    Outcome,
    OverwriteRecord,
    Recorded,
    SampledReadBack,
    Selector,
)

Reread = Callable[[Certificate], FullReadBack | SampledReadBack]
"""Reads the medium again and compares it with what the certificate says it holds."""


def check_binding(case: Dossier) -> Finding:
    """Every digest in the certificate is that of the document in the bundle, and it repeats the order truly."""
    sealed, order, carrier = case.certificate, case.order, case.carrier
    told, start = sealed.statement, case.start.statement
    expected: dict[str, tuple[object, object]] = {
        "order": (told.binding.order, order.digest),
        "order_id": (told.binding.order_id, order.statement.id),
        "order_version": (told.binding.order_version, order.statement.version),
        "selector": (told.binding.selector, start.selector),
        "keyring": (told.binding.keyring, start.keyring),
        "keyring_version": (told.binding.keyring_version, start.keyring_version),
        "hold_state": (told.binding.hold_state, start.hold_state),
        "start": (told.binding.start, case.start.digest),
        "plan": (told.binding.plan, start.plan),
        "journal_sequence": (told.binding.journal_sequence, start.sequence),
        "host": (told.host, start.host),
        "carrier": (told.carrier, carrier.id),
        "carrier_label": (told.carrier_label, carrier.label),
        "unit": (told.unit, order.statement.unit),
        "assets": (set(told.assets), {a for a in order.statement.assets if a.card in carrier.assets}),
        "grade": (told.grade, highest_grade(order.statement, carrier)),
        "level": (told.applied.level, carrier.level),
        "claim.ordered": (told.claim.ordered, carrier.level),
        "verification": (told.applied.verification, carrier.verification),
        "destination": (told.destination, carrier.destination),
        "otherwise": (told.otherwise, carrier.otherwise),
        "approved_by": (set(told.approved_by), set(signers_of(order))),
        "evidence.kind": (told.evidence.kind, carrier.identity.kind),
        "evidence.destroy": (told.evidence.destroy, carrier.destroy),
        "evidence.copies": (told.evidence.copies, carrier.copies),
        "evidence.crypto_erase": (told.evidence.crypto_erase, carrier.crypto_erase),
        "evidence.technique": (told.evidence.technique, carrier.technique or told.evidence.technique),
        "started_at": (told.started_at <= told.ended_at <= told.issued_at, True),
    }
    for field, (found, wanted) in expected.items():
        if found != wanted:
            raise Untrusted("binding-broken", document="certificate", field=field)
    _check_files(case, told)
    _check_selector(case)
    return holds("binding", Basis.RECOMPUTABLE, "binding-holds", files=len(told.binding.evidence_files))


def check_journal(case: Dossier) -> Finding:
    """The journal ends where the certificate says, begins with this start, and holds the certificate's evidence."""
    told, entries = case.certificate.statement, case.journal
    binding, evidence = told.binding, told.evidence
    if (len(entries), entries[-1][1]) != (binding.journal_entries, binding.journal_head):
        raise _broken(len(entries), "the certificate binds another end")
    opened = entries[0][0].event
    if not isinstance(opened, Opened) or not isinstance(entries[-1][0].event, Concluded):
        raise _broken(1, "it does not run from an opening to a conclusion")
    found = (opened.host, opened.sequence, opened.start, opened.order, opened.carrier)
    if found != (told.host, binding.journal_sequence, binding.start, binding.order, told.carrier):
        raise _broken(1, "it opens another run")
    rebuilt = _rebuild(tuple(entry for entry, _ in entries))
    if rebuilt != (evidence.before, evidence.after, evidence.records, evidence.checks):
        raise _broken(len(entries), "its records are not the certificate's evidence")
    _check_keys(tuple(entry for entry, _ in entries), evidence)
    facts = {"sequence": binding.journal_sequence, "entries": number(len(entries))}
    return holds("journal", Basis.RECOMPUTABLE, "journal-holds", **facts)


def check_claim(case: Dossier) -> Finding:
    """The rule book that the certificate cites derives exactly its claim from its evidence."""
    told = case.certificate.statement
    _check_scope(case, told.evidence)
    derived = claims.claim(told.evidence, told.claim.ordered, told.claim.rule_book)
    if derived != told.claim:
        raise Untrusted("claim-boasts", claimed=_short(told.claim), derived=_short(derived))
    facts = {"book": derived.rule_book, "ordered": derived.ordered.value, "seen": code_seen(told.evidence)}
    basis = basis_of(told.evidence)
    if derived.outcome is Outcome.PROVEN:
        return holds("evidence", basis, "claim-proven", **facts, level=derived.level.value if derived.level else "-")
    why = code_reasons(derived.reasons)
    if derived.outcome is Outcome.NOT_REACHED:
        return short("evidence", basis, "claim-not-reached", **facts, why=why)
    return unknown("evidence", basis, "claim-unknown", Verdict.NOT_PROVEN, **facts, why=why)


def check_medium(case: Dossier, reread: Reread | None) -> Finding:
    """The medium, read again where it is at hand, still holds what the certificate says."""
    if reread is None:
        return unknown("medium", Basis.RE_RUNNABLE, "medium-not-read")
    seen = reread(case.certificate.statement)
    if isinstance(seen, SampledReadBack):
        bad, unread = seen.mismatched_blocks, seen.unread_blocks
        size, matched = seen.read + unread, seen.read - bad
    else:
        size, matched, bad, unread = seen.size, seen.matched, seen.mismatched_size, seen.unread_size
    facts = {"size": number(size), "matched": number(matched)}
    if matched == size and size:
        return holds("medium", Basis.RE_RUNNABLE, "medium-matches", **facts)
    facts |= {"mismatched": number(bad), "unread": number(unread)}
    return short("medium", Basis.RE_RUNNABLE, "medium-differs", **facts)


def basis_of(evidence: Evidence) -> Basis:
    """Return how a stranger can redo the checks: the strongest way that all of them allow."""
    if not evidence.checks or any(isinstance(check, KeyGone) for check in evidence.checks):
        return Basis.ATTESTED
    return Basis.RE_RUNNABLE


def _check_files(case: Dossier, told: Certificate) -> None:
    found = {name: (digest(data), len(data)) for name, data in bundle.evidence(case.entries).items()}
    if found != {file.name: (file.digest, file.size) for file in told.binding.evidence_files}:
        raise Untrusted("binding-broken", document="certificate", field="evidence_files")
    digests = {file.digest for file in told.binding.evidence_files}
    for check in told.evidence.checks:
        extents = getattr(check, "extents", None)
        if extents is not None and extents not in digests:
            raise Untrusted("binding-broken", document="evidence", field="extents")


def _check_selector(case: Dossier) -> None:
    data = case.entries.get(bundle.SELECTOR)
    if data is None:
        return
    bound = case.carrier.selector
    if case.carrier.disclosure != "names" or bound is None:
        raise Untrusted("binding-broken", document="selector", field="disclosure")
    selector = decode(data, Selector)
    if selector.carrier != case.carrier.id or commitment(selector) != bound.commitment:
        raise Untrusted("selector-mismatch", carrier=case.carrier.id)


def _rebuild(entries: tuple[Entry, ...]) -> tuple[object, object, object, object]:
    """Return identity before and after, records and checks, as the journal tells them."""
    events = [entry.event for entry in entries]
    before = next((event.facts for event in events if isinstance(event, Identified)), None)
    after = events[-1].facts if isinstance(events[-1], Concluded) else None
    records = tuple(event.record for event in events if isinstance(event, Recorded))
    checks: dict[int, Check] = {}
    for check in (event.check for event in events if isinstance(event, Checked)):
        # A resumed run makes a check again, and the later one counts, in its own place.
        checks.pop(check.step, None)
        checks[check.step] = check
    return before, after, records, tuple(checks.values())


def _check_keys(entries: tuple[Entry, ...], evidence: Evidence) -> None:
    """Every random pass was written under a key that was drawn and journalled before."""
    drawn = [key for entry in entries if isinstance(entry.event, Drew) for key in entry.event.keys]
    for record in evidence.records:
        pattern = record.pattern if isinstance(record, OverwriteRecord) else None
        if isinstance(pattern, KeystreamPattern) and pattern.key not in drawn:
            raise _broken(len(entries), "a pass was written under a key that was never drawn")


def _check_scope(case: Dossier, evidence: Evidence) -> None:
    """A device or image was addressed whole, by every pass that says `whole`; identity is the ordered one."""
    identity = case.carrier.identity
    identity = identity.container if isinstance(identity, LuksIdentity) else identity
    ordered = {field.name.replace("_", "-"): getattr(identity, field.name) for field in fields(identity)}
    for fact in evidence.before:
        wanted = ordered.get(fact.name)
        if wanted is not None and fact.value != _as_fact(wanted):
            raise Untrusted("identity-changed", where="-", fact=fact.name, found=fact.value, expected=_as_fact(wanted))
    is_whole = evidence.kind in ("device", "image")
    if is_whole and isinstance(identity, (DeviceIdentity, ImageIdentity)) and evidence.size != identity.size:
        raise Untrusted("evidence-scope", found=number(evidence.size), expected=number(identity.size))
    for record in evidence.records:
        if isinstance(record, OverwriteRecord) and record.area == "whole" and record.size < evidence.size:
            raise Untrusted("evidence-scope", found=number(record.size), expected=number(evidence.size))


def _as_fact(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(claim: Claim) -> str:
    level = claim.level.value if claim.level else "none"
    return f"{claim.ordered.value} {claim.outcome.value} ({level})"


def _broken(line: int, detail: str) -> Untrusted:
    return Untrusted("journal-broken", name=bundle.JOURNAL, line=line, detail=detail)
