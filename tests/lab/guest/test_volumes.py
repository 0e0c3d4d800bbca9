"""What stands on drives: the ordered volume is overwritten, and what lies beside it on the same drive is not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates.statements import Outcome, Residual
from tests.lab.guest.devices import SECTOR, fill, memory_disk, needles, ordered, refusal, scsi_disk, settle, size_of
from tests.support.bench import MIB, Bench, luks_format, luks_opens
from tests.support.ext4_image import run

UUID = "01234567-89ab-cdef-0123-456789abcdef"
GROUP = "labgroup"


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """What takes down whatever a test has put up."""
    with ExitStack() as stack:
        yield stack


def erase(bench: Bench, device: Path) -> tuple[Residual, ...]:
    """The device is overwritten, which is proven; what that is said not to reach."""
    settle()
    fill(device)
    done = ordered(bench, device)
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    assert needles(device) == []
    return done.evidence.residual


def node(name: str) -> Path:
    """The device that a link of udev's names."""
    settle()
    return Path(name).resolve(strict=True)


def test_a_partition_is_overwritten_and_its_neighbours_keep_every_byte(bench: Bench) -> None:
    """GPT on a SCSI disk: the table at both ends, and the partitions on either side, are as they were."""
    with scsi_disk(dev_size_mb=16) as disk:
        fill(disk)
        table = "label: gpt\nstart=2048,size=8192\nstart=10240,size=8192\nstart=18432,size=8192\n"
        subprocess.run(
            ["sfdisk", "-q", "--wipe=never", "--wipe-partitions=never", disk], input=table, text=True, check=True
        )
        settle()
        before = run("sfdisk", "--dump", disk)
        erase(bench, Path(f"{disk}2"))
        assert needles(disk)[-1] >= 18432 + 8192
        assert set(range(2048, 10240)) | set(range(18432, 26624)) <= set(needles(disk))
        assert run("sfdisk", "--dump", disk) == before


def test_a_logical_volume_is_overwritten_and_its_neighbour_keeps_every_byte(bench: Bench, held: ExitStack) -> None:
    """LVM: in the same group, on the same disk."""
    disk = held.enter_context(scsi_disk(dev_size_mb=32))
    group(disk, held)
    for name in ("ordered", "neighbour"):
        run("lvcreate", "--yes", "--wipesignatures", "n", "--name", name, "--size", "8M", GROUP)
    neighbour = node(f"/dev/{GROUP}/neighbour")
    fill(neighbour)
    erase(bench, node(f"/dev/{GROUP}/ordered"))
    assert len(needles(neighbour)) == 8 * MIB // SECTOR


def test_volumes_whose_blocks_are_shared_are_refused(bench: Bench, held: ExitStack) -> None:
    """A thin volume, a volume with a snapshot, and the snapshot: a write to each leaves old blocks elsewhere."""
    disk = held.enter_context(scsi_disk(dev_size_mb=64))
    group(disk, held)
    run("lvcreate", "--yes", "--wipesignatures", "n", "--name", "plain", "--size", "4M", GROUP)
    run("lvcreate", "--yes", "--snapshot", "--name", "shot", "--size", "4M", f"{GROUP}/plain")
    run("lvcreate", "--yes", "--thinpool", "pool", "--size", "8M", GROUP)
    run(
        "lvcreate", "--yes", "--wipesignatures", "n", "--thin", "--name", "thin", "--virtualsize", "8M", f"{GROUP}/pool"
    )
    for name in ("plain", "shot", "thin"):
        refusal(bench, node(f"/dev/{GROUP}/{name}"), "blocks-elsewhere")


def group(disk: Path, held: ExitStack) -> None:
    """A volume group on the disk."""
    run("vgcreate", "--yes", GROUP, disk)
    held.callback(run, "vgremove", "--yes", "--force", GROUP)


def test_an_array_is_overwritten_on_both_of_its_disks(bench: Bench, held: ExitStack) -> None:
    """md, RAID 1: what is written through it reaches each member; the members are named as not erased themselves."""
    members = [held.enter_context(memory_disk()) for _ in range(2)]
    for member in members:
        fill(member)
    words = ("--run", "--level=1", "--raid-devices=2", "--metadata=1.2", "--assume-clean")
    run("mdadm", "--create", "/dev/md/lab", *words, *members)
    held.callback(run, "mdadm", "--stop", "/dev/md/lab")
    array = node("/dev/md/lab")
    residual = erase(bench, array)
    assert "array-members" in {one.code for one in residual}
    behind = size_of(members[0]) // SECTOR - size_of(array) // SECTOR
    for member in members:
        assert len(needles(member)) < behind


def test_an_open_container_is_overwritten_through_its_mapping(bench: Bench, held: ExitStack) -> None:
    """dm-crypt over LUKS2: the payload goes, and the header stays, as the evidence says."""
    disk = held.enter_context(scsi_disk(dev_size_mb=24))
    luks_format(disk, UUID)
    opening = ["cryptsetup", "open", "--key-file=-", str(disk), "labcrypt"]
    subprocess.run(opening, input=b"secret", check=True, timeout=60)
    held.callback(run, "cryptsetup", "close", "labcrypt")
    residual = erase(bench, node("/dev/mapper/labcrypt"))
    assert "encryption-header" in {one.code for one in residual}
    assert luks_opens(disk)


def test_compressed_memory_is_overwritten(bench: Bench) -> None:
    """zram: it outlives no boot, and its residual is memory."""
    run("modprobe", "zram", "num_devices=1")
    try:
        Path("/sys/block/zram0/disksize").write_text(str(8 * MIB))
        residual = erase(bench, Path("/dev/zram0"))
        assert "memory-and-swap" in {one.code for one in residual}
    finally:
        Path("/sys/block/zram0/reset").write_text("1")
        run("modprobe", "--remove", "zram")
