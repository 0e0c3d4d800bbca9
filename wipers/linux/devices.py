"""Block devices as the kernel lists them: what they call themselves, how big they are, what the bits lie on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from certificates.statements import Fact, Media
from wipers.linux.bus import bus_of, media_of_drive
from wipers.linux.layers import Layer, below, layer_of, node_name
from wipers.linux.machine import Machine, attribute, devno_of_text, entries, number, sys_folder, whole_disk

SECTOR = 512
"""Unit of `size` in sysfs, whatever the drive's own sector."""
OPTICAL = frozenset({"4", "5", "7"})
"""SCSI types of drives whose media are written once, or by light."""
WORDS = {"vendor": "ID_VENDOR", "model": "ID_MODEL", "serial": "ID_SERIAL_SHORT", "wwn": "ID_WWN_WITH_EXTENSION"}
"""What a drive calls itself, and udev's name for it."""


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A disk, a partition, or what is made of such."""

    name: str
    """Name of its node below /dev, e.g. sda."""
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
    layer: Layer = "drive"
    """What makes it."""
    bus: str = ""
    """How a drive is attached, e.g. sata."""
    zoned: str = ""
    """`host-managed` or `host-aware` where it is divided into zones."""
    start: int = 0
    """First byte of a partition on its disk."""
    sequence: int = 0
    """Number that the kernel gives a medium when it appears and never again (diskseq); 0 before Linux 5.15."""

    @property
    def kernel_name(self) -> str:
        """Name in sysfs, where a slash is written `!`."""
        return self.name.replace("/", "!")

    @property
    def names(self) -> dict[int, str]:
        """Kernel names of the disk and its partitions, by device number."""
        return {self.number: self.kernel_name, **{number: name for name, number in self.partitions}}

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Identity that survives the erasure, in the order of DeviceIdentity."""
        pairs = (("vendor", self.vendor), ("model", self.model), ("serial", self.serial), ("wwn", self.wwn))
        return (*(Fact(name, value) for name, value in pairs), Fact("size", str(self.size)))


def list_devices(machine: Machine) -> tuple[BlockDevice, ...]:
    """Every disk with a medium in it, but for discs of light: those are not overwritten."""
    folders = ((machine.sys / "block" / name).resolve() for name in entries(machine.sys / "block"))
    found = (device_in(machine, folder) for folder in folders if attribute(folder / "device" / "type") not in OPTICAL)
    return tuple(device for device in found if device is not None)


def device_numbered(machine: Machine, device: int) -> BlockDevice | None:
    """The device of that number, a partition too; none where it is gone or has no medium."""
    folder = sys_folder(machine, device)
    return None if folder is None else device_in(machine, folder)


def device_in(machine: Machine, folder: Path, *, may_be_empty: bool = False) -> BlockDevice | None:
    """The device that a sysfs folder describes; none where it is hidden or, unless it may be, empty."""
    own = devno_of_text(attribute(folder / "dev"))
    size = number(folder / "size") * SECTOR
    disk = whole_disk(folder)
    if own is None or not (size or may_be_empty) or number(disk / "hidden"):
        return None
    layer = layer_of(folder)
    told = _telling(machine, folder, layer)
    words = _identity(machine, told) if told is not None else dict.fromkeys(WORDS, "")
    return BlockDevice(
        name=node_name(folder),
        number=own,
        partitions=_partitions(folder),
        size=size,
        sector_size=number(disk / "queue" / "logical_block_size", SECTOR),
        physical_sector_size=number(disk / "queue" / "physical_block_size", SECTOR),
        vendor=words["vendor"],
        model=words["model"],
        serial=words["serial"],
        wwn=words["wwn"],
        firmware=_firmware(told) if told is not None else "",
        is_rotational=bool(number(disk / "queue" / "rotational")),
        is_read_only=bool(number(folder / "ro")),
        is_removable=bool(number(disk / "removable")),
        media=_media(machine, folder, told, words),
        layer=layer,
        bus=bus_of(told) if told is not None else "",
        zoned=attribute(disk / "queue" / "zoned").replace("none", ""),
        start=number(folder / "start") * SECTOR,
        sequence=number(disk / "diskseq"),
    )


def _telling(machine: Machine, folder: Path, layer: Layer) -> Path | None:
    """Whose words name the device: a drive's own, and for several paths to one those of the first."""
    if layer == "drive":
        return folder
    paths = below(machine, folder) if layer == "multipath" else ()
    return paths[0] if paths else None


def _media(machine: Machine, folder: Path, told: Path | None, words: dict[str, str]) -> Media:
    """A drive's own, also for a part of it; what is made of several devices is opaque."""
    if told is not None:
        return media_of_drive(told, words["vendor"], words["model"])
    disk = device_in(machine, whole_disk(folder)) if whole_disk(folder) != folder else None
    return Media.OPAQUE if disk is None else disk.media


def _firmware(folder: Path) -> str:
    device = folder / "device"
    return attribute(device / "firmware_rev") or attribute(device / "rev") or attribute(device / "fwrev")


def _partitions(folder: Path) -> tuple[tuple[str, int], ...]:
    # A partition's name begins with its disk's, which spares a look into every other folder there.
    own = (name for name in entries(folder) if name.startswith(folder.name))
    names = (name for name in own if (folder / name / "partition").exists())
    found = ((name, devno_of_text(attribute(folder / name / "dev"))) for name in names)
    return tuple((name, device) for name, device in found if device is not None)


def _identity(machine: Machine, folder: Path) -> dict[str, str]:
    """What the drive calls itself: the kernel's words first, since they do not depend on udev's rules of the day."""
    device = folder / "device"
    words = {
        "vendor": attribute(device / "vendor") if not _is_virtio(folder) else "",
        "model": attribute(device / "model") or attribute(device / "name"),
        "serial": attribute(device / "serial") or attribute(folder / "serial") or _page_80(device) or _of_usb(device),
        "wwn": attribute(folder / "wwid") or attribute(device / "wwid"),
    }
    if all(words.values()):
        return {name: _printable(value) for name, value in words.items()}
    udev = machine.properties(folder)
    return {name: _printable(value or udev.get(WORDS[name], "")) for name, value in words.items()}


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


def _of_usb(device: Path) -> str:
    """Serial number of the USB device that a SCSI disk hangs on: sticks and simple bridges have no other."""
    place = Path(os.path.realpath(device))
    found = next((one for one in place.parents if (one / "idVendor").exists()), None)
    return "" if found is None else attribute(found / "serial")


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:200].strip()
