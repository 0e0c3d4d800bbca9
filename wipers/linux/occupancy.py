"""What ordered files occupy on this machine now, and every reason against writing there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from certificates.statements import Fact, Kind, Media, Residual
from wipers.linux.devices import device_in
from wipers.linux.filesystems import FileSystem, file_system_of, refusals
from wipers.linux.identity import residual_of
from wipers.linux.loops import loops
from wipers.linux.machine import Machine, sys_folder, whole_disk
from wipers.linux.mounts import swaps
from wipers.linux.openers import openers
from wipers.linux.overlays import layers_of
from wipers.linux.selection import Named
from wipers.linux.streams import Streams, map_streams
from wipers.linux.usage import in_use
from wipers.model import Obstacle, Target
from wipers.needles import SHORTEST

SYSTEM_PATHS = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr")
"""Directories without which a machine does not live."""
OWN_PLACE = "/var/lib/expunge"
"""Where a site's journals lie unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The files that names lead to, with the blocks they hold."""

    file_system: FileSystem
    streams: Streams
    media: Media
    obstacles: tuple[Obstacle, ...]


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much a run destroys."""

    size: int
    """Bytes of all blocks."""
    objects: int
    """Files."""
    names: int
    """Names that go at the end."""


SHARING = frozenset({"xfs", "btrfs"})
"""File systems where a clone or a snapshot takes a share in a file's blocks and leaves its times as they are."""


def occupy(
    root: int,
    where: str,
    names: Iterable[str | Named],
    machine: Machine,
    *,
    is_held: bool = False,
    known: Streams | None = None,
) -> Occupancy:
    """Return what the names below the root directory's descriptor occupy now; reads only; raises OSError.

    `is_held`: this process has the files open for writing already. `known`: what they lead to, where that is known;
    asked all the same where blocks can come to be shared and no time tells it.
    """
    found = file_system_of(root, machine)
    if known is None or found.kind in SHARING:
        known = map_streams(root, found, names, is_held=is_held, met=machine.met)
    streams = known
    refused = refusals(found, where, machine)
    obstacles = (
        *system_refusals(where, machine),
        *refused,
        # Where the file system is refused for what it is, it is no news that files on it cannot be mapped.
        *(one for one in _problems(where, streams) if not refused or one.reason != "extents-not-provable"),
        *users_of(where, found.files_device, streams, machine),
    )
    if found.kind == "overlay":
        for layer, count in layers_of(root, machine, streams.tree.paths).items():
            streams.tree.see(layer, count)
    return Occupancy(found, streams, media_of(machine, found.device), obstacles)


def target_of(
    kind: Kind,
    where: str,
    facts: tuple[Fact, ...],
    *,
    occupancy: Occupancy,
    amounts: Amounts,
    obstacles: Iterable[Obstacle],
) -> Target:
    """Return the files as a target."""
    found = occupancy.file_system
    return Target(
        kind=kind,
        location=where,
        facts=facts,
        unit=":".join((kind, *(fact.value for fact in facts))),
        media=occupancy.media,
        size=amounts.size,
        header_size=0,
        sector_size=found.sector_size,
        objects=amounts.objects,
        obstacles=tuple(obstacles),
        residual=_residual(occupancy.media, amounts.names, is_raw_readable=found.is_raw_readable),
        description=(
            Fact("file-system", found.kind),
            Fact("case", found.verdict.case),
            Fact("block-size", str(found.block_size)),
            *(Fact(f"found-{what}", str(count)) for what, count in sorted(findings_of(occupancy).items())),
        ),
    )


def findings_of(occupancy: Occupancy) -> dict[str, int]:
    """Return what was found, as counts: what goes as it should, and under its reason code what must not be touched."""
    tree = occupancy.streams.tree
    kinds = {"files": len(tree.paths), "folders": len(tree.folders), "further-names": len(tree.further)}
    found = {what: count for what, count in kinds.items() if count} | tree.findings
    if len(tree.paths) and tree.longest < SHORTEST:
        # What is looked for afterwards would be names alone, and a claim wants both.
        found["too-short"] = len(tree.paths)
    return found | tree.problems


def _residual(media: Media, names: int, *, is_raw_readable: bool) -> tuple[Residual, ...]:
    """Return what writing in place does not reach: names, attributes, and what the file system's history left."""
    found = (
        *residual_of(media),
        Residual("free-blocks"),
        Residual("file-system-journal"),
        Residual("names-in-directories", names),
        Residual("extended-attributes"),
        Residual("memory-and-swap"),
    )
    return found if is_raw_readable else (*found, Residual("raw-storage-not-readable"))


def media_of(machine: Machine, device: int) -> Media:
    """Return what the disk below is made of; opaque unless it is sure."""
    folder = sys_folder(machine, device)
    disk = device_in(machine, whole_disk(folder)) if folder is not None else None
    return disk.media if disk is not None else Media.OPAQUE


def _problems(where: str, streams: Streams) -> Iterator[Obstacle]:
    """Yield what the survey noted, as counts: a name never leaves this host."""
    for reason, count in streams.tree.problems.items():
        if reason == "written-elsewhere":
            yield in_use(where, f"{count} of the files are open for writing")
        else:
            yield Obstacle(reason, (("count", str(count)), ("where", where)))


class _AnyFileOf:
    """Every file of a file system, whose numbers need not be at hand: what is open is less than what is ordered."""

    def __init__(self, device: int) -> None:
        self._device = device

    def __contains__(self, file: object) -> bool:
        return isinstance(file, tuple) and file[0] == self._device


def users_of(where: str, device: int, streams: Streams, machine: Machine) -> Iterator[Obstacle]:
    """Yield who uses one of the files: a process, a loop device, the swap."""
    users: dict[int, list[str]] = {}
    for file, openers_of in openers(machine, _AnyFileOf(device)).files.items():
        users.setdefault(file[1], []).extend(f"{one} has one of the files open" for one in openers_of)
    for loop in loops(machine):
        if loop.file is not None and loop.file[0] == device:
            users.setdefault(loop.file[1], []).append(f"/dev/{loop.name} lies over one of the files")
    for swap in swaps(machine):
        if swap.file is not None and swap.file[0] == device:
            users.setdefault(swap.file[1], []).append("one of the files is swapped to (swapoff lets go of it)")
    if users:
        ordered = users.keys() & set(filter(users.__contains__, streams.tree.inodes))
        yield from (in_use(where, user) for user in sorted({one for inode in ordered for one in users[inode]}))


def system_refusals(where: str, machine: Machine) -> tuple[Obstacle, ...]:
    """Return a refusal where the place holds part of the system or of this program, or lies inside one."""
    root = Path(os.path.normpath(where))
    inside = {*map(Path, SYSTEM_PATHS), Path(OWN_PLACE), machine.runs, *_packages()}
    inside |= {path.resolve() for path in inside}
    around = inside | {Path(sys.prefix).resolve()}
    if any(path.is_relative_to(root) for path in around) or any(root.is_relative_to(path) for path in inside):
        return (Obstacle("system-path", (("where", where),)),)
    return ()


def _packages() -> Iterator[Path]:
    """Yield the directory of this package and of those beside it, wherever they are installed."""
    here = Path(__file__).resolve().parents[2]
    yield from (here / room for room in ("agent", "certificates", "server_stub", "wipers"))
