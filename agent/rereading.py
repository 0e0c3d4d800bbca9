"""`audit --against`: read a medium again and compare it with what its certificate says it holds. Reads only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from certificates.audit.records import Reread
from certificates.errors import Refused
from certificates.statements import Area, Certificate, Extent, Fact, FullReadBack, KeyGone, OverwriteRecord, Time
from wipers.linux.direct import Storage, device_geometry, open_descriptor
from wipers.linux.loops import settle_below
from wipers.linux.machine import THIS_MACHINE
from wipers.linux.zones import Zone, is_zoned, zones_of
from wipers.model import KeyState, Lost
from wipers.pipeline import Loop, Pace, Unstopped
from wipers.readback import read_back_all
from wipers.reproof import between

AT_HAND = ("device", "image", "volume", "luks")
"""Kinds whose bytes can be found again by one path; names of files are gone with them."""


class Medium:
    """An open device or image as verification reads it; nothing here can write."""

    place: Literal["device", "below-file-system"] = "device"

    def __init__(self, storage: Storage, size: int, blocks: tuple[Extent, ...] | None = None) -> None:
        """Take the opened storage and how many of its bytes are compared; `blocks`: what `blocks_on` says of it."""
        self.storage = storage
        self.blocks = blocks_on(storage) if blocks is None else blocks
        self.sector_size = storage.sector_size
        self.size = size

    def facts(self) -> tuple[Fact, ...]:
        return ()

    def layout(self, area: Area) -> Iterable[Extent]:
        return between(self.blocks, 0, self.size)

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        self.storage.read(offset, buffer)

    def settle(self) -> None:
        self.storage.settle()
        if self.storage.is_device:
            settle_below(THIS_MACHINE, os.fstat(self.storage.descriptor).st_rdev)

    def moved(self) -> tuple[Extent, ...]:
        return ()

    def physical_extents(self) -> Iterable[bytes] | None:
        return None

    def key_state(self) -> KeyState:
        raise Lost("target-lost", detail="keys are not looked for here")


def blocks_on(storage: Storage) -> tuple[Extent, ...]:
    """Return what of an open medium has blocks behind it: all, or the capacity of each zone; raises Refused."""
    device = os.fstat(storage.descriptor).st_rdev
    zones: tuple[Zone, ...] = ()
    if storage.is_device and is_zoned(THIS_MACHINE, device):
        try:
            zones = zones_of(storage.descriptor, storage.size)
        except OSError as error:
            raise Refused("file-unreadable", where=storage.location, detail=error.strerror) from error
    return tuple(zone.extent for zone in zones) or (Extent(0, 0, storage.size),)


def reread_from(path: Path, now: Callable[[], Time]) -> Reread:
    """Return what an audit asks to read the medium at `path` again."""

    def reread(certificate: Certificate) -> FullReadBack:
        last = final_pass(certificate)
        with open_medium(path) as storage:
            try:
                return compare_with(storage, last, now, blocks_on(storage))
            except Lost as error:
                raise Refused("file-unreadable", where=path, detail=error.facts.get("detail", error.reason)) from error

    return reread


def final_pass(certificate: Certificate) -> OverwriteRecord:
    """Return the last overwrite in the evidence; raises Refused where it cannot be found again by a path."""
    evidence = certificate.evidence
    passes = [record for record in evidence.records if isinstance(record, OverwriteRecord)]
    if evidence.kind not in AT_HAND or not passes:
        raise Refused("medium-not-rereadable", kind=evidence.kind)
    if passes[-1].area == "header" and any(isinstance(c, KeyGone) and c.backups_destroyed for c in evidence.checks):
        # One record covers the header and files elsewhere; how many of its bytes lie on this medium is not in it.
        raise Refused("medium-not-rereadable", kind="luks header with header backups")
    return passes[-1]


def open_medium(path: Path) -> Storage:
    """Return a device or image, opened to be read alone; raises Refused for what is neither."""
    if not path.is_block_device() and path.exists() and not path.is_file():
        raise Refused("file-unreadable", where=path, detail="it is neither a block device nor a file")
    try:
        descriptor = open_descriptor(str(path), os.O_RDONLY)
    except OSError as error:
        raise Refused("file-unreadable", where=path, detail=error.strerror) from error
    if path.is_block_device():
        geometry = device_geometry(descriptor)
        return Storage(descriptor, str(path), geometry.size, geometry.sector_size)
    return Storage(descriptor, str(path), os.fstat(descriptor).st_size, 512)


def compare_with(
    storage: Storage, last: OverwriteRecord, now: Callable[[], Time], blocks: tuple[Extent, ...]
) -> FullReadBack:
    """Return how the medium compares with the last pass; what it is too short for counts as unread."""
    size = min(last.size, sum(one.length for one in blocks))
    medium = Medium(storage, size, blocks)
    medium.settle()
    found = read_back_all(medium, medium.layout(last.area), last.pattern, Loop(Pace(), Unstopped()))
    return FullReadBack(
        step=last.step + 1,
        compared_with=last.step,
        area=last.area,
        place="device",
        size=last.size,
        matched=found.matched,
        mismatched=found.mismatched,
        mismatched_size=found.mismatched_size,
        unread=found.unread,
        unread_size=found.unread_size + last.size - size,
        ended_at=now(),
    )
