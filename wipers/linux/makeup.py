"""What a block device is made of at a moment, layer by layer: facts name what it lies on, and not where on it.

While a run goes on, a volume manager may move parts of a volume to other blocks, and an array may go on without a
member, or without a few blocks of one. Every write succeeds all the same, and so does every read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wipers.linux.layers import all_in_use_below, layer_of, members_of
from wipers.linux.loops import loop_named
from wipers.linux.machine import Machine, attribute, devno_of_text, number, sys_folder

Makeup = tuple[tuple[str, object], ...]
"""Name and state of every layer that puts blocks in their places."""


def makeup_of(machine: Machine, device: int) -> Makeup:
    """Where the blocks of the device lie now, through every layer; compares equal as long as that stays so."""
    folder = sys_folder(machine, device)
    if folder is None:
        return ()
    stack = (folder, *all_in_use_below(machine, folder))
    found = ((one.name, _state(machine, one)) for one in stack)
    return tuple(sorted(((name, state) for name, state in found if state is not None), key=lambda pair: pair[0]))


def _state(machine: Machine, folder: Path) -> object:
    """How one layer lays out its blocks; none for a drive, and for a map of paths, which come and go."""
    match layer_of(folder):
        case "partition":
            return number(folder / "start"), number(folder / "size")
        case "loop":
            loop = loop_named(machine, folder.name)
            return None if loop is None else (loop.file, loop.offset, loop.size_limit, loop.device)
        case "md":
            holding = sorted(one.name for one in members_of(machine, folder)[0])
            bad = tuple(attribute(folder / "md" / f"dev-{name}" / "bad_blocks") for name in holding)
            return tuple(holding), bad, number(folder / "md" / "degraded")
        case "lvm" | "dm-crypt" | "device-mapper":
            own = devno_of_text(attribute(folder / "dev"))
            rows = machine.table(own) if own is not None else None
            return tuple(replace(row, status=" ".join(row.lacking)) for row in rows or ())
        case _:
            return None
