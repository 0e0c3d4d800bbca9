"""A candidate as a target: its identity at once; what its drive hides and what lies on it only where that is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from certificates.statements import Fact, Media, Residual
from wipers.linux.candidates import Candidate, facts_of_candidate, unit_of_candidate
from wipers.linux.contents import contents_of, printable
from wipers.linux.devices import BlockDevice, device_in, device_numbered
from wipers.linux.drive import describe_drive, why_unaddressable
from wipers.linux.identity import device_facts, residual_of
from wipers.linux.layers import below, members_of, node_name
from wipers.linux.machine import Machine, attribute, devno, entries, number, sys_folder
from wipers.linux.passthrough import THIS_KERNEL, Kernel
from wipers.linux.volumes import controller_residual, is_volume, kind_of_part, volume_residual
from wipers.linux.zones import gaps_in, zones_at
from wipers.model import Target


def bare_target(machine: Machine, one: Candidate) -> Target:
    """The candidate with its facts and nothing more."""
    device = one.device
    gap = gaps_in(zones_at(str(machine.dev / device.name), device.size)) if device.zoned else 0
    return Target(
        kind=one.kind,
        location=str(machine.dev / device.name),
        facts=facts_of_candidate(machine, device, one.loop, device.size),
        unit=unit_of_candidate(machine, one),
        media=device.media,
        size=device.size - gap,
        header_size=0,
        sector_size=device.sector_size,
        objects=1,
        residual=(Residual("zone-gaps", gap),) if gap else (),
    )


def described(machine: Machine, one: Candidate, target: Target) -> Target:
    """The target with what a run must know: what stays unreached, what its drive objects to, what certificates say."""
    told = _drive_of(machine, one.device)
    facts, residual, obstacles = describe_drive(machine, told) if told is not None else ((), (), ())
    found = (*target.residual, *residual_of(one.device.media), *_more_residual(machine, one.device), *residual)
    return replace(
        target,
        obstacles=tuple(dict.fromkeys((*target.obstacles, *obstacles))),
        residual=tuple(dict.fromkeys(found)),
        description=(*_description(machine, one), *facts),
    )


def in_full(machine: Machine, one: Candidate, target: Target) -> Target:
    """The target as `targets` shows it, with what lies on it: that never goes into a document."""
    found = described(machine, one, target)
    pairs = (("by-id", ", ".join(_links(machine, one.device))), ("contents", "; ".join(_contents(machine, one.device))))
    more = (Fact(name, value[:2000]) for name, value in pairs if value)
    return replace(found, description=(*found.description, *more))


def unaddressable(machine: Machine, kernel: Kernel = THIS_KERNEL) -> Iterator[Target]:
    """Drives that have a medium and that this kernel cannot address, each with the way out."""
    for name in entries(machine.sys / "block"):
        folder = (machine.sys / "block" / name).resolve()
        if number(folder / "size") or number(folder / "hidden") or not (folder / "device").exists():
            continue
        obstacle = why_unaddressable(machine, name, kernel)
        if obstacle is None:
            continue
        device = device_in(machine, folder, may_be_empty=True)
        words = ("", "", "", "") if device is None else (device.vendor, device.model, device.serial, device.wwn)
        yield Target(
            kind="device",
            location=str(machine.dev / node_name(folder)),
            facts=device_facts(*words, 0),
            unit=name,
            media=Media.OPAQUE if device is None else device.media,
            size=0,
            header_size=0,
            sector_size=512,
            objects=1,
            obstacles=(obstacle,),
        )


def _drive_of(machine: Machine, device: BlockDevice) -> BlockDevice | None:
    """The drive that answers for the device: itself, or the first path of a map."""
    folder = sys_folder(machine, device.number)
    if device.layer == "drive":
        return device
    paths = below(machine, folder) if folder is not None and device.layer == "multipath" else ()
    return device_in(machine, paths[0]) if paths else None


def _more_residual(machine: Machine, device: BlockDevice) -> tuple[Residual, ...]:
    own = volume_residual(machine, device) if is_volume(device) else ()
    return (*own, *_of_card(machine, device), *controller_residual(machine, device))


def _of_card(machine: Machine, device: BlockDevice) -> tuple[Residual, ...]:
    """Areas of an eMMC that are disks of their own: to boot from, replay-protected, for any purpose (JESD84-B51)."""
    folder = sys_folder(machine, device.number)
    if device.bus != "mmc" or folder is None:
        return ()
    names = [name.removeprefix(folder.name) for name in entries(folder) if name.startswith(folder.name)]
    found = []
    if any(name.startswith("boot") for name in names):
        found.append(Residual("boot-partitions"))
    if any(name.startswith("gp") for name in names):
        found.append(Residual("rest-of-disk"))
    if attribute(folder / "device" / "raw_rpmb_size_mult", "0").strip("0x") or any(
        name.startswith("rpmb") for name in names
    ):
        found.append(Residual("rpmb"))
    return tuple(found)


def _description(machine: Machine, one: Candidate) -> tuple[Fact, ...]:
    """What a certificate says of the device beside its identity; nothing of what lies on it."""
    device = one.device
    folder = sys_folder(machine, device.number)
    pairs = {
        "vendor": device.vendor,
        "model": device.model,
        "serial": device.serial,
        "firmware": device.firmware,
        "bus": device.bus or device.layer,
        "physical-sector": str(device.physical_sector_size),
        "zoned": device.zoned,
        "removable": "yes" if device.is_removable else "",
        "read-only": "yes" if device.is_read_only else "",
        "partitions": str(len(device.partitions)) if device.partitions else "",
        "sequence": str(device.sequence) if device.sequence else "",
        "backing-file": one.loop.path if one.loop is not None else "",
        **(_layers(machine, device, folder) if folder is not None else {}),
    }
    return tuple(Fact(name, value) for name, value in pairs.items() if value)


def _layers(machine: Machine, device: BlockDevice, folder: Path) -> dict[str, str]:
    """What a map, an array or a mapping is made of."""
    names = ", ".join(one.name for one in below(machine, folder))
    match device.layer:
        case "multipath":
            return {"paths": names}
        case "md":
            holding, others = members_of(machine, folder)
            level = attribute(folder / "md" / "level")
            return {
                "level": level,
                "members": ", ".join(one.name for one in holding),
                "members-not-reached": ", ".join(others),
            }
        case "partition":
            return {"type": kind_of_part(machine, device)}
        case "lvm" | "dm-crypt" | "device-mapper":
            return {"mapping": printable(attribute(folder / "dm" / "name")), "members": names}
    return {}


def _contents(machine: Machine, device: BlockDevice) -> Iterator[str]:
    """What lies on the device and on each of its partitions, a line each."""
    parts = (device_numbered(machine, number) for _, number in device.partitions)
    for one in (device, *sorted((part for part in parts if part is not None), key=lambda part: part.start)):
        found = contents_of(machine, one)
        if found is None:
            yield f"{one.name}: unread"
            continue
        for content in found:
            yield f"{one.name}: {content.kind}" + (f" '{content.label}'" if content.label else "")


def _links(machine: Machine, device: BlockDevice) -> Iterator[str]:
    """Names of the device that do not change from boot to boot."""
    folder = machine.dev / "disk" / "by-id"
    yield from (name for name in entries(folder) if devno(folder / name) == device.number)
