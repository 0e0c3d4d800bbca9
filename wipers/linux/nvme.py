"""What an NVMe controller says of itself and its namespaces (NVM Express Base 2.0, NVM Command Set 1.0)."""

from __future__ import annotations

from dataclasses import dataclass

from wipers.linux import commands
from wipers.linux.commands import NvmeCommand
from wipers.linux.passthrough import Channel

RPMB_UNIT = BOOT_UNIT = 128 << 10
"""Bytes in which the sizes of RPMB targets and boot partitions are counted."""
BOOT_PARTITIONS = 2
"""A controller that has boot partitions has two, of one size."""
NAMESPACE_MANAGEMENT = 1 << 3
"""Bit of OACS: namespaces can be made, and taken from a controller."""
FEWEST_ASKED = 64
"""Unattached namespaces whose size is asked for; more are counted only."""
KELVIN = 273
FAILURES = 0x01 | 0x04 | 0x08 | 0x10
"""Critical warnings that speak of the medium: spare used up, degraded, read-only, backup failed; not heat."""


@dataclass(frozen=True, slots=True)
class Controller:
    """Identify Controller, read."""

    serial: str
    """Serial number."""
    model: str
    """Model."""
    firmware: str
    """Firmware revision."""
    id: int
    """Controller identifier within its subsystem; has nothing to do with the kernel's number."""
    version: tuple[int, int, int]
    """Version of the specification that it follows; zeros where it does not say."""
    subsystem: str
    """NVMe qualified name of its subsystem."""
    can_format: bool
    """Whether Format NVM is supported."""
    can_manage_namespaces: bool
    """Whether namespaces can be made, and taken from a controller."""
    sanitize: tuple[str, ...]
    """What Sanitize can do; empty where it is not supported."""
    has_crypto_format: bool
    """Whether Format NVM knows cryptographic erase."""
    formats_all: bool
    """Whether a format, or its erase, always concerns every namespace."""
    rpmb_size: int
    """Bytes in replay-protected memory blocks."""
    total_capacity: int | None
    """Bytes of the whole drive; none where it does not say."""
    unallocated_capacity: int | None
    """Bytes in no namespace; none where it does not say."""
    warning_celsius: int | None
    """Temperature from which the controller throttles."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """Identify Namespace, read."""

    size: int
    """Bytes."""
    sector_size: int
    """Logical block, in bytes."""
    metadata_size: int
    """Bytes of metadata with each logical block."""
    nguid: str
    """Globally unique identifier in hex; empty where there is none."""
    eui64: str
    """EUI-64 in hex; empty where there is none."""


@dataclass(frozen=True, slots=True)
class HealthLog:
    """SMART / Health Information, read."""

    is_sound: bool
    """Whether no critical warning speaks of the medium."""
    temperature_celsius: int | None
    """Composite temperature."""
    percentage_used: int
    """Of the endurance; may exceed 100."""
    power_on_hours: int
    """Hours."""
    media_errors: int
    """Unrecovered data integrity errors."""


def read_controller(channel: Channel) -> Controller | None:
    """What the controller says of itself; none where it does not."""
    data = _structure(channel, commands.IDENTIFY_CONTROLLER)
    return None if data is None else controller_in(data)


def controller_in(data: bytes) -> Controller | None:
    """Identify Controller data; none where it names no model, which every controller must."""
    model = _text(data[24:64])
    if len(data) != commands.IDENTIFY_CONTROLLER.length or not model:
        return None
    oacs, sanicap, fna = _number(data, 256, 2), _number(data, 328, 4), data[524]
    total, free = _number(data, 280, 16), _number(data, 296, 16)
    return Controller(
        serial=_text(data[4:24]),
        model=model,
        firmware=_text(data[64:72]),
        id=_number(data, 78, 2),
        version=(_number(data, 82, 2), data[81], data[80]),
        subsystem=data[768:1024].split(b"\x00")[0].decode("utf-8", "replace"),
        can_format=bool(oacs & 1 << 1),
        can_manage_namespaces=bool(oacs & NAMESPACE_MANAGEMENT),
        sanitize=tuple(name for bit, name in ((1, "crypto"), (2, "block"), (4, "overwrite")) if sanicap & bit),
        has_crypto_format=bool(fna & 0x04),
        formats_all=bool(fna & 0x03),
        rpmb_size=_rpmb_size(_number(data, 312, 4)),
        total_capacity=total if 0 < total < 1 << 63 else None,
        unallocated_capacity=free if 0 < total < 1 << 63 and free <= total else None,
        warning_celsius=celsius(_number(data, 266, 2)),
    )


def read_namespace(channel: Channel, command: NvmeCommand, namespace: int) -> Namespace | None:
    """What a namespace is; none where the controller does not say."""
    data = _structure(channel, command.of(namespace))
    return None if data is None else namespace_in(data)


def namespace_in(data: bytes) -> Namespace | None:
    """Identify Namespace data; none where its format is none that can be: an inactive namespace is all zeros."""
    if len(data) != commands.IDENTIFY_NAMESPACE.length:
        return None
    chosen = data[26] & 0x0F | data[26] >> 1 & 0x30
    metadata, shift = _number(data, 128 + 4 * chosen, 2), data[130 + 4 * chosen]
    blocks = _number(data, 0, 8)
    if not 9 <= shift <= 31 or not blocks or blocks << shift >= 1 << 63:
        return None
    return Namespace(blocks << shift, 1 << shift, metadata, _identifier(data[104:120]), _identifier(data[120:128]))


def read_unattached(channel: Channel) -> tuple[int, ...] | None:
    """Identifiers of namespaces that are allocated and not active on this controller; none where it does not say."""
    allocated, active = (
        _structure(channel, command) for command in (commands.ALLOCATED_NAMESPACES, commands.ACTIVE_NAMESPACES)
    )
    if allocated is None or active is None:
        return None
    here = set(namespaces_in(active))
    return tuple(one for one in namespaces_in(allocated) if one not in here)


def namespaces_in(data: bytes) -> tuple[int, ...]:
    """Identifiers in a namespace list: rising, up to the first zero; what does not rise is no list."""
    found: list[int] = []
    for at in range(0, len(data) - 3, 4):
        one = _number(data, at, 4)
        if one <= (found[-1] if found else 0):
            break
        found.append(one)
    return tuple(found)


def read_boot_partitions(channel: Channel) -> int | None:
    """Bytes of the controller's boot partitions; none where it does not say."""
    reply = channel.ask_nvme(commands.BOOT_PARTITION)
    return boot_partitions_in(reply.data) if reply.is_good else None


