"""Deeds, frozen: what is found, what will be done, who allowed it; and the ports through which storage is touched."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from certificates.encoding import digest
from certificates.statements import (
    Area,
    Carrier,
    Check,
    Digest,
    Extent,
    Fact,
    Filling,
    Id,
    Items,
    Kind,
    Level,
    Media,
    Method,
    Order,
    PersonRole,
    Residual,
    Selector,
    StepRecord,
    SurveyedMachine,
    Text,
    Time,
    Verification,
)
from wipers.acts import Act, ConfirmSurvivors, FillFree, Given, Hunt, Sample, ScrubNames, Withdraw


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a target must not be touched: a reason code of the family Refused, and its facts."""

    reason: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What a host found for a carrier."""

    kind: Kind
    """Kind of carrier."""
    location: str
    """Where it is, for people and for opening; never leaves this host."""
    facts: tuple[Fact, ...]
    """Identity that survives the erasure, in the order of the carrier's identity."""
    unit: str
    """Name of the physical unit: two candidates of one unit are paths to the same thing."""
    media: Media
    """What the bits lie on."""
    size: int
    """Bytes that a whole overwrite addresses."""
    header_size: int
    """Bytes of the area `header`; 0 where the kind has none."""
    sector_size: int
    """Smallest unit of direct read and write, in bytes."""
    objects: int
    """Files, or 1."""
    obstacles: tuple[Obstacle, ...] = ()
    """Why it must not be touched now."""
    residual: tuple[Residual, ...] = ()
    """What an erasure here does not reach."""
    description: tuple[Fact, ...] = ()
    """More about it for `plan` and `targets`: model, firmware, bus, holders."""
    preferred: Method | None = None
    """Method that suits it best among those that reach the level; none: the first offered."""


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Write a filling over an area, flush, and record it."""

    area: Area
    filling: Filling
    kind: Literal["overwrite"] = "overwrite"


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Read an area past every cache and compare it with the overwrite step numbered `compared_with`."""

    area: Area
    compared_with: int
    verification: Verification
    kind: Literal["read-back"] = "read-back"


@dataclass(frozen=True, slots=True)
class ConfirmKeyGone:
    """Look for keyslots and header copies, and ask the opener to open the container."""

    kind: Literal["confirm-key-gone"] = "confirm-key-gone"


@dataclass(frozen=True, slots=True)
class Release:
    """Truncate and unlink what was overwritten and read back."""

    kind: Literal["release"] = "release"


Step = (
    Overwrite
    | ReadBack
    | ConfirmKeyGone
    | Release
    | Sample
    | Withdraw
    | ScrubNames
    | FillFree
    | Hunt
    | ConfirmSurvivors
)

CHANGING = (Overwrite, Release, Withdraw, ScrubNames, FillFree)
"""Steps after which an earlier look at the medium may no longer hold."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One overwrite of a technique."""

    filling: Filling
    area: Area = "whole"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a carrier's order wants of the steps besides a level."""

    verification: Verification
    names: bool = False
    """Names are to be gone too."""
    history: bool = False
    """What earlier versions left in free space is to be gone too."""
    hunt: bool = False
    """What is to be destroyed is sampled before, and looked for afterwards, though nothing else asks it."""

    @property
    def is_hunted(self) -> bool:
        """Tell whether what is to be destroyed is looked for afterwards."""
        return self.names or self.history or self.hunt


@dataclass(frozen=True, slots=True)
class Technique:
    """How: a row of data. It states no level; the rule book does."""

    id: str
    """Id that orders name."""
    name: str
    """Name for people."""
    method: dict[Kind, Method]
    """Kinds of carrier it applies to, and what it does there in principle."""
    passes: tuple[Pass, ...]
    """Overwrites in order."""
    citation: str
    """Where it comes from."""
    warning: str | None = None
    """What a person should know before choosing it."""
    basis: Literal["text", "code", "order"] = "text"
    """Whether the source's own words were at hand, or only programs that say they follow it; or an order alone."""
    is_offered: bool = True
    """Whether a plan may choose it by itself; a row that is not offered is taken only where the order names it."""
    shuffled: tuple[int, int] | None = None
    """First pass, counted from 0, and the one behind the last, whose order `run` draws; none: as listed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The exact steps; its digest covers all but entropy, which `run` draws once and journals."""

    order: Digest
    carrier: Id
    kind: Kind
    level: Level
    technique: Id
    method: Method
    media: Media
    size: int
    header_size: int
    sector_size: int
    objects: int
    facts: Annotated[tuple[Fact, ...], Items(1, 64)]
    steps: Annotated[tuple[Step, ...], Items(1, 64)]
    residual: Annotated[tuple[Residual, ...], Items(0, 64)]
    shuffled: Annotated[tuple[int, ...], Items(2, 64)] | None = None
    """Steps among which `run` draws who writes which filling."""
    policies: Annotated[tuple[Id, ...], Items(1, 16)] | None = None
    """Policies that narrowed the choice of the technique."""

    @property
    def digest(self) -> str:
        """Digest of the canonical plan: what a person confirms and the Start binds."""
        return digest(self)


@dataclass(frozen=True, slots=True)
class Warrant:
    """Proof to the agent itself that the order is good, now, on this host, for this carrier.

    Only `agent.authorize` makes one.
    """

    order: Order
    order_digest: Digest
    carrier: Carrier
    selector: Selector | None
    keyring_digest: Digest
    keyring_version: int
    hold_state: Digest | None
    host: Digest
    counted: tuple[PersonRole, ...]
    """Persons whose signatures met the rule."""
    paper: Text | None
    """Sentence on the paper approval, if the rule was met by one."""
    at: Time
    """When it was authorised."""


