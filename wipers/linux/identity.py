"""Facts that recognise a device or an image, as the order states them, and whether they still hold."""

from __future__ import annotations

from collections.abc import Iterable

from certificates.errors import Refused
from certificates.statements import DeviceIdentity, Fact, ImageIdentity, Media, Residual, VolumeIdentity
from wipers.model import Obstacle

BlockIdentity = DeviceIdentity | ImageIdentity | VolumeIdentity
"""What names a block device, or a file that could be one."""


def facts_of(identity: BlockIdentity) -> tuple[Fact, ...]:
    """The order's facts, in the order in which this host reads them; a missing WWN is empty."""
    if isinstance(identity, DeviceIdentity):
        return device_facts(identity.vendor, identity.model, identity.serial, identity.wwn or "", identity.size)
    if isinstance(identity, VolumeIdentity):
        return identity.facts
    return image_facts(identity.filesystem, identity.inode, identity.size, is_attached=identity.attached)


def device_facts(vendor: str, model: str, serial: str, wwn: str, size: int) -> tuple[Fact, ...]:
    """Identity of a drive."""
    pairs = (("vendor", vendor), ("model", model), ("serial", serial), ("wwn", wwn), ("size", str(size)))
    return tuple(Fact(name, value) for name, value in pairs)


def image_facts(filesystem: str, inode: int, size: int, *, is_attached: bool) -> tuple[Fact, ...]:
    """Identity of an image file, or of the loop device over it."""
    attached = "true" if is_attached else "false"
    pairs = (("filesystem", filesystem), ("inode", str(inode)), ("size", str(size)), ("attached", attached))
    return tuple(Fact(name, value) for name, value in pairs)


def check_unchanged(where: str, expected: Iterable[Fact], found: Iterable[Fact]) -> None:
    """The facts read on the open descriptor are those that were planned for; raises Refused naming the first that
    is not."""
    for planned, now in zip(expected, found, strict=True):
        if planned != now:
            facts = {"where": where, "fact": planned.name, "found": now.value, "expected": planned.value}
            raise Refused("identity-changed", **facts)


def check_same(where: str, fact: str, expected: int, found: int) -> None:
    """A number is as it was planned; raises Refused naming the fact."""
    if expected != found:
        raise Refused("identity-changed", where=where, fact=fact, found=str(found), expected=str(expected))


def check_free(obstacles: Iterable[Obstacle]) -> None:
    """Nothing stands in the way; raises Refused with the first thing that does."""
    for obstacle in obstacles:
        raise Refused(obstacle.reason, **dict(obstacle.facts))


def residual_of(media: Media) -> tuple[Residual, ...]:
    """What overwriting a whole device does not reach, by what its bits lie on."""
    match media:
        case Media.MAGNETIC:
            return (Residual("remapped-sectors"),)
        case Media.FLASH:
            return (Residual("remapped-sectors"), Residual("over-provisioning"))
        case Media.OPAQUE:
            return (Residual("storage-below-virtual-device"),)
