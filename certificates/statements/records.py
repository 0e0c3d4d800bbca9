"""What is recorded for ever: certificate, validation, the registry's nonce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import Date, Digest, Fact, Grade, Id, Items, Level, PersonRole, Secret32, Text, Time
from certificates.statements.carriers import Chassis, Otherwise, Verification
from certificates.statements.orders import DataAsset, Unit
from certificates.statements.runs import Claim, Evidence


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file of the bundle's `evidence/` folder."""

    name: Id
    """File name."""
    digest: Digest
    """Digest of its bytes."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The documents and records that this certificate stands on, by digest."""

    order: Digest
    """Order."""
    order_id: Id
    """Order number, for people."""
    order_version: int
    """Order version."""
    selector: Digest | None
    """Selector commitment."""
    keyring: Digest
    """Keyring in force."""
    keyring_version: int
    """Its version."""
    hold_state: Digest | None
    """Hold state consulted; none: the site has no hold register."""
    start: Digest
    """Start."""
    plan: Digest
    """Plan."""
    journal_sequence: int
    """Host sequence number of the run."""
    journal_entries: int
    """Entries of the journal when this certificate was fixed."""
    journal_head: Digest
    """Digest of the last of them."""
    ledger_number: int
    """Number of this carrier's entry in the host's spent-order ledger."""
    ledger_head: Digest
    """Digest of that entry."""
    evidence_files: Annotated[tuple[EvidenceFile, ...], Items(0, 64)]
    """Evidence files."""
    supersedes: Digest | None = None
    """Certificate that this one corrects."""


@dataclass(frozen=True, slots=True)
class Medium:
    """The medium in the terms of NIST SP 800-88 r2, appendix C."""

    manufacturer: Text
    """Manufacturer, or what stands for it."""
    model: Text
    """Model."""
    serial: Text
    """Serial number, or the identity that stands for it."""
    property_number: Id | None
    """The carrier's own asset card."""
    media_type: Text
    """magnetic, flash, opaque; and the kind of carrier."""
    source: Chassis | None
    """Machine it came from."""
    host_name: Text
    """Host's name in the keyring."""
    facts: Annotated[tuple[Fact, ...], Items(0, 64)]
    """Other facts."""


@dataclass(frozen=True, slots=True)
class Participant:
    """A person's part (NIST SP 800-88 r2, appendix C: performing, verifying, validating; concurrence)."""

    person: Id
    """Id in the keyring."""
    act: Literal["performing", "verifying", "witnessing", "validating"]
    """What the person does."""
    name: Text
    """Name."""
    title: Text
    """Title."""
    unit: Text
    """Unit."""
    place: Text
    """Where."""
    contact: Text | None
    """Phone or mail."""


@dataclass(frozen=True, slots=True)
class PassDescription:
    """Bytes of one pass, for people."""

    number: int
    """Counted from 1."""
    writes: Text
    """Bytes written, e.g. `0x00` or `AES-256-CTR keystream`."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Method as applied."""

    level: Level
    """Level ordered."""
    technique: Id
    """Technique's id."""
    name: Text
    """Technique's name."""
    citation: Text
    """Where it comes from."""
    passes: Annotated[tuple[PassDescription, ...], Items(0, 64)]
    """Passes in order."""
    final_state: Text
    """What the medium holds afterwards."""
    tool: Text
    """Program."""
    tool_version: Text
    """Version."""
    verification: Verification
    """Verification ordered."""
    policies: Annotated[tuple[Id, ...], Items(1, 16)] | None = None
    """Policies that narrowed the choice of the technique; a label, not a statement of compliance."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was ordered, done, seen and concluded for one carrier."""

    id: Id
    """Certificate number: host short id, run sequence."""
    issued_at: Time
    """When its content was fixed."""
    host: Digest
    """Host that seals it."""
    unit: Unit
    """Whose data."""
    carrier: Id
    """Carrier's id in the order."""
    carrier_label: Id
    """What stands on the object."""
    assets: Annotated[tuple[DataAsset, ...], Items(1, 1024)]
    """Data assets on it."""
    grade: Grade
    """Classification before: the highest among the assets."""
    binding: Binding
    """What this stands on."""
    medium: Medium
    """The medium."""
    applied: Applied
    """Method."""
    evidence: Evidence
    """What was seen."""
    claim: Claim
    """What it supports."""
    started_at: Time
    """First act."""
    ended_at: Time
    """Last check."""
    destination: Id
    """Where the carrier goes."""
    otherwise: Otherwise | None
    """Pre-approved fallback."""
    participants: Annotated[tuple[Participant, ...], Items(1, 32)]
    """People and their parts."""
    persons: Annotated[tuple[PersonRole, ...], Items(1, 16)]
    """Persons who must sign this certificate besides the host: executor and witnesses."""
    approved_by: Annotated[tuple[PersonRole, ...], Items(1, 64)]
    """Persons whose signatures were counted on the order."""
    paper: Text | None
    """Paper approval attested by registrars, if the order rests on one."""
    keep_until: Date
    """Retention of this certificate."""
    limits: Annotated[tuple[Text, ...], Items(1, 16)]
    """What no certificate of this kind can show."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """The five grounds for doubt of NIST SP 800-88 r2, 4.5.2, answered; true means: there is doubt."""

    unreached_or_errors: bool
    """Regions that could not be reached, or errors."""
    wrong_technique: bool
    """Technique wrong for the medium or the category."""
    unqualified: bool
    """Unqualified people, unapproved or uncalibrated tools."""
    below_minimum: bool
    """Result below the organisation's minimum."""
    scope_too_narrow: bool
    """Scope too narrow."""


@dataclass(frozen=True, slots=True)
class Validation:
    """A person's accept or reject; the tool never approves itself."""

    certificate: Digest
    """Digest of the certificate."""
    decision: Literal["accept", "reject"]
    """The decision."""
    grounds: Grounds
    """The five grounds."""
    reason: Text
    """Why."""
    decided_at: Time
    """When."""
    persons: Annotated[tuple[PersonRole, ...], Items(1, 1)]
    """The validator."""


@dataclass(frozen=True, slots=True)
class Nonce:
    """The registry's contribution to the sampling seed, bound to the host's commitment and journal."""

    commitment: Digest
    """The host's commitment."""
    journal_head: Digest
    """The host's journal when it asked."""
    nonce: Secret32
    """32 random bytes."""
    issued_at: Time
    """When."""
