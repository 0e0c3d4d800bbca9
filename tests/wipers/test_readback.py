"""Read-back on a simulated medium: every difference found and counted, in full and in samples."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.statements import ConstantPattern, Extent, Failure, KeystreamPattern, Pattern, RepeatedPattern
from tests.support.simulated_host import SECTOR, Lies, Plug, Simulated, SimulatedWriter
from wipers.patterns import PIECE, fill
from wipers.pipeline import Loop, Pace, Unstopped
from wipers.readback import FullFindings, SampleFindings, blocks_at, read_back_all, read_back_sample

KEYSTREAM = KeystreamPattern("5a" * 32)
PATTERNS: list[Pattern] = [KEYSTREAM, ConstantPattern("00"), RepeatedPattern("924924")]


def holding(pattern: Pattern, sizes: tuple[int, ...] = (65536,), **lies: object) -> Simulated:
    """A medium that holds the pattern."""
    simulated = Simulated("files" if len(sizes) > 1 else "device", sizes, lies=Lies(**lies))  # type: ignore[arg-type]
    for stream, data in simulated.storage.seen.items():
        fill(pattern, stream, 0, memoryview(data))
    return simulated


def compared(simulated: Simulated, pattern: Pattern, threads: int = 1) -> FullFindings:
    reader = SimulatedWriter(simulated, Plug())
    loop = Loop(Pace(chunk_size=4096, threads=threads), Unstopped())
    return read_back_all(reader, reader.layout("whole"), pattern, loop)


def sampled(simulated: Simulated, positions: tuple[int, ...], threads: int = 1) -> SampleFindings:
    reader = SimulatedWriter(simulated, Plug())
    loop = Loop(Pace(chunk_size=4096, threads=threads), Unstopped())
    return read_back_sample(reader, reader.layout("whole"), KEYSTREAM, positions, loop=loop)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.kind)
@pytest.mark.parametrize("threads", [1, 4])
def test_what_holds_the_pattern_matches_whole(pattern: Pattern, threads: int) -> None:
    """Also the odd tail of a file's last sector."""
    simulated = holding(pattern, (4096, 100, 12289))
    assert compared(simulated, pattern, threads) == FullFindings(16485, (), 0, (), 0)
    assert compared(simulated, pattern).matched == 16485


@given(st.sets(st.integers(0, 65535), max_size=6))
def test_one_flipped_byte_marks_its_sector(flipped: set[int]) -> None:
    """Nothing else, and each sector once."""
    simulated = holding(KEYSTREAM)
    for at in flipped:
        simulated.storage.seen[0][at] ^= 0x40
    found = compared(simulated, KEYSTREAM, threads=3)
    sectors = {at // SECTOR for at in flipped}
    assert found.mismatched_size == len(sectors) * SECTOR
    told = {
        sector
        for one in found.mismatched
        for sector in range(one.offset // SECTOR, (one.offset + one.length) // SECTOR)
    }
    assert told == sectors


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.kind)
@pytest.mark.parametrize("at", [0, PIECE - 1, PIECE, 3 * PIECE + 700, 4 * PIECE - 1, 4 * PIECE + 99])
def test_a_difference_is_found_on_either_side_of_a_seam(pattern: Pattern, at: int) -> None:
    """What is expected is made in pieces smaller than a read, and an error near by must not hide it."""
    simulated = holding(pattern, (4 * PIECE + 100,), bad_reads={(0, PIECE // SECTOR + 1): "EIO"})
    simulated.storage.seen[0][at] ^= 1
    loop = Loop(Pace(threads=1), Unstopped())
    reader = SimulatedWriter(simulated, Plug())
    found = read_back_all(reader, reader.layout("whole"), pattern, loop)
    begin = at // SECTOR * SECTOR
    assert found.mismatched == (Extent(0, begin, min(SECTOR, simulated.size - begin)),)
    assert found.unread == (Failure(Extent(0, PIECE + SECTOR, SECTOR), "EIO"),)


def test_another_key_matches_nowhere() -> None:
    """A pass that was never written cannot pass for one that was."""
    found = compared(holding(KEYSTREAM), KeystreamPattern("5b" * 32))
    assert (found.matched, found.mismatched) == (0, (Extent(0, 0, 65536),))


def test_two_files_in_each_others_place_are_seen() -> None:
    """The stream number is part of the pattern."""
    simulated = holding(KEYSTREAM, (4096, 4096))
    seen = simulated.storage.seen
    seen[0], seen[1] = seen[1], seen[0]
    assert compared(simulated, KEYSTREAM).matched == 0


def test_unread_sectors_are_told_apart_from_differing_ones() -> None:
    """Unread is unknown; differing is known to be wrong."""
    simulated = holding(KEYSTREAM, bad_reads={(0, 9): "EIO", (0, 10): "EIO"})
    simulated.storage.seen[0][8 * SECTOR] ^= 1
    simulated.storage.seen[0][9 * SECTOR] ^= 1
    found = compared(simulated, KEYSTREAM)
    assert found.unread == (Failure(Extent(0, 9 * SECTOR, 2 * SECTOR), "EIO"),)
    assert found.mismatched == (Extent(0, 8 * SECTOR, SECTOR),)
    assert (found.unread_size, found.mismatched_size, found.matched) == (1024, 512, 65536 - 1536)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.data())
def test_blocks_lie_along_the_layout(sectors: list[int], data: st.DataObject) -> None:
    """A block may span the end of one file and the beginning of the next; the last may be short."""
    layout = [Extent(stream, 0, count * SECTOR) for stream, count in enumerate(sectors)]
    every = [(one.stream, at) for one in layout for at in range(0, one.length, SECTOR)]
    count = -(-len(every) // 8)
    positions = tuple(sorted(data.draw(st.sets(st.integers(0, count - 1)))))
    found = list(blocks_at(layout, positions))
    told = [[(one.stream, one.offset + at) for one in parts for at in range(0, one.length, SECTOR)] for parts in found]
    assert told == [every[8 * position :][:8] for position in positions]


@pytest.mark.parametrize("threads", [1, 4])
def test_a_sample_is_bound_by_the_digest_of_its_blocks(threads: int) -> None:
    """The order of the threads must not show: an auditor computes the same digest from key and positions."""
    simulated = holding(KEYSTREAM, (4096, 10240, 51200))
    positions = (0, 1, 3, 7, 15)
    whole = b"".join(bytes(data) for data in simulated.storage.seen.values())
    blocks = b"".join(hashlib.sha256(whole[at * 4096 :][:4096]).digest() for at in positions)
    found = sampled(simulated, positions, threads)
    assert found.samples == hashlib.sha256(blocks).hexdigest()
    assert (found.read, found.looked_at, found.mismatched, found.unread) == (5, 5, (), ())


def test_a_sampled_block_that_differs_or_cannot_be_read_is_counted() -> None:
    """Once a block, however many of its sectors are concerned."""
    simulated = holding(KEYSTREAM, bad_reads={(0, 16): "EIO"})
    simulated.storage.seen[0][4096] ^= 1
    simulated.storage.seen[0][5000] ^= 1
    found = sampled(simulated, (0, 1, 2))
    assert (found.read, found.mismatched_blocks, found.unread_blocks) == (2, 1, 1)
    assert found.mismatched == (Extent(0, 4096, 4096),)
    assert found.unread == (Failure(Extent(0, 8192, SECTOR), "EIO"),)
