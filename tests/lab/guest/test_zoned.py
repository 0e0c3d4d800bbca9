"""Zoned devices: each zone is emptied and filled anew from its begin, and no zone is left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certificates.errors import Interrupted
from certificates.statements import Outcome, OverwriteRecord, Residual
from tests.lab.drives import SIZE, ZONE_CAPACITY, ZONE_SIZE
from tests.lab.guest.devices import drive, fill, needles, ordered, scsi_disk
from tests.support.bench import MIB, Bench, full_of_needles
from tests.support.ext4_image import run
from wipers.linux.direct import page_aligned
from wipers.linux.zones import zones_at
from wipers.pipeline import Pace

SMR = {"zbc": "managed", "zone_size_mb": 1, "zone_nr_conv": 2, "zone_max_open": 2}
"""A host-managed SMR disk: two conventional zones, then sequential ones of 1 MiB, of which two may be open."""


def half_fill(device: Path, offset: int) -> None:
    """The zone there is begun and not full."""
    buffer = page_aligned(MIB // 2)
    buffer[:] = full_of_needles(MIB // 2)
    descriptor = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        os.pwrite(descriptor, buffer, offset)
    finally:
        os.close(descriptor)


def test_an_smr_disk_is_overwritten_zone_by_zone(bench: Bench) -> None:
    """Conventional zones, full ones, begun ones and empty ones: all hold the keystream, in the order's whole size."""
    with scsi_disk(**SMR) as device:
        fill(device)
        for offset in (5 * MIB, 6 * MIB):
            run("blkzone", "reset", "--offset", str(offset // 512), "--count", "1", device)
            half_fill(device, offset)
        run("blkzone", "reset", "--offset", str(7 * MIB // 512), "--count", "1", device)
        done = ordered(bench, device, "random-1")
        done.go()
        assert done.claim.outcome is Outcome.PROVEN
        assert done.evidence.size == SIZE
        assert needles(device) == []


def test_several_passes_empty_each_zone_again(bench: Bench) -> None:
    """The second pass meets zones that the first one filled."""
    with scsi_disk(**SMR) as device:
        done = ordered(bench, device, "gost-r-50739-95")
        done.go()
        assert done.claim.outcome is Outcome.PROVEN
        assert sum(isinstance(one, OverwriteRecord) for one in done.evidence.records) == 2


class StopAmidAZone:
    """Set once the zone there is begun and not full."""

    def __init__(self, device: Path, number: int) -> None:
        self.device, self.number = device, number

    def is_set(self) -> bool:
        return zones_at(str(self.device), SIZE)[self.number].is_active


def test_a_run_that_stopped_amid_a_zone_begins_that_zone_again(bench: Bench) -> None:
    """A zone takes no byte twice: what was written of it and not journaled is emptied with the rest of it."""
    with scsi_disk(**SMR) as device:
        fill(device)
        done = ordered(bench, device)
        pace = Pace(chunk_size=MIB // 4, checkpoint_size=MIB)
        done.ports = {"pace": pace, "stop": StopAmidAZone(device, 5)}
        with pytest.raises(Interrupted):
            done.go()
        assert zones_at(str(device), SIZE)[5].is_active
        done.ports = {"pace": pace}
        done.go()
        assert done.claim.outcome is Outcome.PROVEN
        assert needles(device) == []


@pytest.mark.usefixtures("drives")
def test_a_zns_namespace_has_fewer_blocks_than_addresses(bench: Bench) -> None:
    """What lies between a zone's capacity and the next zone is told as not reached, and the rest is proven."""
    target = drive("LAB-ZNS")
    device = Path(target.location)
    zones = zones_at(target.location, SIZE)
    assert {(zone.length, zone.capacity) for zone in zones} == {(ZONE_SIZE, ZONE_CAPACITY)}
    half_fill(device, zones[1].start)
    done = ordered(bench, device)
    done.go()
    gaps = len(zones) * (ZONE_SIZE - ZONE_CAPACITY)
    assert done.claim.outcome is Outcome.PROVEN
    assert done.evidence.size == SIZE - gaps
    assert Residual("zone-gaps", gaps) in done.evidence.residual
