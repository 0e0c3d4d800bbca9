"""Every command that may be sent to a drive, whole: each reads, none changes what a drive holds, hides or permits.

Sources: SPC-6 and SBC-5 (INCITS), SAT-5, ATA8-ACS to ACS-5, NVM Express Base 2.0. The table is exact, byte for byte,
because the neighbours destroy: DEVICE CONFIGURATION IDENTIFY is one feature value away from RESTORE, READ NATIVE MAX
ADDRESS one opcode from SET MAX, and on a CD writer ATA PASS-THROUGH(12) is BLANK.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

ATA_SECTOR = 512
"""Bytes of every ATA page read here."""
NO_DATA, PIO_IN = 3, 4
"""Protocols of ATA PASS-THROUGH."""
CHECK_REGISTERS, FROM_DEVICE, BY_SECTORS, LENGTH_IN_COUNT = 0x20, 0x08, 0x04, 0x02
"""Bits of its third byte: return the registers in the sense data; direction; unit and place of the length."""


@dataclass(frozen=True, slots=True)
class Command:
    """A SCSI command that reads."""

    name: str
    """As its standard calls it."""
    cdb: bytes
    """Command descriptor block."""
    length: int
    """Bytes asked for."""
    least: int
    """Fewest bytes that make an answer."""
    is_ata: bool = False
    """Whether it carries an ATA command."""
    is_answered_in_registers: bool = False
    """Whether the answer is what the drive leaves in its registers."""


def _inquiry(name: str, page: int | None, length: int, least: int) -> Command:
    evpd = 0 if page is None else 1
    return Command(name, struct.pack(">BBBHB", 0x12, evpd, page or 0, length, 0), length, least)


def _log_sense(name: str, page: int, length: int) -> Command:
    """Cumulative values of a page, nothing saved and nothing cleared."""
    return Command(name, struct.pack(">BBBBBHHB", 0x4D, 0, 0x40 | page, 0, 0, 0, length, 0), length, 4)


INQUIRY = _inquiry("INQUIRY", None, 96, 36)
SUPPORTED_PAGES = _inquiry("INQUIRY page 00h", 0x00, 252, 4)
UNIT_SERIAL = _inquiry("INQUIRY page 80h", 0x80, 252, 4)
IDENTIFICATION = _inquiry("INQUIRY page 83h", 0x83, 252, 4)
CHARACTERISTICS = _inquiry("INQUIRY page B1h", 0xB1, 64, 8)
READ_CAPACITY_10 = Command("READ CAPACITY(10)", bytes((0x25, *bytes(9))), 8, 8)
READ_CAPACITY_16 = Command("READ CAPACITY(16)", struct.pack(">BBQIBB", 0x9E, 0x10, 0, 32, 0, 0), 32, 16)
CACHING_PAGE = Command("MODE SENSE(6) page 08h", bytes((0x1A, 0, 0x08, 0, 64, 0)), 64, 4)
SUPPORTED_LOGS = _log_sense("LOG SENSE page 00h", 0x00, 256)
READ_ERRORS = _log_sense("LOG SENSE page 03h", 0x03, 256)
TEMPERATURE = _log_sense("LOG SENSE page 0Dh", 0x0D, 256)
ENDURANCE = _log_sense("LOG SENSE page 11h", 0x11, 256)
BACKGROUND_SCAN = _log_sense("LOG SENSE page 15h", 0x15, 256)
EXCEPTIONS = _log_sense("LOG SENSE page 2Fh", 0x2F, 256)

SCSI_READS: tuple[Command, ...] = (
    INQUIRY,
    SUPPORTED_PAGES,
    UNIT_SERIAL,
    IDENTIFICATION,
    CHARACTERISTICS,
    READ_CAPACITY_10,
    READ_CAPACITY_16,
    CACHING_PAGE,
    SUPPORTED_LOGS,
    READ_ERRORS,
    TEMPERATURE,
    ENDURANCE,
    BACKGROUND_SCAN,
    EXCEPTIONS,
)


@dataclass(frozen=True, slots=True)
class AtaCommand:
    """An ATA command that reads, as the registers it is put into."""

    name: str
    """As ACS calls it."""
    command: int
    """Opcode."""
    features: int = 0
    """Features register."""
    count: int = 0
    """Count register."""
    lba: int = 0
    """LBA registers."""
    device: int = 0
    """Device register."""
    has_data: bool = False
    """Whether it answers with a sector; otherwise with its registers."""
    is_extended: bool = False
    """Whether it is a 48-bit command."""

    @property
    def through_16(self) -> Command:
        """It in ATA PASS-THROUGH(16) (SAT-5, 12.2.4)."""
        low, high = self.lba & 0xFFFFFF, self.lba >> 24
        registers = (
            *(self.features >> 8, self.features & 0xFF),
            *(self.count >> 8, self.count & 0xFF),
            *(high & 0xFF, low & 0xFF, high >> 8 & 0xFF, low >> 8 & 0xFF, high >> 16 & 0xFF, low >> 16 & 0xFF),
            *(self.device, self.command),
        )
        return self._wrapped(bytes((0x85, self._protocol | int(self.is_extended), self._flags, *registers, 0)))

    @property
    def through_12(self) -> Command | None:
        """It in ATA PASS-THROUGH(12), which has no room for a 48-bit command; none then."""
        if self.is_extended:
            return None
        registers = (
            *(self.features & 0xFF, self.count & 0xFF),
            *(self.lba & 0xFF, self.lba >> 8 & 0xFF, self.lba >> 16 & 0xFF),
            *(self.device, self.command),
        )
        return self._wrapped(bytes((0xA1, self._protocol, self._flags, *registers, 0, 0)))

    @property
    def _protocol(self) -> int:
        return (PIO_IN if self.has_data else NO_DATA) << 1

    @property
    def _flags(self) -> int:
        return FROM_DEVICE | BY_SECTORS | LENGTH_IN_COUNT if self.has_data else CHECK_REGISTERS

    def _wrapped(self, cdb: bytes) -> Command:
        length = ATA_SECTOR if self.has_data else 0
        return Command(self.name, cdb, length, length, is_ata=True, is_answered_in_registers=not self.has_data)


SMART_MARK = 0xC24F00
"""LBA registers by which a drive knows a SMART command."""
LBA_MODE = 0x40
"""Bit of the device register: the address is an LBA."""
SCT_STATUS_LOG = 0xE0
"""Log address at which SCT tells its status."""

IDENTIFY = AtaCommand("IDENTIFY DEVICE", 0xEC, count=1, has_data=True)
CHECK_POWER_MODE = AtaCommand("CHECK POWER MODE", 0xE5)
READ_NATIVE_MAX = AtaCommand("READ NATIVE MAX ADDRESS", 0xF8, device=LBA_MODE)
READ_NATIVE_MAX_EXT = AtaCommand("READ NATIVE MAX ADDRESS EXT", 0x27, device=LBA_MODE, is_extended=True)
CONFIGURATION_IDENTIFY = AtaCommand("DEVICE CONFIGURATION IDENTIFY", 0xB1, features=0xC2, count=1, has_data=True)
ACCESSIBLE_NATIVE_MAX = AtaCommand("GET NATIVE MAX ADDRESS EXT", 0x78, device=LBA_MODE, is_extended=True)
SMART_READ_DATA = AtaCommand("SMART READ DATA", 0xB0, features=0xD0, count=1, lba=SMART_MARK, has_data=True)
SMART_RETURN_STATUS = AtaCommand("SMART RETURN STATUS", 0xB0, features=0xDA, lba=SMART_MARK)
SCT_STATUS = AtaCommand(
    "SMART READ LOG E0h", 0xB0, features=0xD5, count=1, lba=SMART_MARK | SCT_STATUS_LOG, has_data=True
)
SANITIZE_STATUS = AtaCommand("SANITIZE STATUS EXT", 0xB4, is_extended=True)

ATA_READS: tuple[AtaCommand, ...] = (
    IDENTIFY,
    CHECK_POWER_MODE,
    READ_NATIVE_MAX,
    READ_NATIVE_MAX_EXT,
    CONFIGURATION_IDENTIFY,
    ACCESSIBLE_NATIVE_MAX,
    SMART_READ_DATA,
    SMART_RETURN_STATUS,
    SCT_STATUS,
    SANITIZE_STATUS,
)


@dataclass(frozen=True, slots=True)
class NvmeCommand:
    """An NVMe admin command that reads."""

    name: str
    """As the specification calls it."""
    opcode: int
    """Identify or Get Log Page."""
    length: int
    """Bytes asked for."""
    cdw10: int
    """What is asked for."""
    namespace: int = 0
    """Namespace identifier."""

    def of(self, namespace: int) -> NvmeCommand:
        """It, asked of another namespace."""
        return replace(self, namespace=namespace)


EVERY_NAMESPACE = 0xFFFFFFFF
RETAIN_EVENT = 1 << 15
"""Reading a log must not make the controller forget the event that it reports."""


def _identify(name: str, structure: int) -> NvmeCommand:
    return NvmeCommand(f"Identify {name}", 0x06, 4096, structure)


def _get_log(name: str, page: int, length: int) -> NvmeCommand:
    return NvmeCommand(f"Get Log Page {name}", 0x02, length, (length // 4 - 1) << 16 | RETAIN_EVENT | page)


IDENTIFY_NAMESPACE = _identify("Namespace", 0x00)
IDENTIFY_CONTROLLER = _identify("Controller", 0x01)
ACTIVE_NAMESPACES = _identify("Active Namespace ID list", 0x02)
ALLOCATED_NAMESPACES = _identify("Allocated Namespace ID list", 0x10)
ALLOCATED_NAMESPACE = _identify("Namespace, allocated", 0x11)
NVME_HEALTH = replace(_get_log("SMART / Health Information", 0x02, 512), namespace=EVERY_NAMESPACE)
BOOT_PARTITION = _get_log("Boot Partition", 0x15, 16)
NVME_SANITIZE_STATUS = _get_log("Sanitize Status", 0x81, 512)

NVME_READS: tuple[NvmeCommand, ...] = (
    IDENTIFY_NAMESPACE,
    IDENTIFY_CONTROLLER,
    ACTIVE_NAMESPACES,
    ALLOCATED_NAMESPACES,
    ALLOCATED_NAMESPACE,
    NVME_HEALTH,
    BOOT_PARTITION,
    NVME_SANITIZE_STATUS,
)

_CARRIED = (command for one in ATA_READS for command in (one.through_16, one.through_12) if command is not None)
PERMITTED: frozenset[Command] = frozenset((*SCSI_READS, *_CARRIED))
"""What may go through SG_IO, byte for byte."""
PERMITTED_NVME: frozenset[NvmeCommand] = frozenset(command.of(0) for command in NVME_READS)
"""What may go through NVME_IOCTL_ADMIN_CMD, whatever namespace it is asked of."""
