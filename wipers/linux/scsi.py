"""What a SCSI disk says of itself: inquiry pages, capacity, log pages (SPC-6, SBC-5)."""

from __future__ import annotations

from dataclasses import dataclass

from wipers.linux import commands
from wipers.linux.commands import Command
from wipers.linux.passthrough import Channel

DISK_TYPES = frozenset({0x00, 0x14})
"""Peripheral device types of disks: direct access, and host managed zoned."""
ATA_INFORMATION_PAGE = 0x89
"""A translation layer with an ATA drive below it has this page."""
KERNEL_SECTORS = frozenset({512, 1024, 2048, 4096})
"""Logical sectors that Linux addresses; a disk with any other is shown without capacity."""
WRITE_PROTECTED, CACHE_ENABLED = 0x80, 0x04
CACHING = 0x08
FAILURE_PREDICTED = 0x5D
"""Additional sense code: FAILURE PREDICTION THRESHOLD EXCEEDED, and its kin."""
NO_TEMPERATURE = 0xFF


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Standard inquiry data."""

    is_disk: bool
    """Whether it is a disk that is there."""
    is_removable: bool
    """Whether its medium can be taken out."""
    vendor: str
    """As reported."""
    product: str
    """As reported."""
    revision: str
    """As reported."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a disk says of its size and format."""

    blocks: int
    """Logical blocks."""
    block_size: int
    """Bytes of a logical block, without protection information."""
    protection: int | None
    """Type of protection information, 1 to 3; none where it is off or was not asked."""


def read_inquiry(channel: Channel) -> Inquiry | None:
    """Standard inquiry data; none where the device gives none."""
    reply = channel.ask(commands.INQUIRY)
    data = reply.data
    if not reply.is_good or len(data) < 36:
        return None
    return Inquiry(
        is_disk=data[0] >> 5 == 0 and data[0] & 0x1F in DISK_TYPES,
        is_removable=bool(data[1] & 0x80),
        vendor=_text(data[8:16]),
        product=_text(data[16:32]),
        revision=_text(data[32:36]),
    )


def read_pages(channel: Channel) -> frozenset[int]:
    """Vital product data pages that the device has; none where it does not say."""
    return frozenset(_page(channel, commands.SUPPORTED_PAGES))


def read_unit_serial(channel: Channel) -> str:
    """Unit serial number (page 80h); empty where there is none."""
    return _text(_page(channel, commands.UNIT_SERIAL))


def read_wwn(channel: Channel) -> str:
    """NAA or EUI-64 designator of the logical unit (page 83h); empty where there is none."""
    return designator_in(_page(channel, commands.IDENTIFICATION))


def designator_in(page: bytes) -> str:
    """`naa.` or `eui.` and hex digits: of the designators of the logical unit itself, the one that names it best."""
    found: dict[int, str] = {}
    while len(page) >= 4:
        length, kind, association = page[3], page[1] & 0x0F, page[1] >> 4 & 3
        value = page[4 : 4 + length]
        if association == 0 and kind in {2, 3} and len(value) == length and length in {8, 12, 16}:
            found.setdefault(kind, ("naa." if kind == 3 else "eui.") + value.hex())
        page = page[4 + length :]
    return found.get(3, found.get(2, ""))


def read_rotation(channel: Channel) -> int | None:
    """Turns a minute (page B1h); 1 for a disk that does not turn; none where it is not reported."""
    page = _page(channel, commands.CHARACTERISTICS)
    rate = int.from_bytes(page[:2], "big")
    return rate if rate == 1 or 0x0401 <= rate <= 0xFFFE else None


def read_capacity(channel: Channel) -> Capacity | None:
    """Capacity and format; none where the disk gives none, or none that can be."""
    reply = channel.ask(commands.READ_CAPACITY_16)
    if reply.is_good:
        return capacity_in(reply.data)
    reply = channel.ask(commands.READ_CAPACITY_10)
    if not reply.is_good or len(reply.data) < 8:
        return None
    last, size = int.from_bytes(reply.data[:4], "big"), int.from_bytes(reply.data[4:8], "big")
    return _capacity(last, size, None) if last != 0xFFFFFFFF else None