def boot_partitions_in(data: bytes) -> int | None:
    """Bytes of both boot partitions by the header of log page 15h; none where it is another page."""
    if len(data) < 16 or data[0] != commands.BOOT_PARTITION.cdw10 & 0xFF:
        return None
    return BOOT_PARTITIONS * (_number(data, 4, 4) & 0x7FFF) * BOOT_UNIT


def read_health(channel: Channel) -> HealthLog | None:
    """The health log; none where the controller gives none."""
    reply = channel.ask_nvme(commands.NVME_HEALTH)
    return health_in(reply.data) if reply.is_good else None


def health_in(data: bytes) -> HealthLog | None:
    """SMART / Health Information; none where it is short or blank."""
    if len(data) != commands.NVME_HEALTH.length or not any(data):
        return None
    return HealthLog(
        is_sound=not data[0] & FAILURES,
        temperature_celsius=celsius(_number(data, 1, 2)),
        percentage_used=data[5],
        power_on_hours=_number(data, 128, 16),
        media_errors=_number(data, 160, 16),
    )


def celsius(kelvin: int) -> int | None:
    """Degrees Celsius; none for 0, which says that it is not reported."""
    return kelvin - KELVIN if kelvin else None


def _structure(channel: Channel, command: NvmeCommand) -> bytes | None:
    reply = channel.ask_nvme(command)
    return reply.data if reply.is_good else None


def _rpmb_size(field: int) -> int:
    """Number of targets times their size, which is counted from 0."""
    return (field & 7) * ((field >> 16 & 0xFF) + 1) * RPMB_UNIT


def _identifier(field: bytes) -> str:
    return field.hex() if any(field) else ""


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")


def _text(field: bytes) -> str:
    text = field.decode("ascii", "replace").strip("\x00 ")
    return text if text.isascii() and text.isprintable() else ""
