"""The whole offline verdict on a bundle, as a list of findings, each naming what was checked and how."""

from certificates.audit.findings import Basis, Finding, Report, Sign, Verdict
from certificates.audit.verdict import audit, audit_runs, certificate_of, read_end

__all__ = ["Basis", "Finding", "Report", "Sign", "Verdict", "audit", "audit_runs", "certificate_of", "read_end"]
