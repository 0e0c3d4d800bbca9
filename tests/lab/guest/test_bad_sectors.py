"""Sectors that cannot be written or read: found to the sector, listed, and the rest of the disk is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.lab.drives import BAD_SECTOR
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
    unread,
    unwritten,
)
from tests.support.bench import Bench

ALL = SIZE // SECTOR


def test_exactly_the_sectors_that_answer_with_errors_are_listed(bench: Bench) -> None:
    """dm-error over three ranges, one of a single sector and one at the very end: all others are overwritten."""
    bad = (*range(3000, 3001), *range(9000, 9025), *range(ALL - 8, ALL))
    with memory_disk() as below:
        fill(below)
        table = (
            f"0 3000 linear {below} 0",
            "3000 1 error",
            f"3001 5999 linear {below} 3001",
            "9000 25 error",
            f"9025 {ALL - 8 - 9025} linear {below} 9025",
            f"{ALL - 8} 8 error",
        )
        with mapped(*table) as faulty, served(faulty) as device:
            done = ordered(bench, device)
            done.go()
            assert done.claim.outcome is Outcome.NOT_REACHED
            assert unwritten(done) == unread(done) == list(bad)
            assert read_back(done).matched == SIZE - len(bad) * SECTOR
        assert needles(below) == list(bad)


def test_a_disk_that_refuses_all_writes_is_told_as_such(bench: Bench) -> None:
    """dm-flakey error_writes: reads work and find everything as it was."""
    count = 256
    with memory_disk(1 << 20) as below:
        fill(below)
        with mapped(f"0 {count} flakey {below} 0 0 600 1 error_writes") as flakey, served(flakey) as device:
            done = ordered(bench, device)
            done.go()
            assert done.claim.outcome is Outcome.NOT_REACHED
            assert len(unwritten(done)) == count
            assert read_back(done).mismatched_size == count * SECTOR
        assert needles(below)[:count] == list(range(count))


def test_bad_blocks_of_the_medium_itself_are_listed(bench: Bench) -> None:
    """null_blk with a list of bad blocks answers EIO for reads and writes over them."""
    bad = list(range(4096, 4104))
    with memory_disk(badblocks="+4096-4103") as below, served(below) as device:
        done = ordered(bench, device)
        done.go()
        assert done.claim.outcome is Outcome.NOT_REACHED
        assert unwritten(done) == unread(done) == bad


def test_sectors_that_take_a_write_and_cannot_be_read_leave_the_outcome_unknown(bench: Bench) -> None:
    """scsi_debug's medium error (ENODATA, not EIO) stays after the overwrite: what is there nobody can tell."""
    with scsi_disk(opts=2, medium_error_start=4660, medium_error_count=10) as device:
        done = ordered(bench, device)
        done.go()
        assert done.claim.outcome is not Outcome.PROVEN
        assert unread(done) == list(range(4660, 4670))
        assert {one.error for one in read_back(done).unread} <= {"ENODATA", "EIO"}
        assert read_back(done).matched == SIZE - 10 * SECTOR


@pytest.mark.usefixtures("drives")
def test_an_nvme_drive_names_its_bad_sector(bench: Bench) -> None:
    """QEMU's blkdebug fails one sector's write; Linux gives ENODATA for what NVMe calls a write fault."""
    check_sick(bench, "LAB-SICK-NVME")


@pytest.mark.usefixtures("drives")
def test_a_sata_disk_names_its_bad_sector(bench: Bench) -> None:
    """The same behind AHCI, where libata tries again and resets the link before it gives up."""
    check_sick(bench, "LAB-SICK-SATA")


def check_sick(bench: Bench, serial: str) -> None:
    """All but the one sector is overwritten, and that one is listed."""
    device = Path(drive(serial).location)
    done = ordered(bench, device, "zeros-1")
    done.go()
    assert done.claim.outcome is Outcome.NOT_REACHED
    assert unwritten(done) == [BAD_SECTOR]
