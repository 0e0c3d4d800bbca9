"""What many bundles and journals tell together: a deleted run shows as a gap, a restored host as a run here twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from certificates.audit.dossier import read_journal
from certificates.audit.findings import Basis, Finding, Report, fails, holds, unknown
from certificates.errors import Untrusted
from certificates.statements import Opened

_RECOMPUTABLE = Basis.RECOMPUTABLE


@dataclass(frozen=True, slots=True)
class End:
    """Where a journal file begins and ends; refused and stopped runs have a journal and no certificate."""

    host: str
    sequence: int
    previous: str | None
    """Last entry of the journal before, as the first entry names it."""
    entries: frozenset[str]
    """Digest of each of its entries: the next run may have begun while this one was still going."""


@dataclass(slots=True)
class _Host:
    """A host's runs: number -> certificates, and the ends of journals."""

    certificates: dict[int, list[str]] = field(default_factory=dict)
    ends: dict[int, End] = field(default_factory=dict)

    @property
    def numbers(self) -> set[int]:
        return {*self.certificates, *self.ends}


def read_end(data: bytes, name: str) -> End:
    """Return where a journal file begins and ends, its chain unbroken; raises Untrusted."""
    entries = read_journal(data, name)
    opened = entries[0][0].event
    if not isinstance(opened, Opened):
        raise Untrusted("journal-broken", name=name, line=1, detail="it does not begin with an opening")
    return End(opened.host, opened.sequence, opened.previous, frozenset(digest for _, digest in entries))


def compare_runs(reports: Sequence[Report], ends: Sequence[End] = ()) -> tuple[Finding, ...]:
    """Return for each host which runs are here, missing, or here with different certificates."""
    hosts: dict[str, _Host] = {}
    for report in reports:
        if report.host and report.sequence is not None and report.certificate:
            runs = hosts.setdefault(report.host, _Host()).certificates
            runs.setdefault(report.sequence, []).append(report.certificate)
    for end in ends:
        hosts.setdefault(end.host, _Host()).ends[end.sequence] = end
    return tuple(finding for name, host in sorted(hosts.items()) for finding in _of_host(name[7:19], host))


def _of_host(name: str, host: _Host) -> list[Finding]:
    findings: list[Finding] = []
    for number, certificates in sorted(host.certificates.items()):
        if len(set(certificates)) > 1:
            findings.append(fails("runs", _RECOMPUTABLE, Untrusted("run-twice", host=name, sequence=number)))
        elif len(certificates) > 1:
            facts = {"certificate": certificates[0], "count": len(certificates)}
            findings.append(unknown("runs", _RECOMPUTABLE, "certificate-twice", **facts))
    last = max(host.numbers)
    missing = [number for number in range(1, last + 1) if number not in host.numbers]
    if missing:
        listed = ", ".join(_ranges(missing)[:64])
        findings.append(unknown("runs", _RECOMPUTABLE, "runs-missing", host=name, last=last, runs=listed))
    else:
        findings.append(holds("runs", _RECOMPUTABLE, "runs-complete", host=name, last=last))
    return findings + _chained(name, host.ends)


def _chained(name: str, ends: dict[int, End]) -> list[Finding]:
    """Each journal opens with an entry of the one before, as that stood then, where that one is here too."""
    pairs = [(before, after) for before, after in pairwise(sorted(ends)) if after == before + 1]
    for before, after in pairs:
        if ends[after].previous not in ends[before].entries:
            detail = f"run {after} does not follow run {before}"
            error = Untrusted("journal-broken", name=f"{after:08d}.jsonl", line=1, detail=detail)
            return [fails("runs", _RECOMPUTABLE, error)]
    return [holds("runs", _RECOMPUTABLE, "runs-chained", host=name, count=len(ends))] if pairs else []


def _ranges(numbers: list[int]) -> list[str]:
    """Return ascending numbers as `3`, `5-9`."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in found]
