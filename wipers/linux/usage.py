"""Why a target must not be touched now: who mounts it, swaps to it, holds it, has it open; or what it carries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wipers.linux import formats
from wipers.linux.devices import BlockDevice
from wipers.linux.layers import obstacles_of_layers
from wipers.linux.loops import Loop, loops
from wipers.linux.machine import Machine, attribute, devno, devno_of_text, sys_folder
from wipers.linux.mounts import Mount, Swap, all_mounts, swaps
from wipers.linux.openers import FileNumber, Opener, Openers, openers
from wipers.linux.paths import paths_obstacles
from wipers.linux.reach import Reach, reach_of
from wipers.linux.standing import carries_the_system, is_beside_the_system
from wipers.linux.system import SystemDisks, devices_of_btrfs, system_disks
from wipers.linux.volumes import is_volume, volume_obstacles
from wipers.model import Obstacle


@dataclass(frozen=True, slots=True)
class Activity:
    """Everything on the machine that may use storage, seen at one moment."""

    mounts: tuple[Mount, ...]
    swaps: tuple[Swap, ...]
    loops: tuple[Loop, ...]
    openers: Openers
    system: SystemDisks


def observe(machine: Machine, files: frozenset[FileNumber] = frozenset()) -> Activity:
    """The machine's activity now; of open files, only those asked for."""
    return Activity(
        mounts=all_mounts(machine),
        swaps=swaps(machine),
        loops=loops(machine),
        openers=openers(machine, files),
        system=system_disks(machine),
    )


def device_obstacles(
    machine: Machine, device: BlockDevice, activity: Activity, *, is_held: bool = False
) -> tuple[Obstacle, ...]:
    """Every reason against touching the device, each saying by whom. `is_held`: this process holds it exclusively."""
    where = f"/dev/{device.name}"
    own_loop = next((loop for loop in activity.loops if loop.name == device.name), None)
    reach = reach_of(machine, device)
    found: list[Obstacle] = []
    if carries_the_system(machine, device, activity.system, own_loop, is_held=is_held):
        found.append(Obstacle("system-disk", (("where", where),)))
    if is_beside_the_system(machine, device, activity.system):
        found.append(Obstacle("beside-system", (("where", where),)))
    if device.is_read_only:
        found.append(Obstacle("read-only", (("where", where),)))
    lies_on = _loops_of(machine, device, reach, activity)
    found.extend(one for loop in lies_on for one in _loop_obstacles(loop))
    found.extend(layer_obstacles(machine, device))
    over = (user for loop in lies_on for user in _loop_users(loop, activity))
    users = dict.fromkeys((*_device_users(machine, reach, activity), *over))
    found.extend(in_use(where, user) for user in users)
    return tuple(dict.fromkeys(found))


def _loops_of(machine: Machine, device: BlockDevice, reach: Reach, activity: Activity) -> tuple[Loop, ...]:
    """The loop device that it is, or those that it lies on."""
    under = {device.number, *reach.beneath, *reach.read_at_will}
    numbers = ((loop, devno_of_text(attribute(machine.sys / "block" / loop.name / "dev"))) for loop in activity.loops)
    return tuple(loop for loop, number in numbers if number in under)


def _loop_obstacles(loop: Loop) -> Iterator[Obstacle]:
    where = f"/dev/{loop.name}"
    if not loop.is_reachable:
        yield Obstacle("backing-file-gone", (("where", where),))
    if loop.offset or loop.device is not None:
        # Facts of an image are its file and a size: they do not say where a part begins, nor name another device.
        yield Obstacle("loop-not-whole-file", (("where", where),))
    if loop.device is None and loop.is_reachable:
        yield from formats.file_obstacles(loop.path, where)


