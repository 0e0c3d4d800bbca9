"""Which disks the running system stands on; where that cannot be told, every disk counts as one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wipers.linux.loops import loop_named
from wipers.linux.machine import Machine, attribute, devno, devno_of_text, entries, sys_folder, whole_disk
from wipers.linux.mounts import WITHOUT_MEDIUM, Mount, mounts, swaps

SYSTEM_POINTS = ("/", "/usr", "/boot", "/boot/efi", "/efi")
"""Mount points without which the system does not live."""
BY_TAG = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel"}
"""Ways of fstab(5) to name a device, and the directory of links that resolves them."""
FROM_ELSEWHERE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph"})
"""File systems that come from another machine, and so lie on no disk of this one."""


@dataclass(frozen=True, slots=True)
class SystemDisks:
    """The disks that carry the running system."""

    names: frozenset[str]
    """Kernel names of whole disks, and of everything stacked between them and the system."""
    devices: frozenset[str]
    """Those and the names of the partitions among them."""
    is_sure: bool
    """False: part of the system lies on something that could not be traced, so any disk may carry it."""


def system_disks(machine: Machine) -> SystemDisks:
    """Everything below the system's mount points, its swap, and this program's own files."""
    is_sure = True
    numbers: set[int] = set(_planned(machine))
    for path in (*SYSTEM_POINTS, *map(str, _own(machine))):
        devices, known = _devices_below(machine, mounts(machine), path)
        is_sure = is_sure and known
        numbers |= devices
    for swap in swaps(machine):
        numbers |= {one for one in (swap.device, swap.file[0] if swap.file is not None else None) if one is not None}
    names = {name for device in numbers for name in stack_below(machine, device)}
    exact = {name for device in numbers for name in stack_below(machine, device, with_parts=True)}
    return SystemDisks(frozenset(names), frozenset(exact), is_sure)


def _planned(machine: Machine) -> Iterator[int]:
    """What the system's own table mounts at its places when it starts, though it may not be mounted now."""
    table = attribute(machine.proc / "self" / "root" / "etc" / "fstab")
    for line in table.splitlines():
        words = line.split()
        if len(words) < 3 or words[0].startswith("#") or (words[1] not in SYSTEM_POINTS and words[2] != "swap"):
            continue
        node = _named_node(machine, words[0])
        number = devno(node) if node is not None else None
        if number is not None:
            yield number


def _named_node(machine: Machine, spec: str) -> Path | None:
    """The node that a line of fstab(5) names; none where it names no device of this machine."""
    tag, _, value = spec.partition("=")
    if tag in BY_TAG:
        return machine.dev / "disk" / BY_TAG[tag] / value.strip('"')
    return machine.dev / spec.removeprefix("/dev/") if spec.startswith("/dev/") else None


def stack_below(machine: Machine, device: int, *, with_parts: bool = False) -> set[str]:
    """Names of the disk that the device belongs to and of all that it is made of: slaves, and backing files' disks;
    `with_parts`: of the partitions on the way too."""
    folder = sys_folder(machine, device)
    if folder is None:
        return set()
    disk = whole_disk(folder)
    below = {disk.name, folder.name} if with_parts else {disk.name}
    for slave in (*entries(folder / "slaves"), *(entries(disk / "slaves") if disk != folder else ())):
        number = devno_of_text(attribute(machine.sys / "class" / "block" / slave / "dev"))
        below |= stack_below(machine, number, with_parts=with_parts) if number is not None else {slave}
    loop = loop_named(machine, disk.name)
    if loop is not None and loop.below is not None:
        below |= stack_below(machine, loop.below, with_parts=with_parts)
    return below


def _own(machine: Machine) -> tuple[Path, ...]:
    return (machine.runs.resolve(), Path(__file__).resolve(), Path(sys.prefix).resolve())


def _devices_below(machine: Machine, known: tuple[Mount, ...], path: str) -> tuple[set[int], bool]:
    """Block devices that carry a path, and whether that is all of them."""
    mount = _mount_over(known, path)
    if mount is None:
        return set(), False
    if os.major(mount.device):
        return {mount.device}, True
    if mount.kind in WITHOUT_MEDIUM or mount.kind in FROM_ELSEWHERE:
        return set(), True
    if mount.kind == "overlay":
        return _below_overlay(machine, known, mount)
    source = _source(machine, mount)
    if source is None:
        return set(), False
    return devices_of_btrfs(machine, source) if mount.kind == "btrfs" else ({source}, True)


def devices_of_btrfs(machine: Machine, source: int) -> tuple[set[int], bool]:
    """All devices of the btrfs that one of them names."""
    folder = sys_folder(machine, source)
    for file_system in entries(machine.sys / "fs" / "btrfs"):
        names = entries(machine.sys / "fs" / "btrfs" / file_system / "devices")
        if folder is not None and folder.name in names:
            numbers = [devno_of_text(attribute(machine.sys / "class" / "block" / name / "dev")) for name in names]
            return {number for number in numbers if number is not None}, None not in numbers
    return {source}, False


def _below_overlay(machine: Machine, known: tuple[Mount, ...], overlay: Mount) -> tuple[set[int], bool]:
    """An overlay lies where its layers lie; layers that cannot be seen from here leave it open."""
    others = tuple(mount for mount in known if mount is not overlay and mount.point != overlay.point)
    found: set[int] = set()
    are_known = False
    for option in overlay.options:
        name, _, value = option.partition("=")
        for layer in value.split(":") if name in {"lowerdir", "lowerdir+", "upperdir"} else ():
            devices, is_known = _devices_below(machine, others, layer)
            if not is_known or not os.path.exists(layer):
                return found, False
            found |= devices
            are_known = True
    return found, are_known


def _mount_over(known: tuple[Mount, ...], path: str) -> Mount | None:
    """The mount that a path lies on: the longest mount point, and of several the last mounted."""
    over = [mount for mount in known if _is_at_or_below(path, mount.point)]
    return max(over, key=lambda mount: (len(mount.point), known.index(mount)), default=None)


def _is_at_or_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _source(machine: Machine, mount: Mount) -> int | None:
    """Device number of what was mounted; none where the kernel names no node of this machine."""
    name = mount.source.removeprefix("/dev/")
    return devno(machine.dev / name) if name != mount.source else None
