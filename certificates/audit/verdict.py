"""The whole offline verdict on one bundle, and on many together: gaps and duplicates in a host's runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from certificates import bundle
from certificates.audit.documents import (
    check_certificate,
    check_hold_state,
    check_keyrings,
    check_order,
    check_registered,
    check_start,
    check_validation,
)
from certificates.audit.dossier import Blocked, Dossier, read_journal
from certificates.audit.findings import Basis, Finding, Report, fails, holds, unknown, worst
from certificates.audit.records import Reread, check_binding, check_claim, check_journal, check_medium
from certificates.audit.samples import check_samples
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.errors import Failure, Untrusted
from certificates.statements import Certificate, Opened
from certificates.trust import Trust

Check = Callable[[Dossier], Finding | tuple[Finding, ...]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("keyring", check_keyrings),
    ("start", check_start),
    ("order", check_order),
    ("hold", check_hold_state),
    ("certificate", check_certificate),
    ("binding", check_binding),
    ("journal", check_journal),
    ("evidence", check_claim),
    ("samples", check_samples),
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
    except Blocked as blocked:
        return (unknown(name, Basis.RECOMPUTABLE, "not-examined", check=blocked.name),)
    except Failure as error:
        return (fails(name, Basis.RECOMPUTABLE, error),)
    return found if isinstance(found, tuple) else (found,)


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


def audit_runs(
    reports: Iterable[Report], journals: Iterable[tuple[str, int, str | None, str]] = ()
) -> tuple[Finding, ...]:
    """Return what many bundles tell together: for each host, which run numbers are here, missing, or here twice.

    `journals` are (host, sequence, previous, head) of journal files that lie beside the bundles: refused and stopped
    runs have no certificate, and their journals fill the gap.
    """
    seen: dict[str, dict[int, set[str]]] = {}
    for report in reports:
        if report.host and report.sequence is not None and report.certificate:
            seen.setdefault(report.host, {}).setdefault(report.sequence, set()).add(report.certificate)
    ends: dict[str, dict[int, tuple[str | None, str]]] = {}
    for host, sequence, previous, head in journals:
        seen.setdefault(host, {}).setdefault(sequence, set())
        ends.setdefault(host, {})[sequence] = (previous, head)
    findings: list[Finding] = []
    for host, runs in sorted(seen.items()):
        findings += _sequence(host, runs)
        findings += _chained(host, ends.get(host, {}))
    return tuple(findings)


def _sequence(host: str, runs: dict[int, set[str]]) -> list[Finding]:
    short_host = host[7:19]
    first, last = 1, max(runs)
    missing = [number for number in range(first, last + 1) if number not in runs]
    findings = []
    for number, certificates in sorted(runs.items()):
        if len(certificates) > 1:
            error = Untrusted("run-twice", host=short_host, sequence=number)
            findings.append(fails("runs", Basis.RECOMPUTABLE, error))
    facts = {"host": short_host, "first": first, "last": last}
    if missing:
        listed = ", ".join(_ranges(missing)[:64])
        return [*findings, unknown("runs", Basis.RECOMPUTABLE, "runs-missing", **facts, missing=listed)]
    return [*findings, holds("runs", Basis.RECOMPUTABLE, "runs-complete", **facts)]


def _chained(host: str, ends: dict[int, tuple[str | None, str]]) -> list[Finding]:
    """Each journal here opens with the end of the one before, where that one is here too."""
    pairs = [(number, number + 1) for number in sorted(ends) if number + 1 in ends]
    for before, after in pairs:
        if ends[after][0] != ends[before][1]:
            detail = f"run {after} does not follow the end of run {before}"
            error = Untrusted("journal-broken", name=f"{after:08d}.jsonl", line=1, detail=detail)
            return [fails("runs", Basis.RECOMPUTABLE, error)]
    return [holds("runs", Basis.RECOMPUTABLE, "runs-chained", host=host[7:19], count=len(ends))] if pairs else []


def _ranges(numbers: list[int]) -> list[str]:
    """Return ascending numbers as `3`, `5-9`."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in found]


def read_end(data: bytes, name: str) -> tuple[str, int, str | None, str]:
    """Return (host, sequence, previous, head) of a journal file whose chain holds; raises Untrusted."""
    entries = read_journal(data, name)
    opened = entries[0][0].event
    if not isinstance(opened, Opened):
        raise Untrusted("journal-broken", name=name, line=1, detail="it does not begin with an opening")
    return opened.host, opened.sequence, opened.previous, entries[-1][1]
