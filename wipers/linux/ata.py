"""What an ATA drive says of itself: identity words, security, native sizes, SMART (ATA8-ACS to ACS-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wipers.linux import commands
from wipers.linux.commands import ATA_SECTOR, AtaCommand
from wipers.linux.passthrough import Channel, Reply

CHECKED = 0xA5
"""Low byte of the last word where the high one is a checksum over the sector."""
WORD_VALID, WORD_MASK = 0x4000, 0xC000
"""The two top bits of a word that says of itself that it is filled in."""
STANDBY_MODES = frozenset({0x00, 0x01})
"""CHECK POWER MODE: the two standby conditions; in any other the drive turns."""
PASSED, FAILED = 0xC24F, 0x2CF4
"""Upper LBA registers after SMART RETURN STATUS."""
ATTRIBUTES, ATTRIBUTE_SIZE, ATTRIBUTE_COUNT = 2, 12, 30
SCT_FORMATS = frozenset({2, 3})
SCT_TEMPERATURE, SCT_NO_TEMPERATURE = 200, -128
SOLID_STATE = 1
"""Rotation rate of a drive that does not turn."""

Security = Literal["none", "disabled", "enabled", "locked"]

# How the models of common makers begin: enough to tell whether a bridge has swapped the bytes of each word.
MAKERS = (
    *("ADATA", "APPLE", "CORSAIR", "CRUCIAL", "CT", "FUJITSU", "HGST", "HITACHI", "HTS", "HUA", "HUS", "INTEL"),
    *("KINGSTON", "LITEON", "MAXTOR", "MICRON", "MTFD", "OCZ", "PATRIOT", "PLEXTOR", "PNY", "QEMU", "SAMSUNG"),
    *("SANDISK", "SEAGATE", "SK HYNIX", "SOLIDIGM", "SSD", "ST", "TOSHIBA", "TRANSCEND", "WDC", "WD ", "HFS"),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """An IDENTIFY DEVICE sector, read."""

    serial: str
    """Serial number, bytes in order."""
    model: str
    """Model, bytes in order."""
    firmware: str
    """Firmware revision, bytes in order."""
    wwn: str
    """`naa.` and 16 hex digits; empty where there is none."""
    sectors: int
    """Addressable sectors."""
    sector_size: int
    """Logical sector, in bytes."""
    rotation: int | None
    """Turns a minute; 1 for a drive that does not turn; none where it is not reported."""
    is_48_bit: bool
    """Whether the 48-bit commands are supported."""
    has_smart: bool
    """Whether SMART is supported and on."""
    has_hpa: bool
    """Whether the Host Protected Area feature set is supported."""
    has_dco: bool
    """Whether the Device Configuration Overlay feature set is supported."""
    has_ama: bool
    """Whether the Accessible Max Address Configuration feature set is supported."""
    has_sct: bool
    """Whether SMART Command Transport is supported."""
    security: Security
    """State of the Security feature set."""
    is_frozen: bool
    """Whether security commands are refused until the next power-on."""
    has_enhanced_erase: bool
    """Whether SECURITY ERASE UNIT knows the enhanced mode."""
    sanitize: tuple[str, ...]
    """What SANITIZE DEVICE can do; empty where it is not supported."""


@dataclass(frozen=True, slots=True)
class Port:
    """An ATA drive behind a channel, and the envelope in which what stands before it takes ATA commands."""

    channel: Channel
    """Way to the drive."""
    identity: Identity
    """What it says it is."""
    is_short: bool
    """Whether only ATA PASS-THROUGH(12) is taken."""

    def ask(self, command: AtaCommand) -> Reply | None:
        """The reply; none where the envelope has no room for the command."""
        wrapped = command.through_12 if self.is_short else command.through_16
        return None if wrapped is None else self.channel.ask(wrapped)

    def sector(self, command: AtaCommand) -> bytes | None:
        """A whole sector that the drive answered with; none where it did not."""
        reply = self.ask(command)
        return reply.data if reply is not None and reply.is_good and len(reply.data) == ATA_SECTOR else None


def find_port(channel: Channel) -> Port | None:
    """The ATA drive behind a device that is a disk: never for a CD writer, where ATA PASS-THROUGH(12) is BLANK."""
    reply = channel.ask(commands.IDENTIFY.through_16)
    short = commands.IDENTIFY.through_12
    is_short = reply.is_unknown_command and short is not None
    if is_short and short is not None:
        reply = channel.ask(short)
    identity = read_identity(reply.data) if reply.is_good else None
    return None if identity is None else Port(channel, identity, is_short)


def read_identity(data: bytes) -> Identity | None:
    """The identity in an IDENTIFY DEVICE sector; none where it cannot be one."""
    if len(data) != ATA_SECTOR or not _is_intact(data):
        return None
    word = _words(data)
    model, sectors = _model(data), _sectors(word)
    if word[0] & 0x8000 or not model or not sectors:
        return None
    is_swapped = model != _text(data[54:94])
    has_features = word[83] & WORD_MASK == WORD_VALID
    supported = word[82:84] if has_features else (0, 0)
    return Identity(
        serial=_text(data[20:40], as_is=is_swapped),
        model=model,
        firmware=_text(data[46:54], as_is=is_swapped),
        wwn=_wwn(word),
        sectors=sectors,
        sector_size=_sector_size(word),
        rotation=_rotation(word[217]),
        is_48_bit=_is_48_bit(word),
        has_smart=bool(supported[0] & 0x0001 and word[85] & 0x0001),
        has_hpa=bool(supported[0] & 0x0400),
        has_dco=bool(supported[1] & 0x0800),
        has_ama=word[119] & WORD_MASK == WORD_VALID and bool(word[119] & 0x0100),
        has_sct=bool(word[206] & 0x0001),
        security=_security(word[128]) if supported[0] & 0x0002 else "none",
        is_frozen=bool(supported[0] & 0x0002 and word[128] & 0x0008),
        has_enhanced_erase=bool(supported[0] & 0x0002 and word[128] & 0x0020),
        sanitize=_sanitize(word[59]),
    )


def is_swapped_serial(reported: str, own: str) -> bool:
    """Whether a bridge reports the drive's own serial number with the bytes of each word swapped."""
    pairs = own.ljust(len(own) + len(own) % 2)
    swapped = "".join(pairs[at + 1] + pairs[at] for at in range(0, len(pairs), 2))
    return bool(own.strip()) and reported.strip() != own.strip() and reported.strip() == swapped.strip()


