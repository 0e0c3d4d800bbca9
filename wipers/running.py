"""The only loop over steps. Journal first: what it will do, and what it found, is durable before it goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import assert_never

from certificates import errors
from certificates.encoding import digest
from certificates.statements import (
    Area,
    Began,
    Carrier,
    Check,
    Checked,
    Committed,
    Concluded,
    Fact,
    Failure,
    FillRecord,
    FullReadBack,
    FullVerification,
    Identified,
    Interrupted,
    NamesRecord,
    NeedlesRecord,
    Noted,
    OverwriteRecord,
    Pattern,
    Recorded,
    ReleaseRecord,
    ResidueHunt,
    Resumed,
    SampledReadBack,
    SampledVerification,
    SamplingSeed,
    StepRecord,
    SurvivorsCheck,
    Time,
    WithdrawalRecord,
)
from wipers.acts import Act, ConfirmSurvivors, FillFree, Halted, Hunt, Sample, ScrubNames, Withdraw
from wipers.drawing import draw, pattern_of
from wipers.model import (
    CHANGING,
    ConfirmKeyGone,
    Lost,
    MediumError,
    Overwrite,
    Plan,
    ReadBack,
    Release,
    Step,
    Warrant,
    Writer,
)
from wipers.overwriting import Overwriting
from wipers.partitions import partitions_on
from wipers.ports import NonceSource, Ports, Watch
from wipers.profile import Meter, on_the_wire
from wipers.progress import BegunStep, Progress, StepEvent, changed_by
from wipers.recognition import check_known, marks_of
from wipers.verifying import (
    Drawn,
    Reading,
    Stopped,
    area_size,
    confirm_key_gone,
    verify_all,
    verify_sample,
)

__all__ = ["NonceSource", "Ports", "execute"]


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_PROFILED = 40
"""Steps of a plan that each have a speed profile; of a longer plan the last pass and what follows it have one."""


def execute(warrant: Warrant, plan: Plan, writer: Writer, ports: Ports, progress: Progress) -> None:
    """Every step of the plan is done, checked and journaled, up to Concluded; what the journal shows stays as it is.

    Raises Refused while nothing is written, Interrupted when the target is lost or given up, or the run was stopped.
    """
    if (plan.order, plan.carrier) != (warrant.order_digest, warrant.carrier.id):
        raise errors.Refused("plan-differs", found=plan.digest, expected=f"a plan for {warrant.carrier.id}")
    if progress.is_concluded:
        return
    run = _Run(plan, writer, ports, progress, warrant.carrier, Watch(ports, writer))
    try:
        run.go()
    except (Lost, MediumError, Stopped, Halted) as error:
        raise run.rest(error) from error


@dataclass(slots=True)
class _Run:
    plan: Plan
    writer: Writer
    ports: Ports
    progress: Progress
    carrier: Carrier
    watch: Watch
    latest: Time = _LONG_AGO

    def go(self) -> None:
        """Identify or take up, then every step, then identify once more."""
        self._identify()
        self._draw()
        for number, step in enumerate(self.plan.steps):
            if not self.progress.is_done(number):
                self._do(number, step)
        facts = self._same_facts()
        self._keep_status("after")
        self._write(Concluded(facts))

    def rest(self, error: Exception) -> errors.Refused | errors.Interrupted:
        """Journal why the run rests, and return what the operator is told."""
        reason, facts = _told(error)
        if not self.progress.steps:
            return errors.Refused("open-failed", where=self.carrier.label, error=facts.get("detail", reason))
        self._write(Interrupted(reason))
        return errors.Interrupted(
            reason, **{**facts, "where": self.carrier.label, "otherwise": _otherwise(self.carrier)}
        )

    def _write(self, event: object) -> None:
        self.ports.chronicle.write(event)

    def _now(self) -> Time:
        """Return the time, never before one that was returned: a clock set back must not unmake the order of acts."""
        self.latest = max(self.latest, self.ports.now(), *self.progress.ends)
        return self.latest

    def _same_facts(self) -> tuple[Fact, ...]:
        """Return the identity on the open descriptor; raises Lost if it is not the plan's."""
        found = self.writer.facts()
        if found != self.plan.facts:
            fact, was, expected = _difference(found, self.plan.facts)
            raise Lost("target-lost", detail=f"{fact} is {was}, not {expected}")
        return found

    def _identify(self) -> None:
        if self.progress.is_begun:
            self._write(Resumed(self._same_facts()))
            # A cache that lied about a flush satisfied the read-back and lost its content with the power: what nothing
            # has changed since is read back again.
            self.progress = self.progress.taken_up().without_checks_after(self._last_change())
            self._recognize()
            return
        found = self.writer.facts()
        if found != self.plan.facts:
            fact, was, expected = _difference(found, self.plan.facts)
            raise errors.Refused("identity-changed", where=self.carrier.label, fact=fact, found=was, expected=expected)
        identified = Identified(found)
        if self.plan.kind == "luks":
            state = self.writer.key_state()
            identified = Identified(found, state.keyslots, state.header_copies)
        if _is_sampled_medium(self.plan):
            identified = replace(identified, partitions=partitions_on(self.writer, self.plan.size))
        self._keep_status("before")
        self._write(identified)
        self.progress = replace(self.progress, identified=identified)

    def _recognize(self) -> None:
        """The medium is the one that was begun, as far as its content tells; raises Lost."""
        if any(isinstance(self.plan.steps[number], Release) for number in self.progress.steps):
            # The names are gone, perhaps the blocks with them: nothing is written there any more.
            return
        begun = (one for number, one in self.progress.steps.items() if not self.progress.is_done(number))
        if not any(one.position for one in begun):
            # A step with a position is proved again before it goes on, and that tells it better.
            self._check_known()

    def _check_known(self) -> None:
        marks = marks_of(self.plan, self.progress, self._pattern)
        if marks:
            check_known(marks, self.writer, self.watch, (self.ports.chronicle.head or "").encode())

    def _keep_status(self, when: str) -> None:
        """File what the drive answers about itself; the drive alone attests it."""
        status = self.writer.status()
        if status:
            self.ports.keep(f"drive-{when}.jsonl", status)

    def _last_change(self) -> int:
        """Return the number of the last step begun that changes the medium; -1 for none."""
        begun = (number for number in self.progress.steps if isinstance(self.plan.steps[number], CHANGING))
        return max(begun, default=-1)

    def _draw(self) -> None:
        """All entropy is journaled before the first write: plan and entropy replay to the same bytes."""
        if self.progress.drew is None:
            drew = draw(self.plan, self.ports.entropy)
            self._write(drew)
            self.progress = replace(self.progress, drew=drew)

    def _pattern(self, number: int) -> Pattern:
        """Return what the overwrite step of that number writes in this run."""
        if self.progress.drew is None:
            raise RuntimeError("nothing is written before its entropy is in the journal")
        return pattern_of(self.plan, number, self.progress.drew)

    def _do(self, number: int, step: Step) -> None:
        self.ports.before(step)
        if isinstance(step, Release | ScrubNames | FillFree) and self.progress.is_residue_likely:
            # Once released, nobody could name the blocks again in which contents may still stand.
            self._write(Noted(f"{step.kind} withheld: not everything was overwritten, or the read-back differs"))
            return
        is_resumed = number in self.progress.steps
        if number not in self.progress.steps:
            self._write(Began(number))
            self.progress = self.progress.with_step(number, BegunStep(self._now()))
        match step:
            case Overwrite():
                self._record(self._overwrite(number, step))
            case Release():
                self._record(ReleaseRecord(number, self.writer.release(), self._now()))
            case ReadBack() | ConfirmKeyGone():
                check = self._verify(number, step)
                self._checked(check)
            case Sample() | Withdraw() | ScrubNames() | FillFree() | Hunt() | ConfirmSurvivors():
                self._act(number, step, is_resumed=is_resumed)
            case _:
                assert_never(step)

    def _act(self, number: int, step: Act, *, is_resumed: bool) -> None:
        done = self.writer.act(step, self.watch.given(number, self._now, resumed=is_resumed))
        if isinstance(done, ResidueHunt | SurvivorsCheck):
            self._checked(done)
        elif isinstance(done, NeedlesRecord | WithdrawalRecord | NamesRecord | FillRecord):
            self._record(done)
        else:
            raise TypeError(f"{step.kind} ended as {done.kind}")

    def _checked(self, check: Check) -> None:
        self._write(Checked(check))
        self.progress = self.progress.with_check(check)

    def _record(self, record: StepRecord) -> None:
        self._write(Recorded(record))
        self.progress = self.progress.with_record(record)

    def _note(self, event: StepEvent) -> BegunStep:
        """Journal how far a step came, and return the step after it."""
        self._write(event)
        begun = changed_by(self.progress.steps[event.step], event)
        self.progress = self.progress.with_step(event.step, begun)
        return begun

    def _overwrite(self, number: int, step: Overwrite) -> OverwriteRecord:
        pattern = self._pattern(number)
        size = self._size(step.area)
        act = Overwriting(
            number=number,
            step=step,
            pattern=pattern,
            size=size,
            writer=self.writer,
            ports=self.ports,
            watch=self.watch,
            note=self._note,
            check_same=self._same_facts,
            check_known=self._check_known,
        )
        begun, meter = act.go(self.progress.steps[number])
        self._keep_profile(number, step, meter, begun.failures)
        return OverwriteRecord(
            step=number,
            area=step.area,
            pattern=pattern,
            size=size,
            written=size - begun.failed_size,
            failures=begun.failures,
            failed_size=begun.failed_size,
            started_at=begun.began_at,
            ended_at=self._now(),
            resumed=begun.resumed,
        )

    def _size(self, area: Area) -> int:
        """Return the bytes of an area: as planned, or as the withdrawal found them."""
        return area_size(self.plan, area, self.progress.records)

    def _keep_profile(
        self, number: int, step: Overwrite | ReadBack, meter: Meter, failures: tuple[Failure, ...]
    ) -> None:
        """Keep what was measured; a resume that found nothing left to measure leaves what the run before it kept."""
        last = max(at for at, one in enumerate(self.plan.steps) if isinstance(one, Overwrite))
        if meter.is_empty or (len(self.plan.steps) > _MOST_PROFILED and number < last):
            return
        failed = meter.failed(self.writer.layout(step.area), failures)
        self.ports.keep(f"profile-{number}.json", on_the_wire(meter.profile(number, step.kind, step.area, failed)))

    def _verify(self, number: int, step: ReadBack | ConfirmKeyGone) -> Check:
        self.watch.settle()
        if isinstance(step, ConfirmKeyGone):
            before = self.progress.identified or Identified(())
            return confirm_key_gone(number, before, self.writer, self._now)
        check = self._read_back(number, step)
        extents = self.writer.physical_extents()
        if extents is None:
            return check
        return replace(check, extents=self.ports.keep_long(f"extents-{number}.jsonl", extents))

    def _read_back(self, number: int, step: ReadBack) -> FullReadBack | SampledReadBack:
        pattern = self._pattern(step.compared_with)
        size = self._size(step.area)
        partitions = self.progress.identified.partitions if self.progress.identified else None
        reading = Reading(number, step, pattern, size, partitions if step.area == "whole" else None)
        moved = self.watch.moved(number, size)
        match step.verification:
            case FullVerification():
                meter = Meter(size, 0, self.watch.pace.clock)
                check = verify_all(reading, self.writer, self.watch.loop(moved, meter), self._now)
                self._keep_profile(number, step, meter, check.unread)
                return check
            case SampledVerification() as ordered:
                drawn, loop = self._seed(), self.watch.loop(moved, is_judged=False)
                sample, raw = verify_sample(reading, ordered, drawn, reader=self.writer, loop=loop, now=self._now)
                if raw is not None:
                    self.ports.keep(f"samples-{number}.bin", raw)
                return sample

    def _seed(self) -> Drawn:
        """Commit to a local seed after the last barrier, then ask the registry: neither side can choose positions.

        A resumed run keeps the seed that it committed to: drawing again until the positions please is not to be had.
        """
        committed = self.progress.committed
        if committed is None:
            local = self.ports.entropy(32)
            committed = Committed(digest(local), local.hex())
            self._write(committed)
            self.progress = replace(self.progress, committed=committed)
        nonces, head = self.ports.nonces, self.ports.chronicle.head
        answer = nonces.ask(committed.commitment, head) if nonces is not None and head is not None else None
        nonce, document = answer or (None, None)
        return Drawn(SamplingSeed(committed.commitment, committed.local, document), nonce)


