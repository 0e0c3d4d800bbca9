"""The speed profile: every byte and every second in its bin, and what was not measured said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.encoding import decode, encode
from certificates.errors import Interrupted
from certificates.statements import MOST_BINS, Extent, Failure, SampledVerification, SpeedProfile
from tests.support.runs import Run, run_of
from tests.support.simulated_host import Lies
from wipers.profile import Meter, on_the_wire


class Clock:
    """A clock that goes on when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def profile_of(run: Run, step: int) -> SpeedProfile:
    return decode(run.kept[f"profile-{step}.json"], SpeedProfile)


@given(st.integers(1, 1 << 40), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1 << 21)), max_size=20))
def test_bins_add_up_to_what_was_moved_and_to_the_time_that_passed(size: int, chunks: list[tuple[float, int]]) -> None:
    """A profile that loses a slow chunk hides what it is for."""
    clock = Clock()
    meter = Meter(size, 0, clock)
    total = 0
    for place, length in chunks:
        position = int(place * (size - 1))
        moved = min(length, size - position)
        clock.now += 1
        meter.moved(position, moved)
        total += moved
    found = meter.profile(0, "overwrite", "whole", (0,) * len(meter._moved))
    assert sum(found.moved) == total
    assert abs(sum(found.microseconds) - len(chunks) * 1_000_000) <= MOST_BINS
    assert len(found.moved) <= MOST_BINS
    assert found.bin_size * len(found.moved) >= size > found.bin_size * (len(found.moved) - 1)


def test_the_slow_place_is_where_it_was() -> None:
    """A head that retries for minutes at one place is what a person looks for on the picture."""
    clock = Clock()
    meter = Meter(1 << 20, 0, clock)
    for position in range(0, 1 << 20, 4096):
        clock.now += 10 if position == 40960 else 0.5
        meter.moved(position, 4096)
    found = meter.profile(0, "read-back", "whole", (0,) * MOST_BINS)
    assert found.microseconds.index(10_000_000) == 10
    assert (found.slowest, found.fastest) == (409, 8192)
    assert found.average == (1 << 20) * 1_000_000 // sum(found.microseconds)


def test_a_pause_is_in_no_bin() -> None:
    """A night's rest does not make a disk slow."""
    clock = Clock()
    meter = Meter(8192, 0, clock)
    clock.now = 1
    meter.moved(0, 4096)
    meter.rest()
    clock.now = 3601
    meter.go_on()
    clock.now = 3602
    meter.moved(4096, 4096)
    found = meter.profile(0, "overwrite", "whole", (0, 0))
    assert (found.microseconds, found.rested) == ((1_000_000, 1_000_000), 3600 * 1_000_000)


def test_every_pass_and_every_full_read_back_has_one_in_canonical_form() -> None:
    """Rendered, audited and read by strangers: it must be what the schema says."""
    run = run_of("files")
    run.go()
    assert {name for name in run.kept if name.startswith("profile")} == {"profile-0.json", "profile-1.json"}
    for step, act in ((0, "overwrite"), (1, "read-back")):
        found = profile_of(run, step)
        assert (found.step, found.act, found.size, sum(found.moved)) == (step, act, 66048, 66048)
        assert run.kept[f"profile-{step}.json"] == encode(found) == on_the_wire(found)


@pytest.mark.parametrize("moved", [0, 4096])
def test_a_step_of_which_no_bin_was_measured_whole_has_a_profile_that_is_read(moved: int) -> None:
    """A medium that nobody may read gives no speed: the record says so, and is not told as a forged one."""
    meter = Meter(16384, 12288, Clock())
    meter.moved(12288, moved)
    found = meter.profile(1, "read-back", "whole", (0, 0, 0, 0))
    assert (found.slowest, found.fastest) == (None, None)
    assert decode(on_the_wire(found), SpeedProfile) == found
    assert on_the_wire(found) == encode(found)


def test_a_sampled_read_back_has_none() -> None:
    """A few blocks here and there tell no speed."""
    run = run_of(verification=SampledVerification(900_000, 200_000))
    run.go()
    assert "profile-1.json" not in run.kept


def test_failures_stand_in_the_bins_where_they_lie() -> None:
    """As the record lists them at the end, not as the first attempt went."""
    run = run_of("files")
    run.simulated.lies = Lies(bad_writes={(1, 3): "EIO", (3, 95): "EIO"}, bad_reads={(3, 0): "EIO"})
    run.go()
    written, read = profile_of(run, 0), profile_of(run, 1)
    assert {at: size for at, size in enumerate(written.failed) if size} == {1: 512, 16: 512}
    assert {at: size for at, size in enumerate(read.failed) if size} == {4: 512}


def test_a_resumed_step_says_from_where_it_was_measured() -> None:
    """The hours before the power cut were measured by nobody who is still alive."""
    run = run_of()
    run.ports["stop"] = StopAfter(8)
    with pytest.raises(Interrupted):
        run.go()
    del run.ports["stop"]
    run.go()
    found = profile_of(run, 0)
    assert found.measured_from == 8 * 4096
    assert not any(found.moved[:8])
    assert sum(found.moved) == 8 * 4096


class StopAfter:
    """A person presses Ctrl-C after so many looks at the signal."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_failure_across_a_bins_border_is_in_both() -> None:
    """Bins are a picture's, not the medium's."""
    meter = Meter(4 << 20, 0, Clock())
    failed = meter.failed([Extent(0, 0, 4 << 20)], (Failure(Extent(0, 16384 - 512, 1024), "EIO"),))
    assert failed[:2] == (512, 512)
