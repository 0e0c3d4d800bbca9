"""Take documents in: from the registry, or from a medium. Nothing here starts anything."""

from __future__ import annotations

from dataclasses import dataclass

from agent.lines import write_durably
from agent.site import Site
from certificates.envelope import Sealed, kind_of, unseal, unwrap
from certificates.errors import Refused, Unregistered, Untrusted
from certificates.keyring import lacking, resolver, rule_for
from certificates.statements import Keyring, Order


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
    """File an order whose signatures hold, and return its number.

    The order that it supersedes can no longer be started, but only once the new one is approved itself: one signature
    must not be able to stop what several persons approved (that is what a hold is for).
    """
    chain = site.documents.chain()
    try:
        order = unseal(envelope, Order, resolver(chain.current, site.clock()))
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
    write_durably(site.state / "orders" / f"{order.digest.removeprefix('sha256:')}.dsse.json", envelope)
    if is_approved(order, chain.current):
        with site.locked():
            site.ledger.supersede(order.statement.supersedes, site.clock())
    return order.statement.id


def is_approved(order: Sealed[Order], keyring: Keyring) -> bool:
    """Tell whether the signatures on an order meet the rule of each of its carriers."""
    signers = {signature.signer for signature in order.signatures}
    rules = [rule_for(keyring, order.statement, carrier) for carrier in order.statement.carriers]
    return all(rule is not None and lacking(rule, order.statement, signers) is None for rule in rules)


def fetch(site: Site) -> tuple[Taken, ...]:
    """Take in keyrings, hold state and orders from the registry; raises Refused when it cannot be reached.

    The registry only delivers: a keyring counts when its keepers, old and new, signed it.
    """
    try:
        return _fetched(site)
    except Unregistered as error:  # nothing waits to be registered here: the family would tell of destroyed data
        raise Refused("nothing-fetched", detail=error.facts.get("detail", error)) from error


def _fetched(site: Site) -> tuple[Taken, ...]:
    if site.registry is None:
        raise Unregistered("registry-unreachable", detail="this site names no registry")
    keyrings = site.registry.fetch_keyrings(site.documents.chain().current.version)
    taken = [take_in(site, envelope) for envelope in keyrings]
    trouble = site.refresh()
    if trouble is not None:
        raise Unregistered("registry-unreachable", detail=trouble)
    if site.config.policy.has_register:
        taken.append(Taken("hold-state", f"sequence {site.documents.seen.hold_sequence}"))
    envelopes = site.registry.fetch_orders(site.signer.key_id)
    return (*taken, *(Taken("order", take_order(site, envelope)) for envelope in envelopes))
