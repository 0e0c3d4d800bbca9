"""A stratified sample and its anchors, redone from the bundle alone: where they lay, what they held, byte for byte."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from certificates.anchors import DISK_RULE, anchor_blocks
from certificates.audit.findings import Basis, Finding, Verdict, holds, unknown
from certificates.audit.patterns import expected
from certificates.encoding import digest
from certificates.errors import Untrusted
from certificates.render.words import number
from certificates.sampling import BLOCK_SIZE, blocks_of, strata_of, stratified_positions
from certificates.statements import Extent, OverwriteRecord, SampledReadBack

_LISTED = 4096
"""Ranges that a statement lists; where there are as many, some may be missing."""
_DIFFERING = hashlib.sha256().digest_size * b"\0"


@dataclass(frozen=True, slots=True)
class Redone:
    """Blocks of a stratified sample, as seed, sizes and tables give them."""

    sample: tuple[int, ...]
    anchors: tuple[int, ...]
    """What is read beside the sample."""
    differing: frozenset[int]
    unread: frozenset[int]
    """Blocks that the check lists as such."""

    @property
    def matching(self) -> list[int]:
        """Blocks that match, in order of position, the anchors among them."""
        bad = self.differing | self.unread
        return sorted(block for block in (*self.sample, *self.anchors) if block not in bad)


def check_stratified(
    check: SampledReadBack,
    record: OverwriteRecord,
    seed: bytes,
    partitions: tuple[Extent, ...] | None,
    evidence: Mapping[str, bytes],
) -> tuple[Finding, ...]:
    """Positions, counts, digests and the bytes in the bundle follow from seed and pattern; raises Untrusted.

    `partitions` are those that the journal tells from before the first write.
    """
    redone = _redo(check, record, seed, partitions)
    if redone is None:
        facts = {"read": number(check.read), "blocks": number(check.blocks), "bad": number(check.mismatched_blocks)}
        return (unknown("samples", Basis.RECOMPUTABLE, "samples-differ", Verdict.NOT_PROVEN, **facts),)
    _check_digests(check, record, redone)
    found = [_told(check, redone)]
    if check.raw is not None:
        found.append(_check_raw(check, record, redone, evidence))
    return tuple(found)


def _redo(
    check: SampledReadBack, record: OverwriteRecord, seed: bytes, partitions: tuple[Extent, ...] | None
) -> Redone | None:
    """Return the blocks that had to be read; none where too many differ to be listed."""
    blocks, anchors = blocks_of(record.size), check.anchors
    if (check.blocks, check.block_size, check.strata) != (blocks, BLOCK_SIZE, strata_of(blocks)):
        raise _wrong(check)
    sample = stratified_positions(seed, blocks, strata_of(blocks), check.confidence_ppm, check.fraction_ppm)
    beside: tuple[int, ...] = ()
    if anchors is not None:
        if anchors.partitions != (partitions or ()) or (partitions is not None) != (anchors.rule == DISK_RULE):
            raise _wrong(check)
        try:
            places = anchor_blocks(anchors.rule, record.size, anchors.partitions)
        except KeyError as error:
            raise _wrong(check) from error
        beside = tuple(sorted(set(places).difference(sample)))
    chosen = sorted((*sample, *beside))
    differing = _listed(check, chosen, check.mismatched, check.mismatched_blocks)
    unread = _listed(check, chosen, tuple(one.extent for one in check.unread), check.unread_blocks)
    return None if differing is None or unread is None else Redone(sample, beside, differing, unread)


def _listed(
    check: SampledReadBack, chosen: list[int], extents: tuple[Extent, ...], count: int
) -> frozenset[int] | None:
    """Return the chosen blocks that the ranges touch, as many as are counted; none where not all could be listed."""
    found: set[int] = set()
    for one in extents:
        first, last = one.offset // BLOCK_SIZE, (one.offset + one.length - 1) // BLOCK_SIZE
        inside = chosen[bisect_left(chosen, first) : bisect_left(chosen, last + 1)]
        if one.stream or len(inside) != last - first + 1:
            raise _wrong(check)
        found.update(inside)
    if len(found) == count:
        return frozenset(found)
    if len(extents) < _LISTED:
        raise _wrong(check)
    return None


def _check_digests(check: SampledReadBack, record: OverwriteRecord, redone: Redone) -> None:
    """The counts are those of the blocks not unread, and their digests those that the pattern gives."""
    sample = [block for block in redone.sample if block not in redone.unread]
    if (check.read, check.samples) != (len(sample), _digest_of(record, sample, redone.differing)):
        raise _wrong(check)
    anchors = check.anchors
    if anchors is not None:
        beside = [block for block in redone.anchors if block not in redone.unread]
        told = (anchors.blocks, anchors.read, anchors.samples)
        if told != (len(redone.anchors), len(beside), _digest_of(record, beside, redone.differing)):
            raise _wrong(check)


def _digest_of(record: OverwriteRecord, blocks: Iterable[int], differing: frozenset[int]) -> str:
    total = hashlib.sha256()
    for block in blocks:
        total.update(_DIFFERING if block in differing else hashlib.sha256(_block(record, block)).digest())
    return "sha256:" + total.hexdigest()


def _block(record: OverwriteRecord, block: int) -> bytes:
    """Return what the pass wrote into a block; the last may be short."""
    begin = block * BLOCK_SIZE
    return expected(record.pattern, begin, min(BLOCK_SIZE, record.size - begin))


def _told(check: SampledReadBack, redone: Redone) -> Finding:
    facts = {
        "read": number(check.read),
        "blocks": number(check.blocks),
        "strata": number(check.strata or 0),
        "anchors": number(check.anchors.read if check.anchors else 0),
        "chosen": "nonce" if check.seed.nonce else "local",
    }
    if bad := len(redone.differing | redone.unread):
        return holds("samples", Basis.RECOMPUTABLE, "strata-listed", **facts, bad=number(bad))
    return holds("samples", Basis.RECOMPUTABLE, "strata-hold", **facts)


def _check_raw(
    check: SampledReadBack, record: OverwriteRecord, redone: Redone, evidence: Mapping[str, bytes]
) -> Finding:
    """The bytes in the bundle are those of every block that matches, and are the pattern."""
    data = evidence.get(raw_name(check.step))
    if data is None or digest(data) != check.raw:
        raise Untrusted("binding-broken", document="evidence", field="raw")
    at = 0
    for block in redone.matching:
        told = _block(record, block)
        if data[at : at + len(told)] != told:
            raise _wrong(check)
        at += len(told)
    if at != len(data):
        raise _wrong(check)
    return holds("samples", Basis.RECOMPUTABLE, "raw-holds", count=number(len(redone.matching)), size=number(at))


def raw_name(step: int) -> str:
    """Return the name of the evidence file with a sample's bytes."""
    return f"samples-{step}.bin"


def _wrong(check: SampledReadBack) -> Untrusted:
    return Untrusted("samples-wrong", step=check.step)
