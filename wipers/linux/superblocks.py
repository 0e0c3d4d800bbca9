"""The id of an array of the kernel's RAID: from sysfs, a member's superblock, or udev; all in one spelling."""

from __future__ import annotations

import os
import re
from pathlib import Path

from wipers.linux.layers import members_of, node_name
from wipers.linux.machine import Machine, attribute, number

MAGIC = (0xA92B4EFC).to_bytes(4, "little")
"""Begins every superblock (md_p.h)."""
KIB = 1 << 10


def array_id(machine: Machine, folder: Path) -> str:
    """The array's id as its superblocks hold it, spelled as a UUID; empty where nothing tells it."""
    version = attribute(folder / "md" / "metadata_version")
    told = attribute(folder / "md" / "uuid") or _of_members(machine, folder, version)
    return _spelled(told) or _spelled(_as_in_superblock(machine.properties(folder).get("MD_UUID", ""), version))


def _of_members(machine: Machine, folder: Path, version: str) -> str:
    for member in members_of(machine, folder)[0]:
        try:
            descriptor = os.open(machine.dev / node_name(member), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            size = number(member / "size") * 512
            data = os.pread(descriptor, 256, _place(version, size))
        except OSError:
            continue
        finally:
            os.close(descriptor)
        if data.startswith(MAGIC):
            return (data[20:24] + data[52:64] if version == "0.90" else data[16:32]).hex()
    return ""


def _place(version: str, size: int) -> int:
    """Where the superblock lies on a member of that size (md(4))."""
    match version:
        case "1.1":
            return 0
        case "1.0":
            return (size - 8 * KIB) // (4 * KIB) * (4 * KIB)
        case "0.90":
            return size // (64 * KIB) * (64 * KIB) - 64 * KIB
    return 4 * KIB


def _as_in_superblock(told: str, version: str) -> str:
    """Mdadm writes the four numbers of an old superblock, which lie there with their bytes turned round."""
    digits = re.sub(r"[^0-9a-f]", "", told.lower())
    if version != "0.90" or len(digits) != 32:
        return digits
    return "".join(bytes.fromhex(digits[at : at + 8])[::-1].hex() for at in range(0, 32, 8))


def _spelled(told: str) -> str:
    digits = re.sub(r"[^0-9a-f]", "", told.lower())
    if len(digits) != 32 or not digits.strip("0"):
        return ""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
