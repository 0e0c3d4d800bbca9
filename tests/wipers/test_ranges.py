"""Failed ranges: found to the sector, counted to the byte, bounded in number."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from certificates.statements import Extent, Failure
from wipers.model import MediumError
from wipers.ranges import KEPT, Patience, Tally, attempt, coalesce

SECTOR = 512


class Medium:
    """Sectors that fail; counts how often it was asked."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.asked = 0
        self.written: set[int] = set()

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        self.asked += 1
        sectors = set(range(offset // SECTOR, -(-(offset + len(buffer)) // SECTOR)))
        if sectors & self.bad:
            raise MediumError("EIO", Extent(stream, offset, len(buffer)))
        self.written |= sectors


@given(st.integers(1, 40 * SECTOR), st.sets(st.integers(0, 39)))
def test_exactly_the_bad_sectors_fail(length: int, bad: set[int]) -> None:
    """One bad sector must not cost its neighbours their erasure; an odd tail is a sector too."""
    sectors = set(range(-(-length // SECTOR)))
    medium = Medium(bad)
    failures = attempt(medium.write, Extent(3, 0, length), memoryview(bytes(length)), SECTOR, Patience())
    assert {one.extent.offset // SECTOR for one in failures} == bad & sectors
    assert medium.written == sectors - bad
    assert sum(one.extent.length for one in failures) == sum(min(SECTOR, length - at * SECTOR) for at in bad & sectors)


def test_out_of_patience_a_range_fails_whole() -> None:
    """A dying drive takes half a minute an attempt; what was not tried counts as damage, never as done."""
    medium = Medium({5})
    failures = attempt(medium.write, Extent(0, 0, 8192), memoryview(bytes(8192)), SECTOR, Patience(2))
    assert failures == [Failure(Extent(0, 2048, 2048), "EIO")]
    assert medium.asked <= 5


@given(st.sets(st.integers(0, 60)))
def test_neighbours_are_joined_and_nothing_is_lost(sectors: set[int]) -> None:
    """A list of ranges a person can read says the same as a list of sectors."""
    joined = coalesce(Failure(Extent(0, at * SECTOR, SECTOR), "EIO") for at in sectors)
    covered = [at for one in joined for at in range(one.extent.offset // SECTOR, _end(one) // SECTOR)]
    assert covered == sorted(sectors)
    assert all(_end(one) < after.extent.offset for one, after in itertools.pairwise(joined))


def _end(failure: Failure) -> int:
    return failure.extent.offset + failure.extent.length


def test_different_errors_and_streams_stay_apart() -> None:
    """ENODATA beside EIO is another finding; the end of one file is not the start of the next."""
    failures = (
        Failure(Extent(0, 0, SECTOR), "EIO"),
        Failure(Extent(0, SECTOR, SECTOR), "ENODATA"),
        Failure(Extent(1, 2 * SECTOR, SECTOR), "ENODATA"),
    )
    assert coalesce(reversed(failures)) == failures


def test_a_tally_keeps_the_first_ranges_and_counts_all() -> None:
    """A certificate lists 4096 ranges at most; its sum is exact all the same, and memory does not grow."""
    tally = Tally()
    for at in range(20_000):
        tally.add([Failure(Extent(0, 2 * at * SECTOR, SECTOR), "EIO")])
        assert len(tally.kept) <= 2 * KEPT + 1
    assert tally.size == 20_000 * SECTOR
    assert [one.extent.offset for one in tally.ranges()] == [2 * at * SECTOR for at in range(KEPT)]


def test_a_tally_of_one_long_range_is_one_range() -> None:
    """A device that differs throughout is told as one range, not as the first gigabytes."""
    tally = Tally()
    tally.add(Failure(Extent(0, at * SECTOR, SECTOR), "EIO") for at in range(20_000))
    assert tally.ranges() == (Failure(Extent(0, 0, 20_000 * SECTOR), "EIO"),)
