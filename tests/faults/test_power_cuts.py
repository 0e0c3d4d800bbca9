"""Wherever the plug is pulled: nothing incomplete is ever concluded, and resuming completes it."""

from __future__ import annotations

import dataclasses

import pytest

from certificates.errors import Interrupted
from certificates.statements import (
    Advanced,
    Committed,
    CryptoEraseConditions,
    Kind,
    Outcome,
    OverwriteRecord,
    SampledVerification,
    Verification,
)
from tests.support.runs import SMALL, Run, carrier, run_of
from tests.support.simulated_host import PowerCut, Simulated
from wipers import WIPERS
from wipers.patterns import fill

SAMPLED = SampledVerification(900_000, 200_000)
Case = tuple[Kind, str | None, Verification | None]
CASES: list[Case] = [
    *((kind, None, None) for kind in WIPERS),
    ("luks", "luks2-header", None),
    ("device", "zeros-1", None),
    ("device", None, SAMPLED),
]


def fresh(kind: Kind, technique: str | None, verification: Verification | None) -> Run:
    return run_of(kind, verification, technique=technique, crypto_erase=CryptoEraseConditions(*[True] * 7))


def holds_the_last_pass(run: Run) -> bool:
    """Whether the medium, past every cache, is the last pass throughout what the plan covers."""
    records = [record for record in run.evidence.records if isinstance(record, OverwriteRecord)]
    if len(records) < run.evidence.passes:
        return False
    last = records[-1]
    for stream, data in run.simulated.storage.durable.items():
        expected = bytearray(min(last.size, len(data)))
        fill(last.pattern, stream, 0, memoryview(expected))
        if data[: len(expected)] != expected:
            return False
    return True


def effects_of(run: Run) -> int:
    run.go()
    assert run.claim.outcome is Outcome.PROVEN
    return run.plug.effects


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{'sampled' if case[2] else 'full'}")
def test_a_power_cut_at_any_effect_leaves_a_run_that_resumes(
    case: tuple[Kind, str | None, Verification | None],
) -> None:
    """Every write, read, barrier, release and journal entry of the run is such a place."""
    for cut_at in range(1, effects_of(fresh(*case)) + 1):
        run = fresh(*case)
        run.plug.cut_at = cut_at
        with pytest.raises(PowerCut):
            run.go()
        run.restore_power()
        assert not run.is_concluded or holds_the_last_pass(run), f"concluded too early at {cut_at}"
        run.go()
        assert run.is_concluded
        assert holds_the_last_pass(run), f"incomplete after a cut at {cut_at}"
        assert run.claim.outcome is Outcome.PROVEN
        assert run.simulated.names == 0


def test_a_run_cut_again_and_again_comes_to_its_end() -> None:
    """A machine whose power fails every few seconds; each cut loses at most what no checkpoint covered."""
    run = run_of("files")
    cuts = 0
    while not run.is_concluded:
        run.plug.effects, run.plug.cut_at = 0, 12 + cuts
        try:
            run.go()
        except PowerCut:
            cuts += 1
            run.restore_power()
    assert cuts > 5
    assert holds_the_last_pass(run)
    assert run.claim.outcome is Outcome.PROVEN
    record = run.evidence.records[0]
    assert isinstance(record, OverwriteRecord)
    assert record.resumed >= 2


@pytest.mark.parametrize("cut_at", range(3, 60, 4))
def test_a_power_cut_under_several_threads_leaves_a_run_that_resumes(cut_at: int) -> None:
    """Chunks then end out of order; the mark must not run ahead of the slowest."""
    run = run_of()
    run.pace = dataclasses.replace(SMALL, threads=4)
    run.plug.cut_at = cut_at
    try:
        run.go()
    except PowerCut:
        run.restore_power()
        assert not run.is_concluded
        run.go()
    assert holds_the_last_pass(run)
    assert run.claim.outcome is Outcome.PROVEN


def test_a_bad_sector_found_before_a_cut_is_not_forgotten() -> None:
    """The journal carries it, wherever the cut falls after the checkpoint that passed it."""
    whole = run_of()
    whole.simulated.lies.bad_writes = {(0, 3): "EIO"}
    whole.go()
    for cut_at in range(1, whole.plug.effects + 1):
        run = run_of()
        run.simulated.lies.bad_writes = {(0, 3): "EIO"}
        run.plug.cut_at = cut_at
        with pytest.raises(PowerCut):
            run.go()
        run.restore_power()
        run.go()
        assert run.claim.outcome is Outcome.NOT_REACHED
        assert run.evidence.records[0].failed_size == 512  # type: ignore[union-attr]


