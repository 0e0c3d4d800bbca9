"""A drive described by its own answers: facts for people, what an overwrite does not reach, what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from certificates.statements import Fact, Media, Residual
from wipers.linux import ata, commands, health, hidden, nvme, scsi
from wipers.linux.devices import BlockDevice
from wipers.linux.hidden import AtaSizes, HiddenAreas, Unattached
from wipers.linux.passthrough import Channel
from wipers.model import Obstacle

ASKED_SIZES = 64
"""Unattached namespaces whose size is asked for; of more, only the identifier is listed."""
BOOT_PARTITIONS_LOGGED = (2, 0, 0)
"""Version of NVMe from which a log page tells of boot partitions; before, only a register of the controller does."""
BOOT_PARTITIONS_KNOWN = (1, 3, 0)
"""Version of NVMe from which there are boot partitions."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a drive says of itself beyond the bytes that a host can address."""

    facts: tuple[Fact, ...] = ()
    """For `targets` and the survey."""
    residuals: tuple[Residual, ...] = ()
    """What an overwrite of everything addressable does not reach."""
    obstacles: tuple[Obstacle, ...] = ()
    """Why it must not, or cannot, be touched."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """How a SCSI disk is attached, by what the kernel says."""

    location: str
    """Device node."""
    is_libata: bool
    """Whether the kernel itself translates for an ATA drive."""
    is_usb: bool
    """Whether it hangs on USB, where much of SCSI is left out and some of it hangs the bridge."""


def unknown_drive(device: BlockDevice, *, is_usb: bool) -> Description:
    """A drive that cannot be asked, or tells no native size; what a virtual disk lies on is already listed as out of
    reach."""
    is_a_drive = is_usb or device.media is not Media.OPAQUE
    return Description(residuals=hidden.UNKNOWN.residuals) if is_a_drive else Description()


def describe_scsi(channel: Channel, where: Attachment, device: BlockDevice) -> Description:
    """A disk behind the kernel's SCSI layer: ATA if it is one, SCSI otherwise."""
    inquiry = scsi.read_inquiry(channel)
    port = find_ata(channel, where, inquiry) if inquiry is not None and inquiry.is_disk else None
    if port is not None:
        return _describe_ata(port, where, device)
    is_asked_more = inquiry is not None and inquiry.is_disk and not where.is_usb
    return _describe_disk(channel, where, device) if is_asked_more else unknown_drive(device, is_usb=where.is_usb)


def find_ata(channel: Channel, where: Attachment, inquiry: scsi.Inquiry) -> ata.Port | None:
    """The ATA drive behind a disk; one is not looked for where the medium can be taken out, for ATA pass-through hangs
    some memory sticks, nor where a translation layer off USB does not say that there is one."""
    if where.is_libata or (where.is_usb and not inquiry.is_removable):
        return ata.find_port(channel)
    if where.is_usb or scsi.ATA_INFORMATION_PAGE not in scsi.read_pages(channel):
        return None
    return ata.find_port(channel)


def _describe_ata(port: ata.Port, where: Attachment, device: BlockDevice) -> Description:
    found = port.identity
    areas = hidden.of_ata(_ata_sizes(port, device))
    more = ((found.is_frozen, "frozen"), (found.has_enhanced_erase, "enhanced-erase"))
    security = ", ".join((found.security, *(name for holds, name in more if holds)))
    facts = (
        *_ata_health(port),
        Fact("ata-security", security),
        Fact("sanitize", " ".join(found.sanitize) or "none"),
        *_rotation(found.rotation),
        *hidden.ata_facts(areas),
        *_behind_bridge(found, where, device),
    )
    locked = Obstacle("drive-locked", (("where", where.location),))
    return Description(facts, areas.residuals, (locked,) if found.security == "locked" else ())


def _ata_sizes(port: ata.Port, device: BlockDevice) -> AtaSizes:
    found = port.identity
    return AtaSizes(
        sector_size=found.sector_size,
        current=found.sectors,
        has_hpa=found.has_hpa,
        native=ata.read_native_max(port) if found.has_hpa else None,
        is_native_saturated=not found.is_48_bit,
        has_dco=found.has_dco,
        configured=ata.read_configured_max(port) if found.has_dco else None,
        has_ama=found.has_ama,
        accessible=ata.read_accessible_native_max(port) if found.has_ama else None,
        seen=device.size or None,
    )


def _ata_health(port: ata.Port) -> tuple[Fact, ...]:
    """Health; a drive that rests is not woken for it."""
    if not port.identity.has_smart:
        return health.Health().facts
    if ata.is_standing_by(port):
        return (*health.Health().facts, Fact("power", "standby"))
    celsius = ata.read_sct_temperature(port.channel, is_short=port.is_short) if port.identity.has_sct else None
    return health.of_ata(ata.read_smart_status(port), ata.read_attributes(port), celsius).facts


def _behind_bridge(found: ata.Identity, where: Attachment, device: BlockDevice) -> tuple[Fact, ...]:
    """The drive's own words, where a bridge tells other ones: an order and a label name the drive."""
    if not where.is_usb:
        return ()
    own = (("drive-model", found.model, device.model), ("drive-serial", found.serial, device.serial))
    facts = tuple(Fact(name, value) for name, value, reported in own if value and value != reported)
    is_swapped = ata.is_swapped_serial(device.serial, found.serial)
    return (*facts, Fact("bridge-serial", "bytes-swapped")) if is_swapped else facts


