"""The whole offline verdict on a bundle, as a list of findings, each naming what was checked and how."""

from certificates.audit.findings import Audit, Basis, Finding, Report, Sign, Verdict
from certificates.audit.together import Part, read_part
from certificates.audit.verdict import audit, audit_all, certificate_of

__all__ = [
    "Audit",
    "Basis",
    "Finding",
    "Part",
    "Report",
    "Sign",
    "Verdict",
    "audit",
    "audit_all",
    "certificate_of",
    "read_part",
]
