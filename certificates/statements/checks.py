"""What was seen when it was looked at afterwards: each check says what it compared, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import Digest, Extent, Id, Items, Secret32, Text, Time
from certificates.statements.passes import Area, Failure


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


Place = Literal[
    "carrier",
    "engine",
    "engine-log",
    "file-system-journal",
    "directories",
    "slack",
    "unwritten",
    "free",
    "other-file",
    "unknown",
]
"""Where a needle was found: in the blocks that held the files or in what the order names; in an engine's data files;
in its logs; in the file system's journal; in directories; behind the end of a file; in blocks that a file has been
given and never wrote; in blocks of nobody; in a file that no order names; or it could not be told."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Needles of one sort found in one sort of place."""

    sort: Literal["contents", "names"]
    """What was found."""
    place: Place
    """Where."""
    count: int
    """Distinct finds, by position."""


@dataclass(frozen=True, slots=True)
class ResidueHunt:
    """Needles sampled before the first write were looked for on the whole storage below, past every cache."""

    step: int
    """Number of the step."""
    state: Literal["made", "needles-lost", "storage-not-readable"]
    """Whether it could be made."""
    needles: int
    """Samples of contents that were looked for."""
    names: int
    """Names that were looked for."""
    forms: Annotated[tuple[Id, ...], Items(0, 32)]
    """Forms in which they were looked for, e.g. `plain`, `utf-16-le`, `base64`, `deflate`."""
    size: int
    """Bytes of the storage."""
    unread_size: int
    """Bytes of it that could not be read."""
    hits: Annotated[tuple[Hits, ...], Items(0, 64)]
    """What was found; empty: nothing, anywhere."""
    ended_at: Time
    """When."""
    located: Digest | None = None
    """Digest of the evidence file that lists each find by number, form and position; none where there is no find."""
    kind: Literal["residue-hunt"] = "residue-hunt"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class SurvivorsCheck:
    """What no order named was counted and summed before and after."""

    step: int
    """Number of the step."""
    tables: int
    """Tables or other collections compared."""
    rows_before: int
    """Rows that had to survive."""
    rows_after: int
    """Rows found afterwards."""
    digest_before: Digest
    """Digest under the selector's key over the rows that had to survive, whatever their order."""
    digest_after: Digest
    """The same, afterwards."""
    engine_check: Text
    """The engine's own check of its files that was made."""
    is_sound: bool
    """Whether the engine found its files whole."""
    ended_at: Time
    """When."""
    kind: Literal["survivors"] = "survivors"
    """Mark of this kind."""


Check = FullReadBack | SampledReadBack | KeyGone | ResidueHunt | SurvivorsCheck
