"""Orders that name a drive, carried as far as its first write by the program's own way."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from certificates.errors import Refused
from certificates.statements import (
    Carrier,
    DeviceIdentity,
    FullVerification,
    ImageIdentity,
    Layer,
    Level,
    VolumeIdentity,
)
from tests.support.machines.kernel import Opening
from tests.support.machines.rig import Rig
from wipers import WIPERS
from wipers.linux import blocks
from wipers.linux.host import LinuxHost
from wipers.model import Target
from wipers.planning import plan

ORDER = "sha256:" + "1" * 64
HOST = "sha256:" + "2" * 64
MARK = b"expunged"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of an order."""

    refusal: Refused | None
    words: str
    """All that was said against it, of every candidate."""
    openings: tuple[Opening, ...]
    """Devices that were opened for writing."""
    written: tuple[str, ...] = ()
    """Units whose first bytes are changed."""
    is_late: bool = False
    """Whether the refusal came when the device was to be opened: then others could have been written before."""


def order_for(identity: DeviceIdentity | ImageIdentity | VolumeIdentity) -> Carrier:
    return Carrier("c1", "LABEL-1", ("card-1",), identity, (HOST,), Level.CLEAR, FullVerification(), "recycling")


def drive_named(rig: Rig, name: str) -> DeviceIdentity | ImageIdentity:
    """What an order says of the device: a drive's own words; for what has none, what the host's list says."""
    if name in rig.identities:
        vendor, model, serial, wwn, size = rig.identities[name]
        return DeviceIdentity(vendor, model, serial, wwn or None, size)
    node = str(rig.kernel.machine.dev / name.replace("!", "/"))
    (target,) = (one for one in blocks.list_targets(rig.kernel.machine) if one.location == node)
    facts = {fact.name: fact.value for fact in target.facts}
    if target.kind == "image":
        return ImageIdentity(facts["filesystem"], int(facts["inode"]), int(facts["size"]), attached=True)
    return DeviceIdentity(facts["vendor"], facts["model"], facts["serial"], facts["wwn"] or None, int(facts["size"]))


def volume_named(rig: Rig, name: str) -> VolumeIdentity:
    """What an order says of a partition, an array or a mapping: what it lies on is what the rig was built of."""
    layer, uuid, start = _made_of(rig, name)
    lies_on = dict.fromkeys(drive_named(rig, one) for one in _bottoms(rig, name))
    return VolumeIdentity(layer, uuid, start, rig.medium(name).size, tuple(lies_on))


def _made_of(rig: Rig, name: str) -> tuple[Layer, str, int]:
    if name in rig.table:
        return "partition", *rig.table[name]
    if name.startswith("md"):
        return "md", rig.told(f"{rig.paths[name]}/md/uuid"), 0
    mark = rig.told(f"{rig.paths[name]}/dm/uuid")
    if mark.startswith("CRYPT-"):
        return "dm-crypt", "-".join(mark.split("-")[:3]), 0
    return "lvm" if mark.startswith("LVM-") else "device-mapper", mark, 0


def _bottoms(rig: Rig, name: str) -> list[str]:
    return [bottom for one in rig.below[name] for bottom in (_bottoms(rig, one) if one in rig.below else [one])]


def attempt(rig: Rig, identity: DeviceIdentity | ImageIdentity | VolumeIdentity) -> Attempt:
    """Find, plan, open, and write one page, as `run` does; whatever the plan says, every candidate is tried."""
    host = LinuxHost(Path(rig.kernel.machine.runs), rig.kernel.machine)
    carrier = order_for(identity)
    before = len(rig.kernel.openings)
    found = host.find(carrier, None)
    words = "; ".join(_words(target) for target in found)
    is_late = False
    try:
        chosen = min(found, key=lambda target: target.location, default=None)
        plan(ORDER, carrier, found, WIPERS[identity.kind])
        assert chosen is not None
        is_late = True
        with host.open(chosen, carrier, None, False) as writer:
            page = memoryview(bytearray(MARK * 512))
            writer.write(0, 0, page)
    except Refused as refusal:
        told = f"{words}; {refusal.reason} {refusal.facts}"
        return Attempt(refusal, told, _for_writing(rig, before), written(rig), is_late)
    return Attempt(None, words, _for_writing(rig, before), written(rig))


def _words(target: Target) -> str:
    return ", ".join(f"{obstacle.reason} {dict(obstacle.facts).get('by', '')}" for obstacle in target.obstacles)


def _for_writing(rig: Rig, before: int) -> tuple[Opening, ...]:
    return tuple(opening for opening in rig.kernel.openings[before:] if opening.is_for_writing)


def written(rig: Rig) -> tuple[str, ...]:
    """Units that begin with the mark by now; all media are as they were drawn afterwards."""
    media = [medium for medium in rig.kernel.seen.values() if medium.memory >= 0]
    found = [medium for medium in media if os.pread(medium.memory, len(MARK), 0) == MARK]
    for medium in found:
        rig.kernel.forget(medium)
    return tuple(medium.unit for medium in found)
