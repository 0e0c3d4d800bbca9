"""`verify`: how a medium that others wiped compares with what it should hold. Reads only, states, certifies nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.rereading import Medium, blocks_on, final_pass, open_medium
from certificates import bundle
from certificates.anchors import DISK_RULE, anchor_blocks
from certificates.audit import Verdict, audit, certificate_of
from certificates.errors import Refused, Untrusted
from certificates.sampling import BLOCK_SIZE, blocks_of, strata_of, stratified_positions
from certificates.statements import ConstantPattern, Extent, Failure, Pattern
from certificates.trust import Trust
from wipers.model import Lost
from wipers.partitions import partitions_on
from wipers.pipeline import Loop, Pace
from wipers.readback import FullFindings, read_back_all, read_back_sample

WORDS = {"zeros": ConstantPattern("00"), "ones": ConstantPattern("ff")}
"""Contents that can be expected without a document."""


@dataclass(frozen=True, slots=True)
class Document:
    """The certificate whose last pass is expected."""

    bundle: str
    """Where its bundle lies."""
    certificate: str
    """Its digest."""
    number: str
    """Its number."""
    carrier: str
    """The carrier that it speaks of."""
    is_checked: bool
    """Whether its documents were audited and hold; otherwise anyone may have written it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the medium should hold."""

    pattern: Pattern
    size: int | None
    """Bytes that the pattern covers; none: all there are."""
    document: Document | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Blocks of which a sample consists, and where they come from."""

    confidence_ppm: int
    fraction_ppm: int
    seed: str
    """Drawn for this reading, in hex: with it the same blocks can be read again."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """How much a sample looked at."""

    sample: Sample
    blocks: int
    strata: int
    read: int
    anchors: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a comparison saw; every size in bytes."""

    size: int
    """What was to be compared: the size expected, or the medium's own."""
    medium_size: int
    looked_at: int
    """What was read or tried."""
    mismatched: tuple[Extent, ...]
    """Ranges that differ, the first 4096; of a sample, blocks."""
    mismatched_size: int
    unread: tuple[Failure, ...]
    """Ranges that could not be read, the first 4096."""
    unread_size: int
    missing_size: int
    """What the medium is too short for."""
    seconds: float
    is_stopped: bool
    """Whether it ended at the first finding."""
    sampled: Sampled | None = None

    @property
    def matched(self) -> int:
        """Bytes read that are as expected."""
        return max(self.looked_at - self.mismatched_size - self.unread_size, 0)

    @property
    def is_match(self) -> bool:
        """Tell whether all that was to be looked at was read and is as expected."""
        return not (self.mismatched_size or self.unread_size or self.missing_size)

    @property
    def rate(self) -> int:
        """Bytes a second."""
        return int(self.looked_at / self.seconds) if self.seconds > 0 else 0


class First:
    """A stop signal that the first finding sets, where the person wants that; nothing sets it otherwise."""

    def __init__(self, *, is_wanted: bool) -> None:
        """Take whether the first finding ends the reading."""
        self._is_wanted = is_wanted
        self._is_set = False

    def notice(self) -> None:
        """Something differs or could not be read."""
        self._is_set = self._is_wanted

    def is_set(self) -> bool:
        return self._is_set


def expected_of(word: str, data: bytes | None, trust: Trust | None) -> Expected:
    """Return what a word means, or what the certificate in the bundle `data` says; raises Refused, Untrusted."""
    if data is None:
        return Expected(WORDS[word], None)
    certificate, identity = certificate_of(bundle.unpack(data))
    last = final_pass(certificate)
    if trust is not None:
        _check_holds(data, trust, word)
    document = Document(word, identity, certificate.id, certificate.carrier, trust is not None)
    return Expected(last.pattern, last.size, document)


def _check_holds(data: bytes, trust: Trust, name: str) -> None:
    """Return if every document of the bundle holds; raises Untrusted for the first that does not."""
    report = audit(data, trust, name)
    for finding in report.findings:
        if finding.leaves is Verdict.DOES_NOT_HOLD:
            raise Untrusted(finding.code, **{fact.name: fact.value for fact in finding.facts})


def compare(
    target: Path,
    expected: Expected,
    sample: Sample | None = None,
    *,
    stops_at_first: bool = False,
    moved: Callable[[int, int], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Seen:
    """Return how the medium compares, read past every cache; `moved` is told bytes or blocks done, and of how many.

    Raises Refused for what cannot be read at all.
    """
    with open_medium(target) as storage:
        blocks = blocks_on(storage)
        there = sum(one.length for one in blocks)
        size = there if expected.size is None else min(expected.size, there)
        if size == 0:
            raise Refused("file-unreadable", where=target, detail="it is empty")
        medium, first, began = Medium(storage, size, blocks), First(is_wanted=stops_at_first), clock()
        try:
            medium.settle()
            if sample is None:
                loop = Loop(Pace(), first, _towards(moved, size))
                found = read_back_all(medium, medium.layout("whole"), expected.pattern, loop, first.notice)
                sampled = None
            else:
                found, sampled = _sample(medium, expected.pattern, sample, first, moved)
        except Lost as error:
            raise Refused("file-unreadable", where=target, detail=error.facts.get("detail", error.reason)) from error
        return Seen(
            size=size if expected.size is None else expected.size,
            medium_size=storage.size,
            looked_at=found.position,
            mismatched=found.mismatched,
            mismatched_size=found.mismatched_size,
            unread=found.unread,
            unread_size=found.unread_size,
            missing_size=max((expected.size or 0) - there, 0),
            seconds=clock() - began,
            is_stopped=first.is_set(),
            sampled=sampled,
        )


def _towards(moved: Callable[[int, int], None] | None, total: int) -> Callable[[int], None] | None:
    return None if moved is None else lambda done: moved(done, total)


def _sample(
    medium: Medium, pattern: Pattern, sample: Sample, first: First, moved: Callable[[int, int], None] | None
) -> tuple[FullFindings, Sampled]:
    """Return what a stratified sample and the anchors show, in bytes; ranges are blocks."""
    size = medium.size
    blocks = blocks_of(size)
    wanted = (sample.confidence_ppm, sample.fraction_ppm)
    drawn = stratified_positions(bytes.fromhex(sample.seed), blocks, strata_of(blocks), *wanted)
    anchors = frozenset(anchor_blocks(DISK_RULE, size, partitions_on(medium, size))).difference(drawn)
    chosen = tuple(sorted((*drawn, *anchors)))
    loop = Loop(Pace(), first, _towards(moved, len(chosen)))
    found = read_back_sample(
        medium, medium.layout("whole"), pattern, chosen, loop=loop, anchors=anchors, noticed=first.notice
    )
    looked_at = sum(min(BLOCK_SIZE, size - block * BLOCK_SIZE) for block in chosen[: found.looked_at])
    told = FullFindings(
        looked_at,
        found.mismatched,
        _bytes_of(found.mismatched, found.mismatched_blocks),
        found.unread,
        _bytes_of(tuple(one.extent for one in found.unread), found.unread_blocks),
    )
    return told, Sampled(sample, blocks, strata_of(blocks), found.read, found.anchors_read)


def _bytes_of(ranges: tuple[Extent, ...], blocks: int) -> int:
    """Return the bytes of ranges; where more are counted than could be listed, that of so many blocks."""
    listed = sum(one.length for one in ranges)
    return max(listed, blocks * BLOCK_SIZE) if len(ranges) == 4096 else listed