def _is_sampled_medium(plan: Plan) -> bool:
    """Tell whether samples will be drawn of one medium, rather than of everything or of what lies in a file system."""
    sampled = (isinstance(step, ReadBack) and isinstance(step.verification, SampledVerification) for step in plan.steps)
    return any(sampled) and plan.objects == 1 and plan.kind not in ("files", "database", "records")


def _told(error: Exception) -> tuple[str, dict[str, str]]:
    """Return the reason code of an error that ends a run, and its facts."""
    match error:
        case Stopped() | Halted():
            return "stopped", {"by": "signal"}
        case Lost(reason=reason, facts=facts):
            return reason, {"detail": reason, **facts}
        case _:
            return "target-lost", {"detail": str(error)}


def _otherwise(carrier: Carrier) -> str:
    """Return what the order says is done with a carrier that proves unreachable."""
    fallback = carrier.otherwise
    return f"{fallback.action} ({fallback.note})" if fallback is not None else "not said in the order"


def _difference(found: tuple[Fact, ...], expected: tuple[Fact, ...]) -> tuple[str, str, str]:
    """Return the first fact that differs: its name, what was found, what was expected."""
    there = {fact.name: fact.value for fact in found}
    for fact in expected:
        if there.get(fact.name) != fact.value:
            return fact.name, there.get(fact.name, "nothing"), fact.value
    return "facts", str(len(found)), str(len(expected))
