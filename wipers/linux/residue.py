"""Needles taken from what is to be destroyed, and looked for afterwards on the whole storage below the file system."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from certificates.encoding import digest
from certificates.statements import Hits, NeedlesRecord, Place, ResidueHunt
from wipers.acts import Given, Sample
from wipers.hunting import Findings, Hit, forms_of, hunt
from wipers.linux.barriers import sync_file_system
from wipers.linux.chunks import ChunkStorage
from wipers.linux.direct import Storage
from wipers.linux.extents import StorageBelow, open_below
from wipers.linux.filesystems import FileSystem
from wipers.linux.loops import settle_below
from wipers.linux.machine import Machine
from wipers.linux.needlebox import Kept, NeedleBox
from wipers.linux.whereabouts import Ground, Whereabouts, root_of
from wipers.needles import Needle, Sort, label
from wipers.packings import PACKINGS, Packing

__all__ = ["Ground", "hunt_on", "sample", "size_below"]

NOTHING_TELLING = "nothing-telling"
"""Why nothing was kept: no part of what is to be destroyed could be told from chance."""
THREADS = max(2, min((os.cpu_count() or 2) + 2, 8))
"""Threads that look: while one waits for the disk, another searches; a core searches about as fast as a disk reads."""
MOST_LISTED = 10_000
"""Finds that the evidence lists one by one; all of them are counted."""


def sample(
    step: Sample,
    given: Given,
    box: NeedleBox,
    make: Callable[[bytes], tuple[Needle, ...]],
    label_key: bytes,
    *,
    below: int | None = None,
) -> NeedlesRecord:
    """The needles that `make` chooses by a key are in the box, and the evidence lists their labels; `below` is the size
    of the storage on which they are to be looked for, as `size_below` tells."""
    impossible = box.obstacle()
    needles: tuple[Needle, ...] = ()
    if impossible is None:
        key = given.entropy(32)
        needles = tuple(one for one in make(key) if step.names or one.sort == "contents")
        impossible = _keep(box, needles, key)
    kept = needles if impossible is None else ()
    if kept:
        given.keep(f"needles-{given.number}.jsonl", b"".join(_lines_of(kept, label_key)))
    counts = Counter(one.sort for one in kept)
    return NeedlesRecord(given.number, counts["contents"], counts["names"], given.now(), impossible, below)


def size_below(found: FileSystem, descriptor: int) -> int | None:
    """Return the bytes of all devices below a file system on which something is open; none where they are not read."""
    below = open_below(found, descriptor)
    if below is None:
        return None
    with below:
        return sum(storage.size for storage in _storages_of(below))


def _storages_of(below: StorageBelow) -> tuple[Storage, ...]:
    if isinstance(below, ChunkStorage):
        return tuple(storage for _, storage in sorted(below.devices.items()))
    return (below,)


def _keep(box: NeedleBox, needles: tuple[Needle, ...], key: bytes) -> str | None:
    """Return why the needles could not be kept; none where they are."""
    if not needles:
        return NOTHING_TELLING
    try:
        box.keep(needles, key)
    except OSError:
        return "memory-not-writable"
    return None


def _lines_of(needles: Sequence[Needle], label_key: bytes) -> Iterator[bytes]:
    """Yield what evidence says of each needle: never what it is."""
    for one in needles:
        line: dict[str, int | str] = {"number": one.number, "sort": one.sort, "label": label(label_key, one.value)}
        if one.sort == "contents":
            line |= {"stream": one.stream, "offset": one.offset, "length": len(one.value)}
        yield _line(line)


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found on one device of one file system."""

    device: int
    """Its number among all that were hunted on, from 0."""
    findings: Findings
    places: dict[int, Place]
    """Place of each position of a find."""


def hunt_on(
    grounds: Sequence[Ground],
    given: Given,
    box: NeedleBox,
    label_key: bytes,
    machine: Machine,
    *,
    packings: Sequence[Packing] = PACKINGS,
) -> ResidueHunt:
    """Return where the needles of the box stand on the storages below the file systems, past every cache; raises Lost,
    Halted. The evidence lists the finds by number, label and position."""
    kept = box.load()
    if kept is None:
        return _not_made(given, "needles-lost")
    with ExitStack() as held:
        fields = []
        for ground in grounds:
            field = _field_of(ground, machine, held)
            if field is None:
                return _not_made(given, "storage-not-readable")
            fields.append(field)
        found = _hunt_all(fields, kept, given, packings)
    return _told(found, kept, given, label_key, packings)


