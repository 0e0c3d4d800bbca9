"""Take documents in: from the registry, or from a medium. Nothing here starts anything."""

from __future__ import annotations

from dataclasses import dataclass

from agent.lines import write_durably
from agent.site import Site
from certificates.envelope import kind_of, unseal, unwrap
from certificates.errors import Refused, Unregistered, Untrusted
from certificates.keyring import resolver
from certificates.statements import Order


@dataclass(frozen=True, slots=True)
class Taken:
    """One document taken in."""

    kind: str
    what: str
    """Its number, version or sequence, for people."""


def take_in(site: Site, envelope: bytes) -> Taken:
    """File a keyring, hold state, hold or order after checking it; raises Refused for one that must not be taken."""
    try:
        kind = kind_of(unwrap(envelope, 4 << 20))
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
    match kind:
        case "keyring":
            return Taken(kind, f"version {site.documents.take_keyring(envelope)}")
        case "hold-state":
            return Taken(kind, f"sequence {site.documents.take_hold_state(envelope, site.documents.chain())}")
        case "hold":
            return Taken(kind, site.documents.take_hold(envelope, site.documents.chain()).id)
        case "order":
            return Taken(kind, take_order(site, envelope))
        case _:
            raise Refused("document-wrong-kind", found=kind, expected="keyring, order, hold or hold state")


def take_order(site: Site, envelope: bytes) -> str:
    """File an order whose signatures hold; one that it supersedes can no longer be started. Returns its number.

    A superseding order needs the same kind of signatures as any other before it has that effect: one signature short
    of nothing must not be able to stop an approved order.
    """
    chain = site.documents.chain()
    try:
        order = unseal(envelope, Order, resolver(chain.current, site.clock()))
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
    write_durably(site.state / "orders" / f"{order.digest.removeprefix('sha256:')}.dsse.json", envelope)
    old = order.statement.supersedes
    if old is not None and not site.ledger.read().is_superseded(old):
        site.ledger.spend(old, None, None, 0, site.clock())
    return order.statement.id


def fetch(site: Site) -> tuple[Taken, ...]:
    """Take in hold state and orders from the registry; raises Unregistered when it cannot be reached."""
    if site.registry is None:
        raise Unregistered("registry-unreachable", detail="this site names no registry")
    trouble = site.refresh()
    if trouble is not None:
        raise Unregistered("registry-unreachable", detail=trouble)
    state = site.documents.seen.hold_sequence
    taken = [Taken("hold-state", f"sequence {state}")] if site.config.policy.has_register else []
    for envelope in site.registry.fetch_orders(site.signer.key_id):
        taken.append(Taken("order", take_order(site, envelope)))
    return tuple(taken)
