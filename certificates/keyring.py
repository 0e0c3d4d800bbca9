"""Who may speak in which role, what an order needs, and how one keyring follows another. Pure: the time is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from certificates.encoding import format_time
from certificates.envelope import Resolver, Sealed, unseal, unwrap
from certificates.errors import Untrusted
from certificates.statements import (
    Alternative,
    Carrier,
    Certificate,
    Grade,
    Hold,
    HoldState,
    Keyring,
    Nonce,
    Order,
    PersonRole,
    PublicKey,
    Role,
    Rule,
    Survey,
)

HOST = "host"
"""Speaker of a host's signature."""
REGISTRY = "registry"
"""Speaker of the registry's signature."""
GRADES = (Grade.GENERAL, Grade.IMPORTANT, Grade.CORE)
"""Grades from the lowest to the highest."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A keyring and all before it, each proven to follow from the one before."""

    sealed: tuple[Sealed[Keyring], ...]

    @property
    def current(self) -> Keyring:
        """Newest keyring."""
        return self.sealed[-1].statement

    @property
    def digest(self) -> str:
        """Digest of the newest."""
        return self.sealed[-1].digest

    @property
    def root(self) -> str:
        """Digest of version 1."""
        return self.sealed[0].digest

    def version(self, digest: str) -> Keyring | None:
        """Return the keyring with this digest, or none."""
        return next((s.statement for s in self.sealed if s.digest == digest), None)


def is_valid(key: PublicKey, at: datetime) -> bool:
    """Tell whether a signature by the key counts at that instant."""
    return key.not_before <= at < key.not_after and (key.revoked_at is None or at < key.revoked_at)


def is_revoked(chain: Chain, key_id: str, at: datetime) -> bool:
    """Tell whether any keyring of the chain says that a person's key was revoked by that instant."""
    rings = (sealed.statement for sealed in chain.sealed)
    keys = (held.key for ring in rings for person in ring.persons for held in person.keys)
    return any(key.id == key_id and key.revoked_at is not None and key.revoked_at <= at for key in keys)


def check_chain(envelopes: Sequence[bytes], root: str) -> Chain:
    """Return the chain from the trusted root on; raises Untrusted where a version does not follow."""
    return _checked(tuple(envelopes), root)


# The same bytes make the same chain for ever, and a run asks for it at every act. A refusal is not remembered.
@lru_cache(maxsize=2)
def _checked(envelopes: tuple[bytes, ...], root: str) -> Chain:
    if not envelopes:
        raise Untrusted("keyring-missing")
    found = unwrap(envelopes[0], 4 << 20).digest
    if found != root:
        raise Untrusted("keyring-root", found=found)
    chain: tuple[Sealed[Keyring], ...] = ()
    for number, envelope in enumerate(envelopes, start=1):
        chain += (_follow(chain[-1] if chain else None, envelope, number),)
    return Chain(chain)


def _follow(old: Sealed[Keyring] | None, envelope: bytes, number: int) -> Sealed[Keyring]:
    """Return version `number`, signed by enough keepers of the old keyring and of itself (TUF's root rule)."""

    def resolve(new: Keyring, key_id: str) -> tuple[PublicKey, PersonRole]:
        for keyring in (new, old.statement) if old else (new,):
            for person, key in _keys_of(keyring, Role.KEEPER, new.signers):
                if key.id == key_id and is_valid(key, new.issued_at):
                    return key, person
        raise Untrusted("signature-unknown-key", key=key_id)

    sealed = unseal(envelope, Keyring, resolve)
    new = sealed.statement
    if new.version != number or new.previous != (old.digest if old else None):
        raise Untrusted("keyring-chain", detail=f"version {new.version} does not follow version {number - 1}")
    if old and (new.site != old.statement.site or new.issued_at < old.statement.issued_at):
        raise Untrusted("keyring-chain", detail=f"version {number} is of another site, or older than the one before")
    for keyring in (old.statement, new) if old else (new,):
        known = {(key.id, person.id) for person, key in _keys_of(keyring, Role.KEEPER, new.signers)}
        persons = {s.signer.id for s in sealed.signatures if (s.key_id, s.signer.id) in known}
        if len(persons) < max(keyring.keepers, 2):
            detail = (
                f"version {number} has {len(persons)} of {max(keyring.keepers, 2)} keepers of version {keyring.version}"
            )
            raise Untrusted("keyring-chain", detail=detail)
    check_keyring(new)
    return sealed


