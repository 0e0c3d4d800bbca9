"""Orders for the drives and images of hosts drawn at random: what is free is opened, and nothing else ever is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from uuid import NAMESPACE_OID, uuid5

from certificates.statements import DeviceIdentity, ImageIdentity, VolumeIdentity
from tests.support.machines.hosts import Host, Identity, ImageFacts, Thing, draw
from tests.support.machines.oracle import Ruling, down_to_loops, on_drive, on_image, on_volume
from tests.support.machines.orders import Attempt, attempt
from tests.support.machines.surprises import surprised

FULL = 100_000
SLICE = 150
NEEDS_ROOT = False
SHARE = 1_000
"""Hosts that one process takes at a time."""
MOST_ORDERS = 1
"""Orders of a host that are carried as far as the first write; which, is drawn."""


@dataclass(frozen=True, slots=True)
class Case:
    """An order, and what the rules say of it."""

    identity: DeviceIdentity | ImageIdentity | VolumeIdentity
    ruling: Ruling


def cases(host: Host) -> Iterator[Case]:
    """Every order that could be given for a host, and one for a drive that is not there."""
    identities = list(dict.fromkeys(thing.identity for thing in host.drives() if thing.identity is not None))
    strange = ("ATA", "Samsung SSD 870", "NOT-HERE", "naa.5000000000000000", 1 << 30)
    for identity in (*identities, strange):
        yield Case(_device(identity), on_drive(host, identity))
    for thing in host.volumes():
        yield Case(_volume(host, thing), on_volume(host, thing))
    for image in dict.fromkeys(thing.image for thing in host.loops() if thing.image is not None):
        yield Case(_image(image), on_image(host, image))


def _device(identity: Identity) -> DeviceIdentity:
    vendor, model, serial, wwn, size = identity
    return DeviceIdentity(vendor, model, serial, wwn or None, size)


def _image(image: ImageFacts) -> ImageIdentity:
    on, inode, size = image
    return ImageIdentity(str(uuid5(NAMESPACE_OID, on or "memory")), inode, size, attached=True)


def _volume(host: Host, thing: Thing) -> VolumeIdentity:
    """As an order names it: by its layer's id, and by every drive and image that it lies on."""
    assert thing.volume is not None
    layer, uuid, offset, size = thing.volume
    lies_on: dict[DeviceIdentity | ImageIdentity, None] = {}
    for one in down_to_loops(host, thing):
        if one.identity is not None:
            lies_on[_device(one.identity)] = None
        elif one.image is not None:
            lies_on[_image(one.image)] = None
    return VolumeIdentity(layer, uuid, offset, size, tuple(lies_on))


def judged(host: Host, case: Case, seen: Attempt) -> str:
    """How it ended; raises AssertionError where that is not what the rules say."""
    ruling = case.ruling
    units = {host.rig.medium(name).unit for name in ruling.nodes}
    opened = {opening.unit for opening in seen.openings}
    assert opened <= units, f"opened {seen.openings} for writing, though {ruling.outcome}: {ruling.why}"
    assert all(opening.is_exclusive for opening in seen.openings), "somebody could mount it meanwhile"
    assert set(seen.written) <= units, f"wrote to {seen.written}"
    if ruling.outcome == "free":
        assert seen.refusal is None, f"a refusal too many of {case.identity}: {seen.words}"
        assert opened, "free, and never opened"
        assert {opening.location.rpartition("/")[2] for opening in seen.openings} <= ruling.nodes, seen.openings
    else:
        assert seen.refusal is not None, f"not refused, though {ruling.outcome}: {ruling.why}"
        assert not seen.is_late, f"refused only when it was to be opened: {seen.words}"
    if ruling.outcome in {"ambiguous", "not-found"}:
        assert seen.refusal is not None
        assert seen.refusal.reason == f"carrier-{ruling.outcome}", seen.words
    return ruling.outcome


def one_host(seed: str) -> Counter[str]:
    """What came of some orders of one host; raises AssertionError."""
    host = draw(seed)
    counted: Counter[str] = Counter()
    try:
        with host.rig.kernel.shown():
            every = list(cases(host))
            host.chance.shuffle(every)
            for case in every[:MOST_ORDERS]:
                counted[judged(host, case, attempt(host.rig, case.identity))] += 1
            free = [case for case in every if case.ruling.outcome == "free"]
            if free and host.may(0.3):
                counted[surprised(host, free[0].identity, free[0].ruling)] += 1
    finally:
        host.rig.kernel.close()
    return counted


def run(seed: int, trials: int) -> str:
    """One line of results; many trials are shared out between processes, a host each time being one seed's."""
    begins = range(0, trials, SHARE)
    shares = [(seed, begin, min(begin + SHARE, trials)) for begin in begins]
    if len(shares) == 1:
        return _told(hosts(*shares[0]))
    counted: Counter[str] = Counter()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for one in pool.map(hosts, *zip(*shares, strict=True)):
            counted.update(one)
    return _told(counted)


def hosts(seed: int, first: int, last: int) -> Counter[str]:
    """What came of the hosts of these numbers; raises AssertionError with the number of the one that failed."""
    counted: Counter[str] = Counter()
    for trial in range(first, last):
        try:
            counted.update(one_host(f"{seed} {trial}"))
        except AssertionError as error:
            raise AssertionError(f"trial {trial}: {error}") from error
    return counted


def _told(counted: Counter[str]) -> str:
    return ", ".join(f"{what} {number}" for what, number in sorted(counted.items()))
