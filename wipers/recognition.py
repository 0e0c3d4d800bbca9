"""Before a resumed run goes on: whether this is the medium that it wrote to, or one that only calls itself the same.

Drives behind bridges may all bear one number. While the one that was begun is unplugged, only what was written to it
tells it from its twin; going on would destroy a medium that no order names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from certificates.statements import Area, Extent, OverwriteRecord, Pattern
from wipers.model import Lost, Overwrite, Plan, Reader
from wipers.ports import Watch
from wipers.progress import Progress
from wipers.reproof import between, sample
from wipers.verifying import Stopped


@dataclass(frozen=True, slots=True)
class Mark:
    """Where this run may have left something."""

    area: Area
    end: int
    """Position along the area before which it may stand."""
    pattern: Pattern


def marks_of(plan: Plan, progress: Progress, pattern: Callable[[int], Pattern]) -> tuple[Mark, ...]:
    """Return what the last pass that ended left, and what one that did not may have left."""
    ended = [one for one in progress.records if isinstance(one, OverwriteRecord)][-1:]
    marks = [Mark(one.area, one.size, one.pattern) for one in ended]
    for number, begun in progress.steps.items():
        step = plan.steps[number]
        if isinstance(step, Overwrite) and not progress.is_done(number):
            # Its first chunks may be there before any checkpoint, on a small medium all over it.
            marks += [Mark(step.area, ended[0].size, pattern(number))] if ended else []
            marks += [Mark(step.area, begun.reached, pattern(number))]
    return tuple(marks)


def check_known(marks: Iterable[Mark], reader: Reader, watch: Watch, seed: bytes) -> None:
    """Something of what the run wrote is there, in blocks that the seed chooses, or nothing can be read there.

    Raises Lost where all that is read is something else, Stopped.
    """
    watch.settle()
    watch.entered("re-proving")
    has_differed = False
    for mark in marks:
        proof = sample(reader, _layout(reader, mark), mark.pattern, seed, watch.loop(is_judged=False))
        if not proof.is_whole:
            raise Stopped
        has_differed |= proof.shows_nothing
        if proof.matched_size:
            has_differed = False
            break
    watch.entered("working")
    if has_differed:
        raise Lost("target-unwritten")


def _layout(reader: Reader, mark: Mark) -> Callable[[], Iterable[Extent]]:
    return lambda: between(reader.layout(mark.area), 0, mark.end)
