"""Devices that say they have written and have not: read-back finds it, whatever they answered."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.lab.guest.devices import (
    SECTOR,
    SIZE,
    drive,
    fill,
    mapped,
    memory_disk,
    needles,
    ordered,
    read_back,
    scsi_disk,
    served,
)
from tests.support.bench import Bench
from tests.support.ext4_image import run

ALL = SIZE // SECTOR


def test_a_disk_that_drops_writes_is_never_proven(bench: Bench) -> None:
    """dm-flakey drop_writes: each write succeeds, and everything stays."""
    with memory_disk() as below:
        fill(below)
        with mapped(f"0 {ALL} flakey {below} 0 0 600 1 drop_writes") as flakey, served(flakey) as device:
            done = ordered(bench, device)
            done.go()
            assert done.claim.outcome is Outcome.NOT_REACHED
            assert read_back(done).mismatched_size == SIZE
        assert len(needles(below)) == ALL


def test_a_disk_that_returns_wrong_bytes_is_never_proven(bench: Bench) -> None:
    """dm-flakey corrupt_bio_byte: the third byte of each read is another one, in the middle of the disk alone.

    It does so on disks without a request queue: on others Linux 6.1 looks for the byte behind the end of the read.
    """
    begin, wide = ALL // 2, 64
    with memory_disk(queue_mode=0) as below:
        fill(below)
        table = (
            f"0 {begin} linear {below} 0",
            f"{begin} {wide} flakey {below} {begin} 0 600 5 corrupt_bio_byte 3 r 170 0",
            f"{begin + wide} {ALL - begin - wide} linear {below} {begin + wide}",
        )
        with mapped(*table) as flakey, served(flakey) as device:
            done = ordered(bench, device)
            done.go()
            assert done.claim.outcome is Outcome.NOT_REACHED
            check = read_back(done)
            assert 0 < check.mismatched_size <= wide * SECTOR
            for extent in check.mismatched:
                assert begin * SECTOR <= extent.offset <= extent.offset + extent.length <= (begin + wide) * SECTOR
            assert check.matched + check.mismatched_size == SIZE


def test_a_disk_that_keeps_nothing_is_caught_by_a_keystream_and_not_by_zeros(bench: Bench) -> None:
    """scsi_debug fake_rw: each write succeeds, and each read is zeros. What zeros prove there is the limit that the
    techniques page states: a device that always reads as zeros passes them."""
    with scsi_disk(fake_rw=1) as device:
        keystream, zeros = ordered(bench, device, "random-1"), ordered(bench, device, "zeros-1")
        keystream.go()
        assert keystream.claim.outcome is Outcome.NOT_REACHED
        assert read_back(keystream).mismatched_size == SIZE
        zeros.go()
        assert zeros.claim.outcome is Outcome.PROVEN


@pytest.mark.usefixtures("drives")
def test_a_discard_that_succeeds_and_erases_nothing_is_seen_by_the_read_back(bench: Bench) -> None:
    """An NVMe drive of QEMU with discard=ignore: blkdiscard says done, each needle stays. Read-back is asked what it
    thinks of such a drive, and says that nothing of it is what a pass of zeros would have left."""
    target = drive("LAB-LIAR")
    device = Path(target.location)
    fill(device)
    run("blkdiscard", device)
    assert len(needles(device)) == ALL
    assert subprocess.run(["cmp", "-s", "-n", str(SIZE), device, "/dev/zero"], check=False).returncode == 1
    done = ordered(bench, device)
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    assert needles(device) == []
