"""What was done and seen: start, step records, checks, evidence, and the claim they support."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from certificates.statements.basics import (
    Digest,
    Fact,
    Id,
    Items,
    Level,
    Media,
    Outcome,
    PersonRole,
    Time,
)
from certificates.statements.carriers import CryptoEraseConditions, KnownCopy
from certificates.statements.checks import Check
from certificates.statements.passes import StepRecord

Kind = Literal["device", "image", "volume", "files", "database", "luks", "records"]
"""Kind of carrier: the mark of its identity."""


class Method(StrEnum):
    """What a technique does in principle; the rule book sets a ceiling for each on each medium."""

    DEVICE_OVERWRITE = "device-overwrite"
    """The host overwrites every addressable byte of a device."""
    IN_PLACE_OVERWRITE = "in-place-overwrite"
    """The host overwrites the blocks that files or an image occupy."""
    COPY_FORWARD = "copy-forward"
    """What is left of a database is written anew; the files that held the rest are kept apart and overwritten."""
    HOLE_FILLING = "hole-filling"
    """Rows are taken out of their pages, and the engine writes other rows into the space that they freed."""
    KEY_DESTRUCTION = "key-destruction"
    """Every keyslot and header copy of an encrypted container is overwritten."""


@dataclass(frozen=True, slots=True)
class Start:
    """The executor's word before the first write."""

    order: Digest
    """Digest of the order."""
    carrier: Id
    """Carrier in it."""
    plan: Digest
    """Digest of the plan that the executor confirmed."""
    host: Digest
    """Host id."""
    keyring: Digest
    """Keyring in force."""
    keyring_version: int
    """Its version."""
    hold_state: Digest | None
    """Hold state consulted; none where the site has no register."""
    selector: Digest | None
    """Commitment of the selector that was opened."""
    sequence: int
    """Host sequence number of the run."""
    started_at: Time
    """When."""
    tool: Id
    """Program and version."""
    persons: Annotated[tuple[PersonRole, ...], Items(1, 1)]
    """The executor."""


ResidualCode = Literal[
    "remapped-sectors",
    "over-provisioning",
    "storage-below-virtual-device",
    "free-blocks",
    "file-system-journal",
    "names-in-directories",
    "extended-attributes",
    "slack-of-neighbours",
    "header-backups-not-searched",
    "copies-outside-order",
    "memory-and-swap",
    "raw-storage-not-readable",
    "hidden-area",
    "hidden-area-unknown",
    "unattached-namespaces",
    "rpmb",
    "boot-partitions",
    "unallocated-capacity",
    "rest-of-disk",
    "array-members",
    "volume-metadata",
    "encryption-header",
    "controller-members",
    "zone-gaps",
    "unwritten-extents",
    "inode-slack",
    "reserved-blocks",
    "snapshots",
    "other-copies-of-blocks",
    "storage-below-memory",
    "server-memory",
    "server-log",
    "write-ahead-log",
    "archived-log",
    "replicas",
    "backups",
    "statistics",
    "temporary-files",
    "undo-log",
    "doublewrite-buffer",
    "index-pivots",
    "older-page-slack",
    "offline-phase-declined",
    "large-objects",
    "values-not-sampled",
    "ciphertext-not-hunted",
    "copies-unknown",
    "unordered-replicas",
    "unordered-archives",
    "unordered-backups",
    "unordered-copies",
]


@dataclass(frozen=True, slots=True)
class Residual:
    """Something that this run did not reach or look for."""

    code: ResidualCode
    """What."""
    count: int | None = None
    """How much, where it is known."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen, whole; the claim follows from it alone."""

    kind: Kind
    """Kind of carrier."""
    method: Method
    """What the technique does in principle."""
    technique: Id
    """Row of the technique table."""
    media: Media
    """What the bits lie on."""
    size: int
    """Bytes of the target that the plan addressed."""
    sector_size: int
    """Smallest unit of read and write, in bytes."""
    objects: int
    """Files, or 1."""
    before: Annotated[tuple[Fact, ...], Items(1, 64)]
    """Identity on the open descriptor before the first write."""
    after: Annotated[tuple[Fact, ...], Items(0, 64)]
    """Identity on the open descriptor after the last check."""
    passes: int
    """Overwrite steps in the plan."""
    records: Annotated[tuple[StepRecord, ...], Items(0, 256)]
    """Steps carried out."""
    checks: Annotated[tuple[Check, ...], Items(0, 64)]
    """Checks made."""
    destroy: Annotated[tuple[Literal["names", "history"], ...], Items(0, 2)]
    """What the order wants gone besides the contents."""
    residual: Annotated[tuple[Residual, ...], Items(0, 64)]
    """What this run did not reach."""
    copies: Annotated[tuple[KnownCopy, ...], Items(0, 1024)]
    """Known copies named by the order."""
    crypto_erase: CryptoEraseConditions | None = None
    """Conditions of cryptographic erase, on the order's word."""
    hunt: bool | None = None
    """True: the order wants what is destroyed looked for afterwards."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a claim is not higher."""

    code: Id
    """Reason's code in the rule book."""
    count: int | None = None
    """Bytes, blocks or objects concerned."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the evidence supports; derived, never asserted."""

    rule_book: Id
    """Version of the rule book that derived it."""
    ordered: Level
    """Level ordered."""
    outcome: Outcome
    """Whether the ordered level is proven."""
    level: Level | None
    """Highest level that the evidence supports; none where nothing is proven."""
    reasons: Annotated[tuple[Reason, ...], Items(0, 64)]
    """Why not more."""
    on_order_word: Annotated[tuple[Id, ...], Items(0, 16)]
    """Conditions that rest on the order's word alone."""
