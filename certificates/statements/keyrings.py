"""Who may speak: persons, their keys and roles, hosts, logs, and the rules an order must meet. Holds, which deny."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import (
    Algorithm,
    Base64,
    Digest,
    Grade,
    Id,
    Items,
    Level,
    Origin,
    PersonRole,
    Role,
    Text,
    Time,
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key and when it may be used."""

    id: Digest
    """SHA-256 of the SubjectPublicKeyInfo in DER."""
    algorithm: Algorithm
    """How signatures by it are made."""
    spki: Base64
    """SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7)."""
    not_before: Time
    """First instant at which a signature by it counts."""
    not_after: Time
    """From then on none counts."""
    revoked_at: Time | None = None
    """From then on none counts, and a begun run does not go on."""


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A key that one person holds, and the roles it may speak in."""

    key: PublicKey
    """The key."""
    roles: Annotated[tuple[Role, ...], Items(1, 9)]
    """Roles in which it counts."""


@dataclass(frozen=True, slots=True)
class Person:
    """A natural person."""

    id: Id
    """Id, never given to another person."""
    name: Text
    """Name."""
    title: Text
    """Title."""
    unit: Text
    """Unit."""
    keys: Annotated[tuple[PersonKey, ...], Items(0, 16)]
    """Keys."""
    authority: int | None = None
    """As approver: highest book value of one asset, in 1/100 of the currency unit; none: no limit."""
    contact: Text | None = None
    """Phone or mail."""


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host that may destroy; its id is its key's id."""

    name: Text
    """Name that people use."""
    key: PublicKey
    """The host's key."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """The registry's log."""

    origin: Origin
    """Origin line of its checkpoints (C2SP tlog-checkpoint)."""
    key: PublicKey
    """Ed25519 key that signs checkpoints."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """So many persons in a role."""

    role: Role
    """The role."""
    count: int
    """How many different persons."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to meet a rule: all its requirements."""

    requirements: Annotated[tuple[Requirement, ...], Items(0, 8)]
    """All must be met; an empty list is never met."""
    paper: bool = False
    """Counts only together with a paper approval in the order."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an order for this level and grade needs."""

    level: Level
    """Ordered level."""
    grade: Grade
    """Highest grade among the carrier's data assets."""
    alternatives: Annotated[tuple[Alternative, ...], Items(0, 8)]
    """Any one of them; an empty list is never met."""
    witnesses: int
    """Fewest witnesses."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Who may speak in which role, and what a destruction needs; signed by keepers."""

    site: Id
    """Site that it governs."""
    version: int
    """Counted from 1."""
    previous: Digest | None
    """Digest of version - 1; none for version 1."""
    issued_at: Time
    """When."""
    persons: Annotated[tuple[Person, ...], Items(1, 1024)]
    """Persons."""
    hosts: Annotated[tuple[HostKey, ...], Items(0, 2048)]
    """Hosts."""
    logs: Annotated[tuple[LogKey, ...], Items(0, 16)]
    """Registry logs."""
    hold_keys: Annotated[tuple[PublicKey, ...], Items(0, 16)]
    """Keys that sign hold states and sampling nonces for the registry."""
    rules: Annotated[tuple[Rule, ...], Items(0, 64)]
    """Rules per level and grade."""
    keepers: int
    """How many keepers must sign this keyring and the next: 2 or more."""
    signers: Annotated[tuple[PersonRole, ...], Items(2, 64)]
    """Keepers who sign this version (for the next: of the old and of the new keyring)."""


@dataclass(frozen=True, slots=True)
class HoldScope:
    """What must not be destroyed."""

    kind: Literal["order", "asset", "serial", "everything"]
    """What `value` names."""
    value: Text
    """Order digest, card number, serial; `*` for everything."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A signed 'do not destroy'; it denies and never authorises."""

    id: Id
    """Id of the hold."""
    scopes: Annotated[tuple[HoldScope, ...], Items(1, 256)]
    """What it covers."""
    reason: Text
    """Why."""
    authority: Text
    """Court, case or organ behind it."""
    set_at: Time
    """When."""
    persons: Annotated[tuple[PersonRole, ...], Items(0, 2)]
    """The security officer who set it; empty when the registry's hold key signs."""


@dataclass(frozen=True, slots=True)
class HoldLift:
    """Two persons lift a hold, one of them in the role that set it; lifting starts nothing."""

    hold: Digest
    """Digest of the hold."""
    reason: Text
    """Why."""
    lifted_at: Time
    """When."""
    persons: Annotated[tuple[PersonRole, ...], Items(2, 4)]
    """Who lifts."""


@dataclass(frozen=True, slots=True)
class HoldState:
    """All holds in force, as the registry sees them."""

    site: Id
    """Site."""
    sequence: int
    """Rises with every state; the agent refuses a lower one."""
    as_of: Time
    """When."""
    holds: Annotated[tuple[Hold, ...], Items(0, 1024)]
    """Holds in force."""
