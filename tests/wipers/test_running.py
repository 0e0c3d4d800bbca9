"""The loop over steps: journal first, identity three times, keys once, and evidence from the journal alone."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import struct
from datetime import datetime, timedelta

import pytest

from certificates import errors
from certificates.anchors import anchor_blocks
from certificates.encoding import decode, digest, encode
from certificates.sampling import seed_of, stratified_positions
from certificates.statements import (
    Advanced,
    AnchorBlocks,
    Began,
    Checked,
    Committed,
    Concluded,
    ConstantByte,
    ConstantPattern,
    CryptoEraseConditions,
    Drew,
    Evidence,
    Extent,
    FreshKeystream,
    FullReadBack,
    Identified,
    Interrupted,
    KeyGone,
    KeystreamPattern,
    Level,
    Method,
    Noted,
    OverwriteRecord,
    Recorded,
    ReleaseRecord,
    Resumed,
    SampledReadBack,
    SampledVerification,
)
from tests.support.runs import NOON, Run, carrier, run_of, warrant
from tests.support.simulated_host import SECTOR, Lies, Simulated
from wipers.model import Pass, Technique
from wipers.patterns import fill
from wipers.pipeline import Pace
from wipers.progress import Progress, replay
from wipers.running import Ports, execute

THREE_PASSES = Technique(
    id="made-up-3",
    name="Three passes",
    method={"device": Method.DEVICE_OVERWRITE, "files": Method.IN_PLACE_OVERWRITE},
    passes=(Pass(FreshKeystream()), Pass(ConstantByte("ff")), Pass(FreshKeystream())),
    citation="made up for this test",
)


BLOCKS, ORDERED = 2600, (900_000, 200_000)
"""Of a device to be sampled: more than twice as many blocks as strata; confidence and fraction ordered."""


def kinds(run: Run) -> list[str]:
    return [entry.event.kind for entry in run.journal.entries]


def test_the_journal_is_written_first() -> None:
    """Identity and keys before the first write, a step before its effects, its record after its barrier."""
    run = run_of()
    run.go()
    steady = [kind for kind, _ in itertools.groupby(kinds(run))]
    assert steady == ["identified", "drew", "began", "advanced", "recorded", "began", "checked", "concluded"]


def test_the_last_pass_stands_on_the_medium() -> None:
    """A technique of three passes writes three times and is read back against its last."""
    run = Run(Simulated(), carrier(technique="made-up-3"), (THREE_PASSES,))
    run.go()
    records = [record for record in run.evidence.records if isinstance(record, OverwriteRecord)]
    first, second, third = (record.pattern for record in records)
    assert isinstance(first, KeystreamPattern)
    assert isinstance(third, KeystreamPattern)
    assert second == ConstantPattern("ff")
    assert first.key != third.key
    expected = bytearray(65536)
    fill(third, 0, 0, memoryview(expected))
    assert run.simulated.storage.durable[0] == expected
    (check,) = run.evidence.checks
    assert isinstance(check, FullReadBack)
    assert (check.step, check.compared_with, check.matched) == (3, 2, 65536)
    assert run.claim.level is Level.CLEAR


def test_keys_are_drawn_once_and_journaled() -> None:
    """Plan and entropy replay to the same bytes, and the certificate can publish them."""
    run = Run(Simulated(), carrier(technique="made-up-3"), (THREE_PASSES,))
    run.go()
    (drew,) = run.journal.events(Drew)
    keys = [one.pattern.key for one in run.evidence.records if isinstance(one.pattern, KeystreamPattern)]  # type: ignore[union-attr]
    assert isinstance(drew, Drew)
    assert list(drew.keys) == keys


def test_evidence_comes_from_the_journal_alone() -> None:
    """It survives its wire form, and what ran in memory adds nothing to it."""
    run = run_of("files")
    run.go()
    assert decode(encode(run.evidence), Evidence) == run.evidence
    assert run.evidence.before == run.evidence.after == run.simulated.facts


def test_names_go_after_the_read_back() -> None:
    """Once released, blocks have no name by which they could be read or overwritten again."""
    run = run_of("files")
    run.go()
    assert run.simulated.names == 0
    assert [type(entry.event) for entry in run.journal.entries][-4:] == [Checked, Began, Recorded, Concluded]
    release = run.evidence.records[-1]
    assert isinstance(release, ReleaseRecord)
    assert release.names == 4


@pytest.mark.parametrize(
    "lies", [Lies(drops_writes=frozenset({(3, 5)})), Lies(bad_writes={(3, 5): "EIO"})], ids=["differs", "not-written"]
)
def test_names_stay_where_contents_may_stand(lies: Lies) -> None:
    """A file that could not be overwritten must still be there for what comes next."""
    run = run_of("files")
    run.simulated.lies = lies
    run.go()
    assert run.simulated.names == 4
    assert run.journal.events(Noted)
    assert run.is_concluded
    assert run.claim.level is None


def test_names_stay_though_the_sample_met_no_damage() -> None:
    """A sample of one block in two says nothing of the sector that refused to be written."""
    simulated = Simulated("files", (4096, 2000 * 4096, 512), lies=Lies(bad_writes={(1, 4005): "EIO"}))
    ordered = carrier("files", verification=SampledVerification(100_000, 900_000))
    run = Run(simulated, ordered, pace=Pace(chunk_size=1 << 20, threads=1))
    run.go()
    (check,) = run.evidence.checks
    assert isinstance(check, SampledReadBack)
    assert (check.blocks, check.read, check.mismatched_blocks) == (2002, 1000, 0)
    assert run.simulated.names == 3


def test_the_extents_read_are_kept_before_the_check_is_journaled() -> None:
    """The check binds a file of the bundle; it must exist whenever the check does."""
    run = run_of("files")
    run.go()
    (check,) = run.evidence.checks
    assert isinstance(check, FullReadBack)
    assert check.extents == digest(run.kept["extents-1.jsonl"])


def test_the_key_is_gone_by_what_the_medium_shows() -> None:
    """Counted before the first write and after the last."""
    run = run_of("luks", crypto_erase=CryptoEraseConditions(*[True] * 7), level=Level.PURGE)
    run.go()
    check = run.evidence.checks[-1]
    assert isinstance(check, KeyGone)
    assert (check.keyslots_before, check.header_copies_before) == (1, 2)
    assert (check.keyslots_after, check.header_copies_after, check.opener_refused) == (0, 0, True)
    assert run.claim.level is Level.PURGE


class Registry:
    """A nonce source that remembers what it was asked, and after how many entries."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.run: Run | None = None
        self.entries = 0

    def ask(self, commitment: str, journal_head: str) -> tuple[str, str]:
        self.asked.append((commitment, journal_head))
        if self.run is not None:
            self.entries = len(self.run.journal.entries)
        return "33" * 32, digest(b"signed nonce")


