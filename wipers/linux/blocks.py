"""Block devices, and loop devices over image files: found by identity, held exclusively, read past every cache."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from certificates.errors import Refused
from certificates.statements import (
    Area,
    Carrier,
    Extent,
    Fact,
    Media,
    Selector,
)
from wipers.linux.advice import advice_of
from wipers.linux.devices import BlockDevice, device_numbered, list_devices
from wipers.linux.direct import Storage, device_geometry, error_name, open_descriptor
from wipers.linux.drive import temperature
from wipers.linux.filesystems import file_system_of
from wipers.linux.identity import (
    BlockIdentity,
    check_free,
    check_same,
    check_unchanged,
    facts_of,
    image_facts,
    residual_of,
)
from wipers.linux.loops import Loop, loop_behind, loop_named, settle_below
from wipers.linux.machine import THIS_MACHINE, Machine, attribute
from wipers.linux.openers import FileNumber
from wipers.linux.usage import Activity, device_obstacles, in_use, observe
from wipers.model import Advice, KeyState, Lost, Obstacle, Target

VISITS = (0.1, 0.2, 0.3, 0.4, 0.0)
"""Seconds between looks at a device that processes have open: udev opens each one for a moment when it appears and
when a writer has closed it."""


def find(carrier: Carrier, selector: Selector | None, machine: Machine = THIS_MACHINE) -> tuple[Target, ...]:
    """Every device with the carrier's facts; none for an identity of another kind."""
    identity = carrier.identity
    return find_devices(identity, machine) if isinstance(identity, BlockIdentity) else ()


def find_devices(identity: BlockIdentity, machine: Machine) -> tuple[Target, ...]:
    """Every device with the identity's facts, tried for whether it can be held; reads only."""
    wanted = facts_of(identity)
    found: tuple[Target, ...] = ()
    for wait in VISITS:
        listed = (target for target in list_targets(machine) if target.kind == identity.kind)
        found = tuple(target for target in listed if target.facts == wanted and is_named(target))
        if not any(is_visited(target.obstacles) for target in found):
            break
        time.sleep(wait)
    return tuple(_tried(target) for target in found)


def list_targets(machine: Machine = THIS_MACHINE) -> tuple[Target, ...]:
    """Every disk and loop device of the machine, with what stands in its way; reads only."""
    activity = observe(machine, _backing_files(machine))
    return tuple(_target(machine, device, activity) for device in list_devices(machine))


def is_named(target: Target) -> bool:
    """Whether the device says anything that tells it from its neighbour: a serial number or WWN, or a backing file."""
    return target.kind == "image" or any(fact.value for fact in target.facts if fact.name in {"serial", "wwn"})


def is_visited(obstacles: tuple[Obstacle, ...]) -> bool:
    """Whether nothing but processes that have it open stands in the way."""
    by = [dict(obstacle.facts).get("by", "") for obstacle in obstacles]
    return bool(by) and all(user.startswith("process ") for user in by)


@contextmanager
def open(  # noqa: A001 - the name of the port
    target: Target, carrier: Carrier, selector: Selector | None, resuming: bool, machine: Machine = THIS_MACHINE
) -> Iterator[DeviceWriter]:
    """Hold the device as `hold` does; `resuming` changes nothing, for a device's facts survive."""
    with hold(target, machine) as writer:
        check_same(target.location, "sector-size", target.sector_size, writer.sector_size)
        yield writer


@contextmanager
def hold(target: Target, machine: Machine) -> Iterator[DeviceWriter]:
    """The device is held exclusively, and its facts, read on the open descriptor, are the target's; raises Refused.

    What stands in the way is looked for before, so that the system's disk is never opened for writing, and after.
    """
    check_free(_obstacles_now(machine, target.location, _number_of(target.location)))
    descriptor = _open_exclusively(target.location)
    try:
        geometry = device_geometry(descriptor)
        storage = Storage(descriptor, target.location, geometry.size, geometry.sector_size)
    except BaseException:
        os.close(descriptor)
        raise
    with storage:
        writer = DeviceWriter(machine, storage)
        _check_still_it(target, writer)
        check_free(_obstacles_now(machine, target.location, os.fstat(descriptor).st_rdev))
        yield writer


