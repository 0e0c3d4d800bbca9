"""Devices that say they have written and have not: read-back finds it, whatever they answered."""

from __future__ import annotations

from certificates.statements import Outcome
from tests.lab.guest.devices import SECTOR, SIZE, fill, mapped, memory_disk, needles, ordered, scsi_disk, served
from tests.support.bench import Bench


def test_a_device_that_drops_writes_is_never_proven(bench: Bench) -> None:
    """dm-flakey drop_writes: each write succeeds, and everything stays."""
    with memory_disk() as below:
        fill(below)
        table = f"0 {SIZE // SECTOR} flakey {below} 0 0 60 1 drop_writes"
        with mapped(table) as flakey, served(flakey) as device:
            done = ordered(bench, device)
            done.go()
            assert done.claim.outcome is Outcome.NOT_REACHED
        assert len(needles(below)) == SIZE // SECTOR


def test_a_disk_that_keeps_nothing_is_caught_by_a_keystream(bench: Bench) -> None:
    """scsi_debug fake_rw: each write succeeds, and each read is zeros."""
    with scsi_disk(fake_rw=1) as device:
        done = ordered(bench, device, "random-1")
        done.go()
        assert done.claim.outcome is Outcome.NOT_REACHED