@pytest.mark.parametrize("verification", [None, SAMPLED], ids=["full", "sampled"])
@pytest.mark.parametrize("cut_at", range(5, 30))
def test_flushes_that_lie_are_found_by_the_read_back(cut_at: int, verification: Verification | None) -> None:
    """A cache that lied satisfies a read-back until the power fails: a resumed run trusts no earlier read-back."""
    run = run_of(verification=verification)
    run.simulated.lies.flush_lies = True
    run.plug.cut_at = cut_at
    with pytest.raises(PowerCut):
        run.go()
    run.restore_power()
    run.simulated.lies.flush_lies = False
    run.go()
    if run.claim.outcome is Outcome.PROVEN and verification is None:
        assert run.simulated.secrets_left() == 0
    if verification is not None:
        assert len({event.local for event in run.journal.events(Committed)}) <= 1  # type: ignore[union-attr]


def test_a_cut_between_read_back_and_conclusion_has_it_read_again() -> None:
    """There the medium satisfied the read-back out of a cache, and nothing would look at it again."""
    whole = run_of()
    run = run_of()
    run.simulated.lies.flush_lies = True
    run.plug.cut_at = effects_of(whole) - 1
    with pytest.raises(PowerCut):
        run.go()
    run.restore_power()
    assert run.simulated.secrets_left() > 0
    run.go()
    assert run.claim.outcome is Outcome.NOT_REACHED


def dying() -> Run:
    """A disk with a dead region in which good sectors lie, large enough that some of it is skipped at first."""
    run = Run(Simulated(sizes=(131072,)), carrier())
    run.pace = dataclasses.replace(SMALL, chunk_size=512, checkpoint_size=65536)
    run.simulated.lies.bad_writes = {(0, sector): "EIO" for sector in (*range(100, 106), 111)}
    return run


def test_a_power_cut_while_closing_in_leaves_a_run_that_closes_in_again() -> None:
    """The coarse ranges stand in the journal until the fine ones do, so nothing between is lost or told too early."""
    whole = dying()
    whole.go()
    assert "skipped" in {one.error for event in whole.journal.events(Advanced) for one in event.failures}  # type: ignore[union-attr]
    for cut_at in (*range(255, 320, 2), whole.plug.effects - 1):
        run = dying()
        run.plug.cut_at = cut_at
        with pytest.raises(PowerCut):
            run.go()
        run.restore_power()
        run.go()
        (record,) = run.evidence.records
        assert isinstance(record, OverwriteRecord)
        assert record.failed_size == 7 * 512, f"after a cut at {cut_at}"
        assert {one.error for one in record.failures} == {"EIO"}
        # A cut may tear a write in a bad sector too: less is left there then, and it stays a failure.
        assert run.simulated.secrets_left() <= 7
        assert run.claim.outcome is Outcome.NOT_REACHED


def test_closing_in_comes_after_the_rest_of_the_disk() -> None:
    """What is good is overwritten while the disk still lives."""
    run = dying()
    run.go()
    kinds = [entry.event.kind for entry in run.journal.entries]
    assert kinds.index("revisited") > max(at for at, kind in enumerate(kinds) if kind == "advanced")
    first = [sector for _, sector in run.simulated.asked]
    assert first.index(255) < first.index(104, first.index(255))


def test_a_power_cut_on_a_disk_of_zones_leaves_a_run_that_begins_its_zone_anew() -> None:
    """A zone that was half written takes nothing before its reset."""

    def zoned() -> Run:
        run = run_of()
        run.simulated.zone_size = 16384
        return run

    for cut_at in range(1, effects_of(zoned()) + 1, 2):
        run = zoned()
        run.plug.cut_at = cut_at
        with pytest.raises(PowerCut):
            run.go()
        run.restore_power()
        run.go()
        assert holds_the_last_pass(run), f"incomplete after a cut at {cut_at}"
        assert run.claim.outcome is Outcome.PROVEN


def test_a_disk_that_comes_and_goes_is_not_taken_for_a_damaged_one() -> None:
    """Off the bus every write fails; once it answers under another name, the run rests instead of recording damage."""
    run = run_of()
    run.simulated.lies.bad_writes = {(0, sector): "ENOSPC" for sector in range(64, 128)}
    run.simulated.lies.swapped_at = 20
    with pytest.raises(Interrupted) as caught:
        run.go()
    assert caught.value.reason == "target-lost"
    assert run.evidence.records == ()
    run.simulated.lies.bad_writes, run.simulated.lies.swapped_at = {}, None
    run.go()
    assert run.claim.outcome is Outcome.PROVEN
