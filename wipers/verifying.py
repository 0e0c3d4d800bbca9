"""Verification: each check is made through a Reader, which has no way to write, and states what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from certificates.anchors import DISK_RULE, ENDS_RULE, anchor_blocks
from certificates.encoding import digest
from certificates.sampling import BLOCK_SIZE, blocks_of, seed_of, strata_of, stratified_positions
from certificates.statements import (
    AnchorBlocks,
    Area,
    Extent,
    Failure,
    FullReadBack,
    Identified,
    KeyGone,
    Pattern,
    SampledReadBack,
    SampledVerification,
    SamplingSeed,
    StepRecord,
    Time,
    WithdrawalRecord,
)
from wipers.model import Lost, Plan, ReadBack, Reader
from wipers.pipeline import Loop
from wipers.ranges import KEPT, coalesce
from wipers.readback import SampleFindings, read_back_all, read_back_sample

MOVED = "ESTALE"
"""Error of a range that moved, as a read of it would tell."""
MOST_RAW = 32 << 20
"""Bytes of sampled blocks that go into the bundle; of a larger sample only digests do."""

Now = Callable[[], Time]


class Stopped(Exception):
    """The stop signal was set, and the run came to rest where the journal says."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where sampled positions come from: what is stated of the seed, and the nonce itself."""

    seed: SamplingSeed
    nonce: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A read-back step of a plan, with what it must find."""

    number: int
    """Number of the step."""
    step: ReadBack
    pattern: Pattern
    size: int
    """Bytes of the area."""
    partitions: tuple[Extent, ...] | None = None
    """Partitions on it before the first write; none: it is no medium of its own, but lies in a file system."""


def area_size(plan: Plan, area: Area, records: Iterable[StepRecord] = ()) -> int:
    """Return the bytes of an area: as planned, or, of what is held, as the records say; 0 before they do."""
    if area == "held":
        return sum(record.size for record in records if isinstance(record, WithdrawalRecord))
    return plan.header_size if area == "header" else plan.size


def verify_all(reading: Reading, reader: Reader, loop: Loop, now: Now) -> FullReadBack:
    """Return how every byte of the area compares with the pattern; raises Lost, Stopped."""
    found = read_back_all(reader, reader.layout(reading.step.area), reading.pattern, loop)
    _check_reached(found.position, reading.size, loop)
    return FullReadBack(
        step=reading.number,
        compared_with=reading.step.compared_with,
        area=reading.step.area,
        place=reader.place,
        size=reading.size,
        matched=found.matched,
        mismatched=found.mismatched,
        mismatched_size=found.mismatched_size,
        unread=found.unread,
        unread_size=found.unread_size,
        ended_at=now(),
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The blocks to be read: those that the seed chooses, and the anchors beside them."""

    blocks: int
    """Blocks of the area."""
    strata: int
    rule: str
    """How the anchors are chosen."""
    anchors: frozenset[int]
    numbers: tuple[int, ...]
    """Sample and anchors, in order."""

    @property
    def fits_a_bundle(self) -> bool:
        return len(self.numbers) * BLOCK_SIZE <= MOST_RAW


def verify_sample(
    reading: Reading, ordered: SampledVerification, drawn: Drawn, *, reader: Reader, loop: Loop, now: Now
) -> tuple[SampledReadBack, bytes | None]:
    """Return how the blocks that the seed chooses, and the anchors, compare with the pattern; raises Lost, Stopped.

    With it come the bytes of the blocks that match, where an auditor could place them and a bundle can hold them.
    """
    chosen = _choose(reading, ordered, drawn)
    found = read_back_sample(
        reader,
        reader.layout(reading.step.area),
        reading.pattern,
        chosen.numbers,
        loop=loop,
        anchors=chosen.anchors,
        keeps_raw=reading.partitions is not None and chosen.fits_a_bundle,
    )
    _check_reached(found.looked_at, len(chosen.numbers), loop)
    # What is known to have moved is not left to chance: it counts whether or not a position fell on it.
    moved = tuple(Failure(extent, MOVED) for extent in reader.moved())
    check = SampledReadBack(
        step=reading.number,
        compared_with=reading.step.compared_with,
        area=reading.step.area,
        place=reader.place,
        seed=drawn.seed,
        confidence_ppm=ordered.confidence_ppm,
        fraction_ppm=ordered.fraction_ppm,
        block_size=BLOCK_SIZE,
        blocks=chosen.blocks,
        read=found.read,
        samples="sha256:" + found.samples,
        mismatched=found.mismatched,
        mismatched_blocks=found.mismatched_blocks,
        unread=coalesce((*found.unread, *moved))[:KEPT],
        unread_blocks=found.unread_blocks + sum(blocks_of(one.extent.length) for one in moved),
        ended_at=now(),
        strata=chosen.strata,
        anchors=_anchors(reading, chosen, found),
        raw=digest(found.raw) if found.raw is not None else None,
    )
    return check, found.raw


def _choose(reading: Reading, ordered: SampledVerification, drawn: Drawn) -> _Chosen:
    """Return the blocks that the seed, the order's confidence and fraction, and the rule for anchors lead to."""
    blocks = blocks_of(reading.size)
    strata, wanted = strata_of(blocks), (ordered.confidence_ppm, ordered.fraction_ppm)
    sample = stratified_positions(seed_of(drawn.seed.local, drawn.nonce), blocks, strata, *wanted)
    rule = ENDS_RULE if reading.partitions is None else DISK_RULE
    anchors = frozenset(anchor_blocks(rule, reading.size, reading.partitions or ())).difference(sample)
    return _Chosen(blocks, strata, rule, anchors, tuple(sorted((*sample, *anchors))))


def _anchors(reading: Reading, chosen: _Chosen, found: SampleFindings) -> AnchorBlocks:
    samples = "sha256:" + found.anchor_samples
    return AnchorBlocks(chosen.rule, reading.partitions or (), len(chosen.anchors), found.anchors_read, samples)


def _check_reached(position: int, end: int, loop: Loop) -> None:
    if position < end and loop.stop.is_set():
        raise Stopped
    if position != end:
        raise Lost("target-lost", detail=f"the layout ends at {position}, not at {end}")


def confirm_key_gone(number: int, before: Identified, reader: Reader, now: Now) -> KeyGone:
    """Return what is left of the keys, read from the medium, beside what stood there before the first write."""
    state = reader.key_state()
    return KeyGone(
        step=number,
        keyslots_before=before.keyslots or 0,
        header_copies_before=before.header_copies or 0,
        keyslots_after=state.keyslots,
        header_copies_after=state.header_copies,
        opener=state.opener,
        opener_refused=state.opener_refused,
        backups_destroyed=state.backups_destroyed,
        backups_unreached=state.backups_unreached,
        ended_at=now(),
    )