class DeviceWriter:
    """A block device held exclusively; its one stream is 0."""

    place: Literal["device", "below-file-system"] = "device"

    def __init__(self, machine: Machine, storage: Storage) -> None:
        """Note which loop, if any, lies behind the descriptor, so that a later change shows."""
        self._machine = machine
        self._storage = storage
        self._device = os.fstat(storage.descriptor).st_rdev
        self._loop = self._loop_now()

    @property
    def sector_size(self) -> int:
        return self._storage.sector_size

    @property
    def size(self) -> int:
        """Bytes of the device."""
        return self._storage.size

    def facts(self) -> tuple[Fact, ...]:
        if self._storage.is_gone():
            raise Lost("target-lost", where=self._storage.location, detail="it left the machine")
        loop = self._loop_now()
        if _window(loop) != _window(self._loop):
            raise Lost("target-lost", where=self._storage.location, detail="another file was attached to it")
        device = device_numbered(self._machine, self._device)
        if device is None:
            raise Lost("target-lost", where=self._storage.location, detail="the kernel lists it no longer")
        size = device_geometry(self._storage.descriptor).size
        return _facts(self._machine, device, loop, size)

    def layout(self, area: Area) -> Iterable[Extent]:
        return (Extent(0, 0, self._storage.size),) if area == "whole" else ()

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        self._check_stream(stream)
        self._storage.read(offset, buffer)

    def peek(self, offset: int, length: int) -> bytes:
        """Bytes as they are now, for recognising what lies there; raises MediumError, Lost."""
        return self._storage.peek(offset, length)

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        self._check_stream(stream)
        self._storage.write(offset, buffer)

    def flush(self) -> None:
        self._storage.flush()

    def settle(self) -> None:
        self._storage.settle()
        settle_below(self._machine, self._device)

    def moved(self) -> tuple[Extent, ...]:
        return ()

    def physical_extents(self) -> bytes | None:
        return None

    def release(self) -> int:
        """Nothing: a device has no name to give up."""
        return 0

    def key_state(self) -> KeyState:
        raise TypeError("a plain device holds no keys")

    def advice(self) -> Advice:
        return advice_of(self._machine, self._device)

    def temperature(self) -> int | None:
        return temperature(self._storage.descriptor, self._machine)

    def prepare(self, extent: Extent) -> None:
        """Nothing: a disk without zones takes writes in any order."""

    def _check_stream(self, stream: int) -> None:
        if stream != 0:
            raise ValueError(f"a device has no stream {stream}")

    def _loop_now(self) -> Loop | None:
        name = os.path.basename(self._storage.location)
        path = attribute(self._machine.sys / "block" / name / "loop" / "backing_file")
        try:
            return loop_behind(self._storage.descriptor, name, path) if path else None
        except OSError as error:
            raise Lost("target-lost", where=self._storage.location, detail=error_name(error)) from error


def _window(loop: Loop | None) -> tuple[object, ...]:
    """Which part of which file a loop device shows; the file's name may change meanwhile."""
    return () if loop is None else (loop.file, loop.offset, loop.size_limit)


def _backing_files(machine: Machine) -> frozenset[FileNumber]:
    named = (loop_named(machine, device.name) for device in list_devices(machine))
    return frozenset(loop.file for loop in named if loop is not None and loop.file is not None)


def _target(machine: Machine, device: BlockDevice, activity: Activity) -> Target:
    loop = next((loop for loop in activity.loops if loop.name == device.name), None)
    facts = _facts(machine, device, loop, device.size)
    obstacles = device_obstacles(machine, device, activity)
    target = Target(
        kind="device" if loop is None else "image",
        location=str(machine.dev / device.name),
        facts=facts,
        unit=_unit(device, loop),
        media=device.media if loop is None else Media.OPAQUE,
        size=device.size,
        header_size=0,
        sector_size=device.sector_size,
        objects=1,
        obstacles=obstacles,
        residual=residual_of(device.media if loop is None else Media.OPAQUE),
        description=_description(device, loop),
    )
    if is_named(target):
        return target
    nameless = Obstacle("device-nameless", (("where", target.location),))
    return replace(target, obstacles=(*obstacles, nameless))


