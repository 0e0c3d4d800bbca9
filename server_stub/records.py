"""What is recorded for ever: certificates and validations, each a leaf of the log.

Accepting checks everything that can be checked from the document alone, whoever signed it: the claim is derived again
from the evidence, and a boast is refused. The document, its leaf and the checkpoint over it become durable together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from certificates import claims
from certificates.answers import check_answers, check_seen
from certificates.encoding import decode, digest
from certificates.envelope import Sealed, unseal, unwrap
from certificates.errors import Refused, Untrusted
from certificates.keyring import HOST
from certificates.notes import encode_note, parse_proof
from certificates.receipts import SALT_SIZE
from certificates.statements import Certificate, Claim, Role, Validation
from server_stub import incidents, log
from server_stub.keyrings import (
    Keyrings,
    by_citation,
    by_time,
    check_all_signed,
    check_not_ahead,
    check_not_revoked,
)
from server_stub.orders import Orders
from server_stub.ports import Ports
from server_stub.tables import CERTIFICATES, ENTRIES, VALIDATIONS

MOST = 4 << 20

Check = Callable[[sa.Connection], None]
"""Raises when the document may not be registered beside what is."""
File = Callable[[sa.Connection, int, str], None]
"""Writes a document's own row, given its entry number and receipt."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What the sender of a document gets."""

    digest: str
    """The document's digest."""
    receipt: str
    """The tlog-proof."""
    is_new: bool
    """False when the same document was registered before: the receipt is the one it got then."""


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A certificate in a list."""

    digest: str
    number: int
    host: str
    sequence: int
    order: str
    carrier: str
    outcome: str
    validations: tuple[str, ...]
    """Decisions so far, oldest first."""


class Records:
    """The certificates and validations handed in."""

    def __init__(self, ports: Ports, keyrings: Keyrings, orders: Orders) -> None:
        """Take the ports, the keyrings to judge signatures by, and the orders that certificates answer."""
        self._ports = ports
        self._keyrings = keyrings
        self._orders = orders

    def accept_certificate(self, envelope: bytes) -> Registered:
        """The certificate is registered, now or before.

        Raises Untrusted when it does not hold, Refused when the same content or number is registered otherwise.
        """
        known = self._known(unwrap(envelope, MOST).digest, envelope)
        if known is not None:
            return known
        sealed = self._unseal_certificate(envelope)
        check_claim(sealed.statement)
        self._check_order(sealed.statement)

        def check(connection: sa.Connection) -> None:
            incidents.check_numbers(connection, sealed)

        def file(connection: sa.Connection, number: int, receipt: str) -> None:
            connection.execute(sa.insert(CERTIFICATES).values(_certificate_row(sealed, number, receipt)))

        try:
            return self._register(sealed, "certificate", check, file)
        except incidents.SeenTwiceError as seen:
            with self._ports.store.write() as connection:
                incidents.record(connection, seen, sealed, self._ports.now())
            raise seen.refusal() from seen

    def accept_validation(self, envelope: bytes) -> Registered:
        """The validation is registered, now or before; raises as `accept_certificate` does."""
        known = self._known(unwrap(envelope).digest, envelope)
        if known is not None:
            return known
        sealed = self._unseal_validation(envelope)

        def file(connection: sa.Connection, number: int, receipt: str) -> None:
            connection.execute(sa.insert(VALIDATIONS).values(_validation_row(sealed, number, receipt)))

        return self._register(sealed, "validation", lambda _: None, file)

    def certificate(self, payload: str) -> bytes:
        """The certificate as it was sealed; Refused when there is none."""
        return bytes(self._column(CERTIFICATES.c.envelope, payload, "certificate"))

    def validation(self, payload: str) -> bytes:
        """The validation as it was sealed; Refused when there is none."""
        return bytes(self._column(VALIDATIONS.c.envelope, payload, "validation"))

    def receipt(self, payload: str) -> str:
        """The receipt that the certificate or validation got; Refused when there is none."""
        with self._ports.store.read() as connection:
            text = _receipt(connection, payload)
        if text is None:
            raise Refused("registry-unknown", what=f"receipt for {payload}")
        return text

    def validations_of(self, certificate: str) -> tuple[str, ...]:
        """Digests of the validations of a certificate, oldest first."""
        query = sa.select(VALIDATIONS.c.digest).where(VALIDATIONS.c.certificate == certificate)
        with self._ports.store.read() as connection:
            return tuple(connection.execute(query.order_by(VALIDATIONS.c.number)).scalars())

    def listed(self, after: int = -1) -> tuple[CertificateRow, ...]:
        """Certificates whose entry number is above `after`, at most 1000."""
        query = sa.select(CERTIFICATES).where(CERTIFICATES.c.number > after).order_by(CERTIFICATES.c.number).limit(1000)
        with self._ports.store.read() as connection:
            rows = connection.execute(query).all()
            decided = sa.select(VALIDATIONS.c.certificate, VALIDATIONS.c.decision).order_by(VALIDATIONS.c.number)
            decisions = connection.execute(decided.where(VALIDATIONS.c.certificate.in_([r.digest for r in rows]))).all()
        return tuple(
            CertificateRow(
                digest=row.digest,
                number=row.number,
                host=row.host,
                sequence=row.sequence,
                order=row.order_digest,
                carrier=row.carrier,
                outcome=row.outcome,
                validations=tuple(d.decision for d in decisions if d.certificate == row.digest),
            )
            for row in rows
        )

    def _unseal_certificate(self, envelope: bytes) -> Sealed[Certificate]:
        """The certificate, signed by its host and by everybody it names, each with a key good at its time."""
        chain = self._keyrings.chain()
        sealed = unseal(envelope, Certificate, by_citation(chain))
        stated = sealed.statement
        check_all_signed(sealed, (HOST, *stated.persons))
        check_not_ahead(stated.issued_at, self._ports.now())
        check_not_revoked(chain, sealed, stated.issued_at)
        return sealed

    def _unseal_validation(self, envelope: bytes) -> Sealed[Validation]:
        """The validation, signed by a validator who took no other part in the certificate."""
        chain = self._keyrings.chain()
        sealed = unseal(envelope, Validation, by_time(chain))
        stated = sealed.statement
        check_all_signed(sealed, stated.persons)
        check_not_ahead(stated.decided_at, self._ports.now())
        check_not_revoked(chain, sealed, stated.decided_at)
        (validator,) = stated.persons
        if validator.role is not Role.VALIDATOR:
            raise Untrusted("signature-wrong-role", person=validator.id, role=validator.role.value)
        certificate = decode(unwrap(self.certificate(stated.certificate), MOST).payload, Certificate)
        for other in (*certificate.persons, *certificate.approved_by):
            if other.id == validator.id:
                raise Untrusted("roles-not-distinct", person=other.id, first=validator.role, second=other.role)
        order = self._orders.find(certificate.binding.order)
        if order is not None and order.validator != validator.id:
            raise Untrusted("registry-carrier", detail=f"its order names {order.validator} as validator")
        return sealed

    def _check_order(self, certificate: Certificate) -> None:
        """Where the registry has the order, the certificate answers it, and was made of what was ordered."""
        order = self._orders.find(certificate.binding.order)
        if order is None:
            return
        carrier = next((found for found in order.carriers if found.id == certificate.carrier), None)
        if carrier is None:
            raise Untrusted("registry-carrier", detail=f"the order has no carrier {certificate.carrier}")
        if carrier.level is not certificate.claim.ordered:
            raise Untrusted("registry-carrier", detail=f"the order asks for {carrier.level}")
        if certificate.host not in carrier.hosts:
            raise Untrusted("registry-carrier", detail="the order names another host for this carrier")
        check_answers(certificate, order, carrier)
        check_seen(certificate.evidence, carrier)

    def _register(self, sealed: Sealed[Any], kind: str, check: Check, file: File) -> Registered:
        """The document and its leaf are on disk under a new checkpoint, unless another writer was first with it.

        Nothing is signed before `check` has passed: a log must never have signed two trees of one size.
        """
        envelope = digest(sealed.envelope)
        with self._ports.store.write() as connection:
            known = _registered(connection, sealed.digest, envelope)
            if known is not None:
                return known
            check(connection)
            leaf = log.Leaf(kind, self._ports.draw(SALT_SIZE), sealed.digest, envelope)
            number, receipt = log.append(connection, leaf, self._ports.log, self._ports.now())
            file(connection, number, receipt)
        self._ports.publish(encode_note(parse_proof(receipt).checkpoint))
        return Registered(sealed.digest, receipt, is_new=True)

    def _known(self, payload: str, envelope: bytes) -> Registered | None:
        with self._ports.store.read() as connection:
            return _registered(connection, payload, digest(envelope))

    def _column(self, column: sa.Column[bytes], payload: str, what: str) -> bytes:
        with self._ports.store.read() as connection:
            found = connection.execute(sa.select(column).where(column.table.c.digest == payload)).scalar()
        if found is None:
            raise Refused("registry-unknown", what=f"{what} {payload}")
        return found


def check_claim(certificate: Certificate) -> None:
    """The claim is what its rule book derives from the evidence, at the level that was ordered; Untrusted otherwise."""
    stated = certificate.claim
    derived = claims.claim(certificate.evidence, certificate.applied.level, stated.rule_book)
    if derived != stated:
        raise Untrusted("claim-boasts", claimed=_tell(stated), derived=_tell(derived))


def _tell(stated: Claim) -> str:
    return (
        f"{stated.outcome} {stated.level or 'nothing'} of {stated.ordered}, {len(stated.reasons)} reasons against more"
    )


def _registered(connection: sa.Connection, payload: str, envelope: str) -> Registered | None:
    """What the document got before; Refused when its payload is registered in another envelope."""
    held = connection.execute(sa.select(ENTRIES.c.envelope).where(ENTRIES.c.payload == payload)).scalar()
    if held is None:
        return None
    receipt = _receipt(connection, payload)
    if held != envelope or receipt is None:
        raise Refused("registry-conflict", digest=payload)
    return Registered(payload, receipt, is_new=False)


def _receipt(connection: sa.Connection, payload: str) -> str | None:
    for table in (CERTIFICATES, VALIDATIONS):
        found = connection.execute(sa.select(table.c.receipt).where(table.c.digest == payload)).scalar()
        if found is not None:
            return str(found)
    return None


def _certificate_row(sealed: Sealed[Certificate], number: int, receipt: str) -> dict[str, object]:
    stated = sealed.statement
    return {
        "digest": sealed.digest,
        "number": number,
        "host": stated.host,
        "sequence": stated.binding.journal_sequence,
        "ledger_number": stated.binding.ledger_number,
        "order_digest": stated.binding.order,
        "carrier": stated.carrier,
        "supersedes": stated.binding.supersedes,
        "outcome": stated.claim.outcome.value,
        "envelope": sealed.envelope,
        "receipt": receipt,
    }


def _validation_row(sealed: Sealed[Validation], number: int, receipt: str) -> dict[str, object]:
    return {
        "digest": sealed.digest,
        "number": number,
        "certificate": sealed.statement.certificate,
        "decision": sealed.statement.decision,
        "envelope": sealed.envelope,
        "receipt": receipt,
    }
