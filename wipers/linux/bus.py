"""How a drive is attached and what its bits lie on, by the kernel's own tree of devices; never by a name."""

from __future__ import annotations

import os
import re
from pathlib import Path

from certificates.statements import Media
from wipers.linux.machine import attribute, entries, number

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
# What the drivers of RAID controllers call the volumes that they make: vendor, and how the model begins.
RAID_VOLUMES = (
    ("DELL", "PERC"),
    ("DELL", "VIRTUAL DISK"),
    ("LSI", ""),
    ("AVAGO", ""),
    ("BROADCOM", "MR"),
    ("LSILOGIC", ""),
    ("HP", "LOGICAL VOLUME"),
    ("HPE", "LOGICAL VOLUME"),
    ("COMPAQ", "LOGICAL VOLUME"),
    ("MSCC", "LOGICAL VOLUME"),
    ("ADAPTEC", ""),
    ("MICROSEMI", ""),
    ("ASR", ""),
    ("AACRAID", ""),
    ("ARECA", ""),
    ("AMCC", ""),
    ("3WARE", ""),
    ("IBM", "SERVERAID"),
    ("INTEL", "RAID"),
    ("INTEL", "RMS"),
    ("LENOVO", "RAID"),
    ("FTS", "PRAID"),
    ("CISCO", "UCSC-RAID"),
    ("SMC", "SMC"),
    ("DPT", "RAID"),
    ("PROMISE", ""),
    ("HPT", ""),
    ("MYLEX", ""),
)
RAID_DRIVERS = frozenset({"3w-9xxx", "3w-sas", "aacraid", "arcmsr", "cciss", "dpt_i2o", "hpsa", "hptiop", "ips"})
"""Drivers behind which every unknown volume is the controller's."""


def bus_of(folder: Path) -> str:
    """How a whole drive is attached, e.g. `sata`, `nvme-pcie`, `usb`; empty where that cannot be told."""
    place = os.path.realpath(folder)
    kind = _subsystem(folder)
    if kind in {"nvme", "nvme-subsystem"}:
        transports = sorted(set(transports_of(folder)))
        return f"nvme-{'+'.join(transports)}" if transports else "nvme"
    if re.search(r"/usb\d+/", place):
        return "usb"
    if kind == "mmc":
        return "mmc"
    if kind == "virtio":
        return "virtio"
    if kind == "scsi":
        return _scsi_bus(folder, place)
    return kind


def _scsi_bus(folder: Path, place: str) -> str:
    if re.search(r"/ata\d+/", place):
        return "sata"
    if "/session" in place:
        return "iscsi"
    if "/rport-" in place:
        return "fc"
    if "/virtio" in place:
        return "virtio-scsi"
    is_ata = attribute(folder / "device" / "vendor") == "ATA"
    if re.search(r"/(end_device|port)-", place):
        return "sata-behind-sas" if is_ata else "sas"
    return "sata-behind-hba" if is_ata else "scsi"


def transports_of(folder: Path) -> list[str]:
    """Transport of every controller that leads to an NVMe namespace, found through sysfs: with several paths the
    namespace hangs below its subsystem, and a controller's number says nothing of its namespaces."""
    device = folder / "device"
    own = attribute(device / "transport")
    if own:
        return [own]
    told = (attribute(device / name / "transport") for name in entries(device) if name.startswith("nvme"))
    return [transport for transport in told if transport]


def controllers_of(folder: Path) -> tuple[str, ...]:
    """Names of the controllers that lead to an NVMe namespace."""
    device = folder / "device"
    if attribute(device / "transport"):
        return (os.path.basename(os.path.realpath(device)),)
    return tuple(name for name in entries(device) if attribute(device / name / "transport"))


def media_of_drive(folder: Path, vendor: str, model: str) -> Media:
    """Magnetic or flash for a drive that is surely one; opaque for everything that may lie on something else."""
    if any(word in f"{vendor} {model}".upper() for word in VIRTUAL) or is_raid_volume(folder, vendor, model):
        return Media.OPAQUE
    is_rotational = bool(number(folder / "queue" / "rotational", 1))
    kind = _subsystem(folder)
    if kind in {"nvme", "nvme-subsystem"}:
        is_local = set(transports_of(folder)) == {"pcie"}
        return Media.FLASH if is_local and not is_rotational else Media.OPAQUE
    if kind == "scsi" and vendor.upper() in DISK_VENDORS and bus_of(folder) != "usb":
        return Media.MAGNETIC if is_rotational else Media.FLASH
    return Media.OPAQUE


def is_raid_volume(folder: Path, vendor: str, model: str) -> bool:
    """Whether a RAID controller made it: then drives that no host sees lie below."""
    names = vendor.upper().strip(), model.upper().strip()
    if any(names[0] == maker and names[1].startswith(begin) for maker, begin in RAID_VOLUMES):
        return True
    if "RAID" in names[0] or names[1].startswith(("LOGICAL VOLUME", "RAID")):
        return True
    is_drive = names[0] in DISK_VENDORS
    return not is_drive and _driver_of(folder) in RAID_DRIVERS


def _driver_of(folder: Path) -> str:
    """Name of the driver of the SCSI host that the drive hangs on."""
    device = Path(os.path.realpath(folder / "device"))
    for place in device.parents:
        if re.fullmatch(r"host\d+", place.name):
            return attribute(place / "scsi_host" / place.name / "proc_name")
    return ""


def _subsystem(folder: Path) -> str:
    return os.path.basename(os.path.realpath(folder / "device" / "subsystem"))
