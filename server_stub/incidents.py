"""A number that a host used twice: it was restored from a backup, copied, or somebody wants a run forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from certificates.encoding import format_time
from certificates.envelope import Sealed
from certificates.errors import Refused, Untrusted
from certificates.statements import Certificate
from server_stub.tables import CERTIFICATES, INCIDENTS

SEQUENCE = "host sequence number"
LEDGER = "ledger number"


class SeenTwiceError(Exception):
    """A certificate carries a number that another of the same host carries already."""

    def __init__(self, host: str, kind: str, number: int, registered: str) -> None:
        """Take whose number it is, which, and the digest of the certificate that has it."""
        super().__init__(f"{kind} {number} of {host}")
        self.host, self.kind, self.number, self.registered = host, kind, number, registered

    def refusal(self) -> Refused:
        """The same as a person is told it."""
        return Refused("registry-incident", host=self.host, kind=self.kind, number=self.number)


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident in a list."""

    host: str
    kind: str
    number: int
    registered: str
    """Digest of the certificate that has the number."""
    refused: str
    """Digest of the one that was turned away."""
    seen_at: str


def check_numbers(connection: sa.Connection, sealed: Sealed[Certificate]) -> None:
    """No other certificate of this host has these numbers, save those that this one corrects; SeenTwiceError if so."""
    stated = sealed.statement
    corrected = _corrected_by(connection, stated)
    sequence, ledger = stated.binding.journal_sequence, stated.binding.ledger_number
    query = sa.select(CERTIFICATES.c.digest, CERTIFICATES.c.sequence).where(
        CERTIFICATES.c.host == stated.host,
        sa.or_(CERTIFICATES.c.sequence == sequence, CERTIFICATES.c.ledger_number == ledger),
    )
    for row in connection.execute(query):
        if row.digest not in corrected:
            kind, number = (SEQUENCE, sequence) if row.sequence == sequence else (LEDGER, ledger)
            raise SeenTwiceError(stated.host, kind, number, row.digest)


def record(connection: sa.Connection, seen: SeenTwiceError, sealed: Sealed[Certificate], now: datetime) -> None:
    """The incident is on record, once, with the certificate that was turned away."""
    same = (INCIDENTS.c.host == seen.host, INCIDENTS.c.kind == seen.kind, INCIDENTS.c.refused == sealed.digest)
    if connection.execute(sa.select(INCIDENTS.c.id).where(*same)).first():
        return
    connection.execute(
        sa.insert(INCIDENTS).values(
            host=seen.host,
            kind=seen.kind,
            number=seen.number,
            registered=seen.registered,
            refused=sealed.digest,
            envelope=sealed.envelope,
            seen_at=format_time(now),
        )
    )


def listed(connection: sa.Connection) -> tuple[Incident, ...]:
    """All incidents, oldest first."""
    rows = connection.execute(sa.select(INCIDENTS).order_by(INCIDENTS.c.id)).all()
    return tuple(Incident(r.host, r.kind, r.number, r.registered, r.refused, r.seen_at) for r in rows)


def _corrected_by(connection: sa.Connection, stated: Certificate) -> set[str]:
    """Digests of the certificate that this one corrects, of the one that that corrected, and so on."""
    corrected: set[str] = set()
    following = stated.binding.supersedes
    while following is not None and following not in corrected:
        query = sa.select(CERTIFICATES.c.host, CERTIFICATES.c.supersedes).where(CERTIFICATES.c.digest == following)
        row = connection.execute(query).first()
        if row is None or row.host != stated.host:
            raise Untrusted("registry-carrier", detail="it corrects a certificate that this host never registered")
        corrected.add(following)
        following = row.supersedes
    return corrected
