"""Every reason a person can meet, in both languages: what happened, what to do next. Makes `docs/errors.md`."""

from certificates.reasons import documents, files, hosts, media, orders, records, registry
from certificates.reasons.row import Row

TABLES = (
    documents.REASONS,
    orders.REASONS,
    hosts.REASONS,
    media.REASONS,
    files.REASONS,
    records.REASONS,
    registry.REASONS,
)
"""One a subject; a reason stands in one of them."""

REASONS: dict[str, Row] = {reason: row for table in TABLES for reason, row in table.items()}
