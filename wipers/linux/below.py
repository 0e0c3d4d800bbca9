"""Which drives and images a block device lies on, through every layer between, by facts that survive an erasure."""

from __future__ import annotations

import os
from pathlib import Path

from certificates.statements import DeviceIdentity, ImageIdentity
from wipers.linux.devices import BlockDevice, device_in
from wipers.linux.filesystems import file_system_of
from wipers.linux.layers import below, layer_of, members_of
from wipers.linux.loops import Loop, loop_named
from wipers.linux.machine import Machine, sys_folder

Below = DeviceIdentity | ImageIdentity


def identities_below(machine: Machine, folder: Path) -> tuple[Below, ...] | None:
    """Every drive and image below the device, itself included where it is one; none where part of it is out of sight.
    Several paths to one drive are one."""
    found: dict[Below, None] = {}
    for drive in drives_below(machine, folder) or ():
        identity = _identity(machine, drive)
        if identity is None:
            return None
        found[identity] = None
    return tuple(found) if found or layer_of(folder) == "zram" else None


def drives_below(machine: Machine, folder: Path) -> tuple[Path, ...] | None:
    """Folders of the drives and loop devices below, itself included; none where something is out of sight."""
    layer = layer_of(folder)
    if layer in {"drive", "foreign"}:
        return (folder,)
    if layer == "loop":
        return _below_loop(machine, folder)
    if layer == "zram":
        return ()
    direct = members_of(machine, folder)[0] if layer == "md" else below(machine, folder)
    found = [drives_below(machine, one) for one in direct]
    if not found or None in found:
        return None
    return tuple(dict.fromkeys(one for drives in found for one in drives or ()))


def _below_loop(machine: Machine, folder: Path) -> tuple[Path, ...] | None:
    """A loop device over a file counts as an image; one over another device shows what lies there."""
    loop = loop_named(machine, folder.name)
    if loop is None or loop.device is None:
        return (folder,)
    under = sys_folder(machine, loop.device)
    return None if under is None else drives_below(machine, under)


def _identity(machine: Machine, folder: Path) -> Below | None:
    device = device_in(machine, folder)
    if device is None:
        return None
    if layer_of(folder) != "loop":
        return drive_identity(device)
    loop = loop_named(machine, folder.name)
    if loop is None or loop.file is None:
        return None
    return ImageIdentity(file_system_below(machine, loop), loop.file[1], device.size, attached=True)


def drive_identity(device: BlockDevice) -> DeviceIdentity:
    """The drive as an order names it."""
    return DeviceIdentity(device.vendor, device.model, device.serial, device.wwn or None, device.size)


def file_system_below(machine: Machine, loop: Loop) -> str:
    """UUID of the file system that the backing file lies on; empty where the file is out of sight."""
    try:
        descriptor = os.open(loop.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        found = os.fstat(descriptor)
        return (file_system_of(descriptor, machine).uuid or "") if (found.st_dev, found.st_ino) == loop.file else ""
    finally:
        os.close(descriptor)
