"""Something happens to a free carrier between the moment it was found and the moment it would be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from certificates.errors import Refused
from certificates.statements import DeviceIdentity, ImageIdentity, VolumeIdentity
from tests.support.machines.hosts import Host
from tests.support.machines.oracle import Ruling
from tests.support.machines.orders import MARK, ORDER, order_for, written
from tests.support.machines.rig import Rig
from wipers import WIPERS
from wipers.linux.host import LinuxHost
from wipers.model import Lost
from wipers.planning import plan

MOST_CALLS = 2000
"""System calls of opening a device on a middling host; a surprise falls somewhere among them."""
OFTEN = ("cloned", "cloned", "mounted", "opened", "pulled", "replaced", "replaced", "taken")
SHOWS_ITSELF = frozenset({"mounted", "opened", "pulled", "taken"})
"""What can be seen without opening the device; that it is another one shows on the open descriptor alone."""


def surprised(host: Host, identity: DeviceIdentity | ImageIdentity | VolumeIdentity, ruling: Ruling) -> str:
    """How it ended; raises AssertionError where another unit was written, or a used one opened."""
    name = min(ruling.nodes)
    kind = host.chance.choice(OFTEN) if isinstance(identity, DeviceIdentity) else "mounted"
    if kind in {"replaced", "cloned"} and not name.startswith("sd"):
        kind = "mounted"
    calls = None if host.may(0.5) else host.chance.randrange(1, MOST_CALLS)
    ended = overtaken(host.rig, name, identity, kind, calls)
    return f"{kind}-{'between' if calls is None else 'during'}-{ended}"


def overtaken(
    rig: Rig, name: str, identity: DeviceIdentity | ImageIdentity | VolumeIdentity, kind: str, calls: int | None
) -> str:
    """The carrier is found and planned for; then the surprise comes, at once or so many system calls later."""
    unit, before = rig.medium(name).unit, len(rig.kernel.openings)
    program = LinuxHost(Path(rig.kernel.machine.runs), rig.kernel.machine)
    carrier = order_for(identity)
    ended, happened = "opened", [rig.kernel.calls + (1 << 30)]

    def happen() -> None:
        happened[0] = rig.kernel.calls
        SURPRISES[kind](rig, name)

    try:
        found = program.find(carrier, None)
        plan(ORDER, carrier, found, WIPERS[identity.kind])
        rig.kernel.later(calls or 0, happen)
        if calls is None:
            rig.kernel.tick()
        chosen = min(found, key=lambda target: target.location)
        with program.open(chosen, carrier, None, False) as writer:
            writer.write(0, 0, memoryview(bytearray(MARK * 512)))
    except (Refused, Lost):
        ended = "refused"
    rig.kernel.surprises.clear()
    touched = written(rig)
    assert {*touched} <= {unit}, f"{kind} after {calls} calls: wrote to {touched}, not to {unit}"
    openings = [opening for opening in rig.kernel.openings[before:] if opening.is_for_writing]
    for opening in openings:
        assert opening.is_exclusive, f"{kind} after {calls} calls: {opening}"
        assert not opening.was_claimed, f"{kind} after {calls} calls: {opening}"
        assert happened[0] > opening.call or ended == "refused", f"{kind} after {calls} calls: was not noticed"
    if calls is None:
        assert ended == "refused", f"{kind} between find and open was not noticed"
        assert kind not in SHOWS_ITSELF or not openings, f"{kind}, and opened for writing all the same"
    return ended


def _mounted(rig: Rig, name: str) -> None:
    """Somebody mounts it, unless it is held already: then the kernel would not let him."""
    if name in rig.numbers and not rig.kernel.is_claimed(rig.devno(name)):
        rig.mount(name, "/mnt", "xfs")


def _replaced(rig: Rig, name: str) -> None:
    """It is pulled out, and another disk takes its name and number."""
    number, size = rig.numbers[name], rig.medium(name).size
    rig.unplug(name)
    rig.usb(name, "ANOTHER", size, port=40, number=number)


def _cloned(rig: Rig, name: str) -> None:
    """It is pulled out, and another disk takes its name and number that calls itself just as it did."""
    number, size, letter = rig.numbers[name], rig.medium(name).size, ord(name[-1]) - 96
    vendor, model, serial, wwn, _ = rig.identities[name]
    rig.unplug(name)
    place = f"pci0000:00/0000:00:17.0/ata{letter}/host{letter}/target{letter}:0:0/{letter}:0:0:0"
    words: dict[str, Any] = {"vendor": vendor, "model": model, "serial": serial, "wwid": wwn, "number": number}
    rig.scsi(name, place, size, unit="a clone", **words)


def _pulled(rig: Rig, name: str) -> None:
    """It leaves the machine."""
    rig.unplug(name)


def _taken(rig: Rig, name: str) -> None:
    """A mapping is laid over it, unless it is held already."""
    if name in rig.numbers and not rig.kernel.is_claimed(rig.devno(name)):
        rig.dm("dm-200", "late", "CRYPT-LUKS2-late", name)


def _opened(rig: Rig, name: str) -> None:
    """A program opens it, as it may whoever holds it."""
    rig.opens(rig.process(9999, "fdisk"), name)


SURPRISES: dict[str, Callable[[Rig, str], None]] = {
    "mounted": _mounted,
    "replaced": _replaced,
    "cloned": _cloned,
    "opened": _opened,
    "pulled": _pulled,
    "taken": _taken,
}
