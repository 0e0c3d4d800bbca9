"""What a journal says: how far a run came, and the evidence it gathered. Pure, so that resume and audit agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

from certificates.statements import (
    Advanced,
    Began,
    Carrier,
    Check,
    Checked,
    Committed,
    Concluded,
    Drew,
    Entry,
    Evidence,
    Fact,
    Failure,
    FullReadBack,
    Identified,
    OverwriteRecord,
    Recorded,
    Reproved,
    Resumed,
    Revisited,
    SampledReadBack,
    StepRecord,
    Time,
)
from wipers.model import Overwrite, Plan
from wipers.ranges import KEPT, coalesce


@dataclass(frozen=True, slots=True)
class BegunStep:
    """An unfinished or finished step, as far as the journal knows it."""

    began_at: Time
    """When it began the first time."""
    position: int = 0
    """Bytes along its layout that are on the medium."""
    stretch: int = 0
    """Position of the checkpoint before: what lies between the two was flushed last."""
    reached: int = 0
    """The furthest position that was ever flushed; the step may have begun anew since."""
    failures: tuple[Failure, ...] = ()
    """Ranges before the position that could not be written, the first 4096."""
    failed_size: int = 0
    """Bytes there that could not be written, all of them."""
    resumed: int = 0
    """How often it was taken up again."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run came. The empty one is that of a run that has not begun."""

    identified: Identified | None = None
    """Identity before the first write."""
    drew: Drew | None = None
    """All entropy of the run."""
    steps: dict[int, BegunStep] = field(default_factory=dict)
    """Steps begun."""
    records: tuple[StepRecord, ...] = ()
    """Records of steps that ended."""
    checks: tuple[Check, ...] = ()
    """Checks that ended."""
    committed: Committed | None = None
    """The sampling commitment that no check has used up yet."""
    after: tuple[Fact, ...] | None = None
    """Identity after the last check; the run is concluded."""

    @property
    def is_begun(self) -> bool:
        """Tell whether there is something to take up."""
        return self.identified is not None

    @property
    def is_concluded(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.after is not None

    @property
    def ends(self) -> tuple[Time, ...]:
        """Return when each finished step ended."""
        return tuple(one.ended_at for one in (*self.records, *self.checks))

    @property
    def is_residue_likely(self) -> bool:
        """Tell whether the last pass left something out, or a read-back saw something else than the last pass."""
        last = {one.area: one for one in self.records if isinstance(one, OverwriteRecord)}
        return any(one.failed_size for one in last.values()) or any(_differs(check) for check in self.checks)

    def is_done(self, step: int) -> bool:
        """Tell whether a step has its record or its check."""
        return any(one.step == step for one in (*self.records, *self.checks))

    def with_step(self, number: int, begun: BegunStep) -> Progress:
        """Return this with the step so far."""
        return replace(self, steps={**self.steps, number: begun})

    def with_record(self, record: StepRecord) -> Progress:
        """Return this with a step ended."""
        return replace(self, records=(*self.records, record))

    def with_check(self, check: Check) -> Progress:
        """Return this with a check ended, in place of an earlier one of the same step; its sampling seed is used up."""
        others = tuple(one for one in self.checks if one.step != check.step)
        return replace(self, checks=(*others, check), committed=None)

    def without_checks_after(self, step: int) -> Progress:
        """Return this with the checks of later steps still to be made; a sample keeps the seed it was committed to."""
        committed = self.committed
        for check in self.checks:
            if check.step > step and isinstance(check, SampledReadBack):
                committed = Committed(check.seed.commitment, check.seed.local)
        return replace(self, checks=tuple(one for one in self.checks if one.step < step), committed=committed)

    def taken_up(self) -> Progress:
        """Return this after an interruption: unfinished steps count it."""
        steps = {
            number: begun if self.is_done(number) else replace(begun, resumed=begun.resumed + 1)
            for number, begun in self.steps.items()
        }
        return replace(self, steps=steps)


def _differs(check: Check) -> bool:
    match check:
        case FullReadBack():
            return bool(check.mismatched_size)
        case SampledReadBack():
            return bool(check.mismatched_blocks)
        case _:
            return False


def replay(entries: Iterable[Entry]) -> Progress:
    """Return how far the run of these journal entries came."""
    progress = Progress()
    for entry in entries:
        progress = _after(progress, entry)
    return progress


def _after(progress: Progress, entry: Entry) -> Progress:
    match entry.event:
        case Identified() as identified:
            return replace(progress, identified=identified)
        case Drew() as drew:
            return replace(progress, drew=drew)
        case Began(step=step) if step not in progress.steps:
            return progress.with_step(step, BegunStep(entry.at))
        case Advanced() | Revisited() | Reproved() as event:
            return progress.with_step(event.step, changed_by(progress.steps[event.step], event))
        case Recorded(record=record):
            return progress.with_record(record)
        case Committed() as committed:
            return replace(progress, committed=committed)
        case Checked(check=check):
            return progress.with_check(check)
        case Resumed():
            return progress.taken_up()
        case Concluded(facts=facts):
            return replace(progress, after=facts)
        case _:
            return progress


StepEvent = Advanced | Revisited | Reproved
"""Entries that say how far a step came."""


def changed_by(begun: BegunStep, event: StepEvent) -> BegunStep:
    """Return the step after a checkpoint, after its failures were tried again, or after it was proved again."""
    match event:
        case Advanced():
            return replace(
                begun,
                position=event.position,
                stretch=begun.position,
                reached=max(begun.reached, event.position),
                failures=coalesce((*begun.failures, *event.failures))[:KEPT],
                failed_size=begun.failed_size + event.failed_size,
            )
        case Revisited():
            return replace(begun, failures=event.failures, failed_size=event.failed_size)
        case Reproved():
            is_lost = event.mismatched > 0
            return BegunStep(begun.began_at, reached=begun.reached, resumed=begun.resumed) if is_lost else begun
        case _:
            assert_never(event)


def evidence(plan: Plan, carrier: Carrier, entries: Iterable[Entry]) -> Evidence:
    """Return what the journal shows was done and seen, and nothing that it does not show."""
    progress = replay(entries)
    return Evidence(
        kind=plan.kind,
        method=plan.method,
        technique=plan.technique,
        media=plan.media,
        size=plan.size,
        sector_size=plan.sector_size,
        objects=plan.objects,
        before=progress.identified.facts if progress.identified else (),
        after=progress.after or (),
        passes=sum(isinstance(step, Overwrite) for step in plan.steps),
        records=progress.records,
        checks=progress.checks,
        destroy=carrier.destroy,
        residual=plan.residual,
        copies=carrier.copies,
        crypto_erase=carrier.crypto_erase,
        hunt=carrier.hunt,
    )
