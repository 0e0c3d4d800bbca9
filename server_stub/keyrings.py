"""The keyring chain that the registry judges by: imported by hand, from a pinned root, never over the network."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from certificates.encoding import format_time
from certificates.envelope import Resolver, Sealed
from certificates.errors import Refused, Untrusted
from certificates.keyring import Chain, check_chain, resolver
from certificates.statements import Keyring, PersonRole, PublicKey
from server_stub.ports import Ports
from server_stub.tables import KEYRINGS

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a statement's time may lie ahead of the registry's."""


class Keyrings:
    """The chain in the store, checked from the pinned root whenever it has grown."""

    def __init__(self, ports: Ports) -> None:
        """Read nothing yet: a registry without a keyring can still be set up."""
        self._ports = ports
        self._chain: Chain | None = None

    def chain(self) -> Chain:
        """The whole chain; Refused while there is none."""
        with self._ports.store.read() as connection:
            newest = connection.execute(sa.select(sa.func.max(KEYRINGS.c.version))).scalar()
            if newest is None:
                raise Refused("registry-not-ready", what="it has no keyring")
            if self._chain is None or self._chain.current.version != newest:
                self._chain = check_chain(_envelopes(connection), self._ports.root)
        return self._chain

    def add(self, envelope: bytes) -> Sealed[Keyring]:
        """The envelope is the chain's next version, or already in it; Untrusted when it does not follow."""
        with self._ports.store.write() as connection:
            known = _envelopes(connection)
            if envelope in known:
                return check_chain(known, self._ports.root).sealed[known.index(envelope)]
            sealed = check_chain((*known, envelope), self._ports.root).sealed[-1]
            connection.execute(
                sa.insert(KEYRINGS).values(
                    version=sealed.statement.version,
                    digest=sealed.digest,
                    envelope=envelope,
                    imported_at=format_time(self._ports.now()),
                )
            )
        return sealed

    def envelope(self, version: int) -> bytes:
        """One version as it was sealed; Refused when there is none."""
        with self._ports.store.read() as connection:
            found = connection.execute(sa.select(KEYRINGS.c.envelope).where(KEYRINGS.c.version == version)).scalar()
        if found is None:
            raise Refused("registry-unknown", what=f"keyring version {version}")
        return bytes(found)


def cited(chain: Chain, digest: str, version: int) -> Keyring:
    """The keyring that a document says was in force; Untrusted when it is none of this chain."""
    keyring = chain.version(digest)
    if keyring is None or keyring.version != version:
        raise Untrusted("registry-keyring", digest=digest)
    return keyring


def in_force(chain: Chain, at: datetime) -> Keyring:
    """The newest keyring that had been issued by then."""
    issued = [sealed.statement for sealed in chain.sealed if sealed.statement.issued_at <= at]
    return issued[-1] if issued else chain.sealed[0].statement


def by_citation(chain: Chain) -> Resolver:
    """Who may sign a certificate: by the keyring that it cites, at its time."""

    def resolve(stated: Any, key_id: str) -> tuple[PublicKey, Any]:
        keyring = cited(chain, stated.binding.keyring, stated.binding.keyring_version)
        return resolver(keyring, stated.issued_at)(stated, key_id)

    return resolve


def by_time(chain: Chain) -> Resolver:
    """Who may sign a validation: by the keyring in force when it was decided."""

    def resolve(stated: Any, key_id: str) -> tuple[PublicKey, Any]:
        return resolver(in_force(chain, stated.decided_at), stated.decided_at)(stated, key_id)

    return resolve


def check_not_revoked(chain: Chain, sealed: Sealed[Any], at: datetime) -> None:
    """No key that signed had been revoked by then, as far as the newest keyring knows; Untrusted otherwise."""
    keys = {signature.key_id for signature in sealed.signatures}
    for key in _all_keys(chain.current):
        if key.id in keys and key.revoked_at is not None and key.revoked_at <= at:
            raise Untrusted("key-not-valid", key=key.id, at=format_time(at))


def check_all_signed(sealed: Sealed[Any], speakers: tuple[object, ...]) -> None:
    """Everybody who has to sign the document has; Untrusted naming who is missing."""
    signed = [signature.signer for signature in sealed.signatures]
    for speaker in speakers:
        if speaker not in signed:
            who = speaker.id if isinstance(speaker, PersonRole) else f"the {speaker}"
            raise Untrusted("signature-missing", who=who)


def check_not_ahead(stated: datetime, now: datetime) -> None:
    """A statement's time is not in the registry's future; Untrusted otherwise."""
    if stated > now + CLOCK_TOLERANCE:
        raise Untrusted("clock-differs", seconds=int((stated - now).total_seconds()))


def _envelopes(connection: sa.Connection) -> tuple[bytes, ...]:
    rows = connection.execute(sa.select(KEYRINGS.c.envelope).order_by(KEYRINGS.c.version))
    return tuple(bytes(row.envelope) for row in rows)


def _all_keys(keyring: Keyring) -> tuple[PublicKey, ...]:
    people = [held.key for person in keyring.persons for held in person.keys]
    return (*people, *(host.key for host in keyring.hosts), *keyring.hold_keys)
