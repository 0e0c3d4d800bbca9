"""Overwriting a simulated medium: all of it, in any number of threads, and only what was flushed is told."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.statements import ConstantPattern, Extent, Failure, KeystreamPattern, Pattern, RepeatedPattern
from tests.support.simulated_host import SECTOR, Lies, Plug, Simulated, SimulatedWriter
from wipers.model import Lost, MediumError
from wipers.overwrite import overwrite
from wipers.patterns import fill
from wipers.pipeline import Loop, Pace, Unstopped
from wipers.ranges import coalesce

KEYSTREAM = KeystreamPattern("5a" * 32)
PATTERNS: list[Pattern] = [KEYSTREAM, ConstantPattern("ff"), RepeatedPattern("924924")]
Told = list[tuple[int, tuple[Failure, ...], int]]


def expected(pattern: Pattern, stream: int, length: int) -> bytes:
    buffer = bytearray(length)
    fill(pattern, stream, 0, memoryview(buffer))
    return bytes(buffer)


def overwritten(simulated: Simulated, pattern: Pattern = KEYSTREAM, start: int = 0, size: int = 0, **pace: int) -> Told:
    """Overwrite in small chunks and return what the journal would have been told."""
    told: Told = []
    writer = SimulatedWriter(simulated, Plug())
    loop = Loop(Pace(**{"chunk_size": 4096, "checkpoint_size": 16384, "threads": 1, **pace}), Unstopped())  # type: ignore[arg-type]
    end = overwrite(
        writer,
        writer.layout("whole"),
        pattern,
        start=start,
        advance=lambda *one: told.append(one),
        loop=loop,
        size=size,
    )
    assert end == simulated.size
    return told


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.kind)
@pytest.mark.parametrize("threads", [1, 4])
def test_every_stream_holds_the_pattern_to_its_odd_tail(pattern: Pattern, threads: int) -> None:
    """Sizes that are no multiple of chunk or sector are where bytes are left behind."""
    simulated = Simulated("files", (4096, 100, 12289, 65536))
    overwritten(simulated, pattern, threads=threads)
    for stream, size in enumerate(simulated.sizes):
        assert simulated.storage.durable[stream] == expected(pattern, stream, size)


@given(st.integers(0, 128).map(lambda sector: sector * SECTOR))
def test_a_resumed_pass_writes_the_same_bytes(start: int) -> None:
    """The pattern follows the offset, so a pass in two parts is one pass."""
    simulated = Simulated()
    overwritten(simulated, start=start)
    assert simulated.storage.durable[0][start:] == expected(KEYSTREAM, 0, 65536)[start:]
    assert simulated.storage.durable[0][:start] == simulated.storage.original[0][:start]


@pytest.mark.parametrize("threads", [1, 3])
def test_only_what_is_flushed_is_told(threads: int) -> None:
    """A position in the journal is a promise about the medium, not about a cache."""
    simulated = Simulated()
    writer = SimulatedWriter(simulated, Plug())

    def advance(position: int, failures: tuple[Failure, ...], failed_size: int) -> None:
        assert simulated.storage.durable[0][:position] == expected(KEYSTREAM, 0, position)

    loop = Loop(Pace(chunk_size=4096, checkpoint_size=8192, threads=threads), Unstopped())
    overwrite(writer, writer.layout("whole"), KEYSTREAM, start=0, advance=advance, loop=loop)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_chunk_with_a_bad_sector_is_gone_round_and_the_rest_is_overwritten(threads: int) -> None:
    """The good terabytes come first: closing in on a bad sector takes half a minute an attempt."""
    bad = {(0, 3): "EIO", (0, 4): "EIO", (0, 100): "ENODATA"}
    simulated = Simulated(lies=Lies(bad_writes=bad))
    told = overwritten(simulated, threads=threads)
    ranges = sorted((one for _, failures, _ in told for one in failures), key=lambda one: one.extent.offset)
    assert ranges == [Failure(Extent(0, 0, 4096), "EIO"), Failure(Extent(0, 12 * 4096, 4096), "ENODATA")]
    assert sum(size for _, _, size in told) == 2 * 4096
    assert simulated.secrets_left() == 16
    assert len(simulated.asked) == 16


def test_a_dead_region_is_skipped_in_growing_strides_and_the_good_behind_it_is_reached() -> None:
    """A thousand failing chunks at half a minute each would be a working day before the good half is touched."""
    dead = range(128 * 8, 384 * 8)  # chunks 128 to 383 of 1024
    simulated = Simulated(sizes=(1 << 22,), lies=Lies(bad_writes={(0, sector): "EIO" for sector in dead}))
    told = overwritten(simulated, size=1 << 22)
    failed = [asked for asked in simulated.asked if asked[1] in dead]
    strides = [(later[1] - earlier[1]) // 8 for earlier, later in itertools.pairwise(failed)]
    assert strides[:5] == [1, 2, 3, 5, 5]
    assert max(strides) == 1 + 1024 // 256
    ranges = coalesce(one for _, failures, _ in told for one in failures)
    assert {one.error for one in ranges} == {"EIO", "skipped"}
    behind = simulated.storage.durable[0][388 * 4096 :]
    assert behind == expected(KEYSTREAM, 0, 1 << 22)[388 * 4096 :]
    assert sum(size for _, _, size in told) == sum(one.extent.length for one in ranges)


def test_bad_sectors_here_and_there_let_nothing_be_skipped() -> None:
    """Only failures in a row are a dead region."""
    bad = {(0, sector): "EIO" for sector in range(0, 8192, 32)}
    simulated = Simulated(sizes=(1 << 22,), lies=Lies(bad_writes=bad))
    told = overwritten(simulated, size=1 << 22)
    assert {one.error for _, failures, _ in told for one in failures} == {"EIO"}
    assert len(simulated.asked) == 1024


def test_zones_are_written_in_order_after_their_reset_and_fail_from_the_first_failure_to_their_end() -> None:
    """A zone takes its next bytes and no others: there is nothing to close in on."""
    lies = Lies(bad_writes={(0, 40): "EIO"}, bad_resets={(0, 96): "EIO"})
    simulated = Simulated(zone_size=16384, lies=lies)
    told = overwritten(simulated, threads=4)
    assert [failures for _, failures, _ in told if failures] == [
        (Failure(Extent(0, 40 * SECTOR // 4096 * 4096, 12288), "EIO"),),
        (Failure(Extent(0, 96 * SECTOR, 16384), "EIO"),),
    ]
    assert [sector for _, sector in simulated.asked] == [*range(0, 48, 8), *range(64, 96, 8)]


def test_a_mark_in_zones_is_the_end_of_one() -> None:
    """A resume begins a zone with its reset: half of one is nothing."""
    simulated = Simulated(zone_size=16384)
    told = overwritten(simulated, checkpoint_size=4096)
    assert [position for position, _, _ in told] == [16384, 32768, 49152, 65536]


def test_a_failure_is_told_with_the_position_that_passes_it() -> None:
    """A run resumed behind a bad sector must know of it from the journal."""
    simulated = Simulated(lies=Lies(bad_writes={(0, 3): "EIO", (0, 100): "EIO"}))
    told = overwritten(simulated)
    assert [(position, size) for position, _, size in told if size] == [(16384, 4096), (65536, 4096)]


def test_a_flush_that_fails_is_no_progress() -> None:
    """What such a barrier covered is unknown: the next run must begin before it."""
    simulated = Simulated(lies=Lies(flush_fails_at=2))
    told: Told = []
    writer = SimulatedWriter(simulated, Plug())
    loop = Loop(Pace(chunk_size=4096, checkpoint_size=16384, threads=1), Unstopped())
    with pytest.raises(MediumError):
        overwrite(writer, writer.layout("whole"), KEYSTREAM, start=0, advance=lambda *one: told.append(one), loop=loop)
    assert [position for position, _, _ in told] == [16384]


@pytest.mark.parametrize("threads", [1, 4])
def test_a_device_that_goes_away_ends_the_pass(threads: int) -> None:
    """There is nothing to narrow on a device that is not there."""
    with pytest.raises(Lost):
        overwritten(Simulated(lies=Lies(lost_at=7)), threads=threads)
