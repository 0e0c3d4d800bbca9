"""What may be done with a carrier, decided from what was drawn for a host and from the rules of the domain alone.

A carrier is free when exactly one thing answers to the order's facts, and neither it nor anything below or above it is
mounted, swapped to, opened, stacked upon or under the running system. Nothing here asks the program under test.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from tests.support.machines.hosts import Host, Identity, ImageFacts, Thing


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a carrier may be opened for writing, and by which of its nodes."""

    outcome: Literal["free", "refused", "ambiguous", "not-found"]
    why: str = ""
    nodes: frozenset[str] = frozenset()


def on_drive(host: Host, identity: Identity) -> Ruling:
    """The ruling on an order that names a drive."""
    nodes = [thing for thing in host.drives() if thing.identity == identity]
    if not nodes or not (identity[2] or identity[3]):
        return Ruling("not-found", "nothing that can be told from its neighbours bears these facts")
    if len({thing.unit for thing in nodes}) > 1:
        return Ruling("ambiguous", "two units bear them")
    maps = [thing for thing in host.things.values() if thing.kind == "map" and nodes[0].name in thing.below]
    for thing in (*nodes, *maps):
        # The daemon that watches the paths of a map reads them all the time.
        if why := against(host, thing, may_be_read=bool(maps) and thing in nodes):
            return Ruling("refused", why)
    return Ruling("free", nodes=frozenset(thing.name for thing in maps or nodes))


def on_image(host: Host, image: ImageFacts) -> Ruling:
    """The ruling on an order that names the loop device over an image."""
    nodes = [thing for thing in host.loops() if thing.image == image]
    if not nodes:
        return Ruling("not-found")
    for thing in nodes:
        if why := _against_file(host, thing) or against(host, thing):
            return Ruling("refused", why)
    return Ruling("free", nodes=frozenset(thing.name for thing in nodes))


def on_volume(host: Host, thing: Thing) -> Ruling:
    """The ruling on an order that names a partition, an array or a mapping."""
    under = [host.things[name] for name in below(host, thing.name)]
    assert thing.volume is not None
    if not thing.volume[1]:
        return Ruling("refused", "nothing names it that would outlive the erasure")
    for one in (thing, *under):
        if not one.is_in_place:
            return Ruling("refused", f"{one.name} keeps its blocks elsewhere")
        if one.kind == "loop" and (why := _against_file(host, one)):
            return Ruling("refused", why)
    if any(name in host.shared for one in (thing, *under) for name in one.below):
        return Ruling("refused", "another mapping may have the same blocks")
    written = {name for name, flags in host.opened if _writes(flags)}
    if written & {one.name for one in under}:
        return Ruling("refused", "somebody writes to what it lies on")
    if why := against(host, thing):
        return Ruling("refused", why)
    return Ruling("free", nodes=frozenset({thing.name}))


def _against_file(host: Host, loop: Thing) -> str:
    if not loop.is_whole_file or sum(other.image == loop.image for other in host.loops()) > 1:
        return "not one whole file that is where it was"
    return "its file is open for writing" if host.rig.medium(loop.name).unit in host.filed else ""


def against(host: Host, thing: Thing, *, may_be_read: bool = False) -> str:
    """Why the thing must not be opened for writing; empty where nothing is against it."""
    if thing.is_read_only:
        return "read-only"
    if not host.is_sure and not host.sees_all and not _lies_in_files(host, thing):
        return "it may carry the system"
    concerned = {thing.name, *above(host, thing.name)}
    opened = {name for name, flags in host.opened if _writes(flags) or not may_be_read}
    if concerned & carrying_the_system(host):
        return "it carries the system"
    for name in concerned:
        if name in (*host.mounted, *host.swapped, *opened):
            return f"{name} is used"
        if name != thing.name and host.things[name].kind in {"layer", "loop"}:
            return f"{name} lies on it"
    return ""


def _writes(flags: int) -> bool:
    return flags & os.O_ACCMODE != os.O_RDONLY or bool(flags & os.O_EXCL)


def _lies_in_files(host: Host, thing: Thing) -> bool:
    """Whether it lies in image files in sight alone, which nothing of the system is below."""
    kinds = {one.kind for one in down_to_loops(host, thing)}
    return "loop" in kinds and "drive" not in kinds


def down_to_loops(host: Host, thing: Thing) -> list[Thing]:
    """What it lies on, no deeper than the files of loop devices."""
    if thing.kind == "loop" and thing.image is not None:
        return [thing]
    return [thing, *(one for name in thing.below for one in down_to_loops(host, host.things[name]))]


def carrying_the_system(host: Host) -> set[str]:
    return {name for top in host.system for name in (top, *below(host, top))}


def above(host: Host, name: str) -> set[str]:
    """Everything that lies on it, but for the map that joins the paths of a drive."""
    return {other for other, thing in host.things.items() if thing.kind != "map" and name in below(host, other)}


def below(host: Host, name: str) -> set[str]:
    """Everything that it lies on."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in host.things[waiting.pop()].below:
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found
