"""Orders: the registry delivers them as it got them. It can neither make one nor say that one is approved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from certificates.encoding import decode, format_time
from certificates.envelope import Sealed, unseal, unwrap
from certificates.errors import Refused
from certificates.keyring import resolver
from certificates.statements import Keyring, Order
from server_stub.keyrings import Keyrings
from server_stub.ports import Ports
from server_stub.tables import ORDER_HOSTS, ORDERS

MOST_DELIVERED = 4 << 20
"""Bytes of envelopes in one delivery."""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in a list."""

    digest: str
    id: str
    version: int
    expires_at: str
    position: int
    """Place in the sequence of changes; ask again `after` the highest one seen."""


class Orders:
    """The orders handed in, with the signatures gathered so far."""

    def __init__(self, ports: Ports, keyrings: Keyrings) -> None:
        """Take the ports and the keyrings to judge signatures by."""
        self._ports = ports
        self._keyrings = keyrings

    def accept(self, envelope: bytes) -> tuple[str, bool]:
        """The order's digest, and whether anything changed: it is new, or has signatures that were not there before.

        Raises Untrusted when a signature is unknown or does not hold, Refused when it lacks signatures known here.
        """
        now = self._ports.now()
        return self.file(unseal(envelope, Order, resolver(self._keyrings.chain().current, now)), now)

    def accept_carried(self, envelope: bytes, keyring: Keyring) -> tuple[str, bool]:
        """As `accept`, for an order that came with its certificate: judged by the keyring and the time of its issue."""
        sealed = unseal(envelope, Order, lambda order, key: resolver(keyring, order.issued_at)(order, key))
        return self.file(sealed, self._ports.now())

    def file(self, sealed: Sealed[Order], now: datetime) -> tuple[str, bool]:
        """The unsealed order is in the store."""
        with self._ports.store.write() as connection:
            held = connection.execute(sa.select(ORDERS.c.envelope).where(ORDERS.c.digest == sealed.digest)).scalar()
            if held is not None:
                return sealed.digest, _replace(connection, sealed, bytes(held))
            _insert(connection, sealed, now)
        return sealed.digest, True

    def envelope(self, digest: str) -> bytes:
        """The order's envelope with all signatures gathered; Refused when there is none."""
        with self._ports.store.read() as connection:
            found = connection.execute(sa.select(ORDERS.c.envelope).where(ORDERS.c.digest == digest)).scalar()
        if found is None:
            raise Refused("registry-unknown", what=f"order {digest}")
        return bytes(found)

    def find(self, digest: str) -> Order | None:
        """What the order says, if it is here; its signatures were checked when it was filed."""
        with self._ports.store.read() as connection:
            found = connection.execute(sa.select(ORDERS.c.envelope).where(ORDERS.c.digest == digest)).scalar()
        return None if found is None else _read(bytes(found))

    def listed(self, after: int = 0) -> tuple[OrderRow, ...]:
        """Orders that changed after a position, oldest first, at most 1000."""
        query = sa.select(ORDERS).where(ORDERS.c.position > after).order_by(ORDERS.c.position).limit(1000)
        with self._ports.store.read() as connection:
            rows = connection.execute(query).all()
        return tuple(OrderRow(row.digest, row.order_id, row.version, row.expires_at, row.position) for row in rows)

    def delivered(self, host: str, after: int = 0) -> tuple[tuple[bytes, ...], int]:
        """Envelopes of a host's orders that changed after a position and have not expired, and the position reached.

        Oldest first, one at the least and 4 MiB at the most; ask again from the position reached for more.
        """
        query = (
            sa.select(ORDERS.c.position, ORDERS.c.envelope)
            .join(ORDER_HOSTS, ORDER_HOSTS.c.digest == ORDERS.c.digest)
            .where(ORDER_HOSTS.c.host == host, ORDERS.c.position > after)
            .where(ORDERS.c.expires_at > format_time(self._ports.now()))
            .order_by(ORDERS.c.position)
        )
        envelopes: list[bytes] = []
        reached, size = after, 0
        with self._ports.store.read() as connection:
            for row in connection.execute(query):
                size += len(row.envelope)
                if envelopes and size > MOST_DELIVERED:
                    break
                envelopes.append(bytes(row.envelope))
                reached = row.position
        return tuple(envelopes), reached


def _insert(connection: sa.Connection, sealed: Sealed[Order], now: datetime) -> None:
    order = sealed.statement
    connection.execute(
        sa.insert(ORDERS).values(
            digest=sealed.digest,
            position=_next_position(connection),
            order_id=order.id,
            version=order.version,
            expires_at=format_time(order.expires_at),
            envelope=sealed.envelope,
            received_at=format_time(now),
        )
    )
    hosts = {host for carrier in order.carriers for host in carrier.hosts}
    connection.execute(sa.insert(ORDER_HOSTS), [{"host": host, "digest": sealed.digest} for host in sorted(hosts)])


def _replace(connection: sa.Connection, sealed: Sealed[Order], held: bytes) -> bool:
    """The envelope with more signatures takes the place of the one with fewer; Refused when neither holds the other."""
    before, after = set(unwrap(held).signatures), set(unwrap(sealed.envelope).signatures)
    if after <= before:
        return False
    if not before < after:
        raise Refused("registry-conflict", digest=sealed.digest)
    connection.execute(
        sa.update(ORDERS)
        .where(ORDERS.c.digest == sealed.digest)
        .values(envelope=sealed.envelope, position=_next_position(connection))
    )
    return True


def _next_position(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.max(ORDERS.c.position))).scalar() or 0) + 1


def _read(envelope: bytes) -> Order:
    return decode(unwrap(envelope).payload, Order)
