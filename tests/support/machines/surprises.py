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
from wipers import WIPERS
from wipers.linux.host import LinuxHost
from wipers.model import Lost, Target
from wipers.planning import plan

MOST_CALLS = 4000
"""System calls of a find and an open on a middling host; a surprise falls somewhere among them."""


def surprised(host: Host, identity: DeviceIdentity | ImageIdentity | VolumeIdentity, ruling: Ruling) -> str:
    """How it ended; raises AssertionError where another unit was written, or a used one opened."""
    name = min(ruling.nodes)
    unit = host.rig.medium(name).unit
    kind = host.chance.choice(sorted(_SURPRISES) if isinstance(identity, DeviceIdentity) else ["mounted"])
    if kind in {"replaced", "cloned"} and not name.startswith("sd"):
        kind = "mounted"
    happen = _SURPRISES[kind]
    when = host.chance.choice(("between", "during"))
    before = len(host.rig.kernel.openings)
    program = LinuxHost(Path(host.rig.kernel.machine.runs), host.rig.kernel.machine)
    carrier = order_for(identity)
    ended = "opened"
    try:
        found = program.find(carrier, None)
        plan(ORDER, carrier, found, WIPERS[identity.kind])
        chosen = min(found, key=lambda target: target.location)
        if when == "between":
            happen(host, name)
        else:
            host.rig.kernel.later(host.chance.randrange(1, MOST_CALLS), lambda: happen(host, name))
        _write(program, chosen, identity)
    except Refused:
        ended = "refused"
    host.rig.kernel.surprises.clear()
    touched = written(host.rig)
    assert {*touched} <= {unit}, f"{kind} {when}: wrote to {touched}, not to {unit}"
    for opening in host.rig.kernel.openings[before:]:
        assert not (opening.is_for_writing and opening.was_claimed), f"{kind} {when}: opened {opening} for writing"
    assert when == "during" or ended == "refused", f"{kind} between find and open was not noticed"
    return f"{kind}-{when}-{ended}"


def _write(program: LinuxHost, chosen: Target, identity: DeviceIdentity | ImageIdentity | VolumeIdentity) -> None:
    try:
        with program.open(chosen, order_for(identity), None, False) as writer:
            writer.write(0, 0, memoryview(bytearray(MARK * 512)))
    except Lost as error:
        raise Refused("open-failed", where=chosen.location, error=str(error.reason)) from error


def _mounted(host: Host, name: str) -> None:
    """Somebody mounts it, unless it is held already: then the kernel would not let him."""
    kernel = host.rig.kernel
    if name in host.rig.numbers and not kernel.is_claimed(host.rig.devno(name)):
        host.rig.mount(name, "/mnt", "xfs")


def _replaced(host: Host, name: str) -> None:
    """It is pulled out, and another disk takes its name and number."""
    number, size = host.rig.numbers[name], host.rig.medium(name).size
    host.rig.unplug(name)
    host.rig.usb(name, "ANOTHER", size, port=40, number=number)


def _cloned(host: Host, name: str) -> None:
    """It is pulled out, and another disk takes its name and number that calls itself just as it did."""
    rig = host.rig
    number, size, letter = rig.numbers[name], rig.medium(name).size, ord(name[-1]) - 96
    vendor, model, serial, wwn, _ = rig.identities[name]
    rig.unplug(name)
    place = f"pci0000:00/0000:00:17.0/ata{letter}/host{letter}/target{letter}:0:0/{letter}:0:0:0"
    words: dict[str, Any] = {
        "vendor": vendor,
        "model": model,
        "serial": serial,
        "wwid": wwn,
        "unit": "a clone",
        "number": number,
    }
    rig.scsi(name, place, size, **words)


def _pulled(host: Host, name: str) -> None:
    """It leaves the machine."""
    host.rig.unplug(name)


def _taken(host: Host, name: str) -> None:
    """A mapping is laid over it, unless it is held already."""
    if name in host.rig.numbers and not host.rig.kernel.is_claimed(host.rig.devno(name)):
        host.rig.dm("dm-200", "late", "CRYPT-LUKS2-late", name)


_SURPRISES: dict[str, Callable[[Host, str], None]] = {
    "mounted": _mounted,
    "replaced": _replaced,
    "cloned": _cloned,
    "pulled": _pulled,
    "taken": _taken,
}