class MediumError(Exception):
    """The medium could not read or write a range: a finding, never the end of a run."""

    def __init__(self, error: str, extent: Extent) -> None:
        """Keep the error's name (`EIO`, `ENODATA`, ...) and the range it concerns."""
        super().__init__(f"{error} at {extent}")
        self.error = error
        self.extent = extent


class Lost(Exception):
    """The target went away or is no longer the same: the run cannot go on."""

    def __init__(self, reason: str, **facts: str) -> None:
        """Keep a reason code of the family Interrupted."""
        super().__init__(reason)
        self.reason = reason
        self.facts = facts


@dataclass(frozen=True, slots=True)
class KeyState:
    """What a container's header area holds."""

    keyslots: int
    header_copies: int
    opener: str
    opener_refused: bool
    backups_destroyed: int
    backups_unreached: int


@dataclass(frozen=True, slots=True)
class Advice:
    """What a device says of itself that is worth knowing before it is driven hard."""

    optimal_size: int = 0
    """Bytes of the transfer that it likes best, a stripe of an array for example; 0: it does not say."""
    is_rotational: bool = False
    """It has an arm that must travel."""
    is_sequential: bool = False
    """Each extent of the layout (a zone) takes writes in order only, from its begin on, after `prepare`."""


class Reader(Protocol):
    """What verification may do with an opened target: look. Writing through it is a type error."""

    @property
    def sector_size(self) -> int:
        """Smallest unit of read, in bytes."""
        ...

    @property
    def place(self) -> Literal["device", "below-file-system"]:
        """Where `read` reads: through the device itself, or on the storage below the file system."""
        ...

    def facts(self) -> tuple[Fact, ...]:
        """Identity, read again on the open descriptor; raises Lost when the target went away."""
        ...

    def layout(self, area: Area) -> Iterable[Extent]:
        """Extents of the area in a fixed order, each a multiple of the sector size but for a device's odd tail."""
        ...

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        """Fill the page-aligned `buffer` from the medium, past every cache; raises MediumError, Lost. Thread-safe."""
        ...

    def settle(self) -> None:
        """Make everything written durable and every later read come from the medium; raises MediumError, Lost."""
        ...

    def moved(self) -> tuple[Extent, ...]:
        """Ranges that no longer lie where they lay when the run began, as the last `settle` found: whatever is read in
        their place says nothing about them."""
        ...

    def physical_extents(self) -> Iterable[bytes] | None:
        """JSON lines of the extents below the file system, numbers only, some at a time; none for a device."""
        ...

    def key_state(self) -> KeyState:
        """State of the container's keys, read from the medium (containers only)."""
        ...


class Writer(Reader, Protocol):
    """What execution may do besides: write, flush, release."""

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        """Write the page-aligned `buffer`; raises MediumError, Lost. Thread-safe."""
        ...

    def flush(self) -> None:
        """Make every write that returned before this call durable (one barrier); raises MediumError, Lost."""
        ...

    def release(self) -> int:
        """Truncate and unlink the files, make that durable, return how many names went. Idempotent."""
        ...

    def act(self, step: Act, given: Given) -> StepRecord | Check:
        """Do a step that this kind of target alone knows, and return its record, or what it found. Begun again after a
        crash it completes or repeats what it did; raises MediumError, Lost, Halted, and TypeError where it is of
        another kind."""
        ...

    def advice(self) -> Advice:
        """What the device says of how it likes to be driven; asks nothing of the medium."""
        ...

    def temperature(self) -> int | None:
        """Degrees Celsius of the device now; none where it does not say."""
        ...

    def status(self) -> bytes:
        """What the drive answers about itself, a JSON line a command, for the evidence; empty where it says nothing."""
        ...

    def prepare(self, extent: Extent) -> None:
        """Make ready an extent of the layout (reset a zone) before its first byte is written; only where `advice` says
        sequential, nothing elsewhere; raises MediumError, Lost."""
        ...


class Host(Protocol):
    """The machine: finds targets and opens them. The real one is `wipers/linux`."""

    def find(self, carrier: Carrier, selector: Selector | None) -> tuple[Target, ...]:
        """Return every candidate for the carrier's identity; reads only."""
        ...

    def list_targets(self, *, with_contents: bool = True) -> tuple[Target, ...]:
        """Return all devices of this machine with their obstacles; reads only, and without contents no medium."""
        ...

    def describe(self) -> SurveyedMachine:
        """Return what this machine is, as its firmware and kernel say; reads only."""
        ...

    def open(
        self, target: Target, carrier: Carrier, selector: Selector | None, resuming: bool
    ) -> AbstractContextManager[Writer]:
        """Hold the target exclusively, having identified it again on the open descriptor; raises Refused when it is
        in use, swapped or changed since it was found. `resuming` accepts a target that this run partly destroyed."""
        ...

    def forget(self, carrier: Carrier) -> None:
        """Destroy what was kept for a resume of this carrier's run: it has its certificate. Idempotent."""
        ...


class Wiper(Protocol):
    """One kind of carrier: which kinds of identity it serves, and the steps that a technique becomes there."""

    @property
    def kind(self) -> Kind:
        """Kind of carrier."""
        ...

    @property
    def summary(self) -> str:
        """One line for people."""
        ...

    def steps(self, technique: Technique, wanted: Wanted) -> tuple[Step, ...]:
        """The technique's steps on this kind of carrier, in order."""
        ...
