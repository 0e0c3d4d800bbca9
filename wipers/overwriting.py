"""One overwrite step of a run: prove again what is claimed, go forward round what fails, then close in on that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from certificates.statements import (
    Advanced,
    Extent,
    Failure,
    Noted,
    Pattern,
    Reproved,
    Revisited,
)
from wipers.model import Lost, Overwrite, Writer
from wipers.overwrite import overwrite
from wipers.ports import Ports, Watch
from wipers.profile import Meter
from wipers.progress import BegunStep, StepEvent
from wipers.reproof import Claimed, reprove
from wipers.rescue import revisit
from wipers.verifying import Stopped


@dataclass(frozen=True, slots=True)
class Overwriting:
    """The step, and what it is carried out with."""

    number: int
    """Number of the step."""
    step: Overwrite
    pattern: Pattern
    size: int
    """Bytes of the area."""
    writer: Writer
    ports: Ports
    watch: Watch
    note: Callable[[StepEvent], BegunStep]
    """Journals how far the step came, and returns the step after it."""
    check_same: Callable[[], object]
    """Raises Lost if the target is no longer what was planned."""
    check_known: Callable[[], None]
    """Raises Lost if nothing that the run wrote is there."""

    def go(self, begun: BegunStep) -> tuple[BegunStep, Meter]:
        """Return the step with all of the area behind it, flushed, and what was measured; raises Lost, Stopped."""
        if begun.position > 0:
            begun = self._reprove(begun)
        meter = Meter(self.size, begun.position, self.watch.pace.clock)
        begun = self._go_forward(begun, meter)
        if begun.failed_size:
            # A device that left the bus and came back fails every write in between: that is no damage of the medium.
            self.check_same()
        if begun.failures and not self.writer.advice().is_sequential:
            begun = self._revisit(begun)
            self.check_same()
        return begun, meter

    def _reprove(self, begun: BegunStep) -> BegunStep:
        if begun.failed_size > sum(one.extent.length for one in begun.failures):
            self.ports.chronicle.write(Noted("not proved again: more ranges failed than a journal lists"))
            self.check_known()
            return begun
        claimed = Claimed(self.pattern, begun.position, begun.stretch, begun.failures)
        self.watch.settle()
        self.watch.entered("re-proving")
        seed = (self.ports.chronicle.head or "").encode()
        proof = reprove(self.writer, self._layout, claimed, seed, self.watch.loop(is_judged=False))
        if not proof.is_whole:
            raise Stopped
        if proof.shows_nothing:
            # Nothing is journaled as proved again: the step would begin anew on a twin.
            self.check_known()
        begun = self.note(Reproved(self.number, begun.position, proof.blocks, proof.mismatched, proof.unread))
        is_lost = proof.mismatched > 0
        self.watch.entered(
            "working", "a flush lied: what was done is not there, the step begins anew" if is_lost else None
        )
        return begun

    def _layout(self) -> Iterable[Extent]:
        return self.writer.layout(self.step.area)

    def _go_forward(self, begun: BegunStep, meter: Meter) -> BegunStep:
        def advance(position: int, failures: tuple[Failure, ...], failed_size: int) -> None:
            nonlocal begun
            begun = self.note(Advanced(self.number, position, failures, failed_size))

        loop = self.watch.loop(self.watch.moved(self.number, self.size), meter)
        start = begun.position
        end = overwrite(
            self.writer, self._layout(), self.pattern, start=start, advance=advance, loop=loop, size=self.size
        )
        if end < self.size and self.ports.stop.is_set():
            raise Stopped
        if end != self.size:
            raise Lost("target-lost", detail=f"the layout ends at {end}, not at {self.size}")
        return begun

    def _revisit(self, begun: BegunStep) -> BegunStep:
        unlisted = begun.failed_size - sum(one.extent.length for one in begun.failures)

        def told(failures: tuple[Failure, ...], failed_size: int) -> None:
            nonlocal begun
            begun = self.note(Revisited(self.number, failures, failed_size))

        self.watch.entered("retrying")
        loop = self.watch.loop().alone()
        is_done = revisit(self.writer, self.pattern, begun.failures, unlisted, told=told, loop=loop)
        self.watch.entered("working")
        if not is_done:
            raise Stopped
        return begun
