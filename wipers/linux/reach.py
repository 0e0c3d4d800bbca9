"""How far a device reaches: what a write to it changes, who stands on that, and what lies beneath it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wipers.linux.devices import SECTOR, BlockDevice
from wipers.linux.layers import all_below, below
from wipers.linux.machine import Machine, attribute, devno_of_text, entries, number, sys_folder, whole_disk


@dataclass(frozen=True, slots=True)
class Reach:
    """Devices by their number, as far as a write to one of them matters to the others."""

    names: dict[int, str]
    """What shows the same bytes: the device, its partitions, a partition's disk and what overlaps it, a map's paths."""
    holders: tuple[tuple[str, int], ...]
    """Devices stacked on those, through every layer."""
    beneath: frozenset[int]
    """What it is made of: whoever writes there writes into it."""
    read_at_will: frozenset[int] = frozenset()
    """Of the names, those that others may read: a partition's whole disk, and paths that a daemon watches."""


def reach_of(machine: Machine, device: BlockDevice) -> Reach:
    """How far the device reaches."""
    folder = sys_folder(machine, device.number)
    names = dict(device.names)
    if folder is None:
        return Reach(names, (), frozenset())
    ignored: set[str] = set()
    more: dict[int, str] = {}
    if device.layer == "partition":
        disk = whole_disk(folder)
        names |= dict(_overlapping(disk, device))
        more = dict(_numbers((disk,)))
    if device.layer == "multipath":
        more = dict(_numbers(below(machine, folder)))
        ignored = {folder.name}
    everything = {**names, **more}
    held = tuple(_holders(machine, everything.values(), ignored))
    beneath = {number for number, _ in _numbers(all_below(machine, folder))} - everything.keys()
    return Reach(everything, held, frozenset(beneath), frozenset(more))


def _overlapping(disk: Path, device: BlockDevice) -> Iterator[tuple[int, str]]:
    """Other parts of the disk that share bytes with the partition: slices in slices, and tables that disagree."""
    for name in entries(disk):
        if not (disk / name / "partition").exists() or name == device.name:
            continue
        start, size = number(disk / name / "start") * SECTOR, number(disk / name / "size") * SECTOR
        own = devno_of_text(attribute(disk / name / "dev"))
        if own is not None and start < device.start + device.size and device.start < start + size:
            yield own, name


def _numbers(folders: Iterable[Path]) -> Iterator[tuple[int, str]]:
    for folder in folders:
        own = devno_of_text(attribute(folder / "dev"))
        if own is not None:
            yield own, folder.name


def _holders(machine: Machine, names: Iterable[str], ignored: set[str]) -> Iterator[tuple[str, int]]:
    """Devices stacked on the named ones, through every layer, but for those to be ignored."""
    folder = machine.sys / "class" / "block"
    waiting = list(names)
    seen = set(ignored)
    while waiting:
        for name in entries(folder / waiting.pop() / "holders"):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
                major, _, minor = attribute(folder / name / "dev", "0:0").partition(":")
                yield name, os.makedev(int(major), int(minor))