def _describe_disk(channel: Channel, where: Attachment, device: BlockDevice) -> Description:
    """A SCSI disk can be made smaller too, and no command tells its native size."""
    capacity, caching = scsi.read_capacity(channel), scsi.read_caching(channel)
    protection = capacity.protection if capacity is not None else None
    facts = (
        *_disk_health(channel),
        *_rotation(scsi.read_rotation(channel)),
        *((Fact("protection-information", f"type {protection}"),) if protection else ()),
        *(_caching(*caching) if caching is not None else ()),
        *_not_as_listed(channel, device),
    )
    foreign = foreign_sectors(where.location, capacity)
    residuals = unknown_drive(device, is_usb=where.is_usb).residuals
    return Description(facts, residuals, () if foreign is None else (foreign,))


def _caching(is_protected: bool, is_cached: bool | None) -> tuple[Fact, ...]:
    protected = (Fact("write-protected", "yes"),) if is_protected else ()
    return protected if is_cached is None else (*protected, Fact("write-cache", "on" if is_cached else "off"))


def _not_as_listed(channel: Channel, device: BlockDevice) -> tuple[Fact, ...]:
    """The disk's own serial number and name where they are not those that the kernel noted when it found a disk there:
    it was exchanged since, or a controller stands for it."""
    own = (
        ("drive-serial", scsi.read_unit_serial(channel), device.serial),
        ("drive-wwn", scsi.read_wwn(channel), device.wwn),
    )
    return tuple(Fact(name, value) for name, value, noted in own if value and noted and value != noted)


def _disk_health(channel: Channel) -> tuple[Fact, ...]:
    """Health by the log pages that the disk says it has; nothing where it has none."""
    pages = scsi.read_logs(channel)
    wanted = (
        commands.READ_ERRORS,
        commands.TEMPERATURE,
        commands.ENDURANCE,
        commands.BACKGROUND_SCAN,
        commands.EXCEPTIONS,
    )
    had = {command.cdb[2] & 0x3F: command for command in wanted if command.cdb[2] & 0x3F in pages}
    logs = {page: scsi.read_log(channel, command) for page, command in had.items()}
    return health.of_scsi(logs).facts if logs else ()


def foreign_sectors(location: str, capacity: scsi.Capacity | None) -> Obstacle | None:
    """Why a disk with sectors of 520 bytes and the like cannot be written; none where Linux addresses its sectors."""
    if capacity is None or capacity.block_size in scsi.KERNEL_SECTORS:
        return None
    how = f"sg_format --format --size=512 {location}"
    return Obstacle("sector-size-foreign", (("how", how), ("size", str(capacity.block_size)), ("where", location)))


def foreign_blocks(location: str, namespace: nvme.Namespace | None) -> Obstacle | None:
    """Why a namespace with metadata between its blocks cannot be written; none where it has none."""
    if namespace is None or not namespace.metadata_size:
        return None
    size = f"{namespace.sector_size}+{namespace.metadata_size}"
    return Obstacle("sector-size-foreign", (("how", f"nvme format {location}"), ("size", size), ("where", location)))


def describe_nvme(channel: Channel, device: BlockDevice) -> Description:
    """A namespace's drive."""
    controller = nvme.read_controller(channel)
    if controller is None:
        return unknown_drive(device, is_usb=False)
    areas = _nvme_areas(channel, controller)
    erases = (*controller.sanitize, *(("crypto-format",) if controller.has_crypto_format else ()))
    facts = (
        *health.of_nvme(nvme.read_health(channel)).facts,
        *_warning(controller.warning_celsius),
        Fact("sanitize", " ".join(erases) or "none"),
        Fact("controller", str(controller.id)),
        *((Fact("subsystem", controller.subsystem),) if _is_text(controller.subsystem) else ()),
        *hidden.nvme_facts(areas),
    )
    return Description(facts, areas.residuals)


def _nvme_areas(channel: Channel, controller: nvme.Controller) -> HiddenAreas:
    is_managed = controller.can_manage_namespaces
    unattached = nvme.read_unattached(channel) if is_managed else ()
    return HiddenAreas(
        unattached=None if unattached is None else tuple(_sized(channel, unattached)),
        rpmb=controller.rpmb_size,
        boot_partitions=_boot_partitions(channel, controller),
        unallocated=controller.unallocated_capacity if is_managed else 0,
    )


def _sized(channel: Channel, namespaces: tuple[int, ...]) -> Iterable[Unattached]:
    for at, namespace in enumerate(namespaces):
        asked = at < ASKED_SIZES
        found = nvme.read_namespace(channel, commands.ALLOCATED_NAMESPACE, namespace) if asked else None
        yield Unattached(namespace, None if found is None else found.size)


def _boot_partitions(channel: Channel, controller: nvme.Controller) -> int | None:
    """Bytes of boot partitions; unknown between the versions that brought them and their log page."""
    if (0, 0, 0) < controller.version < BOOT_PARTITIONS_KNOWN:
        return 0
    return nvme.read_boot_partitions(channel) if controller.version >= BOOT_PARTITIONS_LOGGED else None


def _warning(celsius: int | None) -> tuple[Fact, ...]:
    """From where the controller slows itself down."""
    found = health.possible_temperature(celsius)
    return () if found is None else (Fact("temperature-warning-celsius", str(found)),)


def _rotation(rate: int | None) -> tuple[Fact, ...]:
    if rate is None:
        return ()
    return (Fact("rotation", "none" if rate == ata.SOLID_STATE else f"{rate} rpm"),)


def _is_text(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()