def read_native_max(port: Port) -> int | None:
    """Sectors of the drive without its Host Protected Area; none where it does not say."""
    return _address(port.ask(commands.READ_NATIVE_MAX_EXT if port.identity.is_48_bit else commands.READ_NATIVE_MAX))


def read_accessible_native_max(port: Port) -> int | None:
    """Sectors of the drive whatever accessible maximum is set; none where it does not say."""
    return _address(port.ask(commands.ACCESSIBLE_NATIVE_MAX))


def read_configured_max(port: Port) -> int | None:
    """Sectors of the drive without its configuration overlay; none where it does not say or the page is not sound."""
    data = port.sector(commands.CONFIGURATION_IDENTIFY)
    return None if data is None else configured_sectors(data)


def configured_sectors(data: bytes) -> int | None:
    """Sectors by a DEVICE CONFIGURATION IDENTIFY page; none where its revision or checksum is not right."""
    if len(data) != ATA_SECTOR or data[510] != CHECKED or sum(data) & 0xFF or _words(data)[0] not in {1, 2}:
        return None
    return int.from_bytes(data[6:14], "little") + 1


def is_standing_by(port: Port) -> bool:
    """Whether the drive rests, so that reading its SMART data would make it turn."""
    reply = port.ask(commands.CHECK_POWER_MODE)
    registers = reply.registers if reply is not None and reply.is_good else None
    return registers is not None and registers.count & 0xFF in STANDBY_MODES


def read_smart_status(port: Port) -> bool | None:
    """Whether the drive thinks itself sound; none where it does not say."""
    reply = port.ask(commands.SMART_RETURN_STATUS)
    lba = reply.registers.lba if reply is not None and reply.is_good and reply.registers is not None else None
    return None if lba is None else {PASSED: True, FAILED: False}.get(lba >> 8 & 0xFFFF)


def read_attributes(port: Port) -> dict[int, bytes]:
    """Raw values of the SMART attributes, six bytes each, by number; empty where there are none."""
    data = port.sector(commands.SMART_READ_DATA)
    return {} if data is None else attributes_of(data)


