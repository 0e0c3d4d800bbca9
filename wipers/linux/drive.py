"""A drive asked for what no address shows: its health, what it hides, why it cannot be written. Nothing is changed.

`hdparm -N`, `--dco-identify` and their like report success for aborted commands, so every command is our own.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from certificates.statements import Fact, Residual
from wipers.linux import ata, commands, health, nvme, scsi
from wipers.linux.describing import (
    Attachment,
    Description,
    describe_nvme,
    describe_scsi,
    find_ata,
    foreign_blocks,
    foreign_sectors,
    unknown_drive,
)
from wipers.linux.devices import BlockDevice
from wipers.linux.machine import (
    THIS_MACHINE,
    Machine,
    attribute,
    devno_of_text,
    entries,
    number,
    sys_folder,
    whole_disk,
)
from wipers.linux.passthrough import THIS_KERNEL, Channel, Kernel, Outcome, channel_to
from wipers.model import Obstacle

DISKS = frozenset({"0", "20"})
"""Peripheral types of disks and host managed zoned disks, as sysfs writes them; a CD writer is never asked."""
DEEPEST = 8
"""Layers of stacked devices that are followed down to their drives."""
SENSORS = ("hwmon/hwmon*/temp1_input", "hwmon*/temp1_input")
"""Where below its folder the kernel shows a drive's own temperature (drivers drivetemp and nvme)."""
LOST = frozenset({Outcome.TIMED_OUT, Outcome.TRANSPORT})

_SILENT: set[tuple[Path, str]] = set()
"""Drives on the way to which a command was lost, by the kernel's sequence number of disks: asking again could have the
kernel reset them, perhaps amid a wipe. Kernels before 5.15 have no such number, and names are used anew."""


def describe_drive(
    machine: Machine, device: BlockDevice, kernel: Kernel = THIS_KERNEL
) -> tuple[tuple[Fact, ...], tuple[Residual, ...], tuple[Obstacle, ...]]:
    """What `targets` and the survey say of the drive: facts, what an overwrite of it does not reach, and what stands in
    the way. Reads only; silent; of a drive that answers nothing, only that it is unknown; never raises."""
    with _asked(machine, device.name, kernel) as channel:
        found = _described(machine, device, channel)
    return found.facts, found.residuals, found.obstacles


def temperature(where: int | str | Path, machine: Machine = THIS_MACHINE, kernel: Kernel = THIS_KERNEL) -> int | None:
    """Degrees Celsius of the drive behind an open descriptor or a device node, the hottest of several below one; none
    where it does not say; a command or two; never raises."""
    try:
        found = os.fstat(where) if isinstance(where, int) else os.stat(where)
    except OSError:
        return None
    folder = sys_folder(machine, found.st_rdev) if stat.S_ISBLK(found.st_mode) else None
    return None if folder is None else disk_temperature(machine, whole_disk(folder), kernel)


def disk_temperature(machine: Machine, folder: Path, kernel: Kernel = THIS_KERNEL, depth: int = 0) -> int | None:
    """Degrees Celsius of the disk that a sysfs folder describes, or of the hottest below it."""
    below = entries(folder / "slaves") if depth < DEEPEST else []
    if below:
        folders = (whole_disk((folder / "slaves" / name).resolve()) for name in below)
        found = [disk_temperature(machine, one, kernel, depth + 1) for one in folders]
        return max((celsius for celsius in found if celsius is not None), default=None)
    with _asked(machine, folder.name, kernel) as channel:
        asked = None if channel is None else _celsius(machine, folder.name, channel)
    own = health.possible_temperature(asked)
    return own if own is not None else _kernels_temperature(folder)


def raw_status(machine: Machine, device: BlockDevice, kernel: Kernel = THIS_KERNEL) -> bytes:
    """Everything that the drive answered about itself, in hex, one JSON line a command: evidence that the drive
    attests, to be filed before and after a run; empty where it cannot be asked; never raises."""
    with _asked(machine, device.name, kernel) as channel:
        _described(machine, device, channel)
        if channel is None:
            return b""
        _ask_sanitize_status(machine, device.name, channel)
    lines = (
        {"command": name, "data": reply.data.hex(), "detail": reply.detail, "outcome": reply.outcome.value}
        | {"sense": reply.sense.hex()}
        for name, reply in channel.replies
    )
    return b"".join(json.dumps(line, sort_keys=True, separators=(",", ":")).encode() + b"\n" for line in lines)


def why_unaddressable(machine: Machine, name: str, kernel: Kernel = THIS_KERNEL) -> Obstacle | None:
    """Why the kernel shows a disk without capacity though it has one: sectors of 520 bytes, or metadata between the
    blocks; none for a disk that has no medium or says nothing. Reads only; never raises."""
    location = str(machine.dev / name)
    with _asked(machine, name, kernel) as channel:
        if channel is None:
            return None
        if _bus(machine, name) == "nvme":
            return foreign_blocks(location, _own_namespace(machine, name, channel))
        inquiry = None if _attachment(machine, name).is_usb else scsi.read_inquiry(channel)
        is_disk = inquiry is not None and inquiry.is_disk
        return foreign_sectors(location, scsi.read_capacity(channel)) if is_disk else None