def check_keyring(keyring: Keyring) -> None:
    """Return if ids and keys are unique throughout: a key that two may use would count for the wrong one."""
    persons = [person.id for person in keyring.persons]
    keys = [held.key.id for person in keyring.persons for held in person.keys]
    keys += [host.key.id for host in keyring.hosts] + [log.key.id for log in keyring.logs]
    keys += [key.id for key in keyring.hold_keys]
    for names in (Counter(persons), Counter(keys)):
        for name, count in names.items():
            if count > 1:
                raise Untrusted("keyring-chain", detail=f"{name} stands twice in version {keyring.version}")


def _keys_of(keyring: Keyring, role: Role, persons: Collection[PersonRole]) -> Iterator[tuple[PersonRole, PublicKey]]:
    """Yield each listed person's keys for the role."""
    for person in keyring.persons:
        if PersonRole(person.id, role) in persons:
            for held in person.keys:
                if role in held.roles:
                    yield PersonRole(person.id, role), held.key


def resolver(keyring: Keyring, at: datetime) -> Resolver:
    """Return who may sign which statement at that instant, by this keyring."""

    def resolve(statement: Any, key_id: str) -> tuple[PublicKey, Any]:
        for speaker, key in _candidates(keyring, statement):
            if key.id == key_id:
                if not is_valid(key, at):
                    raise Untrusted("key-not-valid", key=key_id, at=format_time(at))
                return key, speaker
        raise _unknown(keyring, statement, key_id)

    return resolve


def _candidates(keyring: Keyring, statement: Any) -> Iterator[tuple[Any, PublicKey]]:
    """Yield everybody who may sign this statement, with their keys."""
    for named in getattr(statement, "persons", ()):
        yield from _keys_of(keyring, named.role, (named,))
    if isinstance(statement, (Certificate, Survey)):
        yield from ((HOST, host.key) for host in keyring.hosts if host.key.id == statement.host)
    if isinstance(statement, (HoldState, Nonce)) or (isinstance(statement, Hold) and not statement.persons):
        yield from ((REGISTRY, key) for key in keyring.hold_keys)


def _unknown(keyring: Keyring, statement: Any, key_id: str) -> Untrusted:
    """Tell a key of nobody from a person's key in a role that does not count."""
    named = {person.id: person.role for person in getattr(statement, "persons", ())}
    for person in keyring.persons:
        if any(held.key.id == key_id for held in person.keys) and person.id in named:
            return Untrusted("signature-wrong-role", person=person.id, role=named[person.id].value)
    return Untrusted("signature-unknown-key", key=key_id)


def highest_grade(order: Order, carrier: Carrier) -> Grade:
    """Return the highest grade among the data assets on a carrier."""
    return max((asset.grade for asset in order.assets if asset.card in carrier.assets), key=GRADES.index)


def rule_for(keyring: Keyring, order: Order, carrier: Carrier) -> Rule | None:
    """Return the rule for the carrier's level and highest grade, or none."""
    grade = highest_grade(order, carrier)
    return next((r for r in keyring.rules if r.level is carrier.level and r.grade is grade), None)


def lacking(rule: Rule, order: Order, signers: Iterable[PersonRole]) -> str | None:
    """Return what the nearest alternative still lacks, counted by natural person; none when the rule is met."""
    persons = set(signers)
    gaps = [_gap(alternative, order, persons) for alternative in rule.alternatives]
    if not gaps:
        return "the rule is empty"
    if any(gap == "" for gap in gaps):
        return None
    return " or ".join(gaps)


def met_on_paper(rule: Rule, order: Order, signers: Iterable[PersonRole]) -> bool:
    """Tell whether the rule is met only together with the paper approval."""
    persons = set(signers)
    return not any(not a.paper and _gap(a, order, persons) == "" for a in rule.alternatives)


def _gap(alternative: Alternative, order: Order, persons: set[PersonRole]) -> str:
    """Return what this alternative lacks; an empty list of requirements is never met."""
    if not alternative.requirements:
        return "an alternative without requirements"
    missing = []
    if alternative.paper and order.paper is None:
        missing.append("a paper approval")
    for need in alternative.requirements:
        found = len({person.id for person in persons if person.role is need.role})
        if need.count < 1 or found < need.count:
            missing.append(f"{need.role.value} {found} of {need.count}")
    return ", ".join(missing)
