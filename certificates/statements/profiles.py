"""How fast a medium took a pass or a read-back, and where it failed: an evidence file, never a ground of a claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import Items
from certificates.statements.passes import Area

MOST_BINS = 256
"""Most parts into which a profile divides an area."""


@dataclass(frozen=True, slots=True)
class SpeedProfile:
    """File `profile-<step>.json`: the area in bins of one size along its layout, the last one perhaps shorter.

    Times are the host's monotonic clock's, without pauses. Of a resumed run only the last part was measured: the bins
    before it say 0. The speed of a bin is its bytes divided by its microseconds.
    """

    step: int
    """Number of the step in the plan."""
    act: Literal["overwrite", "read-back"]
    """What the step does."""
    area: Area
    """What it covers."""
    size: int
    """Bytes of the area."""
    bin_size: int
    """Bytes of a bin."""
    moved: Annotated[tuple[int, ...], Items(1, MOST_BINS)]
    """For each bin: bytes written or read in the time measured."""
    microseconds: Annotated[tuple[int, ...], Items(1, MOST_BINS)]
    """For each bin: how long that took; chunks in the air at once share the time."""
    failed: Annotated[tuple[int, ...], Items(1, MOST_BINS)]
    """For each bin: bytes that could not be written or read at the step's end, of the ranges that its record lists."""
    measured_from: int
    """Bytes along the layout that were done before the time measured; 0 for a step done in one go."""
    rested: int
    """Microseconds that the step waited for a person or for the device to cool; in no bin."""
    slowest: int | None
    """Bytes a second of the slowest bin that was measured whole; none where no bin was."""
    average: int | None
    """Bytes a second over all that was measured; none where no time passed."""
    fastest: int | None
    """Bytes a second of the fastest bin that was measured whole; none where no bin was."""
    kind: Literal["speed-profile"] = "speed-profile"
    """Mark of this kind."""
