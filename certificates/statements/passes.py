"""What was written: patterns, passes, and the ranges that could not be written or read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import Byte, Extent, Id, Items, Secret32, Time, Word

Area = Literal["whole", "header"]
"""The whole target, or the part in front of the payload that holds a container's keys."""


@dataclass(frozen=True, slots=True)
class ConstantPattern:
    """One byte repeated."""

    byte: Byte
    """The byte as two hex digits."""
    kind: Literal["constant"] = "constant"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class RepeatedPattern:
    """Several bytes repeated: byte n of every stream is byte n modulo their number."""

    word: Word
    """The bytes from offset 0 on, two hex digits each."""
    kind: Literal["repeated"] = "repeated"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class KeystreamPattern:
    """AES-256-CTR keystream; counter block = 8-byte stream number || 8-byte offset/16, big-endian."""

    key: Secret32
    """The pass's key, published so that anyone can recompute any byte."""
    kind: Literal["aes-256-ctr"] = "aes-256-ctr"
    """Mark of this kind."""


Pattern = ConstantPattern | RepeatedPattern | KeystreamPattern


@dataclass(frozen=True, slots=True)
class Failure:
    """A range that could not be written or read."""

    extent: Extent
    """Where, narrowed to sectors."""
    error: Id
    """Name of the error, e.g. EIO, ENODATA."""


@dataclass(frozen=True, slots=True)
class OverwriteRecord:
    """One pass over an area."""

    step: int
    """Number of the step in the plan, from 0."""
    area: Area
    """What was overwritten."""
    pattern: Pattern
    """What was written."""
    size: int
    """Bytes to be written."""
    written: int
    """Bytes written and flushed without error."""
    failures: Annotated[tuple[Failure, ...], Items(0, 4096)]
    """Ranges that were not written, the first 4096."""
    failed_size: int
    """Bytes not written, all of them."""
    started_at: Time
    """When it began (first time, if resumed)."""
    ended_at: Time
    """When its barrier returned."""
    resumed: int
    """How often it was taken up again after an interruption."""
    kind: Literal["overwrite"] = "overwrite"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """Names removed and space released after read-back."""

    step: int
    """Number of the step in the plan."""
    names: int
    """Names removed."""
    ended_at: Time
    """When the barrier returned."""
    kind: Literal["release"] = "release"
    """Mark of this kind."""


StepRecord = OverwriteRecord | ReleaseRecord