def attributes_of(data: bytes) -> dict[int, bytes]:
    """Raw values in a SMART data sector; empty where its checksum is not right or it is blank."""
    if len(data) != ATA_SECTOR or sum(data) & 0xFF or not any(data):
        return {}
    starts = range(ATTRIBUTES, ATTRIBUTES + ATTRIBUTE_SIZE * ATTRIBUTE_COUNT, ATTRIBUTE_SIZE)
    return {data[at]: data[at + 5 : at + 11] for at in starts if data[at]}


def read_sct_temperature(channel: Channel, *, is_short: bool) -> int | None:
    """Degrees Celsius by the SCT status, which does not wake a drive; none where it does not say."""
    command = commands.SCT_STATUS.through_12 if is_short else commands.SCT_STATUS.through_16
    reply = None if command is None else channel.ask(command)
    return sct_temperature(reply.data) if reply is not None and reply.is_good else None


def sct_temperature(data: bytes) -> int | None:
    """Degrees Celsius in an SCT status sector; none where it is not one or says none."""
    if len(data) != ATA_SECTOR or int.from_bytes(data[0:2], "little") not in SCT_FORMATS:
        return None
    value = int.from_bytes(data[SCT_TEMPERATURE : SCT_TEMPERATURE + 1], "little", signed=True)
    return None if value in {0, SCT_NO_TEMPERATURE} else value


def _address(reply: Reply | None) -> int | None:
    """Sectors up to and with the address that the drive left in its registers."""
    registers = reply.registers if reply is not None and reply.is_good else None
    return None if registers is None or registers.lba is None else registers.lba + 1


def _words(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2], "little") for at in range(0, ATA_SECTOR, 2))


def _is_intact(data: bytes) -> bool:
    """The checksum is right; a sector of an old drive without one is at least not one byte throughout, nor half."""
    if data[510] == CHECKED:
        return not sum(data) & 0xFF
    return len(set(data)) > 1 and any(data[ATA_SECTOR // 2 :])


def _text(field: bytes, *, as_is: bool = False) -> str:
    """ASCII of which each word holds two letters, the first in its upper byte; empty where it is not text."""
    pairs = field if as_is else b"".join(field[at : at + 2][::-1] for at in range(0, len(field), 2))
    text = pairs.decode("ascii", "replace").strip("\x00 ")
    return text if text.isascii() and text.isprintable() else ""


def _model(data: bytes) -> str:
    """Model; some bridges have put its letters in order already, and swapping would garble them."""
    swapped, as_is = _text(data[54:94]), _text(data[54:94], as_is=True)
    is_garbled = as_is.upper().startswith(MAKERS) and not swapped.upper().startswith(MAKERS)
    return as_is if is_garbled else swapped


def _sectors(word: tuple[int, ...]) -> int:
    if _is_48_bit(word):
        return sum(word[100 + at] << 16 * at for at in range(4)) & (1 << 48) - 1
    return word[60] | word[61] << 16


def _is_48_bit(word: tuple[int, ...]) -> bool:
    return word[83] & (WORD_MASK | 0x0400) == WORD_VALID | 0x0400


def _sector_size(word: tuple[int, ...]) -> int:
    is_long = word[106] & WORD_MASK == WORD_VALID and word[106] & 0x1000
    return 2 * (word[117] | word[118] << 16) if is_long else ATA_SECTOR


def _wwn(word: tuple[int, ...]) -> str:
    """NAA identifier where words 87 and 108 say that there is one (type 5: assigned by IEEE)."""
    is_there = word[87] & WORD_MASK == WORD_VALID and word[87] & 0x0100 and word[108] >> 12 == 5
    return "naa." + "".join(f"{one:04x}" for one in word[108:112]) if is_there else ""


def _rotation(word: int) -> int | None:
    return word if word == SOLID_STATE or 0x0401 <= word <= 0xFFFE else None


def _security(word: int) -> Security:
    if word & 0x0004:
        return "locked"
    return "enabled" if word & 0x0002 else "disabled"


def _sanitize(word: int) -> tuple[str, ...]:
    if not word & 0x1000:
        return ()
    bits = ((0x2000, "crypto-scramble"), (0x4000, "overwrite"), (0x8000, "block-erase"))
    return tuple(name for bit, name in bits if word & bit)
