"""An audit on a terminal: a line a check, the sign first, the class last, and one sentence for all."""

from __future__ import annotations

from collections.abc import Iterable

from certificates.audit import Audit, Finding, Report, Sign
from certificates.render.text import pad
from certificates.render.words import Language

_NAME = 12
"""Columns that a check's name takes."""
_ORDER = (
    "bundle",
    "keyring",
    "order",
    "hold",
    "start",
    "certificate",
    "binding",
    "journal",
    "turns",
    "acts",
    "hunt",
    "evidence",
    "samples",
    "profile",
    "drive",
    "receipt",
    "validation",
    "time",
    "medium",
)


def tell_report(report: Report, language: Language) -> str:
    """Return one bundle's audit, checks in the order of the story."""
    findings = sorted(report.findings, key=lambda finding: _ORDER.index(finding.name))
    lines = [tell_finding(finding, language) for finding in findings]
    return "\n".join([*lines, "", _verdict(report.tell(language), report.verdict.exit_code)]) + "\n"


def tell_audit(audit: Audit, language: Language) -> str:
    """Return the audit of many bundles: a line each, what does not hold in full, and what they tell together."""
    if len(audit.reports) == 1 and not audit.runs:
        return tell_report(audit.reports[0], language)
    lines: list[str] = []
    for report in audit.reports:
        lines.append(f"{_sign(report)} {report.name}  {report.tell(language)}")
        lines += ["    " + tell_finding(one, language) for one in _told(report)]
    lines += ["", *(tell_finding(finding, language) for finding in audit.runs)] if audit.runs else []
    return "\n".join([*lines, "", _verdict(audit.tell(language), audit.verdict.exit_code)]) + "\n"


def tell_finding(finding: Finding, language: Language) -> str:
    """Return one check as a line."""
    name = pad(finding.tell_name(language), _NAME)
    return f"{finding.sign.mark} {name} {finding.tell(language)}  [{finding.tell_basis(language)}]"


def _told(report: Report) -> Iterable[Finding]:
    """Return the findings that a summary shows: those that keep the verdict from being better."""
    return (finding for finding in report.findings if finding.leaves.exit_code)


def _sign(report: Report) -> str:
    signs = {0: Sign.HOLDS, 5: Sign.UNKNOWN, 7: Sign.FAILS}
    is_short = any(finding.sign is Sign.FAILS for finding in report.findings)
    return Sign.FAILS.mark if is_short else signs[report.verdict.exit_code].mark


def _verdict(sentence: str, code: int) -> str:
    return f"{sentence}    [exit {code}]"
