"""The whole offline verdict on one bundle, and on many together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from certificates import bundle
from certificates.audit.acts import check_acts, check_hunts
from certificates.audit.binding import check_binding
from certificates.audit.documents import (
    check_certificate,
    check_hold_state,
    check_keyring_used,
    check_keyrings,
    check_order,
    check_registered,
    check_start,
    check_validation,
)
from certificates.audit.dossier import Blocked, Broken, Dossier
from certificates.audit.drives import check_drives
from certificates.audit.findings import Audit, Basis, Finding, Report, Verdict, fails, holds, unknown, worst
from certificates.audit.profiles import check_profiles
from certificates.audit.records import Reread, check_claim, check_journal, check_medium
from certificates.audit.runs import End, compare_runs, read_end
from certificates.audit.samples import check_samples
from certificates.audit.together import Part, compare_parts
from certificates.audit.turns import check_turns
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.errors import Failure, Untrusted
from certificates.statements import Certificate
from certificates.trust import Trust

Check = Callable[[Dossier], Finding | tuple[Finding, ...]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("keyring", check_keyrings),
    ("start", check_start),
    ("order", check_order),
    ("keyring", check_keyring_used),
    ("hold", check_hold_state),
    ("certificate", check_certificate),
    ("binding", check_binding),
    ("journal", check_journal),
    ("turns", check_turns),
    ("acts", check_acts),
    ("hunt", check_hunts),
    ("evidence", check_claim),
    ("samples", check_samples),
    ("profile", check_profiles),
    ("drive", check_drives),
    ("receipt", check_registered),
    ("validation", check_validation),
)
"""Checks in the order in which one needs another."""


def audit(data: bytes, trust: Trust, name: str = "bundle", reread: Reread | None = None) -> Report:
    """Return a finding for each check of a bundle; nothing in it, and no instant of now, is trusted."""
    try:
        entries = bundle.unpack(data)
    except Untrusted as error:
        return _report(name, None, (fails("bundle", Basis.RECOMPUTABLE, error),))
    case = Dossier(entries, trust)
    size = f"{len(data):,}"
    findings = [holds("bundle", Basis.RECOMPUTABLE, "bundle-holds", entries=len(entries), size=size)]
    for step, check in CHECKS:
        findings += _run(step, check, case)
    if bundle.TIME in entries:
        findings.append(unknown("time", Basis.RE_RUNNABLE, "time-unchecked"))
    findings += _run("medium", lambda opened: check_medium(opened, reread), case)
    return _report(name, entries, tuple(findings))


def certificate_of(entries: Mapping[str, bytes]) -> tuple[Certificate, str]:
    """Return the certificate in a bundle and its digest, with no signature looked at; raises Untrusted."""
    wrapped = unwrap(entries[bundle.CERTIFICATE], 4 << 20)
    return decode(wrapped.payload, Certificate), wrapped.digest


def _run(name: str, check: Check, case: Dossier) -> tuple[Finding, ...]:
    try:
        found = check(case)
    except Broken as broken:
        told = fails(broken.name, Basis.RECOMPUTABLE, broken.error)
        return (told,) if broken.name == name else (told, _not_examined(name, broken.name))
    except Blocked as blocked:
        return () if blocked.name == name else (_not_examined(name, blocked.name),)
    except Failure as error:
        return (fails(name, Basis.RECOMPUTABLE, error),)
    return found if isinstance(found, tuple) else (found,)


def _not_examined(name: str, because: str) -> Finding:
    return unknown(name, Basis.RECOMPUTABLE, "not-examined", Verdict.NOT_PROVEN, check=because)


def _report(name: str, entries: Mapping[str, bytes] | None, findings: tuple[Finding, ...]) -> Report:
    certificate = identity = None
    try:
        if entries is not None:
            certificate, identity = certificate_of(entries)
    except Untrusted:
        certificate = identity = None
    return Report(
        name=name[:2000],
        certificate=identity,
        host=certificate.host if certificate else None,
        sequence=certificate.binding.journal_sequence if certificate else None,
        verdict=worst(findings),
        findings=findings,
    )


def audit_all(
    reports: tuple[Report, ...],
    journals: Iterable[tuple[str, bytes]],
    *,
    is_complete: bool,
    parts: Iterable[Part] = (),
) -> Audit:
    """Return the audit of many bundles and of journals beside them; `is_complete`: a gap in a host's runs is told.
    `parts`: what bundles that hold tell of the order of steps."""
    ends: list[End] = []
    broken: list[Finding] = []
    for name, data in journals:
        try:
            ends.append(read_end(data, name))
        except Untrusted as error:
            broken.append(fails("runs", Basis.RECOMPUTABLE, error))
    runs = (*broken, *(compare_runs(reports, tuple(ends)) if is_complete else ()), *compare_parts(parts))
    worst_of_all = worst(tuple(finding for report in reports for finding in report.findings) + runs)
    return Audit(reports, runs, worst_of_all)
