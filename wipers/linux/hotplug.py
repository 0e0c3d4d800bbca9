"""Disks that come and go: the kernel's own events, a look at its list where there are none, and where a disk sits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from wipers.linux.machine import THIS_MACHINE, Machine, attribute, entries, number

if TYPE_CHECKING:
    import pyudev

INTERVAL = 2.0
"""Seconds between two looks at the kernel's list: events may be lost, or not be had in a container."""
MOST_EVENTS = 1000
"""Events taken at a time: a bus that resets sends storms of them."""


class Hotplug:
    """Tells when the list of disks may be another than before."""

    def __init__(
        self,
        machine: Machine = THIS_MACHINE,
        clock: Callable[[], float] = time.monotonic,
        *,
        listens: bool = True,
    ) -> None:
        """Listen to the kernel from now on, if `listens` and it can be heard."""
        self._machine = machine
        self._clock = clock
        self._monitor = _kernel_events() if listens else None
        self._known = self._listed()
        self._looked_at = clock()

    def has_changed(self) -> bool:
        """Tell whether a disk came, went or changed since the last call."""
        is_told = self._is_told()
        if not is_told and self._clock() - self._looked_at < INTERVAL:
            return False
        self._looked_at = self._clock()
        before, self._known = self._known, self._listed()
        return is_told or before != self._known

    def bay_of(self, location: str) -> str:
        """Where the disk sits: its enclosure's slot, else the path of its port, else its node."""
        name = os.path.basename(location)
        return _slot_of(self._machine, name) or _port_of(self._machine, location) or name

    def _is_told(self) -> bool:
        if self._monitor is None:
            return False
        events = 0
        try:
            while events < MOST_EVENTS and self._monitor.poll(timeout=0) is not None:
                events += 1
        except OSError:
            # An overrun of the socket: what was lost shows in the list.
            return True
        return events > 0

    def _listed(self) -> frozenset[tuple[str, str, int, str]]:
        """Name, number of the medium, size and backing file of every disk with a medium."""
        folder = self._machine.sys / "block"
        listed = (
            (name, attribute(folder / name / "diskseq"), number(folder / name / "size"), self._backing_file(name))
            for name in entries(folder)
        )
        return frozenset(one for one in listed if one[2])

    def _backing_file(self, name: str) -> str:
        return attribute(self._machine.sys / "block" / name / "loop" / "backing_file")


def _kernel_events() -> pyudev.Monitor | None:
    """The kernel's events of disks; none where they cannot be had."""
    try:
        import pyudev

        monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="kernel")
        monitor.filter_by("block", "disk")
        monitor.start()
    except (ImportError, OSError):
        return None
    return monitor


def _slot_of(machine: Machine, name: str) -> str:
    """`enclosure/slot` as the kernel's enclosure driver shows it; empty where the disk sits in none."""
    enclosures = machine.sys / "class" / "enclosure"
    for enclosure in entries(enclosures):
        for slot in entries(enclosures / enclosure):
            if (enclosures / enclosure / slot / "device" / "block" / name).exists():
                return f"{enclosure}/{slot}"
    return ""


def _port_of(machine: Machine, location: str) -> str:
    """ID_PATH, which udev makes a link of; empty where it does not run."""
    folder = machine.dev / "disk" / "by-path"
    here = os.path.realpath(location)
    return next((name for name in entries(folder) if os.path.realpath(folder / name) == here), "")
