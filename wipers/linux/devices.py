"""Block devices as the kernel lists them: what they call themselves, how big they are, what the bits lie on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from certificates.statements import Fact, Media
from wipers.linux.machine import Machine, attribute, devno_of_text, entries, number, sys_folder, whole_disk

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTOR = 512
"""Unit of `size` in sysfs, whatever the drive's own sector."""

# Vendors under which real SAS disks report themselves; `ATA` is what the kernel says for every SATA disk. Anything
# else behind SCSI may be a RAID volume, a SAN LUN, a USB bridge or a virtual disk.
DISK_VENDORS = frozenset(
    {"ATA", "SEAGATE", "HGST", "HITACHI", "WDC", "WD", "TOSHIBA", "FUJITSU", "SAMSUNG", "KIOXIA", "MICRON"}
)
# Models that say they are not made of matter.
VIRTUAL = (
    "QEMU",
    "VBOX",
    "VMWARE",
    "VIRTUAL",
    "AMAZON",
    "GOOGLE",
    "MICROSOFT",
    "MSFT",
    "NUTANIX",
    "XEN",
    "ALIBABA",
    "LUN",
)


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A whole disk."""

    name: str
    """Kernel name, e.g. sda."""
    number: int
    """Device number."""
    partitions: tuple[tuple[str, int], ...]
    """Kernel name and device number of each partition."""
    size: int
    """Bytes."""
    sector_size: int
    """Logical sector, in bytes."""
    physical_sector_size: int
    """Physical sector, in bytes."""
    vendor: str
    """As reported."""
    model: str
    """As reported."""
    serial: str
    """As reported."""
    wwn: str
    """WWN, EUI-64 or NGUID; empty where there is none."""
    firmware: str
    """Firmware revision as reported."""
    is_rotational: bool
    """The kernel's flag, which virtual disks set too."""
    is_read_only: bool
    """Whether the kernel refuses writes."""
    is_removable: bool
    """Whether the medium can be taken out."""
    media: Media
    """What the bits lie on; opaque unless it is sure."""

    @property
    def names(self) -> dict[int, str]:
        """Kernel names of the disk and its partitions, by device number."""
        return {self.number: self.name, **{number: name for name, number in self.partitions}}

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Identity that survives the erasure, in the order of DeviceIdentity."""
        pairs = (("vendor", self.vendor), ("model", self.model), ("serial", self.serial), ("wwn", self.wwn))
        return (*(Fact(name, value) for name, value in pairs), Fact("size", str(self.size)))


def list_devices(machine: Machine) -> tuple[BlockDevice, ...]:
    """Every disk with a medium in it."""
    found = (device_in(machine, machine.sys / "block" / name) for name in entries(machine.sys / "block"))
    return tuple(device for device in found if device is not None)


def device_numbered(machine: Machine, device: int) -> BlockDevice | None:
    """The disk of that device number; none where it is gone, has no medium, or is a partition."""
    folder = sys_folder(machine, device)
    return None if folder is None or whole_disk(folder) != folder else device_in(machine, folder)


def device_in(machine: Machine, folder: Path) -> BlockDevice | None:
    """The disk that a sysfs folder describes; none where it is hidden or has no medium."""
    own = devno_of_text(attribute(folder / "dev"))
    size = number(folder / "size") * SECTOR
    if own is None or not size or number(folder / "hidden"):
        return None
    words = _identity(machine, folder)
    queue = folder / "queue"
    return BlockDevice(
        name=folder.name,
        number=own,
        partitions=_partitions(folder),
        size=size,
        sector_size=number(queue / "logical_block_size", SECTOR),
        physical_sector_size=number(queue / "physical_block_size", SECTOR),
        vendor=words["vendor"],
        model=words["model"],
        serial=words["serial"],
        wwn=words["wwn"],
        firmware=attribute(folder / "device" / "firmware_rev") or attribute(folder / "device" / "rev"),
        is_rotational=bool(number(queue / "rotational")),
        is_read_only=bool(number(folder / "ro")),
        is_removable=bool(number(folder / "removable")),
        media=_media(folder, words["vendor"], words["model"]),
    )


def _partitions(folder: Path) -> tuple[tuple[str, int], ...]:
    names = (name for name in entries(folder) if (folder / name / "partition").exists())
    found = ((name, devno_of_text(attribute(folder / name / "dev"))) for name in names)
    return tuple((name, device) for name, device in found if device is not None)


def _identity(machine: Machine, folder: Path) -> dict[str, str]:
    """What the drive calls itself: the kernel's words first, since they do not depend on udev's rules of the day."""
    device = folder / "device"
    words = {
        "vendor": attribute(device / "vendor") if not _is_virtio(folder) else "",
        "model": attribute(device / "model"),
        "serial": attribute(device / "serial") or attribute(folder / "serial") or _page_80(device),
        "wwn": attribute(folder / "wwid") or attribute(device / "wwid"),
    }
    if all(words.values()):
        return {name: _printable(value) for name, value in words.items()}
    udev = _udev_words(machine, folder)
    return {name: _printable(value or udev.get(name, "")) for name, value in words.items()}


def _is_virtio(folder: Path) -> bool:
    """A virtio disk's `vendor` is a PCI number, not a maker."""
    return os.path.basename(os.path.realpath(folder / "device" / "subsystem")) == "virtio"


def _page_80(device: Path) -> str:
    """Unit serial number of a SCSI disk (SPC-6, VPD page 80h)."""
    try:
        page = (device / "vpd_pg80").read_bytes()
    except OSError:
        return ""
    return page[4 : 4 + int.from_bytes(page[2:4], "big")].decode("ascii", "replace").strip("\x00 ")


def _udev_words(machine: Machine, folder: Path) -> Mapping[str, str]:
    """What udev's database adds; nothing where udev does not run."""
    if machine.sys != Path("/sys") or not Path("/run/udev/data").is_dir():
        return {}
    try:
        import pyudev

        known = pyudev.Devices.from_path(pyudev.Context(), str(folder)).properties
    except (ImportError, OSError, LookupError):
        return {}
    names = {"vendor": "ID_VENDOR", "model": "ID_MODEL", "serial": "ID_SERIAL_SHORT", "wwn": "ID_WWN_WITH_EXTENSION"}
    return {word: str(known.get(name, "")) for word, name in names.items()}


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:200].strip()


def _media(folder: Path, vendor: str, model: str) -> Media:
    """Magnetic or flash for a drive that is surely one; opaque for everything that may lie on something else."""
    if any(word in f"{vendor} {model}".upper() for word in VIRTUAL):
        return Media.OPAQUE
    bus = os.path.basename(os.path.realpath(folder / "device" / "subsystem"))
    is_rotational = bool(number(folder / "queue" / "rotational", 1))
    if bus == "nvme":
        is_local = attribute(folder / "device" / "transport") == "pcie"
        return Media.FLASH if is_local and not is_rotational else Media.OPAQUE
    if bus == "scsi" and vendor.upper() in DISK_VENDORS:
        return Media.MAGNETIC if is_rotational else Media.FLASH
    return Media.OPAQUE
