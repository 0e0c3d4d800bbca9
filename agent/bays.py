"""Bays of a wiping bench: what is plugged in, and which carrier of an open order it may be. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from agent.carrying import Prepared, Result
from agent.workflow import Chosen
from certificates.errors import Failure
from certificates.statements import (
    Carrier,
    DatabaseIdentity,
    Digest,
    Fact,
    FilesIdentity,
    ImageIdentity,
    LuksIdentity,
    RecordsIdentity,
)
from wipers.model import Target

NAMING = frozenset({"serial", "wwn", "uuid", "inode"})
"""Facts of which one at least must be there and agree: a size alone names nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """A carrier of an open order."""

    chosen: Chosen
    """Its order."""
    order_id: str
    order: Digest
    carrier: Carrier
    sequence: int | None = None
    """Its run that was interrupted and is to be resumed; none for one that has not begun."""

    @property
    def key(self) -> tuple[Digest, str]:
        """Order and carrier."""
        return self.order, self.carrier.id


class BayState(StrEnum):
    """What a bay is at."""

    FOREIGN = "foreign"
    """Named by no open order; never touched."""
    LOOKING = "looking"
    """Being found and planned."""
    AWAITS = "awaits"
    """Waits for a person to confirm it."""
    REFUSED = "refused"
    """Nothing was touched."""
    GOING = "running"
    """Being destroyed, read back, certified."""
    ENDED = "ended"
    """Has its result."""


@dataclass(slots=True)
class Bay:
    """One disk that is plugged in, or was when its run began."""

    name: str
    """Where it sits, for people."""
    target: Target
    is_new: bool
    """It came while the bench was waiting."""
    state: BayState = BayState.FOREIGN
    job: Job | None = None
    prepared: Prepared | None = None
    failure: Exception | None = None
    """Why it was refused."""
    result: Result | None = None
    sequence: int | None = None
    """Its run, once it has begun."""
    is_present: bool = True
    judged_at: float = 0.0
    """When it was last looked at, in the station's seconds."""
    was_started: bool = False
    """A run was begun, or refused: what needs no typing is not tried again by itself."""
    told: tuple[object, ...] | None = None
    """What people were told of it last."""

    @property
    def key(self) -> tuple[str, tuple[Fact, ...]]:
        """Node and identity: another disk under the same node is another bay's."""
        return self.target.location, self.target.facts

    @property
    def is_shown(self) -> bool:
        """Tell whether people want to see it: the machine's own disks are in use, and nobody plugged them in."""
        return self.state is not BayState.FOREIGN or self.is_new or not self.target.obstacles

    @property
    def news(self) -> tuple[object, ...]:
        """Return what people are told of it, to be compared with what they were told."""
        return self.state, str(self.failure), self.is_present, self.job.key if self.job else None

    @property
    def reason(self) -> str:
        """Return the code of why it was refused; empty where it was not."""
        return self.failure.reason if isinstance(self.failure, Failure) else ""


def is_pluggable(carrier: Carrier) -> bool:
    """Tell whether a carrier may appear as a disk."""
    identity = carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity
    if isinstance(identity, ImageIdentity):
        return identity.attached
    return not isinstance(identity, FilesIdentity | DatabaseIdentity | RecordsIdentity)


def may_be(target: Target, carrier: Carrier) -> bool:
    """Tell whether a disk has every fact that the carrier's identity names; finding it is the host's affair."""
    identity = carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity
    if target.kind != identity.kind:
        return False
    found = {fact.name: fact.value for fact in target.facts}
    named = {
        field.name: _text(value)
        for field in dataclasses.fields(identity)
        if field.name in found and (value := getattr(identity, field.name)) is not None
    }
    agrees = all(found[name].strip() == value for name, value in named.items())
    return agrees and any(named[name] for name in NAMING & named.keys())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).strip()
