"""What was written: patterns, passes, and the ranges that could not be written or read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import Byte, Extent, Id, Items, Secret32, Time, Word

Area = Literal["whole", "header", "held"]
"""The whole target, the part in front of the payload that holds a container's keys, or the files that a database
engine no longer uses and that held what was ordered."""


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
class Consequence:
    """What a withdrawal did beside taking the ordered rows out; no name, only what and how many."""

    code: Id
    """What, e.g. `rows-by-foreign-key`, `indexes-rewritten`, `statistics-rewritten`, `log-segments-held`."""
    count: int
    """How many."""


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


@dataclass(frozen=True, slots=True)
class NeedlesRecord:
    """Values were sampled from what is to be destroyed, before the first write, to be looked for afterwards."""

    step: int
    """Number of the step in the plan."""
    needles: int
    """Samples of the contents that are kept."""
    names: int
    """Names that are kept as samples; 0 where the order does not want names gone."""
    ended_at: Time
    """When."""
    impossible: Id | None = None
    """Why none could be kept, e.g. swap that is not encrypted; none: they are kept."""
    storage_size: int | None = None
    """Bytes of all devices below, noted before the first write: so many are to be looked through; none where they could
    not be told, or in a record of before this was noted."""
    kind: Literal["needles"] = "needles"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class WithdrawalRecord:
    """What was ordered was taken out of an engine's live files; what held it is kept apart, and nobody uses it."""

    step: int
    """Number of the step in the plan."""
    rows: int
    """Rows or objects taken out."""
    objects: int
    """Files held: overwritten by the steps that follow."""
    size: int
    """Bytes of all their blocks."""
    locked_milliseconds: int
    """The longest time that an exclusive lock was held."""
    ended_at: Time
    """When what is left was durable and in use."""
    consequences: Annotated[tuple[Consequence, ...], Items(0, 64)] = ()
    """What went with it, or was written anew for it, beside the rows ordered."""
    left: Annotated[tuple[Id, ...], Items(0, 64)] = ()
    """Places of the engine that this did not reach, by residual code."""
    kind: Literal["withdrawal"] = "withdrawal"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class NamesRecord:
    """Where names had stood beside the files, in directories and in the file system's journal, was written over."""

    step: int
    """Number of the step in the plan."""
    directories: int
    """Directories whose freed entries were written over."""
    journal: int
    """Bytes that the file system's journal was made to take since the names went."""
    is_complete: bool
    """Whether every directory and the whole journal was reached."""
    ended_at: Time
    """When the last barrier returned."""
    left: Annotated[tuple[Id, ...], Items(0, 64)] = ()
    """What was not reached, by residual code."""
    kind: Literal["names"] = "names"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class FillRecord:
    """Free space was written over, down to the last block that a file can have, and given back."""

    step: int
    """Number of the step in the plan."""
    filled: int
    """Bytes written."""
    unreached: int
    """Bytes free or reserved that no file could be given, at the fullest moment."""
    is_complete: bool
    """Whether everything free was reached."""
    ended_at: Time
    """When the last barrier returned."""
    left: Annotated[tuple[Id, ...], Items(0, 64)] = ()
    """What was not reached, by residual code."""
    kind: Literal["fill"] = "fill"
    """Mark of this kind."""


StepRecord = OverwriteRecord | ReleaseRecord | NeedlesRecord | WithdrawalRecord | NamesRecord | FillRecord
