"""Sampled read-back, redone from the bundle alone: where the samples had to lie, and what they had to hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from certificates import bundle
from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, Verdict, holds, unknown
from certificates.audit.patterns import expected
from certificates.audit.stratified import check_stratified
from certificates.encoding import digest
from certificates.errors import Untrusted
from certificates.render.words import number
from certificates.sampling import positions, seed_of
from certificates.statements import (
    Committed,
    Evidence,
    Identified,
    OverwriteRecord,
    Recorded,
    SampledReadBack,
)

NONCE = "nonce.dsse.json"
"""Evidence file of the registry's nonce."""
MOST_BLOCKS = 4_000_000
"""Blocks whose digests are recomputed at most: some 16 GiB of pattern."""


def check_samples(case: Dossier) -> tuple[Finding, ...]:
    """Positions and expected digests of every sampled read-back follow from its seed and pattern."""
    told = case.certificate.statement
    sampled = [check for check in told.evidence.checks if isinstance(check, SampledReadBack)]
    return tuple(finding for check in sampled for finding in _check(case, told.evidence, check))


def _check(case: Dossier, evidence: Evidence, check: SampledReadBack) -> tuple[Finding, ...]:
    nonce = _nonce(case, check)
    if check.strata is None or _is_spread(evidence) or check.read > MOST_BLOCKS:
        return (_check_plain(evidence, check, nonce),)
    identified = next((e.event for e, _ in case.journal if isinstance(e.event, Identified)), Identified(()))
    seed, files = seed_of(check.seed.local, nonce), bundle.evidence(case.entries)
    return check_stratified(check, _record(evidence, check), seed, identified.partitions, files)


def _is_spread(evidence: Evidence) -> bool:
    """Tell whether the layout is not in the bundle: blocks lie in files, or in zones with gaps between them."""
    has_gaps = any(one.code == "zone-gaps" for one in evidence.residual)
    return evidence.objects != 1 or evidence.kind in ("files", "database", "records") or has_gaps


def _check_plain(evidence: Evidence, check: SampledReadBack, nonce: str | None) -> Finding:
    facts = {"read": number(check.read), "blocks": number(check.blocks)}
    bad = check.mismatched_blocks + check.unread_blocks
    if bad or check.read > MOST_BLOCKS:
        return unknown("samples", Basis.RECOMPUTABLE, "samples-differ", Verdict.NOT_PROVEN, **facts, bad=number(bad))
    if _is_spread(evidence):
        return unknown("samples", Basis.RE_RUNNABLE, "samples-spread", **facts, objects=number(evidence.objects))
    record = _record(evidence, check)
    chosen = positions(seed_of(check.seed.local, nonce), check.blocks, check.read)
    if len(chosen) != check.read or _digest_of(record, check.block_size, chosen) != check.samples:
        raise Untrusted("samples-wrong", step=check.step)
    origin = "samples-hold" if nonce else "samples-hold-local"
    return holds("samples", Basis.RECOMPUTABLE, origin, **facts, digests=number(check.read))


def _nonce(case: Dossier, check: SampledReadBack) -> str | None:
    """Return the registry's nonce, shown to be its answer to a commitment made after the last write."""
    seed = check.seed
    if digest(bytes.fromhex(seed.local)) != seed.commitment:
        raise Untrusted("samples-wrong", step=check.step)
    at = _committed_at(case, check)
    if seed.nonce is None:
        return None
    data = bundle.evidence(case.entries).get(NONCE)
    if data is None:
        raise Untrusted("binding-broken", document="evidence", field="nonce")
    sealed = case.nonce(data, case.certificate.statement.issued_at)
    told = sealed.statement
    heads = {head for _, head in case.journal[at:]}
    if sealed.digest != seed.nonce or told.commitment != seed.commitment or told.journal_head not in heads:
        raise Untrusted("binding-broken", document="nonce", field="commitment")
    return told.nonce


def _committed_at(case: Dossier, check: SampledReadBack) -> int:
    """Return the index of the commitment's entry; no pass may have ended after it."""
    events = [entry.event for entry, _ in case.journal]
    for at, event in enumerate(events):
        if (
            isinstance(event, Committed)
            and event.commitment == check.seed.commitment
            and event.local == check.seed.local
        ):
            later = (later.record for later in events[at:] if isinstance(later, Recorded))
            if any(isinstance(record, OverwriteRecord) for record in later):
                raise Untrusted("samples-wrong", step=check.step)
            return at
    raise Untrusted("samples-wrong", step=check.step)


def _record(evidence: Evidence, check: SampledReadBack) -> OverwriteRecord:
    for record in evidence.records:
        if isinstance(record, OverwriteRecord) and record.step == check.compared_with and record.area == check.area:
            return record
    raise Untrusted("samples-wrong", step=check.step)


def _digest_of(record: OverwriteRecord, block_size: int, chosen: Iterable[int]) -> str:
    """Return SHA-256 over the SHA-256 digests of the chosen blocks as the pattern gives them."""
    total = hashlib.sha256()
    for block in chosen:
        begin = block * block_size
        total.update(hashlib.sha256(expected(record.pattern, begin, min(block_size, record.size - begin))).digest())
    return "sha256:" + total.hexdigest()
