"""What makes a block device: a drive, a part of one, an array, a mapping; and whether a write to it stays in place."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from wipers.linux.machine import Machine, attribute, devno_of_text, entries, number, whole_disk
from wipers.linux.mapper import Row
from wipers.model import Obstacle

Layer = Literal["drive", "loop", "partition", "lvm", "md", "dm-crypt", "device-mapper", "multipath", "zram", "foreign"]

IN_PLACE = frozenset({"linear", "striped", "crypt", "mirror", "delay", "flakey", "dust", "error"})
"""Targets of the device mapper that keep every block where it is and copy none; `raid` does as RAID 1."""
ELSEWHERE = {
    "cache": "dm-cache: blocks lie on the cache, on the origin, or on both",
    "clone": "dm-clone: blocks are still being copied from another device",
    "era": "dm-era",
    "integrity": "dm-integrity: its journal keeps copies of blocks",
    "log-writes": "dm-log-writes: a log keeps a copy of every write",
    "raid": "dm-raid with parity or stripes",
    "snapshot": "a snapshot: it shares blocks with its origin",
    "snapshot-merge": "a snapshot that is being merged: a write copies the old block elsewhere first",
    "snapshot-origin": "the origin of a snapshot: a write copies the old block elsewhere first",
    "thin": "a thin volume: blocks are shared with snapshots, and a write may take new ones",
    "thin-pool": "a thin pool: it belongs to the volumes in it",
    "vdo": "VDO: equal blocks are stored once, and a write takes new ones",
    "verity": "dm-verity: it takes no writes",
    "writecache": "dm-writecache: blocks lie on the cache, on the origin, or on both",
    "zoned": "dm-zoned: a write takes new blocks",
}
"""Targets that put blocks or copies of them in other places, each with how."""
OF_ANOTHER = re.compile(r"LVM-[A-Za-z0-9]{64}-.+")
"""Ids that LVM gives to the hidden parts of a volume."""
MULTIPATH = "mpath-"


def layer_of(folder: Path) -> Layer:
    """What makes the block device of a folder in sysfs, by what the kernel shows there."""
    if (folder / "partition").exists():
        return "partition"
    if (folder / "dm").exists():
        return _layer_of_mapping(attribute(folder / "dm" / "uuid"))
    if (folder / "md").exists():
        return "md"
    if (folder / "loop" / "backing_file").exists():
        return "loop"
    if (folder / "comp_algorithm").exists() and (folder / "disksize").exists():
        return "zram"
    return "foreign" if foreign(folder) else "drive"


def _layer_of_mapping(uuid: str) -> Layer:
    if uuid.startswith("LVM-"):
        return "lvm"
    if uuid.startswith("CRYPT-"):
        return "dm-crypt"
    return "multipath" if uuid.startswith(MULTIPATH) else "device-mapper"


def foreign(folder: Path) -> str:
    """What a device is whose driver puts blocks elsewhere without the device mapper; empty where it is none such."""
    name = folder.name
    if (folder / "bcache").exists() and not (folder / "device").exists() and re.fullmatch(r"bcache\d+", name):
        return "bcache: blocks lie on the cache, on the backing device, or on both"
    if re.fullmatch(r"drbd\d+", name):
        return "DRBD: every block is copied to another machine"
    if re.fullmatch(r"zd\d+", name):
        return "a ZFS volume: a write takes new blocks, and snapshots keep the old ones"
    if re.fullmatch(r"rbd\d+", name):
        return "a Ceph volume: every block is copied to other machines"
    return ""


def below(machine: Machine, folder: Path) -> tuple[Path, ...]:
    """Folders of the devices that it is made of directly: slaves, or a partition's disk."""
    if (folder / "partition").exists():
        return (whole_disk(folder),)
    names = entries(folder / "slaves")
    return tuple((machine.sys / "class" / "block" / name).resolve() for name in names)


def all_below(machine: Machine, folder: Path) -> tuple[Path, ...]:
    """Folders of everything that it is made of, through every layer, each once."""
    found: dict[Path, None] = {}
    waiting = list(below(machine, folder))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = None
            waiting += below(machine, one)
    return tuple(found)


def all_in_use_below(machine: Machine, folder: Path) -> tuple[Path, ...]:
    """The same without what an array keeps only as spare or has thrown out."""
    found: dict[Path, None] = {}
    waiting = [folder]
    while waiting:
        one = waiting.pop()
        direct = members_of(machine, one)[0] if layer_of(one) == "md" else below(machine, one)
        waiting += [other for other in direct if other not in found]
        found |= dict.fromkeys(direct)
    return tuple(found)


def obstacles_of_layers(machine: Machine, folder: Path) -> tuple[Obstacle, ...]:
    """Why a write to the device would not replace the blocks that it shows, through every layer; each said once."""
    stack = (folder, *all_below(machine, folder))
    found = (obstacle for one in stack for obstacle in _obstacles_of_one(machine, one, is_top=one == folder))
    return tuple(dict.fromkeys(found))


def _obstacles_of_one(machine: Machine, folder: Path, *, is_top: bool) -> Iterator[Obstacle]:
    where = f"/dev/{folder.name}"
    layer = layer_of(folder)
    if what := foreign(folder) if layer == "foreign" else "":
        yield Obstacle("blocks-elsewhere", (("what", what), ("where", where)))
    if layer in {"lvm", "dm-crypt", "device-mapper", "multipath"}:
        yield from _of_mapping(machine, folder, where, is_top=is_top)
    if layer == "md":
        yield from _of_array(folder, where)
    if layer == "zram" and attribute(folder / "backing_dev", "none") != "none":
        yield Obstacle("blocks-elsewhere", (("what", "zram with a backing device"), ("where", where)))


