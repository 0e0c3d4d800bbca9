"""How long a plan will take, by what media of a kind usually do. Pure; for people, never for deciding."""

from __future__ import annotations

from collections.abc import Iterable

from certificates.sampling import BLOCK_SIZE, blocks_of, strata_of, stratified_size
from certificates.statements import Media, SampledVerification
from wipers.model import Overwrite, Plan, ReadBack, Step

USUAL = {Media.MAGNETIC: 150_000_000, Media.FLASH: 1_500_000_000, Media.OPAQUE: 500_000_000}
"""Bytes a second."""


MACHINE = 3_000_000_000
"""Bytes a second that one machine usually makes and moves, however many devices hang on it."""


def size_of_step(plan: Plan, step: Step) -> int:
    """Return the bytes that a step moves."""
    match step:
        case Overwrite(area=area):
            return plan.header_size if area == "header" else plan.size
        case ReadBack(area=area, verification=verification):
            size = plan.header_size if area == "header" else plan.size
            if isinstance(verification, SampledVerification):
                blocks = blocks_of(size)
                wanted = (verification.confidence_ppm, verification.fraction_ppm)
                return BLOCK_SIZE * stratified_size(blocks, strata_of(blocks), *wanted)
            return size
        case _:
            return 0


def seconds_of_step(plan: Plan, step: Step) -> int:
    """Return the seconds that a step usually takes, rounded up."""
    return -(-size_of_step(plan, step) // USUAL[plan.media])


def seconds_of_plan(plan: Plan) -> int:
    """Return the seconds that a carrier usually takes by itself."""
    return sum(seconds_of_step(plan, step) for step in plan.steps)


def seconds_together(plans: Iterable[Plan], at_once: int | None = None) -> int:
    """Return the seconds that carriers usually take when so many go on at a time (none: all): those of the one that
    ends last, or those that the machine needs to make and move all their bytes."""
    all_plans = tuple(plans)
    ends = [0] * max(min(at_once or len(all_plans), len(all_plans)), 1)
    for plan in all_plans:
        first = ends.index(min(ends))
        ends[first] += seconds_of_plan(plan)
    moved = sum(size_of_step(plan, step) for plan in all_plans for step in plan.steps)
    return max(*ends, 0, -(-moved // MACHINE))