def layer_obstacles(machine: Machine, device: BlockDevice) -> tuple[Obstacle, ...]:
    """Why a write would not replace what the device shows, or no order can name it, by what it is made of."""
    if is_volume(device):
        return volume_obstacles(machine, device)
    folder = sys_folder(machine, device.number)
    if folder is None or device.layer in {"drive", "loop"}:
        return ()
    return (*obstacles_of_layers(machine, folder), *paths_obstacles(machine, device, folder))


def file_obstacles(where: str, file: FileNumber, activity: Activity) -> tuple[Obstacle, ...]:
    """Every reason against overwriting an image file in place: what backs, swaps to, or writes to it."""
    users = [f"/dev/{loop.name} lies over it" for loop in activity.loops if loop.file == file]
    users += [f"swap {swap.name}" for swap in activity.swaps if swap.file == file]
    users += [str(opener) for opener in _writers(activity.openers.files.get(file, ()))]
    return tuple(in_use(where, user) for user in dict.fromkeys(users))


def in_use(where: str, by: str) -> Obstacle:
    """An obstacle that says who uses it."""
    return Obstacle("in-use", (("by", by), ("where", where)))


def _device_users(machine: Machine, reach: Reach, activity: Activity) -> Iterator[str]:
    held = dict(reach.holders)
    everything = {**reach.names, **{number: name for name, number in held.items()}}
    for name in held:
        yield f"{name} holds it{_what(machine, name)}"
    for mount in activity.mounts:
        if _mounted_devices(machine, mount) & everything.keys():
            yield f"mounted at {mount.point}"
    for swap in activity.swaps:
        if swap.device in everything or (swap.file is not None and swap.file[0] in everything):
            yield f"swap {swap.name}"
    for loop in activity.loops:
        if loop.below in everything:
            yield f"/dev/{loop.name} lies over {'it' if loop.device is not None else 'a file on it'}"
    yield from _processes(reach, everything.keys(), activity)


def _processes(reach: Reach, everything: Iterable[int], activity: Activity) -> Iterator[str]:
    """Who has it open; of what lies below, or may be read at will, only who writes there."""
    for number in everything:
        if number not in reach.read_at_will:
            yield from map(str, activity.openers.devices.get(number, ()))
    for number in (*reach.beneath, *reach.read_at_will):
        for opener in _writers(activity.openers.devices.get(number, ())):
            yield f"{opener} writes to what it lies on"


def _loop_users(loop: Loop, activity: Activity) -> Iterator[str]:
    """Other loop devices over the same backing file, at whatever offset, and processes that write to that file."""
    if loop.file is None:
        return
    for other in activity.loops:
        if other.name != loop.name and other.file == loop.file:
            yield f"/dev/{other.name} lies over the same backing file"
    yield from (
        f"{opener} writes to its backing file" for opener in _writers(activity.openers.files.get(loop.file, ()))
    )
    yield from (f"swap {swap.name}" for swap in activity.swaps if swap.file == loop.file)


def _writers(found: tuple[Opener, ...]) -> tuple[Opener, ...]:
    return tuple(opener for opener in found if opener.is_writer)


def _mounted_devices(machine: Machine, mount: Mount) -> set[int]:
    """What was mounted; where the file system hides it behind a number of its own (btrfs, bcachefs), all of it."""
    if os.major(mount.device):
        return {mount.device}
    named = (
        devno(machine.dev / one.removeprefix("/dev/")) for one in mount.source.split(":") if one.startswith("/dev/")
    )
    found = {number for number in named if number is not None}
    if mount.kind != "btrfs":
        return found
    return found.union(*(devices_of_btrfs(machine, number)[0] for number in found))


def _what(machine: Machine, name: str) -> str:
    """What a stacked device is: LVM volume, dm-crypt mapping, RAID array, by its own name."""
    folder = machine.sys / "class" / "block" / name
    label = attribute(folder / "dm" / "name")
    kind = attribute(folder / "dm" / "uuid").partition("-")[0]
    if label:
        return f" ({kind or 'device-mapper'} {label})"
    return f" (md {attribute(folder / 'md' / 'level')})" if (folder / "md").exists() else ""
