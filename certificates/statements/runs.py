"""What was done and seen: start, step records, checks, evidence, and the claim they support."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from certificates.statements.basics import (
    Digest,
    Extent,
    Fact,
    Id,
    Items,
    Level,
    Media,
    Outcome,
    PersonRole,
    Secret32,
    Text,
    Time,
)
from certificates.statements.carriers import CryptoEraseConditions, KnownCopy
from certificates.statements.passes import Area, Failure, StepRecord

Kind = Literal["device", "image", "volume", "files", "database", "luks"]
"""Kind of carrier: the mark of its identity."""


class Method(StrEnum):
    """What a technique does in principle; the rule book sets a ceiling for each on each medium."""

    DEVICE_OVERWRITE = "device-overwrite"
    """The host overwrites every addressable byte of a device."""
    IN_PLACE_OVERWRITE = "in-place-overwrite"
    """The host overwrites the blocks that files or an image occupy."""
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


@dataclass(frozen=True, slots=True)
class FullReadBack:
    """Every addressed byte was read past the page cache, regenerated and compared."""

    step: int
    """Number of the read-back step."""
    compared_with: int
    """Number of the overwrite step whose pattern was expected."""
    area: Area
    """What was read."""
    place: Literal["device", "below-file-system"]
    """Through the device itself, or at the files' extents on the storage below the file system."""
    size: int
    """Bytes to be read."""
    matched: int
    """Bytes that equal the pattern."""
    mismatched: Annotated[tuple[Extent, ...], Items(0, 4096)]
    """Ranges that differ, the first 4096, in units of the comparison."""
    mismatched_size: int
    """Bytes in differing units, all of them."""
    unread: Annotated[tuple[Failure, ...], Items(0, 4096)]
    """Ranges that could not be read, the first 4096."""
    unread_size: int
    """Bytes not read, all of them."""
    ended_at: Time
    """When."""
    extents: Digest | None = None
    """Digest of the evidence file that lists the physical extents read (below a file system)."""
    kind: Literal["full-read-back"] = "full-read-back"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class SamplingSeed:
    """Where the positions come from: seed = SHA-256(local || nonce), or the local seed alone."""

    commitment: Digest
    """Digest of the local seed, posted before the nonce was known."""
    local: Secret32
    """Local seed, 32 bytes."""
    nonce: Digest | None
    """Digest of the registry's signed nonce (evidence/nonce.dsse.json); none: positions chosen by this host alone."""


@dataclass(frozen=True, slots=True)
class AnchorBlocks:
    """Blocks read beside the sample: where partition tables, file systems and volume managers keep their marks."""

    rule: Id
    """Published rule that gives their places from the size of the area and from the partitions."""
    partitions: Annotated[tuple[Extent, ...], Items(0, 128)]
    """Partitions that the medium's own tables named before the first write."""
    blocks: int
    """Blocks that the rule gives and the sample has not."""
    read: int
    """Blocks of these that were read."""
    samples: Digest
    """SHA-256 over the SHA-256 digests of those blocks, in order of position; 32 zero bytes for one that differs."""


@dataclass(frozen=True, slots=True)
class SampledReadBack:
    """Distinct blocks at positions from the seed were read past the page cache and compared."""

    step: int
    """Number of the read-back step."""
    compared_with: int
    """Number of the overwrite step whose pattern was expected."""
    area: Area
    """What was sampled."""
    place: Literal["device", "below-file-system"]
    """Through the device itself, or at the files' extents below the file system."""
    seed: SamplingSeed
    """Source of the positions."""
    confidence_ppm: int
    """Ordered confidence in parts per million."""
    fraction_ppm: int
    """Ordered fraction in parts per million."""
    block_size: int
    """Bytes a block."""
    blocks: int
    """Blocks in the area."""
    read: int
    """Blocks read, anchors not counted."""
    samples: Digest
    """SHA-256 over the SHA-256 digests of the blocks as read, in order of position. With strata, a block that differs
    counts as 32 zero bytes: its digest would let anyone test a guess of what is left there."""
    mismatched: Annotated[tuple[Extent, ...], Items(0, 4096)]
    """Blocks that differ, anchors too, the first 4096."""
    mismatched_blocks: int
    """Blocks that differ, anchors too, all of them."""
    unread: Annotated[tuple[Failure, ...], Items(0, 4096)]
    """Blocks that could not be read, anchors too, the first 4096."""
    unread_blocks: int
    """Blocks not read, anchors too, all of them."""
    ended_at: Time
    """When."""
    extents: Digest | None = None
    """Digest of the evidence file that lists the physical extents (below a file system)."""
    strata: int | None = None
    """Sections from each of which its share of the blocks was drawn; none: all were drawn from the whole area."""
    anchors: AnchorBlocks | None = None
    """What was read beside the sample; none: nothing."""
    raw: Digest | None = None
    """Digest of the evidence file with the bytes, as read, of all blocks that match, in order of position, the anchors
    among them; none: too many for a bundle, or spread over files. A block that differs is never in it."""
    kind: Literal["sampled-read-back"] = "sampled-read-back"
    """Mark of this kind."""

    @property
    def read_in_all(self) -> int:
        """Blocks read, anchors too."""
        return self.read + (self.anchors.read if self.anchors else 0)


@dataclass(frozen=True, slots=True)
class KeyGone:
    """The container's key cannot be had from this header any more."""

    step: int
    """Number of the step."""
    keyslots_before: int
    """Keyslots in use before."""
    header_copies_before: int
    """Valid header copies before."""
    keyslots_after: int
    """Keyslots found afterwards."""
    header_copies_after: int
    """Valid header copies found afterwards."""
    opener: Text
    """Program that was asked to open the container."""
    opener_refused: bool
    """It no longer takes the carrier for a container."""
    backups_destroyed: int
    """Header backups named in the order and overwritten."""
    backups_unreached: int
    """Header backups named in the order and not overwritten."""
    ended_at: Time
    """When."""
    kind: Literal["key-gone"] = "key-gone"
    """Mark of this kind."""


Check = FullReadBack | SampledReadBack | KeyGone

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
