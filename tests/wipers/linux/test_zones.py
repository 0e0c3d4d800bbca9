"""Zones as the kernel reports them, and what of them a whole overwrite addresses."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from certificates.statements import Extent
from tests.support.fake_machine import FakeMachine
from wipers.linux.devicewriter import DeviceWriter
from wipers.linux.direct import Storage
from wipers.linux.zones import HEAD, ZONE, ZoneTable, gaps_in, parse_report
from wipers.model import Lost

MIB = 1 << 20


def reported(*zones: tuple[int, int, int, int, int], flags: int = 1) -> bytes:
    """A report of (start, length, capacity, type, condition) in MiB, the kernel's types and conditions."""
    sectors = MIB // 512
    body = b"".join(
        ZONE.pack(start * sectors, length * sectors, start * sectors, kind, condition, 0, 0, capacity * sectors)
        for start, length, capacity, kind, condition in zones
    )
    return HEAD.pack(0, len(zones), flags) + body


def test_the_structures_have_the_kernels_sizes() -> None:
    """One byte off, and every zone behind the first would be another."""
    assert (HEAD.size, ZONE.size) == (16, 64)
    assert struct.calcsize("=QQ") == 16


def test_every_zone_is_an_extent_of_its_own() -> None:
    """What fails in one says nothing of the next; nothing may be written across the end of a sequential one."""
    zones = parse_report(reported((0, 4, 4, 1, 0), (4, 4, 4, 2, 1), (8, 4, 4, 2, 14)))
    table = ZoneTable(-1, zones)
    assert table.extents == (Extent(0, 0, 4 * MIB), Extent(0, 4 * MIB, 4 * MIB), Extent(0, 8 * MIB, 4 * MIB))
    assert [zone.is_sequential for zone in zones] == [False, True, True]
    assert table.is_sequential


def test_what_lies_behind_a_zones_capacity_is_no_block() -> None:
    """A ZNS namespace has fewer blocks than addresses; whoever wrote there would meet an error in every zone."""
    zones = parse_report(reported((0, 4, 3, 2, 1), (4, 4, 3, 2, 2)))
    assert ZoneTable(-1, zones).extents == (Extent(0, 0, 3 * MIB), Extent(0, 4 * MIB, 3 * MIB))
    assert gaps_in(zones) == 2 * MIB
    assert [zone.is_active for zone in zones] == [False, True]


def test_without_the_capacity_flag_a_zone_is_as_long_as_it_is() -> None:
    """Kernels before 5.9 leave the field empty."""
    (zone,) = parse_report(reported((0, 4, 0, 2, 1), flags=0))
    assert zone.capacity == 4 * MIB
    assert gaps_in((zone,)) == 0


def test_a_host_aware_zone_takes_writes_anywhere() -> None:
    """Sequential is only preferred there: such a drive is written as any other."""
    assert not ZoneTable(-1, parse_report(reported((0, 4, 4, 1, 0), (4, 4, 4, 3, 1)))).is_sequential


class HangingZones:
    """Zones whose emptying lasts until long after the run gave its device back."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.emptied: list[Extent] = []

    def empty(self, extent: Extent) -> None:
        self.storage.close()
        os.fstat(self.storage.descriptor)
        self.emptied.append(extent)


def test_a_zone_is_never_emptied_through_a_descriptor_that_another_device_may_have_by_now(tmp_path: Path) -> None:
    """A reset that hangs and comes back would go on with the next zone: of the drive that got its number meanwhile."""
    path = tmp_path / "file"
    path.write_bytes(bytes(8192))
    storage = Storage(os.open(path, os.O_RDWR), str(path), 8192, 512)
    writer = DeviceWriter(FakeMachine(tmp_path / "machine").machine, storage)
    zones = HangingZones(storage)
    writer._zones = zones  # type: ignore[assignment]
    writer.prepare(Extent(0, 0, 4096))
    with pytest.raises(Lost):
        writer.prepare(Extent(0, 4096, 4096))
    assert zones.emptied == [Extent(0, 0, 4096)]
