"""Taking up a step: what the journal claims is looked for on the medium before anything is built on it."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import errors
from certificates.statements import Extent, Failure, Kind, Level, Noted, Outcome, OverwriteRecord, Reproved
from tests.support.runs import SMALL, Run, run_of
from tests.support.simulated_host import SECTOR, Lies, PowerCut, Storage
from wipers.progress import replay
from wipers.reproof import between, without

LAYOUTS = st.lists(st.integers(0, 12), max_size=5).map(
    lambda lengths: [Extent(stream, 3 * stream, length) for stream, length in enumerate(lengths)]
)


class StopAfter:
    """A person presses Ctrl-C after so many looks at the signal."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def stopped(run: Run, looks: int = 10) -> Run:
    """The run, stopped after so many chunks."""
    run.ports["stop"] = StopAfter(looks)
    with pytest.raises(errors.Interrupted):
        run.go()
    del run.ports["stop"]
    return run


def reproved(run: Run) -> list[Reproved]:
    return [event for event in run.journal.events(Reproved) if isinstance(event, Reproved)]


def points(layout: list[Extent]) -> list[tuple[int, int]]:
    return [(one.stream, one.offset + at) for one in layout for at in range(one.length)]


@given(LAYOUTS, st.integers(0, 70), st.integers(0, 70))
def test_a_part_of_a_layout_is_those_bytes(layout: list[Extent], begin: int, end: int) -> None:
    """Positions count along all extents."""
    assert points(list(between(layout, begin, end))) == points(layout)[begin:end]


@given(LAYOUTS, st.sets(st.tuples(st.integers(0, 4), st.integers(0, 30))))
def test_what_failed_is_cut_out(layout: list[Extent], bad: set[tuple[int, int]]) -> None:
    """It was never claimed to be on the medium."""
    failures = [Failure(Extent(stream, offset, 1), "EIO") for stream, offset in bad]
    assert points(list(without(layout, failures))) == [at for at in points(layout) if at not in bad]


def test_a_resume_reads_what_is_claimed_before_it_goes_on() -> None:
    """A sample of all before the position, and everything that was flushed last before it."""
    run = stopped(run_of())
    run.go()
    (event,) = reproved(run)
    assert (event.step, event.position, event.mismatched, event.unread) == (0, 40960, 0, 0)
    assert event.blocks == 2 + 8
    assert run.claim.level is Level.CLEAR
    assert len(run.simulated.asked) == 16


def test_a_run_that_was_not_interrupted_proves_nothing_again() -> None:
    """It costs a settle and a read."""
    run = run_of()
    run.go()
    assert reproved(run) == []


def test_the_stretch_flushed_last_is_read_whole() -> None:
    """What a cache loses is what came last: one lost sector there is found, wherever it lies."""
    for sector in range(64, 80):
        run = stopped(run_of())
        data = run.simulated.storage
        data.seen[0][sector * SECTOR] ^= 1
        data.durable[0][sector * SECTOR] ^= 1
        run.go()
        assert reproved(run)[0].mismatched == 1


def lost_from(run: Run, begin: int) -> Run:
    """The run, whose cache lied about every flush and lost with the power what lies from that byte on."""
    storage = run.simulated.storage
    for stream, before in storage.original.items():
        storage.seen[stream][begin:] = before[begin:]
        storage.durable[stream][:] = storage.seen[stream]
    return run


def test_where_a_flush_lied_the_step_begins_anew() -> None:
    """And says so: nobody must think that the second half alone was written twice."""
    run = lost_from(stopped(run_of()), 8192)
    run.simulated.asked.clear()
    run.go()
    assert reproved(run)[0].mismatched > 0
    assert [sector for _, sector in run.simulated.asked] == list(range(0, 128, 8))
    assert any("flush lied" in event.note for event in run.journal.events(Noted) if isinstance(event, Noted))
    (record,) = run.evidence.records
    assert isinstance(record, OverwriteRecord)
    assert (record.resumed, record.failed_size) == (1, 0)
    assert run.claim.level is Level.CLEAR