@dataclass(frozen=True, slots=True)
class _Field:
    """The devices of a file system, and what tells their places apart."""

    storages: tuple[Storage, ...]
    whereabouts: tuple[Whereabouts, ...]


def _field_of(ground: Ground, machine: Machine, held: ExitStack) -> _Field | None:
    """Open the storage below a file system with nothing cached above it; none where it cannot be read; raises Lost."""
    found = ground.file_system
    root = root_of(found, machine)
    if root is not None:
        held.callback(os.close, root)
        sync_file_system(root)
    if root is None and found.kind == "btrfs":
        return None
    below = open_below(found, root if root is not None else -1)
    if below is None:
        return None
    held.enter_context(below)
    below.settle()
    settle_below(machine, found.device)
    if isinstance(below, ChunkStorage):
        told = tuple(Whereabouts(ground, root, below.map, number) for number in sorted(below.devices))
        return _Field(_storages_of(below), told)
    return _Field((below,), (Whereabouts(ground, root),))


def _hunt_all(fields: Sequence[_Field], kept: Kept, given: Given, packings: Sequence[Packing]) -> list[_Found]:
    pairs = [pair for field in fields for pair in zip(field.storages, field.whereabouts, strict=True)]
    total = sum(storage.size for storage, _ in pairs)
    found: list[_Found] = []
    behind = 0
    for device, (storage, whereabouts) in enumerate(pairs):
        told = _adding(given, behind, total)
        place = whereabouts.at_once
        findings = hunt(storage, kept.needles, packings, told=told, stop=given.stop, threads=THREADS, place=place)
        places = whereabouts.places({hit.position for hit in findings.hits})
        found.append(_Found(device, findings, places))
        behind += storage.size
    return found


def _adding(given: Given, behind: int, total: int) -> Callable[[int, int], None]:
    return lambda done, _: given.told(behind + done, total)


def _told(
    found: Sequence[_Found], kept: Kept, given: Given, label_key: bytes, packings: Sequence[Packing]
) -> ResidueHunt:
    sorts: dict[int, Sort] = {needle.number: needle.sort for needle in kept.needles}
    labels = {needle.number: label(label_key, needle.value) for needle in kept.needles}
    counts: Counter[tuple[Sort, Place]] = Counter()
    for one in found:
        counts.update((sorts[hit.number], one.places[hit.position]) for hit in one.findings.hits)
        counts.update(one.findings.more)
    listed = ((one, hit) for one in found for hit in one.findings.hits)
    lines = [_line(_told_hit(one, hit, labels)) for (one, hit), _ in zip(listed, range(MOST_LISTED), strict=False)]
    evidence = b"".join(lines)
    if evidence:
        given.keep(f"hunt-{given.number}.jsonl", evidence)
    return ResidueHunt(
        step=given.number,
        state="made",
        needles=sum(sort == "contents" for sort in sorts.values()),
        names=sum(sort == "names" for sort in sorts.values()),
        forms=forms_of(packings),
        size=sum(one.findings.size for one in found),
        unread_size=sum(one.findings.unread_size for one in found),
        hits=tuple(Hits(sort, place, count) for (sort, place), count in sorted(counts.items())),
        ended_at=given.now(),
        located=digest(evidence) if evidence else None,
    )


def _told_hit(one: _Found, hit: Hit, labels: dict[int, str]) -> dict[str, int | str]:
    return {
        "device": one.device,
        "form": hit.form,
        "label": labels[hit.number],
        "number": hit.number,
        "place": one.places[hit.position],
        "position": hit.position,
    }


def _line(told: dict[str, int | str]) -> bytes:
    return json.dumps(told, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _not_made(given: Given, state: str) -> ResidueHunt:
    return ResidueHunt(
        step=given.number,
        state="needles-lost" if state == "needles-lost" else "storage-not-readable",
        needles=0,
        names=0,
        forms=(),
        size=0,
        unread_size=0,
        hits=(),
        ended_at=given.now(),
    )
