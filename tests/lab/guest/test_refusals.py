"""Disks in use by what stands on them: refused, with whoever holds them named."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.lab.guest.devices import SECTOR, SIZE, fill, needles, ordered, refusal, scsi_disk, settle
from tests.support.bench import Bench, RealRun
from tests.support.ext4_image import run

ALL = SIZE // SECTOR


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """One disk, on which one thing after the other stands."""
    with scsi_disk(dev_size_mb=16) as device:
        yield device


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """What takes down whatever a test has put up."""
    with ExitStack() as stack:
        yield stack


def holder(bench: Bench, device: Path) -> str:
    """By whom the device is said to be in use."""
    return str(refusal(bench, device, "in-use")["by"])


def test_a_member_of_an_array_is_refused(bench: Bench, disk: Path, held: ExitStack) -> None:
    """md: the array is named, with its level."""
    created = ("--create", "/dev/md/lab", "--run", "--force", "--level=1", "--raid-devices=1", "--metadata=1.2")
    run("mdadm", *created, disk)
    held.callback(run, "mdadm", "--zero-superblock", disk)
    held.callback(run, "mdadm", "--stop", "/dev/md/lab")
    by = holder(bench, disk)
    assert by.startswith("md")
    assert "raid1" in by


def test_a_physical_volume_is_refused(bench: Bench, disk: Path, held: ExitStack) -> None:
    """LVM: the logical volume on it is named."""
    run("vgcreate", "--yes", "labgroup", disk)
    held.callback(run, "pvremove", "--yes", disk)
    held.callback(run, "vgremove", "--yes", "--force", "labgroup")
    run("lvcreate", "--yes", "--wipesignatures", "n", "--name", "labvolume", "--size", "4M", "labgroup")
    by = holder(bench, disk)
    assert "LVM" in by
    assert "labgroup-labvolume" in by


def test_what_lies_below_a_crypt_mapping_is_refused(bench: Bench, disk: Path, held: ExitStack) -> None:
    """dm-crypt: the open mapping is named."""
    opening = ["cryptsetup", "open", "--type", "plain", "--cipher", "aes-xts-plain64", "--key-size", "256"]
    subprocess.run([*opening, "--key-file", "/dev/urandom", str(disk), "labcrypt"], check=True, timeout=30)
    held.callback(run, "cryptsetup", "close", "labcrypt")
    by = holder(bench, disk)
    assert "CRYPT" in by
    assert "labcrypt" in by


def test_a_unit_with_a_multipath_map_is_erased_through_the_map(bench: Bench, disk: Path, held: ExitStack) -> None:
    """dm-multipath: what the order names is the unit, and a path below the map is no way to it."""
    fill(disk)
    carrier = ordered(bench, disk).carrier
    table = f"0 {2 * ALL} multipath 0 0 1 1 round-robin 0 1 1 {disk} 1"
    run("dmsetup", "create", "labpath", "--uuid", "mpath-lab", "--table", table)
    held.callback(run, "dmsetup", "remove", "--retry", "labpath")
    settle()
    done = RealRun(bench.host, carrier)
    (target,) = bench.host.find(carrier, None)
    assert Path(target.location).resolve() == Path("/dev/mapper/labpath").resolve()
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    assert needles(disk) == []


def test_a_refusal_leaves_the_disk_as_it_was(bench: Bench, disk: Path) -> None:
    """Not one needle less after a mapping over it made the run be refused."""
    fill(disk)
    run("dmsetup", "create", "lablinear", "--table", f"0 {ALL} linear {disk} 0")
    try:
        assert "lablinear" in holder(bench, disk)
    finally:
        run("dmsetup", "remove", "--retry", "lablinear")
    assert len(needles(disk)) == 2 * ALL