def test_the_positions_follow_from_both_seeds() -> None:
    """Neither host nor registry can choose them alone, and an auditor recomputes them."""
    run = sampled_run()
    registry = run.ports["nonces"] = Registry()
    run.go()
    (check,) = run.evidence.checks
    (committed,) = run.journal.events(Committed)
    assert isinstance(check, SampledReadBack)
    assert isinstance(committed, Committed)
    assert registry.asked[0][0] == committed.commitment == digest(bytes.fromhex(committed.local))
    assert (check.seed.local, check.seed.nonce) == (committed.local, digest(b"signed nonce"))
    assert check.strata == 1000
    blocks = stratified_positions(seed_of(check.seed.local, "33" * 32), BLOCKS, 1000, *ORDERED)
    assert check.read == len(blocks) < BLOCKS
    assert check.samples == of_blocks(run, blocks)


def test_anchors_are_read_beside_the_sample() -> None:
    """Whoever looks at a wiped medium looks there first; no confidence rests on them, so they are told apart."""
    run = sampled_run()
    run.go()
    (check,) = run.evidence.checks
    assert isinstance(check, SampledReadBack)
    blocks = stratified_positions(seed_of(check.seed.local, None), BLOCKS, 1000, *ORDERED)
    beside = tuple(at for at in anchor_blocks("anchors-1", BLOCKS * 4096) if at not in blocks)
    assert check.anchors == AnchorBlocks("anchors-1", (), len(beside), len(beside), of_blocks(run, beside))
    assert {0, BLOCKS - 1} <= {*blocks, *beside}


