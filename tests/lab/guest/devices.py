"""Devices that the guest makes for itself: disks of memory, with faults of their own or faults laid over them.

A null_blk disk is memory. Device mapper lays its faults over one, and LIO (the kernel's own SCSI target, through
tcm_loop) shows the result as a SCSI disk with a serial number, which is what an order can name. scsi_debug is a SCSI
disk at once, with faults inside.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import Extent, Fact, FullReadBack, OverwriteRecord, volume_of
from tests.support.bench import MIB, Bench, RealRun, carrier_of, full_of_needles, identity_of
from tests.support.ext4_image import run
from wipers.linux.candidates import backing_files, candidates
from wipers.linux.describing_targets import bare_target
from wipers.linux.direct import page_aligned
from wipers.linux.machine import THIS_MACHINE
from wipers.linux.usage import observe
from wipers.model import Target

CONFIG = Path("/sys/kernel/config")
SIZE = 8 * MIB
SECTOR = 512
_numbers = itertools.count(1)


@contextmanager
def memory_disk(size: int = SIZE, **attributes: object) -> Iterator[Path]:
    """A null_blk disk that keeps what is written, e.g. with `badblocks="+16-23"` in sectors."""
    run("modprobe", "null_blk", "nr_devices=0")
    name = f"nullb{next(_numbers)}"
    folder = CONFIG / "nullb" / name
    folder.mkdir()
    try:
        for key, value in {"memory_backed": 1, "size": size // MIB, **attributes}.items():
            (folder / key).write_text(str(value))
        (folder / "power").write_text("1")
        settle()
        yield Path("/dev") / name
    finally:
        folder.rmdir()


@contextmanager
def mapped(*lines: str) -> Iterator[Path]:
    """A device-mapper device of these table lines."""
    name = f"lab{next(_numbers)}"
    run("dmsetup", "create", name, "--table", "\n".join(lines))
    try:
        settle()
        yield Path(os.path.realpath(f"/dev/mapper/{name}"))
    finally:
        run("dmsetup", "remove", "--retry", name)


def remap(device: Path, *lines: str) -> None:
    """Another table takes the place of the one that the device-mapper device has, with it in use."""
    run("dmsetup", "reload", device, "--table", "\n".join(lines))
    run("dmsetup", "suspend", "--nolockfs", device)
    run("dmsetup", "resume", device)


@contextmanager
def served(backing: Path) -> Iterator[Path]:
    """A SCSI disk with a serial number, whose sectors are those of the backing device."""
    run("modprobe", "-a", "target_core_mod", "target_core_iblock", "tcm_loop")
    number = next(_numbers)
    store = CONFIG / "target" / "core" / "iblock_0" / f"lab{number}"
    fabric = CONFIG / "target" / "loopback" / f"naa.50014050000{number:05}"
    group = fabric / "tpgt_1"
    unit = group / "lun" / "lun_0"
    store.mkdir(parents=True)
    try:
        (store / "control").write_text(f"udev_path={backing}")
        (store / "wwn" / "vpd_unit_serial").write_text(f"LAB-{number:04}")
        (store / "enable").write_text("1")
        unit.mkdir(parents=True)
        (group / "nexus").write_text(f"naa.50014051000{number:05}")
        with appearing() as found:
            (unit / "port").symlink_to(store)
        yield found[0]
    finally:
        with suppress(FileNotFoundError):
            (unit / "port").unlink()
        for folder in (unit, group, fabric, store):
            with suppress(FileNotFoundError):
                folder.rmdir()


@contextmanager
def scsi_disk(**parameters: object) -> Iterator[Path]:
    """A scsi_debug disk, e.g. with `fake_rw=1`; one at a time."""
    words = {"dev_size_mb": SIZE // MIB, "delay": 0, "per_host_store": "N", **parameters}
    with appearing() as found:
        run("modprobe", "scsi_debug", *(f"{key}={value}" for key, value in words.items()))
    try:
        yield found[0]
    finally:
        settle()
        run("modprobe", "--remove", "scsi_debug")


@contextmanager
def appearing(seconds: float = 20) -> Iterator[list[Path]]:
    """Inside, disks are made; afterwards the list holds their nodes, once they are ready."""
    before, found = set(os.listdir("/sys/block")), list[Path]()
    yield found
    deadline = time.monotonic() + seconds
    while not found:
        assert time.monotonic() < deadline, "no disk appeared"
        time.sleep(0.05)
        new = sorted(set(os.listdir("/sys/block")) - before)
        found += [Path("/dev") / name for name in new if Path("/sys/block", name, "size").read_text().strip() != "0"]
    settle()


def settle() -> None:
    """udev has done what it does when a device comes, changes or goes."""
    run("udevadm", "settle", "--timeout=30")


def fill(device: Path) -> None:
    """Needles all over the device, past every cache."""
    size = size_of(device)
    content, buffer = full_of_needles(size), page_aligned(min(size, MIB))
    descriptor = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        for offset in range(0, size, len(buffer)):
            part = buffer[: min(len(buffer), size - offset)]
            part[:] = content[offset : offset + len(part)]
            os.pwrite(descriptor, part, offset)
    finally:
        os.close(descriptor)
    settle()


def needles(device: Path) -> list[int]:
    """Numbers of the sectors that still begin with a needle, read past every cache; an unreadable one has none."""
    size, found, buffer = size_of(device), list[int](), page_aligned(MIB)
    descriptor = os.open(device, os.O_RDONLY | os.O_DIRECT)
    try:
        for offset in range(0, size, len(buffer)):
            read = _read(descriptor, buffer[: min(len(buffer), size - offset)], offset)
            starts = range(0, len(read), SECTOR)
            found += [(offset + start) // SECTOR for start in starts if read[start : start + 7] == b"NEEDLE-"]
    finally:
        os.close(descriptor)
    settle()
    return found


def _read(descriptor: int, buffer: memoryview, offset: int) -> bytes:
    try:
        os.preadv(descriptor, [buffer], offset)
        return bytes(buffer)
    except OSError:
        if len(buffer) <= 4096:
            return bytes(len(buffer))
    half = len(buffer) // 2
    return _read(descriptor, buffer[:half], offset) + _read(descriptor, buffer[half:], offset + half)


def size_of(device: Path) -> int:
    """Bytes."""
    return int(Path("/sys/class/block", device.name, "size").read_text()) * SECTOR


def ordered(bench: Bench, device: Path, technique: str | None = None) -> RealRun:
    """An approved order for the device, planned on this machine."""
    target = listed("location", str(device))
    identity = volume_of(target.facts) if target.kind == "volume" else identity_of(target)
    return RealRun(bench.host, carrier_of(identity, technique))


def drive(serial: str) -> Target:
    """The drive with that serial number."""
    return listed("serial", serial)


def unplug_drives() -> None:
    """The drives of QEMU are gone for good: every look at the machine is shorter by them, and the rest are its own."""
    kept = {_controller(disk) for disk in Path("/sys/block").glob("vd*") if _serial(disk).startswith("lab-")}
    for device in sorted(Path("/sys/bus/pci/devices").iterdir()):
        is_storage = (device / "class").read_text().startswith(("0x01", "0x0c03"))
        if is_storage and device.name not in kept:
            (device / "remove").write_text("1")
    settle()


def _controller(disk: Path) -> str:
    """Name of the PCI device that a virtio disk hangs on."""
    return (disk / "device").resolve().parent.name


def _serial(disk: Path) -> str:
    return (disk / "serial").read_text().strip()


def listed(fact: str, value: str) -> Target:
    """The one target with that location or fact. Only what names it is looked at: to ask twenty drives for all that
    `targets` tells of them takes the guest longer than to overwrite one."""
    every = candidates(THIS_MACHINE, observe(THIS_MACHINE, backing_files(THIS_MACHINE)))
    bare = (bare_target(THIS_MACHINE, one) for one in every)
    (found,) = (one for one in bare if Fact(fact, value) in (*one.facts, Fact("location", one.location)))
    return found


def refusal(bench: Bench, device: Path, reason: str) -> Mapping[str, object]:
    """Facts of the refusal, for that reason, when a run of the device is planned; all else fails the test."""
    settle()
    with pytest.raises(Refused) as caught:
        ordered(bench, device)
    assert caught.value.reason == reason
    return caught.value.facts


def unwritten(done: RealRun) -> list[int]:
    """Numbers of the sectors that the record lists as not overwritten."""
    (record,) = (record for record in done.evidence.records if isinstance(record, OverwriteRecord))
    assert record.failed_size == sum(one.extent.length for one in record.failures)
    return sorted(sector for one in record.failures for sector in sectors(one.extent))


def unread(done: RealRun) -> list[int]:
    """Numbers of the sectors that the read-back lists as not readable."""
    return sorted(sector for one in read_back(done).unread for sector in sectors(one.extent))


def read_back(done: RealRun) -> FullReadBack:
    (check,) = done.evidence.checks
    assert isinstance(check, FullReadBack)
    return check


def sectors(extent: Extent) -> range:
    assert extent.offset % SECTOR == extent.length % SECTOR == 0
    return range(extent.offset // SECTOR, (extent.offset + extent.length) // SECTOR)