def _of_mapping(machine: Machine, folder: Path, where: str, *, is_top: bool) -> Iterator[Obstacle]:
    uuid = attribute(folder / "dm" / "uuid")
    if is_top and OF_ANOTHER.fullmatch(uuid):
        yield Obstacle("volume-internal", (("what", attribute(folder / "dm" / "name")), ("where", where)))
    if number(folder / "dm" / "suspended"):
        yield Obstacle("layer-unclear", (("detail", "the mapping is suspended"), ("where", where)))
    rows = _table(machine, folder)
    if not rows:
        yield Obstacle("layer-unclear", (("detail", "its table cannot be read"), ("where", where)))
        return
    for what in dict.fromkeys(filter(None, (_elsewhere(row) for row in rows))):
        yield Obstacle("blocks-elsewhere", (("what", what), ("where", where)))
    for what in dict.fromkeys(lacking for row in rows for lacking in row.lacking):
        yield Obstacle("array-not-whole", (("detail", what), ("where", where)))
    for other in _overlapping(machine, folder, rows):
        yield Obstacle("in-use", (("by", f"{other} maps the same blocks"), ("where", where)))


def _elsewhere(row: Row) -> str:
    """How a target puts blocks elsewhere; empty for one that keeps them in place."""
    if row.target in IN_PLACE or (row.target == "multipath"):
        return ""
    if row.target == "raid" and row.parameters.split(" ")[0] == "raid1":
        return ""
    return ELSEWHERE.get(row.target, f"dm target {row.target}, which is not known here")


def _overlapping(machine: Machine, folder: Path, rows: tuple[Row, ...]) -> Iterator[str]:
    """Other mappings over the same stretch of the same device: what is written here would appear there."""
    own = _spans(rows)
    siblings = {name for one in below(machine, folder) for name in entries(one / "holders")} - {folder.name}
    for name in sorted(siblings):
        other = (machine.sys / "class" / "block" / name).resolve()
        theirs = _spans(_table(machine, other) or ()) if (other / "dm").exists() else None
        if own is None or theirs is None or any(_meet(one, two) for one in own for two in theirs):
            yield name


def _spans(rows: tuple[Row, ...]) -> tuple[tuple[str, int, int], ...] | None:
    if not rows or any(row.spans is None for row in rows):
        return None
    return tuple(span for row in rows for span in row.spans or ())


def _meet(one: tuple[str, int, int], two: tuple[str, int, int]) -> bool:
    return one[0] == two[0] and one[1] < two[1] + two[2] and two[1] < one[1] + one[2]


def _table(machine: Machine, folder: Path) -> tuple[Row, ...] | None:
    device = devno_of_text(attribute(folder / "dev"))
    return None if device is None else machine.table(device)


def _of_array(folder: Path, where: str) -> Iterator[Obstacle]:
    """An array takes part only whole: a member that is out of it, or not yet filled, holds blocks of its own."""
    array = folder / "md"
    state = attribute(array / "array_state")
    if state not in {"", "clean", "active", "active-idle", "write-pending", "read-auto"}:
        yield Obstacle("array-not-whole", (("detail", f"its state is {state}"), ("where", where)))
    if lacking := number(array / "degraded"):
        yield Obstacle("array-not-whole", (("detail", f"{lacking} of its members are missing"), ("where", where)))
    for one in entries(array):
        if one.startswith("dev-") and attribute(array / one / "bad_blocks"):
            detail = f"{one.removeprefix('dev-')} has bad blocks, which keep what they held"
            yield Obstacle("array-not-whole", (("detail", detail), ("where", where)))
    doing = attribute(array / "sync_action", "idle")
    if doing not in {"idle", "frozen"}:
        yield Obstacle("array-not-whole", (("detail", f"it is busy with: {doing}"), ("where", where)))


def members_of(machine: Machine, folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Devices that hold the data of an array, and the names of those that are only spare, journal or faulty."""
    holding, others = [], []
    for one in below(machine, folder):
        state = attribute(folder / "md" / f"dev-{one.name}" / "state")
        slot = attribute(folder / "md" / f"dev-{one.name}" / "slot", "0")
        words = set(state.split(","))
        if slot == "none" or words & {"spare", "journal", "faulty"}:
            others.append(f"{one.name} ({state or 'spare'})")
        else:
            holding.append(one)
    return tuple(holding), tuple(others)


def is_path_of_map(machine: Machine, folder: Path) -> str:
    """Name of the multipath map that the drive is a path of; empty where it is none, or something else holds it too."""
    holders = entries(folder / "holders")
    maps = [name for name in holders if _is_map((machine.sys / "class" / "block" / name).resolve())]
    return maps[0] if len(maps) == 1 and maps == holders else ""


def _is_map(folder: Path) -> bool:
    return attribute(folder / "dm" / "uuid").startswith(MULTIPATH)


def node_name(folder: Path) -> str:
    """Name of the node in /dev of a folder in sysfs, where the kernel writes `!` for a slash."""
    return os.path.basename(folder).replace("!", "/")
