"""Block devices, loop devices and volumes: found by identity, and held exclusively for a run."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from certificates.errors import Refused
from certificates.statements import Carrier, Selector
from wipers.linux.candidates import Candidate, backing_files, candidates, is_named
from wipers.linux.describing_targets import bare_target, described, in_full, unaddressable
from wipers.linux.devices import device_numbered, list_devices
from wipers.linux.devicewriter import DeviceWriter
from wipers.linux.direct import Storage, device_geometry, error_name, open_descriptor
from wipers.linux.identity import BlockIdentity, check_free, check_same, check_unchanged, facts_of
from wipers.linux.machine import THIS_MACHINE, Machine
from wipers.linux.paths import every_path
from wipers.linux.usage import Activity, device_obstacles, in_use, observe
from wipers.model import Lost, Obstacle, Target

__all__ = ["DeviceWriter", "find", "find_devices", "hold", "list_targets", "open"]

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
    found: tuple[tuple[Candidate, Target], ...] = ()
    for wait in VISITS:
        activity = observe(machine, backing_files(machine))
        alike = (one for one in candidates(machine, activity) if one.kind == identity.kind and is_named(one.device))
        targets = ((one, bare_target(machine, one)) for one in alike if one.device.size == identity.size)
        matching = [(one, target) for one, target in targets if target.facts == wanted]
        found = tuple((one, _with_obstacles(machine, one, target, activity)) for one, target in matching)
        if not any(is_visited(target.obstacles) for _, target in found):
            break
        time.sleep(wait)
    return tuple(_tried(described(machine, one, target)) for one, target in found)


def list_targets(machine: Machine = THIS_MACHINE, *, with_contents: bool = True) -> tuple[Target, ...]:
    """Everything of the machine that an order could name, with what stands in its way; reads only. Without contents no
    medium is read."""
    activity = observe(machine, backing_files(machine))
    tell = in_full if with_contents else described
    found = tuple(
        tell(machine, one, _with_obstacles(machine, one, bare_target(machine, one), activity))
        for one in candidates(machine, activity)
    )
    return (*found, *unaddressable(machine))


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
        check_free(_obstacles_now(machine, target.location, os.fstat(descriptor).st_rdev, is_held=True))
        yield writer


def _with_obstacles(machine: Machine, one: Candidate, target: Target, activity: Activity) -> Target:
    found = list(device_obstacles(machine, one.device, activity))
    if not is_named(one.device):
        found.append(Obstacle("device-nameless", (("where", target.location),)))
    return replace(target, obstacles=tuple(found))


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
    """The device behind the open descriptor is the one that was found, as its facts say and the kernel's count of
    media; raises Refused."""
    try:
        found = writer.facts()
    except Lost as error:
        raise Refused("open-failed", where=target.location, error=error.facts["detail"]) from error
    check_unchanged(target.location, target.facts, found)
    known = next((int(fact.value) for fact in target.description if fact.name == "sequence"), 0)
    if known and (now := writer.sequence()):
        check_same(target.location, "sequence", known, now)


def _obstacles_now(machine: Machine, location: str, number: int, *, is_held: bool = False) -> tuple[Obstacle, ...]:
    found: tuple[Obstacle, ...] = ()
    for wait in VISITS:
        device = device_numbered(machine, number)
        if device is None:
            return (Obstacle("open-failed", (("error", "ENODEV"), ("where", location))),)
        activity = observe(machine, backing_files(machine))
        paths = every_path(machine, device, list_devices(machine))
        found = tuple(one for path in paths for one in device_obstacles(machine, path, activity, is_held=is_held))
        if not is_visited(found):
            break
        time.sleep(wait)
    return found
