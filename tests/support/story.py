"""One run told to its end in memory: journal, evidence, certificate, signatures, receipt, bundle; without a medium."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from certificates import bundle, claims
from certificates.anchors import DISK_RULE, anchor_blocks
from certificates.audit.patterns import expected
from certificates.encoding import digest, encode
from certificates.keyring import highest_grade
from certificates.sampling import (
    BLOCK_SIZE,
    blocks_of,
    positions,
    sample_size,
    seed_of,
    strata_of,
    stratified_positions,
)
from certificates.statements import (
    Advanced,
    AnchorBlocks,
    Applied,
    Began,
    Binding,
    Carrier,
    Certificate,
    Check,
    Checked,
    Committed,
    Concluded,
    ConstantPattern,
    Counted,
    DeviceIdentity,
    Drew,
    Entry,
    Event,
    Evidence,
    EvidenceFile,
    Extent,
    Fact,
    Failure,
    FullReadBack,
    FullVerification,
    Identified,
    Keyring,
    KeystreamPattern,
    Media,
    Medium,
    Method,
    Nonce,
    Opened,
    Order,
    OverwriteRecord,
    Participant,
    PassDescription,
    Pattern,
    PersonRole,
    Recorded,
    Residual,
    Role,
    SampledReadBack,
    SampledVerification,
    SamplingSeed,
    Start,
)
from tests.support import world
from tests.support.world import NOW, PEOPLE, Papers, role_of, seal

WRITTEN, READ = timedelta(hours=1, minutes=49), timedelta(hours=3, minutes=31)
"""From the start to the end of the pass, and of the read-back."""
RULE_BOOK = "expunge-rules-1"
"""Rule book of the documents told here: they stand for those that were published with it, and must stay readable."""
RANDOM = KeystreamPattern(hashlib.sha256(b"the key of the only pass").hexdigest())


Timed = tuple[datetime, Event]


@dataclass(frozen=True)
class Story:
    """What happened; every part can be told differently."""

    ring: Keyring
    rings: tuple[bytes, ...]
    order: Order
    carrier: Carrier
    registered: bool = True
    held: bool = True
    """The site keeps a hold register."""
    signers: tuple[str, ...] = ("P-0230", "P-0311", "P-0729")
    failures: tuple[Failure, ...] = ()
    differs: tuple[Extent, ...] = ()
    unread: tuple[Failure, ...] = ()
    nonce: bool = True
    partitions: tuple[Extent, ...] | None = None
    """Partitions before the first write, where samples are stratified and anchors read; none: the plain form."""
    raw: bool = False
    """The bytes of the sampled blocks are in the bundle."""
    decision: str | None = "accept"
    sequence: int = 1
    previous: str | None = None
    pattern: Pattern = RANDOM
    """What the last pass wrote."""
    earlier: tuple[Pattern, ...] = ()
    """What the passes before it wrote."""
    drew: Drew | None = None
    """Entropy of the run, where it is more than the keys of the passes in their order."""
    scheme: tuple[str, str] | None = None
    """Id and name of the technique, where it is none of the plain ones."""
    started: Callable[[Start], Start] = lambda start: start
    """What a dishonest executor would write instead."""
    journaled: Callable[[list[Timed]], list[Timed]] = lambda events: events
    """What a dishonest host would journal instead; its certificate tells the evidence as it was."""
    answered: Callable[[Nonce], Nonce] = lambda nonce: nonce
    """What a registry would answer to something else."""
    certified: Callable[[Certificate], Certificate] = lambda certificate: certificate
    """What a dishonest host would certify instead."""


def story(**changes: Any) -> Story:
    """The plain story: one drive, one random pass, everything read back, everybody signed, registered, accepted."""
    ring = changes.pop("ring", None) or world.keyring()
    order = changes.pop("order", None) or world.order()
    rings = changes.pop("rings", None) or (world.seal_keyring(ring),)
    return Story(ring, rings, order, changes.pop("carrier", order.carriers[0]), **changes)


def tell(told: Story) -> Papers:
    """The papers that the story leaves behind."""
    state = world.hold_state() if told.held else None
    start = told.started(world.start(told.order, told.ring, state, told.carrier, told.sequence))
    lines, evidence, files = _run(told, start)
    certificate = told.certified(certify(told, start, evidence, lines, files))
    entries = dict(world.keyring_entries(told.rings))
    entries[bundle.ORDER] = seal(told.order, *(person.id for person in told.order.persons))
    if state:
        entries[bundle.HOLD_STATE] = seal(state, world.registry())
    entries[bundle.START] = seal(start, start.persons[0].id)
    entries[bundle.CERTIFICATE] = seal(certificate, world.host(), *told.signers)
    entries[bundle.JOURNAL] = journal_bytes(lines)
    entries |= {bundle.EVIDENCE + name: data for name, data in files.items()}
    if told.registered:
        entries[bundle.RECEIPT] = world.receipt_for(entries[bundle.CERTIFICATE]).encode()
    if told.decision:
        decided = world.validation(digest(certificate), certificate.issued_at + timedelta(hours=3), told.decision)
        entries[bundle.VALIDATION] = seal(decided, "P-0640")
    return Papers(entries, world.trust(told.rings[0]))


def journal_bytes(lines: Iterable[bytes]) -> bytes:
    """Lines as the file holds them."""
    return b"".join(line + b"\n" for line in lines)


def chain(events: Iterable[Timed]) -> list[bytes]:
    """Events as lines, each naming the one before."""
    lines: list[bytes] = []
    for number, (at, event) in enumerate(events, start=1):
        lines.append(encode(Entry(number, digest(lines[-1]) if lines else None, at, event)))
    return lines


def facts(identity: DeviceIdentity) -> tuple[Fact, ...]:
    """Identity as the machine reports it."""
    named = (("vendor", identity.vendor), ("model", identity.model), ("serial", identity.serial))
    return tuple(
        Fact(name, value) for name, value in (*named, ("wwn", identity.wwn or ""), ("size", str(identity.size)))
    )


def _run(told: Story, start: Start) -> tuple[list[bytes], Evidence, dict[str, bytes]]:
    identity = told.carrier.identity
    assert isinstance(identity, DeviceIdentity)
    size, seen = identity.size, facts(identity)
    bad = sum(failure.extent.length for failure in told.failures)
    ended = NOW + WRITTEN
    before, begun = _earlier(told, size), NOW + timedelta(seconds=2)
    last = len(before)
    begun = before[-1].ended_at if before else begun
    record = OverwriteRecord(last, "whole", told.pattern, size, size - bad, told.failures, bad, begun, ended, 0)
    opened = Opened(start.host, start.sequence, told.previous, world.TOOL, digest(start), start.order, start.carrier)
    patterns = (*told.earlier, told.pattern)
    keys = tuple(pattern.key for pattern in patterns if isinstance(pattern, KeystreamPattern))
    events: list[Timed] = [
        (NOW, opened),
        (NOW, Counted(tuple(sorted(told.order.persons, key=lambda person: person.id)))),
        (NOW + timedelta(seconds=1), Identified(seen, partitions=told.partitions)),
        (NOW + timedelta(seconds=1), told.drew or Drew(keys)),
        *(event for one in before for event in ((one.started_at, Began(one.step)), (one.ended_at, Recorded(one)))),
        (begun, Began(last)),
        *((begun + timedelta(seconds=at // (last + 1)), Advanced(last, to)) for at, to in _barriers(size)),
        (ended, Recorded(record)),
        (ended, Began(last + 1)),
    ]
    check, files = _read_back(told, record, events)
    done = NOW + READ
    events += [(done, Checked(check)), (done, Concluded(seen))]
    return chain(told.journaled(events)), evidence_of(told, (*before, record), (check,), seen), files


def _earlier(told: Story, size: int) -> tuple[OverwriteRecord, ...]:
    """Passes before the last, each as long as the others."""
    each = WRITTEN // (len(told.earlier) + 1)
    times = [NOW + timedelta(seconds=2 + number * (each.seconds)) for number in range(len(told.earlier) + 1)]
    return tuple(
        OverwriteRecord(number, "whole", pattern, size, size, (), 0, times[number], times[number + 1], 0)
        for number, pattern in enumerate(told.earlier)
    )


def _barriers(size: int) -> list[tuple[int, int]]:
    """Second and position of each barrier: a disk is faster at its rim."""
    steps = 24
    seconds = [WRITTEN.total_seconds() / steps * (0.733 + 0.64 * (n / steps) ** 1.4) for n in range(steps)]
    return [(int(sum(seconds[:n])), size * n // steps) for n in range(1, steps)]


def evidence_of(told: Story, records: tuple[Any, ...], checks: tuple[Check, ...], seen: tuple[Fact, ...]) -> Evidence:
    """What was seen, whole."""
    identity = told.carrier.identity
    assert isinstance(identity, DeviceIdentity)
    return Evidence(
        kind="device",
        method=Method.DEVICE_OVERWRITE,
        technique=_scheme(told)[0],
        media=Media.MAGNETIC,
        size=identity.size,
        sector_size=512,
        objects=1,
        before=seen,
        after=seen,
        passes=len(told.earlier) + 1,
        records=records,
        checks=checks,
        destroy=told.carrier.destroy,
        residual=(Residual("remapped-sectors", 3), Residual("copies-outside-order")),
        copies=told.carrier.copies,
        crypto_erase=told.carrier.crypto_erase,
    )


def _read_back(told: Story, record: OverwriteRecord, events: list[Timed]) -> tuple[Check, dict[str, bytes]]:
    at = NOW + READ
    if isinstance(told.carrier.verification, SampledVerification):
        return _sample(told, record, events, told.carrier.verification)
    differs = sum(extent.length for extent in told.differs)
    unread = sum(failure.extent.length for failure in told.unread)
    matched = record.size - differs - unread
    place = (
        record.step + 1,
        record.step,
        "whole",
        "device",
        record.size,
        matched,
        told.differs,
        differs,
        told.unread,
        unread,
        at,
    )
    return FullReadBack(*place), {}  # type: ignore[arg-type]


def _sample(
    told: Story, record: OverwriteRecord, events: list[Timed], ordered: SampledVerification
) -> tuple[Check, dict[str, bytes]]:
    local = world.secret("local seed")
    committed_at, at = NOW + WRITTEN + timedelta(seconds=1), NOW + READ
    events.append((committed_at, Committed(digest(local), local.hex())))
    files: dict[str, bytes] = {}
    nonce = document = None
    if told.nonce:
        nonce = world.secret("nonce").hex()
        answer = told.answered(Nonce(digest(local), digest(chain(events)[-1]), nonce, committed_at))
        files["nonce.dsse.json"], document = seal(answer, world.registry()), digest(answer)
    seed = seed_of(local.hex(), nonce)
    chosen = _chosen(told, record.size, seed, ordered)
    check = SampledReadBack(
        step=record.step + 1,
        compared_with=record.step,
        area="whole",
        place="device",
        seed=SamplingSeed(digest(local), local.hex(), document),
        confidence_ppm=ordered.confidence_ppm,
        fraction_ppm=ordered.fraction_ppm,
        block_size=BLOCK_SIZE,
        blocks=blocks_of(record.size),
        read=len(chosen),
        samples=_digest_of(told, record, chosen),
        mismatched=told.differs,
        mismatched_blocks=sum(extent.length // BLOCK_SIZE for extent in told.differs),
        unread=told.unread,
        unread_blocks=sum(failure.extent.length // BLOCK_SIZE for failure in told.unread),
        ended_at=at,
    )
    if told.partitions is None:
        return check, files
    anchors = set(anchor_blocks(DISK_RULE, record.size, told.partitions))
    beside = sorted(anchors.difference(chosen))
    named = AnchorBlocks(DISK_RULE, told.partitions, len(beside), len(beside), _digest_of(told, record, beside))
    check = replace(check, strata=strata_of(check.blocks), anchors=named)
    if told.raw:
        differing = _differing(told)
        every = sorted((*chosen, *beside))
        raw = b"".join(_block(record, block) for block in every if block not in differing)
        files[f"samples-{check.step}.bin"] = raw
        check = replace(check, raw=digest(raw))
    return check, files


def _chosen(told: Story, size: int, seed: bytes, ordered: SampledVerification) -> tuple[int, ...]:
    blocks, wanted = blocks_of(size), (ordered.confidence_ppm, ordered.fraction_ppm)
    if told.partitions is None:
        return positions(seed, blocks, sample_size(blocks, *wanted))
    return stratified_positions(seed, blocks, strata_of(blocks), *wanted)


def _block(record: OverwriteRecord, block: int) -> bytes:
    begin = block * BLOCK_SIZE
    return expected(record.pattern, begin, min(BLOCK_SIZE, record.size - begin))


def _differing(told: Story) -> set[int]:
    """Blocks told as differing, each as a range of its own."""
    return {extent.offset // BLOCK_SIZE for extent in told.differs}


def _digest_of(told: Story, record: OverwriteRecord, blocks: Iterable[int]) -> str:
    differing = _differing(told)
    digests = (bytes(32) if block in differing else hashlib.sha256(_block(record, block)).digest() for block in blocks)
    return "sha256:" + hashlib.sha256(b"".join(digests)).hexdigest()


def certify(
    told: Story, start: Start, evidence: Evidence, lines: list[bytes], files: dict[str, bytes], **changes: Any
) -> Certificate:
    """The certificate of the run."""
    order, carrier = told.order, told.carrier
    made = Certificate(
        id=f"{start.host[7:19]}-{start.sequence:08d}",
        issued_at=NOW + READ + timedelta(seconds=4),
        host=start.host,
        unit=order.unit,
        carrier=carrier.id,
        carrier_label=carrier.label,
        assets=tuple(asset for asset in order.assets if asset.card in carrier.assets),
        grade=highest_grade(order, carrier),
        binding=_binding(order, start, lines, files),
        medium=_medium(carrier),
        applied=_applied(told, evidence),
        evidence=evidence,
        claim=claims.claim(evidence, carrier.level, RULE_BOOK),
        started_at=NOW + timedelta(seconds=1),
        ended_at=NOW + READ,
        destination=carrier.destination,
        otherwise=carrier.otherwise,
        participants=_participants(order),
        persons=_must_sign(order),
        approved_by=tuple(sorted(order.persons, key=lambda person: person.id)),
        paper=None,
        keep_until=order.keep_until,
        limits=("Root on the host can forge what it sees.", "Remapped sectors were not read."),
    )
    return replace(made, **changes)


def _must_sign(order: Order) -> tuple[PersonRole, ...]:
    return (PersonRole(order.executing.person, Role.EXECUTOR), *(PersonRole(w, Role.WITNESS) for w in order.witnesses))


def _binding(order: Order, start: Start, lines: list[bytes], files: dict[str, bytes]) -> Binding:
    return Binding(
        order=digest(order),
        order_id=order.id,
        order_version=order.version,
        selector=start.selector,
        keyring=start.keyring,
        keyring_version=start.keyring_version,
        hold_state=start.hold_state,
        start=digest(start),
        plan=start.plan,
        journal_sequence=start.sequence,
        journal_entries=len(lines),
        journal_head=digest(lines[-1]),
        ledger_number=1,
        ledger_head="sha256:" + "1e" * 32,
        evidence_files=tuple(EvidenceFile(name, digest(data), len(data)) for name, data in sorted(files.items())),
    )


def _medium(carrier: Carrier) -> Medium:
    identity = carrier.identity
    assert isinstance(identity, DeviceIdentity)
    more = (Fact("firmware", "GXA7801Q"), Fact("bus", "sata"), Fact("rotation", "7200"))
    named = (identity.vendor, identity.model, identity.serial, carrier.card, "magnetic (device)")
    return Medium(*named, carrier.chassis, "arch-07", more)


def _scheme(told: Story) -> tuple[str, str]:
    """Id and name of the technique."""
    if told.scheme:
        return told.scheme
    is_constant = isinstance(told.pattern, ConstantPattern)
    return ("zeros-1", "One pass of 0x00") if is_constant else ("random-1", "One pass of AES-256-CTR keystream")


def _applied(told: Story, evidence: Evidence) -> Applied:
    technique, name = _scheme(told)
    passes = tuple(PassDescription(number, name) for number, _ in enumerate((*told.earlier, told.pattern), start=1))
    return Applied(
        level=told.carrier.level,
        technique=technique,
        name=name,
        citation="NIST SP 800-88 r2, clear by overwriting; keystream by NIST SP 800-38A, 6.5",
        passes=passes,
        final_state=name,
        tool="expunge",
        tool_version="0.1.0",
        verification=told.carrier.verification,
    )


def _participants(order: Order) -> tuple[Participant, ...]:
    executor = order.executing.person
    acts = [(executor, "performing"), (executor, "verifying"), *((w, "witnessing") for w in order.witnesses)]
    return tuple(_participant(name, act, order.place) for name, act in (*acts, (order.validator, "validating")))


def _participant(name: str, act: Any, place: str) -> Participant:
    told, title, _ = PEOPLE[name]
    return Participant(name, act, told, title, "市档案馆", place, "0571-8000 0000")


def sampled(confidence_ppm: int = 990_000, fraction_ppm: int = 10_000) -> SampledVerification:
    """Sampled read-back."""
    return SampledVerification(confidence_ppm, fraction_ppm)


def full() -> FullVerification:
    """Full read-back."""
    return FullVerification()


__all__ = ["Story", "certify", "chain", "evidence_of", "full", "journal_bytes", "role_of", "sampled", "story", "tell"]
