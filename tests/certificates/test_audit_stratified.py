"""A stratified sample and its anchors are redone from the bundle alone, and nothing in them can be chosen or hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from certificates import bundle, claims
from certificates.audit import Finding, Report, Verdict, audit, certificate_of
from certificates.encoding import digest
from certificates.sampling import seed_of, stratified_positions
from certificates.statements import (
    AnchorBlocks,
    Certificate,
    Checked,
    ConstantPattern,
    DeviceIdentity,
    Extent,
    Failure,
    Identified,
    Level,
    Residual,
    SampledReadBack,
)
from tests.support import world
from tests.support.story import Timed, sampled, story, tell
from tests.support.world import Papers

BLOCKS = 2600
SIZE = BLOCKS * 4096 - 512
PARTITION = Extent(0, 1 << 20, 5 << 20)
Lie = Callable[[SampledReadBack], SampledReadBack]


def papers(lie: Lie = lambda check: check, **changes: Any) -> Papers:
    """A sampled run over a small drive; a host that lies journals and certifies the same lie."""

    def told(check: Any) -> Any:
        return lie(check) if isinstance(check, SampledReadBack) else check

    def journaled(events: list[Timed]) -> list[Timed]:
        return [(at, Checked(told(e.check)) if isinstance(e, Checked) else e) for at, e in events]

    def certified(made: Certificate) -> Certificate:
        seen = replace(made.evidence, checks=tuple(told(check) for check in made.evidence.checks))
        return replace(made, evidence=seen, claim=claims.claim(seen, Level.CLEAR))

    carrier = world.carrier(technique="zeros-1", verification=sampled(900_000, 200_000))
    assert isinstance(carrier.identity, DeviceIdentity)
    carrier = replace(carrier, identity=replace(carrier.identity, size=SIZE))
    plain: dict[str, Any] = {"partitions": (PARTITION,), "pattern": ConstantPattern("a5")}
    plain |= {"journaled": journaled, "certified": certified} | changes
    return tell(story(order=world.order(carriers=(carrier,)), **plain))


def report(made: Papers) -> Report:
    return audit(made.packed, made.trust)


def samples(made: Papers) -> list[Finding]:
    return [finding for finding in report(made).findings if finding.name == "samples"]


def test_positions_anchors_and_digests_are_recomputed() -> None:
    """From seed, size, partition table as journalled, and pattern."""
    made = papers()
    (finding,) = samples(made)
    assert finding.code == "strata-hold"
    assert "1,000 of 2,600 positions over 1,000 sections" in finding.tell()
    assert "registry's nonce" in finding.tell()
    assert report(made).verdict is Verdict.PROVEN


def test_a_seed_without_the_registry_says_so() -> None:
    """Positions that this host alone chose are worth less."""
    (finding,) = samples(papers(nonce=False))
    assert "by this host alone" in finding.tell()
    assert "仅由本机选定" in finding.tell("zh")


def test_the_bytes_are_compared_one_by_one() -> None:
    """Whoever audits sees what was read, and not a digest of it alone."""
    positions, raw = samples(papers(raw=True))
    assert (positions.code, raw.code) == ("strata-hold", "raw-holds")


def anchored(**changes: Any) -> Lie:
    """A lie about the anchors."""

    def lie(check: SampledReadBack) -> SampledReadBack:
        assert isinstance(check.anchors, AnchorBlocks)
        return replace(check, anchors=replace(check.anchors, **changes))

    return lie


NOWHERE = "sha256:" + "0" * 64


def test_where_zones_have_gaps_the_bundle_does_not_say_where_a_block_lay() -> None:
    """An honest run over such a drive wrote and read other bytes there than block times size says."""

    def certified(made: Certificate) -> Certificate:
        seen = replace(
            made.evidence,
            residual=(Residual("zone-gaps", 4096),),
            checks=tuple(
                replace(check, samples=NOWHERE) if isinstance(check, SampledReadBack) else check
                for check in made.evidence.checks
            ),
        )
        return replace(made, evidence=seen, claim=claims.claim(seen, Level.CLEAR))

    (finding,) = samples(papers(certified=certified))
    assert (finding.code, finding.leaves) == ("samples-spread", Verdict.PROVEN)


@pytest.mark.parametrize(
    "lie",
    [
        lambda check: replace(check, samples=NOWHERE),
        lambda check: replace(check, read=check.read + 1),
        lambda check: replace(check, strata=999),
        lambda check: replace(check, strata=0),
        lambda check: replace(check, block_size=512, blocks=check.blocks * 8),
        anchored(samples=NOWHERE),
        anchored(read=3),
        anchored(blocks=3),
        anchored(partitions=()),
        anchored(rule="ends-1"),
        anchored(rule="anchors-of-tomorrow"),
        lambda check: replace(check, unread=(Failure(Extent(0, 0, 512), "EIO"),)),
        lambda check: replace(check, mismatched=(Extent(1, 0, 512),), mismatched_blocks=1),
        lambda check: replace(check, mismatched=(Extent(0, 0, 2**53 - 1),), mismatched_blocks=1),
        lambda check: replace(check, mismatched=(Extent(0, 2**53 - 1, 0),), mismatched_blocks=1),
    ],
    ids=[
        "other digests",
        "more blocks than drawn",
        "other sections",
        "no sections",
        "other blocks",
        "other anchors' digests",
        "anchors unread",
        "anchors left out",
        "partitions left out",
        "another rule",
        "a rule that never was",
        "unread block not counted",
        "a stream that is not there",
        "a range beyond the end",
        "an empty range beyond the end",
    ],
)
def test_what_the_seed_and_pattern_do_not_give_does_not_hold(lie: Lie) -> None:
    """A host cannot choose where it is looked at, nor tell what it did not see."""
    told = report(papers(lie))
    assert ("samples", "samples-wrong") in [(one.name, one.code) for one in told.findings], told.findings
    assert told.verdict is Verdict.DOES_NOT_HOLD


def test_partitions_are_those_of_the_journal() -> None:
    """They were read before the first write; a table thought up afterwards is none."""

    def forget(events: list[Timed]) -> list[Timed]:
        return [(at, replace(e, partitions=()) if isinstance(e, Identified) else e) for at, e in events]

    assert [finding.code for finding in samples(papers(journaled=forget, nonce=False))] == ["samples-wrong"]


@pytest.mark.parametrize(
    "change",
    [lambda data: data[:-1], lambda data: data + b"\xa5", lambda data: b"\xa4" + data[1:]],
    ids=["cut off", "something behind", "one bit"],
)
def test_other_bytes_in_the_bundle_do_not_hold(change: Callable[[bytes], bytes]) -> None:
    """Bound by the certificate and wrong all the same."""
    name = bundle.EVIDENCE + "samples-1.bin"
    other = change(papers(raw=True).entries[name])

    def lie(check: SampledReadBack) -> SampledReadBack:
        return replace(check, raw=digest(other))

    swapped = papers(lie, raw=True)
    told = swapped.entries | {name: other}
    (_, *rest) = [one for one in audit(bundle.pack(told), swapped.trust).findings if one.name in ("binding", "samples")]
    assert rest[-1].code == "samples-wrong"


def test_bytes_that_the_bundle_lacks_do_not_hold() -> None:
    """A check that names a file is worth nothing without it."""
    made = papers(lambda check: replace(check, raw=NOWHERE))
    assert ("samples", "binding-broken") in [(one.name, one.code) for one in report(made).findings]


def test_a_block_that_differs_is_listed_and_everything_else_recomputed() -> None:
    """Its bytes are not in the bundle, nor anything by which they could be guessed; positions and others are redone."""
    made = papers(raw=True, differs=(Extent(0, 0, 4096),))
    positions, raw = samples(made)
    assert (positions.code, raw.code) == ("strata-listed", "raw-holds")
    assert report(made).verdict is Verdict.NOT_PROVEN
    whole = papers(raw=True)
    name = bundle.EVIDENCE + "samples-1.bin"
    assert len(whole.entries[name]) - len(made.entries[name]) == 4096


def test_a_range_that_was_not_read_cannot_be_told_to_differ() -> None:
    """Where a block was not looked at nobody knows what stands there."""
    plain = papers(raw=True)
    redone = stratified_positions(seed_of_sample(plain), BLOCKS, 1000, 900_000, 200_000)
    (block, *_) = [at for at in redone if at > 300 and at + 1 not in redone]
    made = papers(
        lambda check: replace(check, mismatched_blocks=1), raw=True, differs=(Extent(0, block * 4096, 2 * 4096),)
    )
    assert [finding.code for finding in samples(made)] == ["samples-wrong"]


def seed_of_sample(made: Papers) -> bytes:
    (check,) = certificate_of(made.entries)[0].evidence.checks
    assert isinstance(check, SampledReadBack)
    return seed_of(check.seed.local, world.secret("nonce").hex())


def test_what_is_too_much_to_be_listed_is_left_open() -> None:
    """The list holds 4096 ranges; what it does not hold nobody can recompute, and nobody says so."""
    many = tuple(Extent(0, 0, 4096) for _ in range(4096))
    (finding,) = samples(papers(lambda check: replace(check, mismatched=many, mismatched_blocks=4097)))
    assert finding.code == "samples-differ"
