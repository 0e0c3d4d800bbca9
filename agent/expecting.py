"""How long a plan will take, by what media of a kind usually do. Pure; for people, never for deciding."""

from __future__ import annotations

from certificates.sampling import BLOCK_SIZE, blocks_of, strata_of, stratified_size
from certificates.statements import Media, SampledVerification
from wipers.model import Overwrite, Plan, ReadBack, Step

USUAL = {Media.MAGNETIC: 150_000_000, Media.FLASH: 1_500_000_000, Media.OPAQUE: 500_000_000}
"""Bytes a second."""


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
