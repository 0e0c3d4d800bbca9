"""Partitions and what is stacked on drives: the facts that name them, what their erasure leaves, why one is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

from certificates.statements import Fact, Layer, Residual, VolumeIdentity
from wipers.linux.below import drives_below, identities_below
from wipers.linux.bus import is_raid_volume
from wipers.linux.devices import BlockDevice, device_in
from wipers.linux.layers import layer_of, members_of, node_name, obstacles_of_layers
from wipers.linux.machine import Machine, attribute, number, sys_folder, whole_disk
from wipers.linux.partitions import EXTENDED, Part, part_of
from wipers.linux.superblocks import array_id
from wipers.model import Obstacle

SPELLED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}")
"""What an order can name."""
ENCRYPTED = re.compile(r"(CRYPT-[A-Z0-9]+-[0-9a-f]{32})(-.*)?")
"""Id of an encrypting mapping: its type, the container's id, and then the name by which it was opened."""
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""What a GPT gives each part."""
STRONG = frozenset({"lvm", "md", "dm-crypt", "zram"})
"""Layers whose ids are drawn at random, and so name a volume even where its drives have no names."""
EXTENDED_KINDS = frozenset(f"0x{kind:x}" for kind in EXTENDED)
LEAST = 2048
"""Bytes: the kernel shows an extended partition as one or two sectors."""
VOLUMES: dict[str, Layer] = {
    "partition": "partition",
    "lvm": "lvm",
    "md": "md",
    "dm-crypt": "dm-crypt",
    "device-mapper": "device-mapper",
    "zram": "zram",
}
"""Layers whose devices an order names as volumes; drives, loop devices and multipath maps have facts of their own."""


def is_volume(device: BlockDevice) -> bool:
    """Whether an order names the device as a volume."""
    return device.layer in VOLUMES


def volume_facts(machine: Machine, device: BlockDevice, size: int) -> tuple[Fact, ...]:
    """Identity that survives the erasure, in the order of VolumeIdentity."""
    folder = sys_folder(machine, device.number)
    lies_on = identities_below(machine, folder) if folder is not None else None
    uuid = uuid_of(machine, device)
    return VolumeIdentity(VOLUMES[device.layer], uuid, device.start, size, lies_on or ()).facts


def uuid_of(machine: Machine, device: BlockDevice) -> str:
    """The id that the layer gives the volume; empty where it gives none that outlives the erasure."""
    folder = sys_folder(machine, device.number)
    if folder is None:
        return ""
    match device.layer:
        case "partition":
            found = _part(machine, folder, device)
            told = found.uuid if found is not None else ""
        case "md":
            told = array_id(machine, folder)
        case "zram":
            boot = attribute(machine.proc / "sys" / "kernel" / "random" / "boot_id")
            told = f"{boot}+{os.minor(device.number)}" if boot else ""
        case _:
            told = attribute(folder / "dm" / "uuid")
            found_id = ENCRYPTED.fullmatch(told)
            if device.layer == "dm-crypt":
                told = found_id[1] if found_id else ""
    return told if SPELLED.fullmatch(told) else ""


def kind_of_part(machine: Machine, device: BlockDevice) -> str:
    """What the table says that a partition is for: a GUID, or `0x` and a number; empty where it does not tell."""
    folder = sys_folder(machine, device.number)
    found = _part(machine, folder, device) if folder is not None else None
    return found.kind if found is not None else ""


def _part(machine: Machine, folder: Path, device: BlockDevice) -> Part | None:
    """What the table itself says; else what udev read in it."""
    disk, own = whole_disk(folder), number(folder / "partition")
    found = part_of(machine.dev / node_name(disk), own, device.sector_size)
    if found is not None and found.start == device.start:
        return found
    udev = machine.properties(folder)
    if udev.get("ID_PART_ENTRY_NUMBER", str(own)) != str(own) or "ID_PART_ENTRY_UUID" not in udev:
        return None
    return Part(udev["ID_PART_ENTRY_UUID"], udev.get("ID_PART_ENTRY_TYPE", ""), device.start)


def volume_obstacles(machine: Machine, device: BlockDevice) -> tuple[Obstacle, ...]:
    """Why an order cannot name the volume, or a write to it would not replace what it shows."""
    folder = sys_folder(machine, device.number)
    if folder is None:
        return ()
    where = f"/dev/{device.name}"
    found = list(obstacles_of_layers(machine, folder))
    if device.layer == "partition" and _is_extended(machine, device):
        found.append(Obstacle("partition-extended", (("where", where),)))
    lies_on = identities_below(machine, folder)
    if lies_on is None:
        found.append(Obstacle("layer-unclear", (("detail", "what it lies on is out of sight"), ("where", where))))
    nameless = [one for one in lies_on or () if one.kind == "device" and not (one.serial or one.wwn)]
    if not uuid_of(machine, device) or (nameless and not _is_strong(machine, device)):
        found.append(Obstacle("volume-nameless", (("layer", device.layer), ("where", where))))
    return tuple(found)


def _is_strong(machine: Machine, device: BlockDevice) -> bool:
    """Whether the id alone tells the volume from every other: an MBR numbers its parts and draws only 32 bits."""
    return device.layer in STRONG or GUID.fullmatch(uuid_of(machine, device)) is not None


def _is_extended(machine: Machine, device: BlockDevice) -> bool:
    return device.size <= LEAST or kind_of_part(machine, device) in EXTENDED_KINDS


def volume_residual(machine: Machine, device: BlockDevice) -> tuple[Residual, ...]:
    """What overwriting the volume leaves on what it lies on."""
    folder = sys_folder(machine, device.number)
    match device.layer:
        case "partition":
            found: tuple[Residual, ...] = (Residual("rest-of-disk"),)
        case "md" if folder is not None:
            found = (Residual("array-members", len(members_of(machine, folder)[1]) or None),)
        case "lvm":
            found = (Residual("rest-of-disk"), Residual("volume-metadata"))
        case "dm-crypt":
            found = (Residual("rest-of-disk"), Residual("encryption-header"))
        case "zram":
            found = (Residual("memory-and-swap"),)
        case _:
            found = (Residual("rest-of-disk"),)
    return found if device.layer == "md" or folder is None else (*found, *_of_arrays_below(machine, folder))


def _of_arrays_below(machine: Machine, folder: Path) -> tuple[Residual, ...]:
    from wipers.linux.layers import all_below

    return (Residual("array-members"),) if any(layer_of(one) == "md" for one in all_below(machine, folder)) else ()


def controller_residual(machine: Machine, device: BlockDevice) -> tuple[Residual, ...]:
    """Members and caches that a RAID controller keeps out of sight, below the device or anything it lies on."""
    folder = sys_folder(machine, device.number)
    drives = (drives_below(machine, folder) or ()) if folder is not None else ()
    found = (device_in(machine, one) for one in drives if layer_of(one) == "drive")
    if any(one is not None and is_raid_volume(_folder(machine, one), one.vendor, one.model) for one in found):
        return (Residual("controller-members"),)
    return ()


def _folder(machine: Machine, device: BlockDevice) -> Path:
    return machine.sys / "block" / device.kernel_name
