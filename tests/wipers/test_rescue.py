"""Closing in on what a pass went round: to the sector, from the far end, and with patience that ends."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from certificates.statements import ConstantPattern, Extent, Failure
from tests.support.simulated_host import SECTOR, Lies, Plug, Simulated, SimulatedWriter
from wipers.course import SKIPPED
from wipers.pipeline import Loop, Pace, Unstopped
from wipers.ranges import KEPT
from wipers.rescue import ATTEMPTS, TRIES, revisit

CHUNK = 4096
ZEROS = ConstantPattern("00")
Told = list[tuple[tuple[Failure, ...], int]]


def revisited(
    simulated: Simulated,
    *failures: Failure,
    unlisted: int = 0,
    pace: Pace | None = None,
    attempts: int = ATTEMPTS,
) -> Told:
    """Close in on the ranges and return what the journal would have been told."""
    told: Told = []
    loop = Loop(pace or Pace(CHUNK, threads=1), Unstopped()).alone()
    writer = SimulatedWriter(simulated, Plug())
    assert revisit(writer, ZEROS, failures, unlisted, told=lambda *one: told.append(one), loop=loop, attempts=attempts)
    return told


def zeroed(simulated: Simulated) -> set[int]:
    """Sectors that hold the pattern past every cache."""
    data = simulated.storage.durable[0]
    return {at for at in range(len(data) // SECTOR) if data[at * SECTOR : (at + 1) * SECTOR] == bytes(SECTOR)}


@given(st.sets(st.integers(0, 127), max_size=30))
def test_exactly_the_bad_sectors_stay_failures(bad: set[int]) -> None:
    """Whatever a pass went round, skipped or failed, a good sector in it is overwritten in the end."""
    simulated = Simulated(lies=Lies(bad_writes={(0, sector): "EIO" for sector in bad}))
    told = revisited(simulated, Failure(Extent(0, 0, 8192), "EIO"), Failure(Extent(0, 8192, 57344), SKIPPED))
    ranges, size = told[-1]
    assert size == len(bad) * SECTOR == sum(one.extent.length for one in ranges)
    assert zeroed(simulated) == set(range(128)) - bad
    assert {one.error for one in ranges} <= {"EIO"}


def test_a_skipped_range_is_taken_from_its_far_end_until_something_fails() -> None:
    """Damage grows from where the head met it: the far side is good the longest."""
    simulated = Simulated(lies=Lies(bad_writes={(0, 40): "EIO"}))
    revisited(simulated, Failure(Extent(0, 0, 65536), SKIPPED))
    approach = [sector for _, sector in simulated.asked[:11]]
    assert approach == list(range(120, 39, -8))


def test_a_chunk_that_failed_is_halved_from_its_far_end() -> None:
    """It is not tried whole once more: that is known, and costs half a minute."""
    simulated = Simulated(lies=Lies(bad_writes={(0, 3): "EIO"}))
    revisited(simulated, Failure(Extent(0, 0, CHUNK), "EIO"))
    assert [sector for _, sector in simulated.asked] == [4, 0, 2, 3, 3, 2, 0]


def test_a_sector_that_takes_the_second_attempt_is_overwritten() -> None:
    """Some come back at a retry, and a retry costs nothing beside a shredder."""
    simulated = Simulated(lies=Lies(fails_once={(0, 3)}, bad_writes={(0, 5): "EIO"}))
    (_, size) = revisited(
        simulated, Failure(Extent(0, 3 * SECTOR, SECTOR), "EIO"), Failure(Extent(0, 5 * SECTOR, SECTOR), "EIO")
    )[-1]
    assert size == SECTOR
    assert 3 in zeroed(simulated)
    assert [sector for _, sector in simulated.asked] == [5] * TRIES + [3] * 2


def test_what_is_told_is_flushed_before() -> None:
    """A failure is taken back only for what is on the medium."""
    simulated = Simulated()
    writer = SimulatedWriter(simulated, Plug())

    def told(failures: tuple[Failure, ...], failed_size: int) -> None:
        assert not failures
        assert zeroed(simulated) == set(range(8))

    loop = Loop(Pace(CHUNK, threads=1), Unstopped()).alone()
    assert revisit(writer, ZEROS, (Failure(Extent(0, 0, CHUNK), "EIO"),), 0, told=told, loop=loop)


def test_patience_ends_in_attempts_and_nothing_untried_counts_as_done() -> None:
    """A disk that is dead throughout is not asked sector by sector for a year."""
    simulated = Simulated(sizes=(1 << 24,), lies=Lies(bad_writes={(0, sector): "EIO" for sector in range(1 << 15)}))
    ((ranges, size),) = revisited(simulated, Failure(Extent(0, 0, 1 << 24), SKIPPED), attempts=500)[-1:]
    assert size == 1 << 24
    assert sum(one.extent.length for one in ranges) == size
    assert len(simulated.asked) <= 500 + 2 * TRIES
    assert zeroed(simulated) == set()


def test_patience_ends_in_time() -> None:
    """Half a minute for each attempt: after an hour of them the run goes on to its read-back."""
    seconds = itertools.count(0, 30)
    simulated = Simulated(lies=Lies(bad_writes={(0, sector): "EIO" for sector in range(128)}))
    pace = Pace(CHUNK, threads=1, clock=lambda: float(next(seconds)))
    revisited(simulated, Failure(Extent(0, 0, 65536), "EIO"), pace=pace)
    assert len(simulated.asked) <= 3600 / 30 + 2


def test_ranges_that_nobody_kept_stay_failures() -> None:
    """A journal lists 4096 ranges: bytes beyond are counted whole, never forgotten."""
    told = revisited(Simulated(), Failure(Extent(0, 0, CHUNK), "EIO"), unlisted=12345)
    assert told[-1] == ((), 12345)


def test_more_bad_sectors_than_a_journal_lists_are_counted_to_the_byte() -> None:
    """The list is cut, the sum is not."""
    bad = {(0, sector): "EIO" for sector in range(0, 1 << 14, 2)}
    simulated = Simulated(sizes=(1 << 23,), lies=Lies(bad_writes=bad))
    ranges, size = revisited(simulated, *(Failure(Extent(0, at * SECTOR, SECTOR), "EIO") for _, at in bad))[-1]
    assert len(ranges) == KEPT
    assert size == len(bad) * SECTOR


def test_a_checkpoint_in_between_counts_what_is_in_the_air_as_failed() -> None:
    """A crash between two of them redoes the work; it must not find it told as done."""
    seconds = itertools.count(0, 100)
    simulated = Simulated()
    pace = Pace(CHUNK, threads=1, clock=lambda: float(next(seconds)))
    told = revisited(simulated, Failure(Extent(0, 0, 65536), SKIPPED), pace=pace)
    sizes = [size for _, size in told]
    assert len(sizes) > 2
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 0
