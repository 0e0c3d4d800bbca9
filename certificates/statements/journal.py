"""Entries of the journal and of the spent-order ledger: what the host wrote down before it did it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import Byte, Digest, Extent, Fact, Id, Items, PersonRole, Secret32, Text, Time
from certificates.statements.checks import Check
from certificates.statements.passes import Failure, StepRecord


@dataclass(frozen=True, slots=True)
class Opened:
    """First entry: this run's place in the host's chain of journals."""

    host: Digest
    """Host id."""
    sequence: int
    """Host sequence number, counted from 1."""
    previous: Digest | None
    """Last entry of the journal before, as it stood; none for the first."""
    tool: Id
    """Program and version."""
    start: Digest | None
    """Digest of the Start; none when the run was refused."""
    order: Digest | None
    """Digest of the order; none when it could not be read."""
    carrier: Id | None
    """Carrier; none when the refusal concerns the whole order."""
    kind: Literal["opened"] = "opened"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Whose signatures on the order were counted, now."""

    persons: Annotated[tuple[PersonRole, ...], Items(0, 64)]
    """Persons and roles."""
    kind: Literal["counted"] = "counted"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Identified:
    """Identity on the open descriptor, before the first write."""

    facts: Annotated[tuple[Fact, ...], Items(0, 64)]
    """Facts."""
    keyslots: int | None = None
    """Keyslots in use (containers)."""
    header_copies: int | None = None
    """Valid header copies (containers)."""
    partitions: Annotated[tuple[Extent, ...], Items(0, 128)] | None = None
    """Partitions that the medium's own tables name, where a sample is ordered: their ends are read beside it."""
    kind: Literal["identified"] = "identified"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Character:
    """A byte drawn at random for one run, under the name by which the technique's passes refer to it."""

    name: Id
    """Name within the technique."""
    byte: Byte
    """The byte as two hex digits."""


@dataclass(frozen=True, slots=True)
class Drew:
    """All entropy of the run; plan and entropy replay to the same bytes."""

    keys: Annotated[tuple[Secret32, ...], Items(0, 64)]
    """One a step that writes a keystream, in order of the plan."""
    characters: Annotated[tuple[Character, ...], Items(1, 64)] | None = None
    """Bytes drawn for the passes that write a random character; none where no pass does."""
    order: Annotated[tuple[int, ...], Items(2, 64)] | None = None
    """For each step of the plan whose place is drawn, in order: the step whose filling it writes."""
    kind: Literal["drew"] = "drew"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Began:
    """A step is about to begin."""

    step: int
    """Number of the step in the plan."""
    kind: Literal["began"] = "began"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """Everything before `position` is on the medium: flushed before this was written."""

    step: int
    """Number of the step."""
    position: int
    """Bytes of the area, counted along its layout."""
    failures: Annotated[tuple[Failure, ...], Items(0, 4096)] = ()
    """Ranges between the position journaled before and this one that could not be written, the first 4096."""
    failed_size: int = 0
    """Bytes there that could not be written, all of them: a resumed run must not forget them."""
    kind: Literal["advanced"] = "advanced"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Revisited:
    """What had failed was tried again, and what succeeded is on the medium: flushed before this was written.

    These are all failures of the step from here on, in place of those journaled before.
    """

    step: int
    """Number of the step."""
    failures: Annotated[tuple[Failure, ...], Items(0, 4096)] = ()
    """Ranges that still could not be written, the first 4096."""
    failed_size: int = 0
    """Bytes that still could not be written, all of them."""
    kind: Literal["revisited"] = "revisited"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Reproved:
    """A resumed run read a part of what this journal says is on the medium; if any of it differs, the step begins anew.

    Positions of the sampled blocks follow from the digest of the last entry before they were read; they are counted
    along the layout without the ranges that failed.
    """

    step: int
    """Number of the step."""
    position: int
    """Position journaled before the interruption."""
    blocks: int
    """Blocks read: all that was flushed last before the position, and a sample of all before that."""
    mismatched: int
    """Blocks that differ."""
    unread: int = 0
    """Blocks that could not be read: nothing follows from them."""
    kind: Literal["reproved"] = "reproved"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A step ended."""

    record: StepRecord
    """Its record."""
    kind: Literal["recorded"] = "recorded"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A commitment to the local sampling seed, made after the last barrier."""

    commitment: Digest
    """Digest of the local seed."""
    local: Secret32
    """The local seed."""
    kind: Literal["committed"] = "committed"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A check ended."""

    check: Check
    """What it found."""
    kind: Literal["checked"] = "checked"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The run stopped before its end."""

    reason: Id
    """Reason code."""
    kind: Literal["interrupted"] = "interrupted"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The run was taken up again."""

    facts: Annotated[tuple[Fact, ...], Items(0, 64)]
    """Identity re-read on the open descriptor."""
    kind: Literal["resumed"] = "resumed"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Concluded:
    """The last check is made; the certificate binds the journal up to this entry."""

    facts: Annotated[tuple[Fact, ...], Items(0, 64)]
    """Identity after the last check."""
    kind: Literal["concluded"] = "concluded"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Certified:
    """The certificate's content was fixed and fsynced."""

    certificate: Digest
    """Its digest."""
    kind: Literal["certified"] = "certified"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class RefusedRun:
    """Nothing was touched."""

    reason: Id
    """Reason code."""
    kind: Literal["refused"] = "refused"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Something worth knowing that changes nothing."""

    note: Text
    """What; never a name or content of what is destroyed."""
    kind: Literal["noted"] = "noted"
    """Mark of this kind."""


Event = (
    Opened
    | Counted
    | Identified
    | Drew
    | Began
    | Advanced
    | Revisited
    | Reproved
    | Recorded
    | Committed
    | Checked
    | Interrupted
    | Resumed
    | Concluded
    | Certified
    | RefusedRun
    | Noted
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal."""

    number: int
    """Counted from 1."""
    previous: Digest | None
    """Digest of the line before; none for the first."""
    at: Time
    """When it was written."""
    event: Event
    """What."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the spent-order ledger."""

    number: int
    """Counted from 1."""
    previous: Digest | None
    """Digest of the line before."""
    at: Time
    """When."""
    order: Digest
    """Order spent or superseded."""
    carrier: Id | None
    """Carrier spent; none: the whole order is superseded."""
    sequence: int | None
    """Host sequence number of the run that spent it."""
    size: int
    """Bytes destroyed by it, for the daily limit."""
