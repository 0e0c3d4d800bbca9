"""Why a target must not be touched now: who mounts it, swaps to it, holds it, has it open; or what it carries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from wipers.linux.devices import BlockDevice
from wipers.linux.loops import Loop, loops
from wipers.linux.machine import Machine, attribute, devno, entries
from wipers.linux.mounts import Mount, Swap, all_mounts, swaps
from wipers.linux.openers import FileNumber, Opener, Openers, openers
from wipers.linux.system import SystemDisks, system_disks
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


def device_obstacles(machine: Machine, device: BlockDevice, activity: Activity) -> tuple[Obstacle, ...]:
    """Every reason against touching the disk, each saying by whom."""
    where = f"/dev/{device.name}"
    own_loop = next((loop for loop in activity.loops if loop.name == device.name), None)
    found: list[Obstacle] = []
    if _carries_the_system(device, activity.system, own_loop):
        found.append(Obstacle("system-disk", (("where", where),)))
    if device.is_read_only:
        found.append(Obstacle("read-only", (("where", where),)))
    if own_loop is not None and not own_loop.is_reachable:
        found.append(Obstacle("backing-file-gone", (("where", where),)))
    if own_loop is not None and (own_loop.offset or own_loop.device is not None):
        # Facts of an image are its file and a size: they do not say where a part begins, nor name another device.
        found.append(Obstacle("loop-not-whole-file", (("where", where),)))
    users = dict.fromkeys((*_device_users(machine, device, activity), *_loop_users(own_loop, activity)))
    found.extend(in_use(where, user) for user in users)
    return tuple(found)


def file_obstacles(where: str, file: FileNumber, activity: Activity) -> tuple[Obstacle, ...]:
    """Every reason against overwriting an image file in place: what backs, swaps to, or writes to it."""
    users = [f"/dev/{loop.name} lies over it" for loop in activity.loops if loop.file == file]
    users += [f"swap {swap.name}" for swap in activity.swaps if swap.file == file]
    users += [str(opener) for opener in _writers(activity.openers.files.get(file, ()))]
    return tuple(in_use(where, user) for user in dict.fromkeys(users))


def in_use(where: str, by: str) -> Obstacle:
    """An obstacle that says who uses it."""
    return Obstacle("in-use", (("by", by), ("where", where)))


def _carries_the_system(device: BlockDevice, system: SystemDisks, own_loop: Loop | None) -> bool:
    """Unsure means yes, but for a loop device over a file in sight: nothing that the system stands on is below it."""
    if device.name in system.names:
        return True
    return not system.is_sure and (own_loop is None or not own_loop.is_reachable)


def _device_users(machine: Machine, device: BlockDevice, activity: Activity) -> Iterator[str]:
    names = device.names
    held = dict(_holders(machine, device))
    everything = {**names, **{number: name for name, number in held.items()}}
    for name in held:
        yield f"{name} holds it{_what(machine, name)}"
    for mount in activity.mounts:
        number = _mounted_device(machine, mount)
        if mount.device in everything or number in everything:
            yield f"mounted at {mount.point}"
    for swap in activity.swaps:
        if swap.device in everything or (swap.file is not None and swap.file[0] in everything):
            yield f"swap {swap.name}"
    for loop in activity.loops:
        if loop.below in everything:
            yield f"/dev/{loop.name} lies over {'it' if loop.device is not None else 'a file on it'}"
    for number in everything:
        yield from map(str, activity.openers.devices.get(number, ()))


def _loop_users(loop: Loop | None, activity: Activity) -> Iterator[str]:
    """Other loop devices over the same backing file, at whatever offset, and processes that write to that file."""
    if loop is None or loop.file is None:
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


def _mounted_device(machine: Machine, mount: Mount) -> int | None:
    """What was mounted, where the file system hides it behind a number of its own (btrfs and the like)."""
    if os.major(mount.device) or not mount.source.startswith("/dev/"):
        return None
    return devno(machine.dev / mount.source.removeprefix("/dev/"))


def _holders(machine: Machine, device: BlockDevice) -> Iterator[tuple[str, int]]:
    """Devices stacked on the disk or its partitions, through every layer."""
    folder = machine.sys / "class" / "block"
    waiting = list(device.names.values())
    seen: set[str] = set()
    while waiting:
        for name in entries(folder / waiting.pop() / "holders"):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
                major, _, minor = attribute(folder / name / "dev", "0:0").partition(":")
                yield name, os.makedev(int(major), int(minor))


def _what(machine: Machine, name: str) -> str:
    """What a stacked device is: LVM volume, dm-crypt mapping, RAID array, by its own name."""
    folder = machine.sys / "class" / "block" / name
    label = attribute(folder / "dm" / "name")
    kind = attribute(folder / "dm" / "uuid").partition("-")[0]
    if label:
        return f" ({kind or 'device-mapper'} {label})"
    return f" (md {attribute(folder / 'md' / 'level')})" if (folder / "md").exists() else ""