def _facts(machine: Machine, device: BlockDevice, loop: Loop | None, size: int) -> tuple[Fact, ...]:
    if loop is None:
        return (*device.facts[:-1], Fact("size", str(size)))
    inode = loop.file[1] if loop.file is not None else 0
    return image_facts(_filesystem_below(machine, loop), inode, size, is_attached=True)


def _filesystem_below(machine: Machine, loop: Loop) -> str:
    """UUID of the file system that the backing file lies on; empty where the file is out of sight."""
    try:
        descriptor = os.open(loop.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        found = os.fstat(descriptor)
        return (file_system_of(descriptor, machine).uuid or "") if (found.st_dev, found.st_ino) == loop.file else ""
    finally:
        os.close(descriptor)


def _unit(device: BlockDevice, loop: Loop | None) -> str:
    """The thing itself: WWN and serial together name a drive behind several paths, one of them alone does not."""
    if loop is not None and loop.file is not None:
        return f"file {loop.file[0]}:{loop.file[1]}"
    return f"{device.wwn} {device.serial}" if device.wwn and device.serial else device.name


def _description(device: BlockDevice, loop: Loop | None) -> tuple[Fact, ...]:
    pairs = {
        "vendor": device.vendor,
        "model": device.model,
        "serial": device.serial,
        "firmware": device.firmware,
        "physical-sector": str(device.physical_sector_size),
        "removable": "yes" if device.is_removable else "",
        "backing-file": loop.path if loop is not None else "",
    }
    return tuple(Fact(name, value) for name, value in pairs.items() if value)


def _tried(target: Target) -> Target:
    """Whether the kernel would let it be held: it knows of users that no list of this machine shows."""
    if target.obstacles:
        return target
    try:
        os.close(os.open(target.location, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW))
    except OSError as error:
        return replace(target, obstacles=(_why_not_opened(target.location, error),))
    return target


def _why_not_opened(location: str, error: OSError) -> Obstacle:
    if error.errno == errno.EBUSY:
        return in_use(location, "the kernel, which refuses to hand it out exclusively")
    if error.errno == errno.EROFS:
        return Obstacle("read-only", (("where", location),))
    return Obstacle("open-failed", (("error", error_name(error)), ("where", location)))


def _number_of(location: str) -> int:
    try:
        return os.stat(location, follow_symlinks=False).st_rdev
    except OSError as error:
        raise Refused("open-failed", where=location, error=error_name(error)) from error


def _open_exclusively(location: str) -> int:
    """A descriptor that nobody else can hold exclusively at the same time; raises Refused."""
    try:
        return open_descriptor(location, os.O_RDWR | os.O_EXCL | os.O_NOFOLLOW)
    except OSError as error:
        obstacle = _why_not_opened(location, error)
        raise Refused(obstacle.reason, **dict(obstacle.facts)) from error


def _check_still_it(target: Target, writer: DeviceWriter) -> None:
    try:
        found = writer.facts()
    except Lost as error:
        raise Refused("open-failed", where=target.location, error=error.facts["detail"]) from error
    check_unchanged(target.location, target.facts, found)


def _obstacles_now(machine: Machine, location: str, number: int) -> tuple[Obstacle, ...]:
    found: tuple[Obstacle, ...] = ()
    for wait in VISITS:
        device = device_numbered(machine, number)
        if device is None:
            return (Obstacle("open-failed", (("error", "ENODEV"), ("where", location))),)
        found = device_obstacles(machine, device, observe(machine, _backing_files(machine)))
        if not is_visited(found):
            break
        time.sleep(wait)
    return found