def test_partitions_that_stood_there_are_looked_at_though_their_table_is_gone() -> None:
    """The table is read before the first write and journalled: a resumed run has nothing else to know them from."""
    run = sampled_run()
    start, length = 700 * 4096, 900 * 4096
    entry = b"\0" * 4 + b"\x83" + b"\0" * 3 + struct.pack("<II", start // SECTOR, length // SECTOR)
    for storage in (run.simulated.storage.seen, run.simulated.storage.durable):
        storage[0][446:512] = entry + bytes(48) + b"\x55\xaa"
    run.go()
    (identified,) = run.journal.events(Identified)
    assert isinstance(identified, Identified)
    assert identified.partitions == (Extent(0, start, length),)
    (check,) = run.evidence.checks
    assert isinstance(check, SampledReadBack)
    assert check.anchors is not None
    assert check.anchors.partitions == identified.partitions


def test_the_blocks_as_read_are_kept_for_the_bundle() -> None:
    """An auditor compares bytes with the pattern himself."""
    run = sampled_run()
    run.go()
    (check,) = run.evidence.checks
    assert isinstance(check, SampledReadBack)
    assert check.anchors is not None
    raw = run.kept["samples-1.bin"]
    assert check.raw == digest(raw)
    assert len(raw) == 4096 * (check.read + check.anchors.blocks)
    assert raw[:4096] == run.simulated.storage.durable[0][:4096]


def test_what_is_left_on_a_medium_never_travels() -> None:
    """Neither its bytes, nor a digest by which somebody could test what he thinks was there."""
    run = sampled_run(Lies(drops_writes=frozenset({(0, 3)})))
    left = bytes(run.simulated.storage.durable[0][3 * SECTOR : 4 * SECTOR])
    run.go()
    (check,) = run.evidence.checks
    assert isinstance(check, SampledReadBack)
    assert check.anchors is not None
    assert (check.mismatched, check.mismatched_blocks) == ((Extent(0, 0, 4096),), 1)
    raw = run.kept["samples-1.bin"]
    assert left not in raw
    assert len(raw) == 4096 * (check.read + check.anchors.blocks - 1)
    blocks = stratified_positions(seed_of(check.seed.local, None), BLOCKS, 1000, *ORDERED)
    beside = tuple(at for at in anchor_blocks("anchors-1", BLOCKS * 4096) if at not in blocks)
    told = check.samples if 0 in blocks else check.anchors.samples
    assert told == of_blocks(run, blocks if 0 in blocks else beside, differing={0})


def test_files_have_no_places_of_their_own() -> None:
    """Their first and last block are read; the bytes stay here, for no auditor could place them."""
    run = run_of("files", SampledVerification(*ORDERED))
    run.go()
    (check,) = run.evidence.checks
    (identified,) = run.journal.events(Identified)
    assert isinstance(check, SampledReadBack)
    assert isinstance(identified, Identified)
    assert check.anchors is not None
    assert (check.anchors.rule, check.raw, identified.partitions) == ("ends-1", None, None)
    assert "samples-1.bin" not in run.kept


def sampled_run(lies: Lies | None = None) -> Run:
    """A sampled run over a device with more blocks than strata."""
    simulated = Simulated(sizes=(BLOCKS * 4096,), lies=lies or Lies())
    return Run(simulated, carrier(verification=SampledVerification(*ORDERED)), pace=Pace(chunk_size=1 << 20, threads=1))


def of_blocks(run: Run, blocks: tuple[int, ...], differing: frozenset[int] | set[int] = frozenset()) -> str:
    """The digest over those blocks as they are on the medium."""
    durable = run.simulated.storage.durable[0]
    each = (bytes(32) if at in differing else hashlib.sha256(durable[at * 4096 :][:4096]).digest() for at in blocks)
    return "sha256:" + hashlib.sha256(b"".join(each)).hexdigest()


def test_the_registry_is_asked_after_the_last_barrier() -> None:
    """Whoever knows the positions before the last write writes only there."""
    run = run_of(verification=SampledVerification(900_000, 200_000))
    registry = run.ports["nonces"] = Registry()
    registry.run = run
    run.go()
    before = [type(entry.event) for entry in run.journal.entries[: registry.entries]]
    assert before[-3:] == [Recorded, Began, Committed]
    assert registry.asked[0][1] == run.journal.entries[registry.entries].previous


def test_offline_the_check_says_that_this_host_chose_alone() -> None:
    """Weaker, and said."""
    run = run_of(verification=SampledVerification(900_000, 200_000))
    run.go()
    (check,) = run.evidence.checks
    assert isinstance(check, SampledReadBack)
    assert check.seed.nonce is None


def test_a_target_swapped_before_the_first_write_is_refused() -> None:
    """And nothing of this run's stands in the journal yet."""
    run = run_of()
    run.simulated.lies.swapped = "after-open"
    with pytest.raises(errors.Refused) as caught:
        run.go()
    assert caught.value.reason == "identity-changed"
    assert run.journal.entries == []
    assert run.simulated.secrets_left() == 128


def test_a_target_swapped_later_ends_the_run() -> None:
    """After the first write nothing is refused any more: part is destroyed, and the journal says so."""
    run = run_of()
    run.simulated.lies.swapped_at = 40
    with pytest.raises(errors.Interrupted) as caught:
        run.go()
    assert caught.value.reason == "target-lost"
    assert not run.is_concluded
    assert run.journal.events(Interrupted)


def test_a_device_that_is_gone_before_the_first_write_is_refused() -> None:
    """Nothing was touched, so nothing is told as interrupted."""
    run = run_of("luks")
    run.simulated.lies.lost_at = 1
    with pytest.raises(errors.Refused) as caught:
        run.go()
    assert caught.value.reason == "open-failed"


class StopAfter:
    """A person presses Ctrl-C after so many looks at the signal."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("looks", [0, 1, 5, 15, 20, 30])
def test_a_stopped_run_goes_on_where_it_stopped(looks: int) -> None:
    """What is done stays done, is flushed, and is told."""
    run = run_of()
    run.ports["stop"] = StopAfter(looks)
    with pytest.raises(errors.Interrupted) as caught:
        run.go()
    assert caught.value.reason == "stopped"
    state = replay(run.journal.entries).steps
    if looks < 15:
        assert state[0].position == looks * 4096
    assert not run.is_concluded
    del run.ports["stop"]
    run.go()
    assert run.claim.level is Level.CLEAR
    record = run.evidence.records[0]
    assert isinstance(record, OverwriteRecord)
    assert record.resumed == (1 if looks < 16 else 0)
    assert record.started_at < NOON + timedelta(minutes=1)


def test_a_stopped_run_remembers_what_it_could_not_write() -> None:
    """The second half must not claim the sectors that the first half failed at."""
    run = run_of()
    run.simulated.lies.bad_writes = {(0, 3): "EIO", (0, 100): "EIO"}
    run.ports["stop"] = StopAfter(8)
    with pytest.raises(errors.Interrupted):
        run.go()
    del run.ports["stop"]
    run.go()
    record = run.evidence.records[0]
    assert isinstance(record, OverwriteRecord)
    assert [one.extent.offset for one in record.failures] == [3 * SECTOR, 100 * SECTOR]
    assert (record.failed_size, record.written) == (2 * SECTOR, 65536 - 2 * SECTOR)
    assert run.claim.level is None


def test_a_resumed_run_keeps_keys_and_sampling_seed() -> None:
    """Drawing again until the positions please must not be possible."""
    run = run_of(verification=SampledVerification(900_000, 200_000))
    run.ports["stop"] = StopAfter(17)
    with pytest.raises(errors.Interrupted):
        run.go()
    del run.ports["stop"]
    run.go()
    assert len(run.journal.events(Drew)) == len(run.journal.events(Committed)) == 1
    assert len(run.journal.events(Resumed)) == 1
    assert run.claim.level is Level.CLEAR


def test_a_concluded_run_is_not_done_again() -> None:
    """A crash after the last check leaves nothing to do but the certificate."""
    run = run_of()
    run.go()
    effects, entries = run.plug.effects, len(run.journal.entries)
    run.go()
    assert (run.plug.effects, len(run.journal.entries)) == (effects, entries)


def test_a_plan_for_another_carrier_is_refused() -> None:
    """The warrant is for one carrier of one order."""
    run = run_of()
    ports = Ports(run.journal, run.drawn.randbytes, run.kept.__setitem__)
    other = warrant(dataclasses.replace(run.ordered, id="c2"))
    (target,) = run.host.find(run.ordered, None)
    with (
        run.host.open(target, run.ordered, None, resuming=False) as writer,
        pytest.raises(errors.Refused) as caught,
    ):
        execute(other, run.plan, writer, ports, Progress())
    assert caught.value.reason == "plan-differs"
    assert run.plug.effects == 0


class BrokenObserver:
    """Raises whenever it is told something."""

    told = 0

    def progressed(self, step: int, done: int, total: int) -> None:
        self.told += 1
        raise RuntimeError


def test_an_observer_cannot_fail_a_run() -> None:
    """A progress bar is not worth half a destruction."""
    run = run_of()
    observer = run.ports["observer"] = BrokenObserver()
    run.go()
    assert observer.told >= 32
    assert run.is_concluded


class BrokenJournal:
    """Fails from the nth entry on."""

    def __init__(self, run: Run, last: int) -> None:
        self.run, self.last = run, last

    @property
    def head(self) -> str | None:
        return self.run.journal.head

    def write(self, event: object) -> None:
        if len(self.run.journal.entries) >= self.last:
            raise errors.Interrupted("journal-not-writable", detail="no space left")
        self.run.journal.write(event)


def test_a_journal_that_fails_stops_the_run() -> None:
    """What cannot be recorded must not be done."""
    run = run_of()
    ports = Ports(BrokenJournal(run, 2), run.drawn.randbytes, run.kept.__setitem__, pace=run.pace)
    (target,) = run.host.find(run.ordered, None)
    with (
        run.host.open(target, run.ordered, None, resuming=False) as writer,
        pytest.raises(errors.Interrupted, match="journal"),
    ):
        execute(warrant(run.ordered), run.plan, writer, ports, Progress())
    assert run.simulated.secrets_left() == 128


def test_a_clock_set_back_does_not_unmake_the_order_of_acts() -> None:
    """A read-back that seems to end before its overwrite would prove nothing."""
    times = iter(NOON - timedelta(minutes=minute) for minute in range(100))
    run = run_of()
    run.ports["now"] = lambda: next(times)
    run.go()
    (record,), (check,) = run.evidence.records, run.evidence.checks
    assert check.ended_at >= record.ended_at >= datetime.min.replace(tzinfo=NOON.tzinfo)
    assert run.claim.level is Level.CLEAR


def test_replay_agrees_with_the_run() -> None:
    """A journal says as much as the memory of the process that wrote it."""
    run = run_of("files")
    run.go()
    progress = replay(run.journal.entries)
    assert progress.is_concluded
    assert progress.is_begun
    assert all(progress.is_done(number) for number in range(len(run.plan.steps)))
    assert progress.identified == Identified(run.simulated.facts)
    last = [event for event in run.journal.events(Advanced) if isinstance(event, Advanced)][-1]
    assert progress.steps[0].position == last.position == run.plan.size
