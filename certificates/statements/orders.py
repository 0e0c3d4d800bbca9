"""What is ordered: the approved document, who speaks in it, its data assets and its carriers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import (
    Date,
    Digest,
    Grade,
    Id,
    Items,
    PersonRole,
    Secrecy,
    Text,
    Time,
)
from certificates.statements.carriers import Carrier


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit whose data is destroyed."""

    name: Text
    """Name."""
    credit_code: Id | None = None
    """统一社会信用代码, or another registration number."""
    superior: Text | None = None
    """Superior unit."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The collective decision behind the order (行政事业性国有资产管理条例, art. 19)."""

    meeting: Text
    """Meeting's name or number."""
    date: Date
    """Day of the meeting."""
    organ: Text
    """Deciding organ."""
    participants: Annotated[tuple[Text, ...], Items(1, 200)]
    """Who took part."""
    minutes: Digest
    """Digest of the minutes."""


@dataclass(frozen=True, slots=True)
class ApprovalDocument:
    """The approval document (批复) and how far its organ's authority reaches."""

    number: Text
    """Document number."""
    organ: Text
    """Approving organ."""
    date: Date
    """Day of approval."""
    authority_limit: int | None = None
    """Highest book value of one asset that the organ may approve, in 1/100 of the currency unit; none: no limit."""


@dataclass(frozen=True, slots=True)
class PaperApproval:
    """Leaders approved on paper with a stamp; two registrars bind the paper by their keys."""

    number: Text
    """Number of the 批复."""
    organ: Text
    """Organ that stamped it."""
    signatory: Text
    """Who signed it."""
    date: Date
    """Day it was signed."""
    scan: Digest
    """Digest of the scan."""


@dataclass(frozen=True, slots=True)
class Appraisal:
    """Technical appraisal (鉴定) that retention has ended and nothing must be kept."""

    opinion: Text
    """What was found."""
    organ: Text
    """Who appraised."""
    date: Date
    """When."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The retention schedule that allows the destruction."""

    schedule: Id
    """Schedule's id."""
    due: Date
    """Earliest day of destruction."""


@dataclass(frozen=True, slots=True)
class DataAsset:
    """What the books list."""

    card: Id
    """Asset card number; the asset's id within the order."""
    code_system: Literal["GB/T 14885-2010", "GB/T 14885-2022"]
    """Edition of the classification that `code` follows."""
    code: Id
    """2010: 7 digits; 2022: a letter and 8 digits."""
    name: Text
    """Name in the books."""
    grade: Grade
    """核心, 重要 or 一般."""
    personal_information: bool
    """Holds personal information (PIPL)."""
    secrecy: Secrecy
    """密级 declaration."""
    secrecy_declared_by: Id
    """Person who made the declaration."""
    book_value: int
    """In 1/100 of the currency unit."""
    catalogue_id: Id | None = None
    """Id in the data-resource catalogue."""


@dataclass(frozen=True, slots=True)
class Executing:
    """Who carries the order out."""

    person: Id
    """Executor's id in the keyring."""
    unit: Text
    """Executing unit."""
    contract: Text | None = None
    """Contract and secrecy agreement where outsourced."""


@dataclass(frozen=True, slots=True)
class Order:
    """One approved document."""

    id: Id
    """Order number."""
    version: int
    """Counted from 1."""
    supersedes: Digest | None
    """Digest of the order that this one replaces, or of the attempt it repeats."""
    issued_at: Time
    """Not valid before."""
    expires_at: Time
    """Not valid from then on; `resume` of a begun run is."""
    unit: Unit
    """Whose data."""
    reason: Text
    """Why it is disposed of."""
    decision: Decision
    """Collective decision."""
    approval: ApprovalDocument
    """Approval document."""
    appraisal: Appraisal
    """Technical appraisal."""
    legal_basis: Annotated[tuple[Text, ...], Items(1, 64)]
    """Laws and rules."""
    retention: Retention
    """Retention schedule and due date."""
    persons: Annotated[tuple[PersonRole, ...], Items(2, 64)]
    """Who speaks in this order and in which role: requester, approvers, registrars, security officers."""
    assets: Annotated[tuple[DataAsset, ...], Items(1, 1024)]
    """Data assets."""
    carriers: Annotated[tuple[Carrier, ...], Items(1, 256)]
    """Carriers."""
    executing: Executing
    """Executor."""
    witnesses: Annotated[tuple[Id, ...], Items(0, 8)]
    """Witnesses (监销人)."""
    validator: Id
    """Person who accepts or rejects the result."""
    place: Text
    """Where it is carried out."""
    not_before: Time
    """Start of the window."""
    not_after: Time
    """End of the window for starting."""
    keep_until: Date
    """Retention of this order and its certificates."""
    report_tags: Annotated[tuple[Id, ...], Items(0, 64)] = ()
    """Tags for the annual report."""
    paper: PaperApproval | None = None
    """Paper approval that registrars bind."""
