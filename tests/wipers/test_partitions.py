"""Partition tables of others, read to know where to look afterwards; a broken one is as good as none."""

from __future__ import annotations

import struct

import pytest

from certificates.statements import Extent
from tests.support.simulated_host import SECTOR, Lies, Plug, Simulated, SimulatedWriter
from wipers.partitions import MOST, partitions_on

SIZE = 1 << 20


def on(content: dict[int, bytes], size: int = SIZE, lies: Lies | None = None) -> tuple[Extent, ...]:
    """What a medium with this content at these offsets tells."""
    simulated = Simulated(sizes=(size,), lies=lies or Lies())
    simulated.storage.seen[0][:] = bytes(size)
    for at, data in content.items():
        simulated.storage.seen[0][at : at + len(data)] = data
    return partitions_on(SimulatedWriter(simulated, Plug()), size)


def record(*entries: tuple[int, int, int]) -> bytes:
    """A boot record with entries of kind, first sector, number of sectors."""
    packed = b"".join(struct.pack("<4xB3xII", *entry) for entry in entries)
    return bytes(446) + packed.ljust(64, b"\0") + b"\x55\xaa"


def gpt(at: int, unit: int, partitions: list[tuple[int, int]], entries_at: int = 2) -> dict[int, bytes]:
    """A header at the offset and its entries, first and last sector each."""
    header = b"EFI PART" + bytes(64) + struct.pack("<QII", entries_at, 128, 128)
    entries = b"".join(b"\x11" * 32 + struct.pack("<QQ", *one) + bytes(80) for one in partitions)
    return {at: header, entries_at * unit: entries}


PROTECTIVE = {0: record((0xEE, 1, 2047))}


def test_primary_partitions_are_told() -> None:
    """In order of where they begin."""
    assert on({0: record((0x83, 1024, 512), (0x07, 64, 128))}) == (
        Extent(0, 64 * SECTOR, 128 * SECTOR),
        Extent(0, 1024 * SECTOR, 512 * SECTOR),
    )


def test_logical_partitions_are_followed_along_their_chain() -> None:
    """The first of each link is counted from the link, the next link from the extended partition."""
    chain = {
        0: record((0x05, 100, 1500)),
        100 * SECTOR: record((0x83, 10, 200), (0x05, 400, 300)),
        500 * SECTOR: record((0x83, 10, 90)),
    }
    assert on(chain) == (Extent(0, 110 * SECTOR, 200 * SECTOR), Extent(0, 510 * SECTOR, 90 * SECTOR))


@pytest.mark.parametrize("unit", [512, 4096])
def test_a_gpt_is_read_in_either_sector_size(unit: int) -> None:
    """A drive may have been written behind a bridge that showed other sectors."""
    assert on(PROTECTIVE | gpt(unit, unit, [(40, 79), (100, 119)])) == (
        Extent(0, 40 * unit, 40 * unit),
        Extent(0, 100 * unit, 20 * unit),
    )


def test_the_second_table_stands_in_for_a_broken_first() -> None:
    """That is what it is for."""
    assert on(PROTECTIVE | gpt(SIZE - 512, 512, [(40, 79)], entries_at=2000)) == (Extent(0, 40 * 512, 40 * 512),)


def test_nonsense_is_no_partition() -> None:
    """Outside the medium, empty, or the wrong way round."""
    assert on({0: record((0x83, 2**32 - 1, 5), (0x83, 64, 0), (0x83, 2040, 9), (0x83, 2040, 8))}) == (
        Extent(0, 2040 * SECTOR, 8 * SECTOR),
    )
    assert on(PROTECTIVE | gpt(512, 512, [(80, 79), (2**63, 2**63 + 5)])) == ()


def test_a_chain_that_bites_its_tail_ends() -> None:
    """A table is whatever somebody wrote there."""
    found = on({0: record((0x05, 100, 1500)), 100 * SECTOR: record((0x83, 10, 20), (0x05, 0, 300))})
    assert found == (Extent(0, 110 * SECTOR, 20 * SECTOR),)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 4096])
def test_a_medium_without_room_for_a_table_has_none(size: int) -> None:
    """Not even an error."""
    assert on({}, size) == ()


def test_a_table_that_cannot_be_read_is_none() -> None:
    """The run is about overwriting; what could be looked at besides does not stop it."""
    assert on({0: record((0x83, 64, 128))}, lies=Lies(bad_reads={(0, 0): "EIO"})) == ()


def test_at_most_as_many_are_told_as_a_statement_holds() -> None:
    """A GPT has room for more than anybody needs."""
    entries = gpt(512, 512, [(40 + number, 40 + number) for number in range(300)])
    entries[512] = b"EFI PART" + bytes(64) + struct.pack("<QII", 2, 300, 128)
    assert len(on(PROTECTIVE | entries)) == MOST
