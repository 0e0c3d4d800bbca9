"""Zoned devices (SMR drives, ZNS namespaces): what zones there are, and emptying one so that it can be written anew.

A sequential zone takes writes only at its write pointer, so it is reset before its first byte is overwritten and then
filled from its begin to the end of its capacity. What lies between capacity and the next zone has no block behind it.
Structures and numbers: linux/blkzoned.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from certificates.statements import Extent
from wipers.linux.machine import Machine, attribute, sys_folder, whole_disk

BLKREPORTZONE = 0xC0101282
BLKRESETZONE = 0x40101283
HEAD = struct.Struct("=QII")
"""struct blk_zone_report: first sector, number of zones, flags."""
ZONE = struct.Struct("=QQQBBBB4xQ24x")
"""struct blk_zone: start, length, write pointer, type, condition, non_seq, reset, capacity; in 512-byte sectors."""
RANGE = struct.Struct("=QQ")
"""struct blk_zone_range: first sector, sectors."""
SECTOR = 512
AT_ONCE = 4096
"""Zones asked for at once: a 20 TB drive has some 75,000."""
HAS_CAPACITY = 1
"""Flag of a report whose zones tell their capacity (Linux 5.9)."""
CONVENTIONAL, SEQUENTIAL_REQUIRED, SEQUENTIAL_PREFERRED = 1, 2, 3
OPEN_IMPLICITLY, OPEN_EXPLICITLY, CLOSED = 2, 3, 4
ACTIVE = frozenset({OPEN_IMPLICITLY, OPEN_EXPLICITLY, CLOSED})
"""Conditions that take up one of a drive's few active zones."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone, in bytes."""

    start: int
    length: int
    capacity: int
    """Bytes that can be written, from the start on."""
    is_sequential: bool
    """Whether it takes writes only at its write pointer."""
    is_active: bool
    """Whether it is begun and not full."""

    @property
    def extent(self) -> Extent:
        """What of it can be written."""
        return Extent(0, self.start, self.capacity)


def is_zoned(machine: Machine, device: int) -> bool:
    """Whether the kernel says that the device has zones: it knows without asking the drive."""
    folder = sys_folder(machine, device)
    return folder is not None and attribute(whole_disk(folder) / "queue" / "zoned", "none") != "none"


def zones_of(descriptor: int, size: int) -> tuple[Zone, ...]:
    """The zones of an open block device of so many bytes, in order; none where it is not zoned; raises OSError."""
    return tuple(_zones(descriptor, size))


def parse_report(report: bytes | bytearray) -> tuple[Zone, ...]:
    """The zones of one report of the kernel's."""
    _, count, flags = HEAD.unpack_from(report)
    return tuple(_zone(report, HEAD.size + number * ZONE.size, flags) for number in range(count))


class ZoneTable:
    """The zones of an open device, each an extent of its own, emptied one by one before they are filled anew."""

    def __init__(self, descriptor: int, zones: tuple[Zone, ...]) -> None:
        """Take what `zones_of` found through this descriptor."""
        self._descriptor = descriptor
        self._zones = zones
        self._sequential = {zone.start: zone for zone in zones if zone.is_sequential}
        self._begun = [zone for zone in self._sequential.values() if zone.is_active]

    @property
    def is_sequential(self) -> bool:
        """Whether any zone takes writes only in order."""
        return bool(self._sequential)

    @property
    def extents(self) -> tuple[Extent, ...]:
        """What can be written."""
        return tuple(zone.extent for zone in self._zones)

    def empty(self, extent: Extent) -> None:
        """The zone that begins there is empty, its write pointer at its begin; one without a pointer stays as it is;
        raises OSError.

        A drive has few places for zones that are begun and not full. Those that somebody left so are emptied first:
        they would stand in the way of the one that is to be filled.
        """
        while self._begun:
            self._reset(self._begun[-1])
            self._begun.pop()
        zone = self._sequential.get(extent.offset)
        if zone is not None:
            self._reset(zone)

    def _reset(self, zone: Zone) -> None:
        fcntl.ioctl(self._descriptor, BLKRESETZONE, RANGE.pack(zone.start // SECTOR, zone.length // SECTOR))


def zones_at(location: str, size: int) -> tuple[Zone, ...]:
    """The zones of the device at a node, looked at for a moment; none where it cannot be opened."""
    try:
        descriptor = os.open(location, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return ()
    try:
        return zones_of(descriptor, size)
    except OSError:
        return ()
    finally:
        os.close(descriptor)


def gaps_in(zones: tuple[Zone, ...]) -> int:
    """Bytes between capacities and the next zones, which no block lies behind."""
    return sum(zone.length - zone.capacity for zone in zones)


def _zones(descriptor: int, size: int) -> Iterator[Zone]:
    position = 0
    while position < size:
        report = bytearray(HEAD.size + AT_ONCE * ZONE.size)
        HEAD.pack_into(report, 0, position // SECTOR, AT_ONCE, 0)
        try:
            fcntl.ioctl(descriptor, BLKREPORTZONE, report)
        except OSError as error:
            if error.errno in {errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL} and not position:
                return
            raise
        found = parse_report(report)
        if not found:
            return
        yield from found
        position = found[-1].start + found[-1].length


def _zone(report: bytes | bytearray, at: int, flags: int) -> Zone:
    start, length, _, kind, condition, _, _, capacity = ZONE.unpack_from(report, at)
    usable = capacity if flags & HAS_CAPACITY else length
    return Zone(
        start=start * SECTOR,
        length=length * SECTOR,
        capacity=usable * SECTOR,
        is_sequential=kind == SEQUENTIAL_REQUIRED,
        is_active=condition in ACTIVE,
    )
