"""What a drive is, by what the kernel says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from certificates.statements import Media
from tests.support.fake_machine import FakeMachine
from wipers.linux import blocks
from wipers.linux.devices import list_devices

ATA_SSD = {
    "device__vendor": "ATA     ",
    "device__model": "Samsung SSD 870 ",
    "device__wwid": "naa.5002538f00000001",
    "device__rev": "2B6Q",
}

DRIVES: list[tuple[str, str, dict[str, str], Media]] = [
    ("sata-ssd", "scsi", ATA_SSD, Media.FLASH),
    ("sata-disk", "scsi", {**ATA_SSD, "queue__rotational": "1"}, Media.MAGNETIC),
    (
        "sas-disk",
        "scsi",
        {"device__vendor": "SEAGATE", "device__model": "ST8000", "queue__rotational": "1"},
        Media.MAGNETIC,
    ),
    (
        "raid-volume",
        "scsi",
        {"device__vendor": "DELL", "device__model": "PERC H730", "queue__rotational": "1"},
        Media.OPAQUE,
    ),
    (
        "emulated-disk",
        "scsi",
        {"device__vendor": "ATA", "device__model": "QEMU HARDDISK", "queue__rotational": "1"},
        Media.OPAQUE,
    ),
    ("usb-stick", "scsi", {"device__vendor": "Kingston", "device__model": "DataTraveler"}, Media.OPAQUE),
    ("nvme", "nvme", {"device__model": "SAMSUNG MZVL2", "device__transport": "pcie"}, Media.FLASH),
    ("nvme-over-network", "nvme", {"device__model": "SAMSUNG MZVL2", "device__transport": "tcp"}, Media.OPAQUE),
    (
        "nvme-of-a-cloud",
        "nvme",
        {"device__model": "Amazon Elastic Block Store", "device__transport": "pcie"},
        Media.OPAQUE,
    ),
    ("virtio", "virtio", {"queue__rotational": "1", "serial": "disk-1"}, Media.OPAQUE),
    ("zram", "", {}, Media.OPAQUE),
]


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


@pytest.mark.parametrize(("bus", "attributes", "media"), [row[1:] for row in DRIVES], ids=[row[0] for row in DRIVES])
def test_only_a_sure_disk_counts_as_magnetic_or_flash(
    fake: FakeMachine, bus: str, attributes: dict[str, str], media: Media
) -> None:
    """The claim depends on the medium, and virtual disks say rotational too."""
    fake.disk("sda", "8:0", 1 << 30, bus, **attributes)
    assert [device.media for device in list_devices(fake.machine)] == [media]


def test_a_sata_drive_is_known_by_the_kernels_words_alone(fake: FakeMachine) -> None:
    """An order drawn up where udev runs must fit on a rescue system where it does not."""
    folder = fake.disk("sda", "8:0", size=1 << 30, bus="scsi", **ATA_SSD)
    (folder / "device" / "vpd_pg80").write_bytes(b"\x00\x80\x00\x10S5Y1NG0R512345  ")
    (device,) = list_devices(fake.machine)
    assert [(fact.name, fact.value) for fact in device.facts] == [
        ("vendor", "ATA"),
        ("model", "Samsung SSD 870"),
        ("serial", "S5Y1NG0R512345"),
        ("wwn", "naa.5002538f00000001"),
        ("size", str(1 << 30)),
    ]
    assert (device.firmware, device.sector_size) == ("2B6Q", 512)


def test_a_virtio_disks_vendor_number_is_no_maker(fake: FakeMachine) -> None:
    """0x1af4 is the PCI id of every virtio device."""
    fake.disk("vda", "254:0", bus="virtio", device__vendor="0x1af4", serial="disk-1")
    (device,) = list_devices(fake.machine)
    assert (device.vendor, device.serial) == ("", "disk-1")


def test_a_drive_without_medium_and_a_hidden_path_are_no_targets(fake: FakeMachine) -> None:
    """An empty card reader has no size; a hidden device is a path of another one."""
    fake.disk("sdb", "8:16", size=0)
    fake.disk("nvme0c0n1", "259:1", hidden="1")
    assert list_devices(fake.machine) == ()


def test_a_drive_that_names_itself_by_nothing_is_refused(fake: FakeMachine) -> None:
    """An order that says nothing but a size would fit any other drive of that size."""
    fake.disk("sda", "8:0", bus="scsi", device__vendor="Generic", device__model="Flash Disk")
    fake.mount("0:1", "/", "tmpfs")
    (target,) = blocks.list_targets(fake.machine)
    assert [obstacle.reason for obstacle in target.obstacles] == ["device-nameless"]


def test_two_paths_to_one_drive_are_one_unit(fake: FakeMachine) -> None:
    """Multipath shows a drive twice; equal size or serial number alone proves nothing."""
    for name, number, serial in (("sda", "8:0", "S1"), ("sdb", "8:16", "S1"), ("sdc", "8:32", "S2")):
        fake.disk(name, number, bus="scsi", device__wwid="naa.5", device__serial=serial)
    fake.disk("sdd", "8:48", bus="scsi", device__serial="S1")
    units = [target.unit for target in blocks.list_targets(fake.machine)]
    assert units[0] == units[1]
    assert len(set(units)) == 3
