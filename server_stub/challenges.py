"""Sampling nonces: the registry's share in where samples fall, given once for each journal."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from certificates.encoding import canonical, decode, parse
from certificates.envelope import seal
from certificates.errors import Refused
from certificates.statements import Digest, Nonce
from server_stub.ports import Ports
from server_stub.tables import NONCES


@dataclass(frozen=True, slots=True)
class Asked:
    """What a host posts, as JSON: the same two fields that the answer repeats."""

    commitment: Digest
    """Digest of the host's local seed."""
    journal_head: Digest
    """Digest of the journal's last entry, which holds the commitment."""


class Challenges:
    """The nonces given out."""

    def __init__(self, ports: Ports) -> None:
        """Take the ports: the store, the hold key, and chance."""
        self._ports = ports

    def answer(self, commitment: str, journal_head: str) -> bytes:
        """The sealed nonce for this journal, always the same; Refused when another commitment asks for it.

        A host that could ask twice would ask until the positions suit it: for one commitment there is one nonce, though
        the journal of a run that was resumed has grown since.
        """
        with self._ports.store.write() as connection:
            is_known = sa.or_(NONCES.c.journal_head == journal_head, NONCES.c.commitment == commitment)
            held = connection.execute(sa.select(NONCES).where(is_known)).all()
            if any(row.commitment != commitment for row in held):
                raise Refused("registry-conflict", digest=journal_head)
            if held:
                return bytes(held[0].envelope)
            nonce = Nonce(commitment, journal_head, self._ports.draw(32).hex(), self._ports.now())
            envelope = seal(nonce, (self._ports.hold,))
            row = {"journal_head": journal_head, "commitment": commitment, "envelope": envelope}
            connection.execute(sa.insert(NONCES).values(row))
        return envelope


def parse_challenge(body: bytes) -> tuple[str, str]:
    """Commitment and journal head that a request names; Untrusted naming the field that is wrong."""
    asked = decode(canonical(parse(body)), Asked)
    return asked.commitment, asked.journal_head
