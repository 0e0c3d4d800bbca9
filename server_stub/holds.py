"""Holds: who set them, who lifted them, and the signed state that every agent asks for. A hold only ever denies."""

from __future__ import annotations

from typing import TypeVar

import sqlalchemy as sa

from certificates.approval import check_hold
from certificates.encoding import decode, format_time, parse_time
from certificates.envelope import Sealed, seal, unseal, unwrap
from certificates.errors import Refused, Untrusted
from certificates.keyring import resolver
from certificates.statements import Hold, HoldLift, HoldState, Role
from server_stub.keyrings import Keyrings, check_all_signed, check_not_ahead
from server_stub.ports import Ports
from server_stub.tables import HOLD_LIFTS, HOLD_STATES, HOLDS

S = TypeVar("S")


class Holds:
    """The hold register."""

    def __init__(self, ports: Ports, keyrings: Keyrings) -> None:
        """Take the ports and the keyrings to judge signatures by."""
        self._ports = ports
        self._keyrings = keyrings

    def accept(self, envelope: bytes) -> tuple[str, bool]:
        """The hold is in force from now on: its digest, and whether it is new. Untrusted when it may not be set so."""
        sealed = self._unseal(envelope, Hold)
        hold = sealed.statement
        check_not_ahead(hold.set_at, self._ports.now())
        check_hold(sealed)
        with self._ports.store.write() as connection:
            if connection.execute(sa.select(HOLDS.c.digest).where(HOLDS.c.digest == sealed.digest)).first():
                return sealed.digest, False
            connection.execute(
                sa.insert(HOLDS).values(
                    digest=sealed.digest, envelope=envelope, received_at=format_time(self._ports.now())
                )
            )
        return sealed.digest, True

    def lift(self, envelope: bytes) -> tuple[str, bool]:
        """The hold is no longer in force: the lift's digest, and whether it is new. Starts nothing."""
        sealed = self._unseal(envelope, HoldLift)
        check_not_ahead(sealed.statement.lifted_at, self._ports.now())
        check_all_signed(sealed, sealed.statement.persons)
        with self._ports.store.write() as connection:
            _check_may_lift(sealed.statement, _find_hold(connection, sealed.statement.hold))
            found = connection.execute(
                sa.select(HOLD_LIFTS.c.digest).where(HOLD_LIFTS.c.hold == sealed.statement.hold)
            ).scalar()
            if found is not None:
                return str(found), False
            connection.execute(
                sa.insert(HOLD_LIFTS).values(
                    hold=sealed.statement.hold,
                    digest=sealed.digest,
                    envelope=envelope,
                    received_at=format_time(self._ports.now()),
                )
            )
        return sealed.digest, True

    def envelope(self, digest: str) -> bytes:
        """The hold as it was sealed, also after it was lifted; Refused when there is none."""
        with self._ports.store.read() as connection:
            found = connection.execute(sa.select(HOLDS.c.envelope).where(HOLDS.c.digest == digest)).scalar()
        if found is None:
            raise Refused("registry-unknown", what=f"hold {digest}")
        return bytes(found)

    def in_force(self) -> tuple[tuple[str, Hold], ...]:
        """Digest and content of every hold that is not lifted, oldest first."""
        with self._ports.store.read() as connection:
            return _in_force(connection)

    def state(self) -> bytes:
        """The sealed state of now: its sequence is higher than that of every state given out with another content."""
        keyring, now = self._keyrings.chain().current, self._ports.now()
        with self._ports.store.write() as connection:
            last = connection.execute(sa.select(HOLD_STATES).order_by(HOLD_STATES.c.sequence.desc()).limit(1)).first()
            holds = tuple(hold for _, hold in _in_force(connection))
            as_of = max(now, parse_time(last.as_of)) if last else now
            if last and parse_time(last.as_of) == now and _says(bytes(last.envelope)).holds == holds:
                return bytes(last.envelope)
            state = HoldState(keyring.site, (last.sequence if last else 0) + 1, as_of, holds)
            envelope = seal(state, (self._ports.hold,))
            connection.execute(sa.delete(HOLD_STATES))
            connection.execute(
                sa.insert(HOLD_STATES).values(sequence=state.sequence, as_of=format_time(as_of), envelope=envelope)
            )
        return envelope

    def _unseal(self, envelope: bytes, kind: type[S]) -> Sealed[S]:
        return unseal(envelope, kind, resolver(self._keyrings.chain().current, self._ports.now()))


def _in_force(connection: sa.Connection) -> tuple[tuple[str, Hold], ...]:
    lifted = sa.select(HOLD_LIFTS.c.hold)
    query = sa.select(HOLDS).where(HOLDS.c.digest.not_in(lifted)).order_by(HOLDS.c.received_at, HOLDS.c.digest)
    rows = connection.execute(query).all()
    return tuple((row.digest, decode(unwrap(bytes(row.envelope)).payload, Hold)) for row in rows)


def _find_hold(connection: sa.Connection, digest: str) -> Hold:
    envelope = connection.execute(sa.select(HOLDS.c.envelope).where(HOLDS.c.digest == digest)).scalar()
    if envelope is None:
        raise Refused("registry-unknown", what=f"hold {digest}")
    return decode(unwrap(bytes(envelope)).payload, Hold)


def _check_may_lift(lift: HoldLift, hold: Hold) -> None:
    """Two natural persons lift, one in the role that set the hold; a security officer for the registry's own."""
    people = {person.id for person in lift.persons}
    if len(people) != len(lift.persons) or len(people) < 2:
        raise Untrusted("same-person-twice", person=lift.persons[0].id)
    needed = hold.persons[0].role if hold.persons else Role.SECURITY_OFFICER
    if needed not in {person.role for person in lift.persons}:
        raise Untrusted("signature-missing", who=f"a {needed.value}")


def _says(envelope: bytes) -> HoldState:
    return decode(unwrap(envelope).payload, HoldState)