def controllers_of(folder: Path) -> tuple[Path, ...]:
    """Folders of the NVMe controllers that reach a namespace, by its own place in sysfs: the numbers in its name say
    nothing, for `nvme0n1` may belong to the controller `nvme1`, or to several."""
    parent = (folder / "device").resolve()
    if (parent / "cntlid").exists() or (parent / "transport").exists():
        return (parent,)
    return tuple((parent / name).resolve() for name in entries(parent) if (parent / name / "cntlid").exists())


@contextmanager
def _asked(machine: Machine, name: str, kernel: Kernel) -> Iterator[Channel | None]:
    """A channel to the disk of that name; none where it is not one that can be asked, or was found not to answer."""
    folder = machine.sys / "block" / name
    own = devno_of_text(attribute(folder / "dev"))
    mark = (machine.sys, attribute(folder / "diskseq"))
    if own is None or _bus(machine, name) is None or mark in _SILENT:
        yield None
        return
    with channel_to(machine.dev / name, own, kernel) as channel:
        yield channel
    if mark[1] and channel is not None and any(reply.outcome in LOST for _, reply in channel.replies):
        _SILENT.add(mark)


def _bus(machine: Machine, name: str) -> Literal["nvme", "scsi"] | None:
    """Which commands a disk takes; none for a loop device, a virtio disk and everything else."""
    device = machine.sys / "block" / name / "device"
    found = os.path.basename(os.path.realpath(device / "subsystem"))
    if found in {"nvme", "nvme-subsystem"}:
        return "nvme"
    return "scsi" if found == "scsi" and attribute(device / "type", "0") in DISKS else None


def _attachment(machine: Machine, name: str) -> Attachment:
    folder = machine.sys / "block" / name
    parts = (folder / "device").resolve().parts
    is_usb = any(part.startswith("usb") and part[3:].isdigit() for part in parts)
    return Attachment(str(machine.dev / name), attribute(folder / "device" / "vendor") == "ATA", is_usb)


def _described(machine: Machine, device: BlockDevice, channel: Channel | None) -> Description:
    bus = _bus(machine, device.name)
    if bus is None:
        return Description()
    where = _attachment(machine, device.name)
    if channel is None:
        return unknown_drive(device, is_usb=where.is_usb)
    return describe_nvme(channel, device) if bus == "nvme" else describe_scsi(channel, where, device)


def _celsius(machine: Machine, name: str, channel: Channel) -> int | None:
    if _bus(machine, name) == "nvme":
        log = nvme.read_health(channel)
        return None if log is None else log.temperature_celsius
    where = _attachment(machine, name)
    if where.is_libata:
        return _ata_celsius(channel, is_short=False)
    own = None if where.is_usb else scsi.read_temperature(channel)
    inquiry = scsi.read_inquiry(channel) if own is None else None
    port = find_ata(channel, where, inquiry) if inquiry is not None and inquiry.is_disk else None
    return own if port is None else _ata_celsius(channel, is_short=port.is_short)


def _ata_celsius(channel: Channel, *, is_short: bool) -> int | None:
    found = ata.read_sct_temperature(channel, is_short=is_short)
    if found is not None:
        return found
    command = commands.SMART_READ_DATA.through_12 if is_short else commands.SMART_READ_DATA.through_16
    reply = None if command is None else channel.ask(command)
    return health.attribute_temperature(ata.attributes_of(reply.data)) if reply is not None else None


def _kernels_temperature(folder: Path) -> int | None:
    """What the kernel's own sensor of the drive shows, to everyone and in thousandths of a degree."""
    homes = ((folder / "device").resolve(), *controllers_of(folder))
    inputs = (
        one for home in homes for one in (*home.glob("hwmon/hwmon*/temp1_input"), *home.glob("hwmon*/temp1_input"))
    )
    found = (health.possible_temperature(number(one) // 1000) for one in inputs if number(one))
    return next((one for one in found if one is not None), None)


def _own_namespace(machine: Machine, name: str, channel: Channel) -> nvme.Namespace | None:
    own = number(machine.sys / "block" / name / "nsid")
    return nvme.read_namespace(channel, commands.IDENTIFY_NAMESPACE, own) if own else None


def _ask_sanitize_status(machine: Machine, name: str, channel: Channel) -> None:
    """The sanitize status before a run belongs to the evidence too: some drives report an old success."""
    if _bus(machine, name) == "nvme":
        channel.ask_nvme(commands.NVME_SANITIZE_STATUS)
        own = number(machine.sys / "block" / name / "nsid")
        if own:
            channel.ask_nvme(commands.IDENTIFY_NAMESPACE.of(own))
        return
    identified = (reply.data for asked, reply in channel.replies if asked == commands.IDENTIFY.name and reply.is_good)
    identity = next((found for data in identified if (found := ata.read_identity(data)) is not None), None)
    if identity is not None and identity.sanitize:
        channel.ask(commands.SANITIZE_STATUS.through_16)
