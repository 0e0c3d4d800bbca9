"""Acts: steps that are done as one by whoever holds the target, and what each is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from certificates.statements import Carrier, Method, Selector, Time


@dataclass(frozen=True, slots=True)
class Sample:
    """Keep values of what is to be destroyed, and its names where those are to go, to look for them afterwards."""

    names: bool
    kind: Literal["sample"] = "sample"


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take what is ordered out of the engine's live files; what held it is the area `held` from then on."""

    method: Method
    """The way of several that the plan chose."""
    kind: Literal["withdraw"] = "withdraw"


@dataclass(frozen=True, slots=True)
class ScrubNames:
    """Write over where the names stood: freed directory entries, the file system's journal."""

    kind: Literal["scrub-names"] = "scrub-names"


@dataclass(frozen=True, slots=True)
class FillFree:
    """Write over all free space of the file system, and give it back."""

    kind: Literal["fill-free"] = "fill-free"


@dataclass(frozen=True, slots=True)
class Hunt:
    """Look for what `Sample` kept on the whole storage below, past every cache."""

    kind: Literal["hunt"] = "hunt"


@dataclass(frozen=True, slots=True)
class ConfirmSurvivors:
    """Count and sum again what no order named."""

    kind: Literal["confirm-survivors"] = "confirm-survivors"


@runtime_checkable
class Recognised(Protocol):
    """What can say of what is there by what labels it would be known, had it been sampled."""

    def labels(self) -> Iterator[frozenset[str]] | None:
        """Those of each value that could be sampled, as `needles.labels_of` makes them; none where some of it may be
        out already, so that what is left says nothing. Reads only."""
        ...


@runtime_checkable
class Undoing(Protocol):
    """A host on which a run for records that took nothing out can be undone, so that the next one begins anew."""

    def is_untouched(self, carrier: Carrier) -> bool:
        """Tell whether a run that did not end had taken nothing out yet; reads only."""
        ...

    def is_taken_out(self, carrier: Carrier) -> bool:
        """Tell whether a run that did not end had taken everything out, and holds what is to be overwritten."""
        ...

    def labels_there(self, carrier: Carrier, selector: Selector | None) -> tuple[frozenset[str], ...]:
        """Return by what the records that are there would be known; reads only. Raises Refused."""
        ...

    def put_aside(self, carrier: Carrier, selector: Selector | None) -> None:
        """A run that did not end does not go on: what it held goes with the next one's. Raises Refused."""
        ...

    def held_by_others(self, carrier: Carrier) -> tuple[str, ...]:
        """Return the directories in which runs that did not go on hold files still."""
        ...


Act = Sample | Withdraw | ScrubNames | FillFree | Hunt | ConfirmSurvivors
"""Steps that are done as one by whoever holds the target: what they are depends on its kind."""


class Halt(Protocol):
    """Whether the run is to come to rest."""

    def is_set(self) -> bool:
        """Tell whether it is to stop at the next place from which a resume can go on."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """What an act is given besides the target."""

    number: int
    """Number of the step."""
    now: Callable[[], Time]
    """Time of day, never before one that it returned."""
    stop: Halt
    """An act that finds it set comes to rest and raises Halted."""
    told: Callable[[int, int], None]
    """Takes how many bytes of how many are behind us."""
    note: Callable[[str], None]
    """Puts a sentence into the journal, durable before it returns; never a name or content."""
    keep: Callable[[str, bytes], None]
    """Makes an evidence file durable under its name before it returns."""
    entropy: Callable[[int], bytes]
    """Random bytes."""
    resumed: bool
    """Whether the step was begun before, in this run or one before it."""


class Halted(Exception):
    """An act came to rest because the run is to stop; a resume begins it again."""
