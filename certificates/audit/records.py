"""Checks of what the host recorded: the journal, the evidence, and the claim that follows from it."""

from __future__ import annotations

from collections.abc import Callable

from certificates import bundle, claims
from certificates.answers import check_seen
from certificates.audit.documents import signers_of
from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, Verdict, holds, short, unknown
from certificates.audit.steps import check_steps, tell_steps
from certificates.audit.telling import code_reasons, code_seen
from certificates.errors import Untrusted
from certificates.render.words import number
from certificates.statements import (
    Certificate,
    Certified,
    Check,
    Checked,
    Claim,
    Committed,
    Concluded,
    Counted,
    Drew,
    Entry,
    Event,
    Evidence,
    FullReadBack,
    Identified,
    KeyGone,
    Opened,
    Outcome,
    OverwriteRecord,
    Recorded,
    RefusedRun,
    ReleaseRecord,
    ResidueHunt,
    SampledReadBack,
    SurvivorsCheck,
)

Reread = Callable[[Certificate], FullReadBack | SampledReadBack]
"""Reads the medium again and compares it with what the certificate says it holds."""


def check_journal(case: Dossier) -> tuple[Finding, ...]:
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
    if not case.start.statement.started_at <= entries[0][0].at <= entries[-1][0].at <= told.issued_at:
        raise _broken(1, "its times are not between start and certificate")
    rebuilt = _rebuild(tuple(entry for entry, _ in entries))
    if rebuilt != (evidence.before, evidence.after, evidence.records, evidence.checks):
        raise _broken(len(entries), "its records are not the certificate's evidence")
    events = tuple(entry.event for entry, _ in entries)
    _check_shape(case, events)
    check_steps(events, evidence)
    _check_told(told)
    facts = {"sequence": binding.journal_sequence, "entries": number(len(entries))}
    return (holds("journal", Basis.RECOMPUTABLE, "journal-holds", **facts), *tell_steps(events))


def _check_told(told: Certificate) -> None:
    """The passes that the certificate describes are as many as were recorded, counted from 1."""
    recorded = sum(isinstance(record, OverwriteRecord) for record in told.evidence.records)
    if [one.number for one in told.applied.passes] != list(range(1, recorded + 1)):
        raise Untrusted("binding-broken", document="certificate", field="applied.passes")


def check_claim(case: Dossier) -> Finding:
    """The rule book that the certificate cites derives exactly its claim from its evidence."""
    told = case.certificate.statement
    check_seen(told.evidence, case.carrier)
    derived = claims.claim(told.evidence, told.claim.ordered, told.claim.rule_book)
    if derived != told.claim:
        raise Untrusted("claim-boasts", claimed=_short(told.claim), derived=_short(derived))
    facts = {"book": derived.rule_book, "ordered": derived.ordered.value, "seen": code_seen(told.evidence)}
    basis = basis_of(told.evidence)
    why = code_reasons(derived.reasons)
    if derived.outcome is Outcome.PROVEN:
        facts["level"] = derived.level.value if derived.level else "-"
        limits = {"why": why} if derived.reasons else {}
        return holds("evidence", basis, "claim-proven-within" if limits else "claim-proven", **facts, **limits)
    if derived.outcome is Outcome.NOT_REACHED:
        return short("evidence", basis, "claim-not-reached", **facts, why=why)
    return unknown("evidence", basis, "claim-unknown", Verdict.NOT_PROVEN, **facts, why=why)


def check_medium(case: Dossier, reread: Reread | None) -> Finding:
    """The medium, read again where it is at hand, still holds what the certificate says."""
    told = case.certificate.statement
    if reread is None:
        is_released = any(isinstance(record, ReleaseRecord) for record in told.evidence.records)
        return unknown("medium", Basis.RE_RUNNABLE, "medium-released" if is_released else "medium-not-read")
    seen = reread(told)
    if isinstance(seen, SampledReadBack):
        bad, unread = seen.mismatched_blocks, seen.unread_blocks
        size, matched = seen.read_in_all + unread, seen.read_in_all - bad
    else:
        size, matched, bad, unread = seen.size, seen.matched, seen.mismatched_size, seen.unread_size
    facts = {"size": number(size), "matched": number(matched)}
    if matched == size and size:
        return holds("medium", Basis.RE_RUNNABLE, "medium-matches", **facts)
    facts |= {"mismatched": number(bad), "unread": number(unread)}
    return short("medium", Basis.RE_RUNNABLE, "medium-differs", **facts)


def basis_of(evidence: Evidence) -> Basis:
    """Return how a stranger can redo the checks: the strongest way that all of them allow."""
    if not evidence.checks or any(
        isinstance(check, KeyGone | ResidueHunt | SurvivorsCheck) for check in evidence.checks
    ):
        return Basis.ATTESTED
    return Basis.RE_RUNNABLE


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


def _check_shape(case: Dossier, events: tuple[Event, ...]) -> None:
    """One run, told once: opened, identified, drawn for, concluded and ended once, its order's signers counted."""
    for kind in (Opened, Identified, Drew, Concluded):
        count = sum(isinstance(event, kind) for event in events)
        if count != 1:
            raise _broken(len(events), f"it has {count} entries of the kind {kind.__name__.lower()}")
    for line, event in enumerate(events, start=1):
        if isinstance(event, (Certified, RefusedRun)):
            raise _broken(line, "it goes on after its end")
        if isinstance(event, Counted) and set(event.persons) != set(signers_of(case.order)):
            raise _broken(line, "it counts others than signed the order")
    sampled = {event.check.step for event in events if isinstance(event, Checked) and _is_sampled(event.check)}
    if sum(isinstance(event, Committed) for event in events) > len(sampled):
        raise _broken(len(events), "it commits to more seeds than it has samples")


def _is_sampled(check: Check) -> bool:
    return isinstance(check, SampledReadBack)


def _short(claim: Claim) -> str:
    level = claim.level.value if claim.level else "none"
    return f"{claim.ordered.value} {claim.outcome.value} ({level})"


def _broken(line: int, detail: str) -> Untrusted:
    return Untrusted("journal-broken", name=bundle.JOURNAL, line=line, detail=detail)
