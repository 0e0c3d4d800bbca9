"""Overwriting a simulated medium: all of it, in any number of threads, and only what was flushed is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.statements import ConstantPattern, Extent, Failure, KeystreamPattern, Pattern, RepeatedPattern
from tests.support.simulated_host import SECTOR, Lies, Plug, Simulated, SimulatedWriter
from wipers.model import Lost, MediumError
from wipers.overwrite import overwrite
from wipers.patterns import fill
from wipers.pipeline import Loop, Pace, Unstopped

KEYSTREAM = KeystreamPattern("5a" * 32)
PATTERNS: list[Pattern] = [KEYSTREAM, ConstantPattern("ff"), RepeatedPattern("924924")]
Told = list[tuple[int, tuple[Failure, ...], int]]


def expected(pattern: Pattern, stream: int, length: int) -> bytes:
    buffer = bytearray(length)
    fill(pattern, stream, 0, memoryview(buffer))
    return bytes(buffer)


def overwritten(simulated: Simulated, pattern: Pattern = KEYSTREAM, start: int = 0, **pace: int) -> Told:
    """Overwrite in small chunks and return what the journal would have been told."""
    told: Told = []
    writer = SimulatedWriter(simulated, Plug())
    loop = Loop(Pace(**{"chunk_size": 4096, "checkpoint_size": 16384, "threads": 1, **pace}), Unstopped())  # type: ignore[arg-type]
    end = overwrite(
        writer, writer.layout("whole"), pattern, start=start, advance=lambda *one: told.append(one), loop=loop
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
def test_bad_sectors_are_findings_and_the_rest_is_overwritten(threads: int) -> None:
    """One bad sector must not leave the other terabytes as they were."""
    bad = {(0, 3): "EIO", (0, 4): "EIO", (0, 100): "ENODATA"}
    simulated = Simulated(lies=Lies(bad_writes=bad))
    told = overwritten(simulated, threads=threads)
    ranges = sorted((one for _, failures, _ in told for one in failures), key=lambda one: one.extent.offset)
    assert ranges == [
        Failure(Extent(0, 3 * SECTOR, 2 * SECTOR), "EIO"),
        Failure(Extent(0, 100 * SECTOR, SECTOR), "ENODATA"),
    ]
    assert sum(size for _, _, size in told) == 3 * SECTOR
    assert simulated.secrets_left() == 3


def test_a_failure_is_told_with_the_position_that_passes_it() -> None:
    """A run resumed behind a bad sector must know of it from the journal."""
    simulated = Simulated(lies=Lies(bad_writes={(0, 3): "EIO", (0, 100): "EIO"}))
    told = overwritten(simulated)
    assert [(position, size) for position, _, size in told if size] == [(16384, SECTOR), (65536, SECTOR)]


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