def test_failures_from_before_are_forgotten_with_the_rest() -> None:
    """They are found again, or they are not there any more; counted twice they would unmake the sum."""
    run = run_of()
    run.simulated.lies = Lies(bad_writes={(0, 3): "EIO"})
    lost_from(stopped(run), 8192)
    run.go()
    (record,) = run.evidence.records
    assert isinstance(record, OverwriteRecord)
    assert (record.failed_size, record.written) == (SECTOR, 65536 - SECTOR)


def test_what_failed_is_not_taken_for_a_lie() -> None:
    """A bad sector holds old data, as the journal says itself."""
    run = run_of()
    run.simulated.lies.bad_writes = {(0, sector): "EIO" for sector in (3, 60, 70)}
    stopped(run)
    run.go()
    (event,) = reproved(run)
    assert event.mismatched == 0
    assert event.blocks > 0


def test_what_cannot_be_read_proves_nothing_either_way() -> None:
    """It is told, and left to the read-back."""
    run = stopped(run_of())
    run.simulated.lies.bad_reads = {(0, 70): "EIO"}
    run.go()
    (event,) = reproved(run)
    assert (event.mismatched, event.unread > 0) == (0, True)


def test_files_are_proved_again_across_their_streams() -> None:
    """Odd tails and all."""
    run = stopped(run_of("files"), 8)
    run.go()
    (event,) = reproved(run)
    assert (event.mismatched, event.unread) == (0, 0)
    assert run.claim.level is Level.CLEAR


def test_a_second_resume_proves_what_the_first_one_added() -> None:
    """Each power cut may have taken something."""
    run = stopped(stopped(run_of(), 5), 12)
    run.go()
    assert [event.position for event in reproved(run)] == [20480, reproved(run)[1].position]
    assert reproved(run)[1].position > 20480


def test_a_stop_while_proving_leaves_the_journal_as_it_was() -> None:
    """Half a proof is none."""
    run = stopped(run_of())
    run.ports["stop"] = StopAfter(2)
    with pytest.raises(errors.Interrupted) as caught:
        run.go()
    assert caught.value.reason == "stopped"
    assert reproved(run) == []
    assert replay(run.journal.entries).steps[0].position == 40960


def test_with_more_failures_than_are_listed_nothing_is_proved_and_that_is_said() -> None:
    """Which ranges failed is not known then: a difference would say nothing."""
    run = run_of()
    run.pace = dataclasses.replace(SMALL, chunk_size=512)
    run.simulated.lies.bad_writes = {(0, 3): "EIO"}
    stopped(run, 40)
    entry = next(one for one in run.journal.entries if getattr(one.event, "failed_size", 0))
    at = run.journal.entries.index(entry)
    run.journal.entries[at] = dataclasses.replace(entry, event=dataclasses.replace(entry.event, failed_size=4096))  # type: ignore[arg-type]
    run.go()
    assert reproved(run) == []
    assert any("not proved again" in event.note for event in run.journal.events(Noted) if isinstance(event, Noted))


def plugged_in(run: Run) -> bytes:
    """In place of the medium, another that calls itself the same; what stands on it."""
    other = Storage.holding(run.simulated.sizes, seed=99)
    run.simulated.storage.seen, run.simulated.storage.durable = other.seen, other.durable
    run.simulated.asked.clear()
    return bytes(other.seen[0])


def refused(run: Run) -> str:
    """Why a run that is taken up does not go on."""
    with pytest.raises(errors.Interrupted) as caught:
        run.go()
    return caught.value.reason