def capacity_in(data: bytes) -> Capacity | None:
    """Capacity in a reply to READ CAPACITY(16); none where it is none that can be."""
    if len(data) < 16:
        return None
    last, size = int.from_bytes(data[:8], "big"), int.from_bytes(data[8:12], "big")
    protection = (data[12] >> 1 & 7) + 1 if data[12] & 1 else None
    return _capacity(last, size, protection)


def _capacity(last: int, size: int, protection: int | None) -> Capacity | None:
    """More than 2^63 bytes, or a block of no size or of more than a megabyte, is no answer."""
    is_possible = 0 < size <= 1 << 20 and (last + 1) * size < 1 << 63
    return Capacity(last + 1, size, protection) if is_possible else None


def read_caching(channel: Channel) -> tuple[bool, bool | None] | None:
    """Whether the disk is write protected, and whether its write cache is on (none: not said)."""
    reply = channel.ask(commands.CACHING_PAGE)
    return caching_in(reply.data) if reply.is_good else None


def caching_in(data: bytes) -> tuple[bool, bool | None] | None:
    """Write protection and write cache in a reply to MODE SENSE(6); none where it is too short."""
    if len(data) < 4:
        return None
    page = data[4 + data[3] : 1 + data[0]]
    has_page = len(page) > 2 and page[0] & 0x3F == CACHING
    return bool(data[2] & WRITE_PROTECTED), bool(page[2] & CACHE_ENABLED) if has_page else None


def read_logs(channel: Channel) -> frozenset[int]:
    """Log pages that the disk has; none where it does not say."""
    reply = channel.ask(commands.SUPPORTED_LOGS)
    return frozenset(log_body(reply.data, 0x00) or b"") if reply.is_good else frozenset()


def read_log(channel: Channel, command: Command) -> dict[int, bytes]:
    """Parameters of a log page by code; empty where there are none."""
    reply = channel.ask(command)
    body = log_body(reply.data, command.cdb[2] & 0x3F) if reply.is_good else None
    return {} if body is None else parameters_of(body)


def log_body(data: bytes, page: int) -> bytes | None:
    """A log page behind its header, as far as it came; none where it is another page or a subpage."""
    if len(data) < 4 or data[0] & 0x7F != page:
        return None
    return data[4 : 4 + int.from_bytes(data[2:4], "big")]


def parameters_of(body: bytes) -> dict[int, bytes]:
    """Log parameters by code; one that was cut off is left out."""
    found: dict[int, bytes] = {}
    while len(body) >= 4:
        value = body[4 : 4 + body[3]]
        if len(value) == body[3]:
            found[int.from_bytes(body[:2], "big")] = value
        body = body[4 + body[3] :]
    return found


def read_temperature(channel: Channel) -> int | None:
    """Degrees Celsius (log page 0Dh); none where the disk does not say."""
    return temperature_in(read_log(channel, commands.TEMPERATURE))


def temperature_in(parameters: dict[int, bytes]) -> int | None:
    """Degrees Celsius in the temperature page; none where it is not there or says that it is not known."""
    value = parameters.get(0, b"")
    return value[1] if len(value) >= 2 and value[1] not in {0, NO_TEMPERATURE} else None


def soundness_in(parameters: dict[int, bytes]) -> bool | None:
    """Whether the disk thinks itself sound, by the informational exceptions page; none where it does not say."""
    value = parameters.get(0, b"")
    return value[0] != FAILURE_PREDICTED if len(value) >= 2 else None


def _page(channel: Channel, command: Command) -> bytes:
    """A vital product data page behind its header; empty where it is another page or none."""
    reply = channel.ask(command)
    data = reply.data
    if not reply.is_good or len(data) < 4 or data[1] != command.cdb[2]:
        return b""
    return data[4 : 4 + int.from_bytes(data[2:4], "big")]


def _text(field: bytes) -> str:
    text = field.decode("ascii", "replace").strip("\x00 ")
    return text if text.isascii() and text.isprintable() else ""
