"""Files on volumes, under quotas and under seals, which the kernel of the machine that runs the other tests lacks."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree

import pytest

from agent.measuring import measure
from certificates.errors import Refused
from certificates.statements import FilesIdentity, FilesSelector, FillRecord, Outcome
from tests.lab.guest.devices import memory_disk, scsi_disk
from tests.support.bench import Bench
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import carrier_for, order_files
from tests.support.ext4_image import run
from wipers.linux import LinuxHost

GROUP = "labfiles"
CONTENT = b"CONTENT-ON-A-VOLUME-7c30;"
HISTORY = b"CONTENT-OF-LONG-AGO-b912;"
KEY = "22" * 32
NO_UUID = "00000000-0000-0000-0000-000000000000"
PROJECT = 7
SET_LIMIT_OF_PROJECT = 0x800008 << 8 | 2
"""QCMD(Q_SETQUOTA, PRJQUOTA), linux/quota.h."""
LIMITS_OF_BLOCKS = 1
FS_IOC_ENABLE_VERITY = 0x40806685
"""_IOW('f', 133, struct fsverity_enable_arg), linux/fsverity.h."""
SHA256_OF_BLOCKS = struct.pack("=III116x", 1, 1, 4096)


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """What takes down whatever a test has put up."""
    with ExitStack() as stack:
        yield stack


def mounted(device: Path, at: Path, held: ExitStack, *options: str) -> Path:
    """Where the file system of the device is mounted until the end."""
    at.mkdir()
    run("mount", "-t", "ext4", *options, device, at)
    held.callback(run, "umount", at)
    return at


def laid(root: Path) -> Path:
    """A directory `in/all` with two files."""
    (root / "in" / "all").mkdir(parents=True)
    for name in ("a.txt", "b.txt"):
        (root / "in" / "all" / name).write_bytes(CONTENT * 3000)
    run("sync", "--file-system", root)
    return root / "in"


def hits(device: Path, needle: bytes) -> int:
    """How often it stands on the device itself, past what was read of it before."""
    run("blockdev", "--flushbufs", device)
    return device.read_bytes().count(needle)


def test_files_on_a_volume_are_reached_once_no_snapshot_of_it_is_left(bench: Bench, held: ExitStack) -> None:
    """A snapshot keeps each block that is written over: with it the order is refused, and whoever overwrites all the
    same leaves everything on the drive. What it kept stays in the free room of the group once it is removed, as the
    refusal says."""
    disk = held.enter_context(scsi_disk(dev_size_mb=64))
    run("vgcreate", "--yes", GROUP, disk)
    held.callback(run, "vgremove", "--yes", "--force", GROUP)
    run("lvcreate", "--yes", "--wipesignatures", "n", "--name", "plain", "--size", "12M", GROUP)
    plain = Path(os.path.realpath(f"/dev/{GROUP}/plain"))
    run("mke2fs", "-q", "-t", "ext4", plain)
    root = mounted(plain, bench.folder / "volume", held)
    ordered = order_files(laid(root), ("all",), bench.folder / "state")
    run("lvcreate", "--yes", "--snapshot", "--name", "shot", "--size", "8M", f"{GROUP}/plain")
    assert ordered.reasons() == {"blocks-elsewhere"}
    before = hits(disk, CONTENT)
    run("dd", "if=/dev/urandom", f"of={root}/in/all/a.txt", "bs=75000", "count=1", "conv=notrunc,fsync")
    assert hits(disk, CONTENT) == before > 5000, "the snapshot has what was written over"
    run("lvremove", "--yes", f"{GROUP}/shot")
    carried = CarriedOut(ordered)
    carried.go()
    assert carried.stopped is None, carried.stopped
    assert carried.claim.outcome is Outcome.PROVEN
    assert hits(plain, CONTENT) == 0
    assert hits(disk, CONTENT) == 3000, "what the snapshot kept of a.txt"
    run("lvcreate", "--yes", "--wipesignatures", "n", "--name", "room", "--extents", "100%FREE", GROUP)
    room = Path(os.path.realpath(f"/dev/{GROUP}/room"))
    assert hits(room, CONTENT) == 3000, "which a volume over the free room shows, and so an order for it reaches"


def limit(device: Path, kibibytes: int) -> None:
    """The project may have so much, and not a block more."""
    wanted = struct.pack("=8QI4x", kibibytes, kibibytes, 0, 0, 0, 0, 0, 0, LIMITS_OF_BLOCKS)
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.quotactl(SET_LIMIT_OF_PROJECT, os.fsencode(device), PROJECT, ctypes.c_char_p(wanted))
    assert answer == 0, os.strerror(ctypes.get_errno())


def test_a_projects_quota_keeps_no_free_block_from_being_filled(bench: Bench, held: ExitStack) -> None:
    """A directory of a project tells of as much room as its limit leaves: none here, where half of the disk is free and
    holds what was deleted long ago."""
    disk = held.enter_context(memory_disk())
    run("mke2fs", "-q", "-t", "ext4", "-I", "256", "-O", "quota,project", "-E", "quotatype=usrquota:prjquota", disk)
    root = mounted(disk, bench.folder / "limited", held, "-o", "prjquota")
    (root / "in").mkdir()
    run("chattr", "-p", str(PROJECT), "+P", root / "in")
    (root / "old").write_bytes(HISTORY * 80_000)
    (root / "in" / "all").mkdir()
    for name in ("a.txt", "b.txt"):
        (root / "in" / "all" / name).write_bytes(CONTENT * 3000)
    run("sync", "--file-system", root)
    (root / "old").unlink()
    limit(disk, 160)
    run("sync", "--file-system", root)
    assert os.statvfs(root / "in").f_bavail < 16 < os.statvfs(root).f_bavail, "the limit is in force"
    assert hits(disk, HISTORY) > 70_000
    carried = CarriedOut(order_files(root / "in", ("all",), bench.folder / "state", destroy=("history",)))
    carried.go()
    assert carried.stopped is None, carried.stopped
    (record,) = (one for one in carried.records if isinstance(one, FillRecord))
    assert record.left == ()
    assert (hits(disk, HISTORY), hits(disk, CONTENT)) == (0, 0)


def test_files_that_are_sealed_are_refused(bench: Bench, held: ExitStack) -> None:
    """fs-verity: nobody, the superuser included, opens such a file for writing any more; the plan says so before."""
    disk = held.enter_context(memory_disk())
    run("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-O", "verity", disk)
    root = laid(mounted(disk, bench.folder / "sealed", held))
    ordered = order_files(root, ("all",), bench.folder / "state")
    assert ordered.reasons() == set()
    sealed = os.open(root / "all" / "a.txt", os.O_RDONLY)
    try:
        fcntl.ioctl(sealed, FS_IOC_ENABLE_VERITY, SHA256_OF_BLOCKS)
    finally:
        os.close(sealed)
    with pytest.raises(PermissionError):
        os.open(root / "all" / "a.txt", os.O_RDWR)
    assert ordered.reasons() == {"file-verity"}
    carried = CarriedOut(ordered)
    carried.go()
    assert isinstance(carried.stopped, Refused)
    assert hits(disk, CONTENT) == 6000, "nothing of either file was touched"


def test_files_that_another_machine_stores_are_refused() -> None:
    """9p: the host keeps them, and what it does with a block that is written nobody here can see. Neither a plan nor a
    draft gets further."""
    root = Path("/share/in")
    root.mkdir()
    try:
        (root / "a.txt").write_bytes(CONTENT)
        identity = FilesIdentity(NO_UUID, root.stat().st_ino, 0, 10, 1 << 20)
        found = LinuxHost(root.parent / "state").find(*carrier_for(identity, FilesSelector(str(root), ("a.txt",), KEY)))
        assert [one.reason for one in found[0].obstacles] == ["file-system-remote"]
        assert dict(found[0].obstacles[0].facts)["what"] == "9p"
        with pytest.raises(Refused) as refused:
            measure({"kind": "files"}, {"root": str(root), "names": ["a.txt"]}, "C-1")
        assert refused.value.reason == "file-system-remote"
        assert (root / "a.txt").read_bytes() == CONTENT
    finally:
        rmtree(root)
