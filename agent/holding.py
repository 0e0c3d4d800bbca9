"""Holds on this host: set, lifted, listed. A hold denies; lifting one starts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.lines import sync_directory
from agent.site import Site
from certificates import endpoints
from certificates.encoding import digest
from certificates.envelope import Sealed, seal, unseal
from certificates.errors import Refused, Unregistered, Untrusted
from certificates.keyring import resolver
from certificates.signers import Signer
from certificates.statements import Hold, HoldLift, PersonRole, Role


@dataclass(frozen=True, slots=True)
class Held:
    """A hold that this site knows."""

    hold: Hold
    digest: str
    is_local: bool
    """It lies on this host, whether or not the register knows it."""


def set_hold(site: Site, hold: Hold, signer: Signer) -> tuple[bytes, str | None]:
    """Return the sealed hold, in force on this host from now on, and why the register does not have it, if so."""
    envelope = seal(hold, (signer,))
    site.documents.take_hold(envelope, site.documents.chain())
    return envelope, _hand_in(site, endpoints.HOLDS, envelope)


def lift_hold(site: Site, lift: HoldLift, signers: tuple[Signer, ...]) -> tuple[bytes, str | None]:
    """Return the sealed lift, and why the register does not have it, if so; the hold no longer lies on this host.

    Raises Refused unless two persons sign, one of them in the role that set the hold.
    """
    envelope = seal(lift, signers)
    check_lift(site, envelope)
    trouble = _hand_in(site, endpoints.HOLD_LIFTS, envelope)
    path = local_path(site, lift.hold)
    if path.exists():
        path.unlink()
        sync_directory(path.parent)
    return envelope, trouble


def check_lift(site: Site, envelope: bytes) -> Sealed[HoldLift]:
    """Return the lift that two natural persons signed, one of them a security officer; raises Refused."""
    keyring = site.documents.chain().current
    try:
        sealed = unseal(envelope, HoldLift, resolver(keyring, site.clock()))
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
    speakers = {signature.signer for signature in sealed.signatures}
    if missing := [person.id for person in sealed.statement.persons if person not in speakers]:
        raise Refused("signature-missing", who=", ".join(missing))
    persons = sealed.statement.persons
    if len({person.id for person in persons}) < 2:
        raise Refused("same-person-twice", person=persons[0].id)
    if not any(person.role is Role.SECURITY_OFFICER for person in persons):
        raise Refused("signature-wrong-role", person=persons[0].id, role=persons[0].role.value)
    return sealed


def local_path(site: Site, hold: str) -> Path:
    """Return where a hold of this digest lies on this host, if it does."""
    return site.state / "holds" / f"{hold.removeprefix('sha256:')}.dsse.json"


def list_holds(site: Site) -> tuple[Held, ...]:
    """Return the holds in force as this site knows them: the register's, and those on this host."""
    chain = site.documents.chain()
    local = {digest(hold): hold for hold in site.documents.local_holds(chain)}
    state = site.documents.hold_state(chain) if site.config.policy.has_register else None
    known = {digest(hold): hold for hold in state.statement.holds} if state else {}
    return tuple(Held(hold, name, name in local) for name, hold in (known | local).items())


def person_in_role(site: Site, key_id: str, role: Role) -> PersonRole:
    """Return the person whose key this is, in a role that the key may speak in; raises Refused."""
    for person in site.documents.chain().current.persons:
        for held in person.keys:
            if held.key.id == key_id:
                if role in held.roles:
                    return PersonRole(person.id, role)
                raise Refused("signature-wrong-role", person=person.id, role=role.value)
    raise Refused("signature-unknown-key", key=key_id)


def any_role(site: Site, key_id: str) -> PersonRole:
    """Return the person whose key this is: as security officer where the key may, else in its first role."""
    for person in site.documents.chain().current.persons:
        for held in person.keys:
            if held.key.id == key_id:
                officer = Role.SECURITY_OFFICER
                return PersonRole(person.id, officer if officer in held.roles else held.roles[0])
    raise Refused("signature-unknown-key", key=key_id)


def _hand_in(site: Site, path: str, envelope: bytes) -> str | None:
    """Hand a document to the registry; return why it does not have it, if so."""
    if site.registry is None:
        return "this site names no registry"
    try:
        site.registry.submit_document(path, envelope)
    except Unregistered as error:
        return str(error.facts.get("detail", error))
    return None
