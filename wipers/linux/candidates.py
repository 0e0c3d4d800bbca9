"""What on this machine an order could name: drives, loop devices, partitions, volumes, each once, and their facts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from certificates.statements import Fact, Kind
from wipers.linux.below import file_system_below
from wipers.linux.devices import BlockDevice, device_in, device_numbered, list_devices
from wipers.linux.identity import image_facts
from wipers.linux.loops import Loop, loops
from wipers.linux.machine import Machine, sys_folder, whole_disk
from wipers.linux.openers import FileNumber
from wipers.linux.paths import is_hidden_by_map, unit_of
from wipers.linux.usage import Activity
from wipers.linux.volumes import is_volume, volume_facts


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block device that an order could name."""

    device: BlockDevice
    loop: Loop | None
    """The file below, for a loop device."""

    @property
    def kind(self) -> Kind:
        """Kind of carrier."""
        if is_volume(self.device):
            return "volume"
        return "device" if self.loop is None else "image"


def candidates(machine: Machine, activity: Activity) -> tuple[Candidate, ...]:
    """Every disk, each followed by its partitions; a path of a multipath map is told by the map."""
    found = []
    for disk in list_devices(machine):
        if is_hidden_by_map(machine, disk):
            continue
        parts = (device_numbered(machine, number) for _, number in disk.partitions)
        found += [disk, *sorted((part for part in parts if part is not None), key=lambda part: part.start)]
    by_name = {loop.name: loop for loop in activity.loops}
    return tuple(Candidate(device, by_name.get(device.name)) for device in found)


def facts_of_candidate(machine: Machine, device: BlockDevice, loop: Loop | None, size: int) -> tuple[Fact, ...]:
    """Identity that survives the erasure, in the order of the kind's identity; `size` as the open device tells it."""
    if is_volume(device):
        return volume_facts(machine, device, size)
    if loop is None:
        return (*device.facts[:-1], Fact("size", str(size)))
    inode = loop.file[1] if loop.file is not None else 0
    return image_facts(file_system_below(machine, loop), inode, size, is_attached=True)


def unit_of_candidate(machine: Machine, one: Candidate) -> str:
    """The thing itself: two candidates of one unit are paths to it."""
    if one.loop is not None and one.loop.file is not None:
        return f"file {one.loop.file[0]}:{one.loop.file[1]}"
    if one.device.layer != "partition":
        return unit_of(one.device)
    folder = sys_folder(machine, one.device.number)
    disk = device_in(machine, whole_disk(folder)) if folder is not None else None
    return f"{unit_of(disk)} from {one.device.start}" if disk is not None else one.device.name


def backing_files(machine: Machine) -> frozenset[FileNumber]:
    """The files below all loop devices."""
    return frozenset(loop.file for loop in loops(machine) if loop.file is not None)


def is_named(device: BlockDevice) -> bool:
    """Whether a drive says anything that tells it from its neighbour: a serial number or WWN."""
    if device.layer not in {"drive", "multipath", "foreign"}:
        return True
    # Bridges that know no number report blanks or noughts.
    return any(re.search(r"[1-9A-Za-z]", text) for text in (device.serial, device.wwn))