def test_a_twin_on_which_nothing_of_the_run_stands_is_not_written_to() -> None:
    """Bridges that all report one number, and the one that was begun is in a drawer: a pass anew would destroy this."""
    run = stopped(run_of())
    begun = run.simulated.storage.seen, run.simulated.storage.durable
    there = plugged_in(run)
    for _ in range(2):
        assert refused(run) == "target-unwritten"
        assert (bytes(run.simulated.storage.seen[0]), run.simulated.asked) == (there, [])
    run.simulated.storage.seen, run.simulated.storage.durable = begun
    run.go()
    assert [event.mismatched for event in reproved(run)] == [0]
    assert len(run.simulated.asked) == 6
    assert run.claim.level is Level.CLEAR


def test_one_sector_that_was_written_tells_the_medium_from_a_twin() -> None:
    """A cache may have lost everything but what it had to put somewhere: that is no reason to need a new order."""
    run = lost_from(stopped(run_of()), SECTOR)
    run.go()
    assert reproved(run)[0].mismatched == reproved(run)[0].blocks > 0
    assert run.claim.level is Level.CLEAR


def test_a_pass_that_began_anew_still_knows_its_medium() -> None:
    """Its position is 0 again, and all that it wrote before stands there all the same."""
    run = lost_from(stopped(run_of()), 8192)
    run.ports["stop"] = StopAfter(11)
    with pytest.raises(errors.Interrupted):
        run.go()
    del run.ports["stop"]
    begun = replay(run.journal.entries).steps[0]
    assert (begun.position, begun.reached) == (0, 40960)
    medium = run.simulated.storage.seen, run.simulated.storage.durable
    there = plugged_in(run)
    assert refused(run) == "target-unwritten"
    assert bytes(run.simulated.storage.seen[0]) == there
    run.simulated.storage.seen, run.simulated.storage.durable = medium
    run.go()
    assert run.claim.level is Level.CLEAR


@pytest.mark.parametrize("kind", ["device", "luks"])
def test_a_later_pass_is_not_begun_on_a_twin(kind: Kind) -> None:
    """It has written nothing yet by which the medium could be told; the pass before it has, there or in the header."""
    technique = {"device": "hmg-is5-enhanced", "luks": "luks2-header-and-payload"}[kind]
    cuts = 0
    for cut_at in range(5, 60):
        run = run_of(kind, technique=technique)
        run.plug.cut_at = cut_at
        with contextlib.suppress(PowerCut):
            run.go()
        run.restore_power()
        progress = replay(run.journal.entries)
        begun = [one for number, one in progress.steps.items() if not progress.is_done(number)]
        if len(progress.records) != 1 or any(one.position for one in begun):
            continue
        cuts += 1
        medium = run.simulated.storage.seen, run.simulated.storage.durable
        there = plugged_in(run)
        assert refused(run) == "target-unwritten"
        assert (bytes(run.simulated.storage.seen[0]), run.simulated.asked) == (there, [])
        run.simulated.storage.seen, run.simulated.storage.durable = medium
        run.go()
        assert run.claim.outcome is Outcome.PROVEN
    assert cuts >= 3


def test_a_later_pass_that_was_lost_whole_begins_anew() -> None:
    """What the pass before left stands there, so this is the medium."""
    run = stopped(run_of(technique="hmg-is5-enhanced"), 30)
    progress = replay(run.journal.entries)
    assert (len(progress.records), progress.steps[1].position > 0) == (1, True)
    for data in (run.simulated.storage.seen[0], run.simulated.storage.durable[0]):
        data[:] = bytes(len(data))
    run.go()
    assert reproved(run)[0].mismatched == reproved(run)[0].blocks > 0
    assert run.claim.outcome is Outcome.PROVEN


def test_a_medium_that_cannot_be_read_at_all_is_not_called_another() -> None:
    """A dying disk is given up by the rules of care, not by a guess."""
    run = stopped(run_of())
    run.simulated.lies.bad_reads = {(0, sector): "EIO" for sector in range(128)}
    run.go()
    assert reproved(run)[0].mismatched == 0
    assert run.is_concluded
