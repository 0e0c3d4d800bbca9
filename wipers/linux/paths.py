"""Several paths to one unit: drives with the same WWN and serial number, and the map that multipath lays over them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wipers.linux.devices import BlockDevice, device_in, device_numbered
from wipers.linux.layers import below, is_path_of_map
from wipers.linux.machine import Machine, sys_folder, whole_disk
from wipers.model import Obstacle


def is_hidden_by_map(machine: Machine, device: BlockDevice) -> bool:
    """Whether the drive is but a path of a multipath map, which stands for it."""
    folder = sys_folder(machine, device.number)
    return device.layer == "drive" and folder is not None and bool(is_path_of_map(machine, folder))


def paths_obstacles(machine: Machine, device: BlockDevice, folder: Path) -> tuple[Obstacle, ...]:
    """Why a map cannot be one unit: it has no path, or its paths differ in what names a drive."""
    if device.layer != "multipath":
        return ()
    paths = [device_in(machine, path) for path in below(machine, folder)]
    where = f"/dev/{device.name}"
    if not paths or None in paths:
        return (Obstacle("layer-unclear", (("detail", "no path of it answers"), ("where", where))),)
    if len({path.facts for path in paths if path is not None}) != 1 or paths[0] is None or paths[0].size != device.size:
        return (Obstacle("paths-differ", (("what", ", ".join(path.name for path in paths if path)), ("where", where))),)
    return ()


def unit_of(device: BlockDevice) -> str:
    """The drive itself: WWN and serial together name it behind several paths, one of them alone does not. Behind USB
    there are no several paths, but bridges that all bear one number."""
    return f"{device.wwn} {device.serial}" if _may_have_paths(device) else device.name


def other_paths(device: BlockDevice, devices: Iterable[BlockDevice]) -> tuple[BlockDevice, ...]:
    """Other paths to the same drive."""
    if device.layer != "drive" or not _may_have_paths(device):
        return ()
    return tuple(one for one in devices if one.number != device.number and one.facts == device.facts)


def every_path(machine: Machine, device: BlockDevice, devices: Iterable[BlockDevice]) -> tuple[BlockDevice, ...]:
    """The device and whatever shows the same bytes by another path to its drive, among these: of a partition, the
    parts there that share bytes with it."""
    folder = sys_folder(machine, device.number)
    if device.layer != "partition" or folder is None:
        return (device, *other_paths(device, devices))
    disk = device_in(machine, whole_disk(folder))
    others = other_paths(disk, devices) if disk is not None else ()
    parts = (device_numbered(machine, number) for other in others for _, number in other.partitions)
    return (device, *(part for part in parts if part is not None and _share_bytes(device, part)))


def _share_bytes(one: BlockDevice, two: BlockDevice) -> bool:
    return one.start < two.start + two.size and two.start < one.start + one.size


def _may_have_paths(device: BlockDevice) -> bool:
    return bool(device.wwn and device.serial) and device.bus != "usb"
