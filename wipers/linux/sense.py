"""Sense data: what a SCSI device, or what speaks for an ATA one, says about a command (SPC-6, 4.4; SAT-5, 12.2.5)."""

from __future__ import annotations

from dataclasses import dataclass

FIXED, FIXED_DEFERRED, DESCRIPTORS, DESCRIPTORS_DEFERRED = 0x70, 0x71, 0x72, 0x73
ATA_STATUS_RETURN = 0x09
"""Type of the descriptor that holds an ATA drive's registers."""
ATA_INFORMATION = (0x00, 0x1D)
"""Additional sense code and qualifier: ATA PASS-THROUGH INFORMATION AVAILABLE."""
UPPER_LBA = 0x20
"""Bit of fixed sense data: the upper half of the LBA registers is not zero, and does not fit."""


@dataclass(frozen=True, slots=True)
class Registers:
    """What an ATA drive left in its registers."""

    error: int
    """Error register."""
    count: int
    """Count registers."""
    lba: int | None
    """LBA registers; none where they did not fit into the sense data."""
    device: int
    """Device register."""
    status: int
    """Status register."""


@dataclass(frozen=True, slots=True)
class Sense:
    """Sense data, read."""

    key: int
    """Sense key."""
    code: int
    """Additional sense code."""
    qualifier: int
    """Additional sense code qualifier."""
    is_deferred: bool
    """Whether they speak of an earlier command."""
    registers: Registers | None
    """ATA registers among them."""


def parse_sense(data: bytes) -> Sense | None:
    """The sense data; none where these bytes are none."""
    response = data[0] & 0x7F if data else 0
    if response in {FIXED, FIXED_DEFERRED} and len(data) > 2:
        return _fixed(data, is_deferred=response == FIXED_DEFERRED)
    if response in {DESCRIPTORS, DESCRIPTORS_DEFERRED} and len(data) >= 8:
        registers = _registers_of_descriptors(data[8 : 8 + data[7]])
        return Sense(data[1] & 0x0F, data[2], data[3], response == DESCRIPTORS_DEFERRED, registers)
    return None


def _fixed(data: bytes, *, is_deferred: bool) -> Sense:
    whole = data[: 8 + data[7]] if len(data) > 7 else data
    code, qualifier = (whole[12], whole[13]) if len(whole) > 13 else (0, 0)
    has_registers = (code, qualifier) == ATA_INFORMATION
    registers = _registers_of_fixed(whole) if has_registers else None
    return Sense(data[2] & 0x0F, code, qualifier, is_deferred, registers)


def _registers_of_fixed(data: bytes) -> Registers:
    upper = data[8]
    return Registers(
        error=data[3],
        status=data[4],
        device=data[5],
        count=data[6],
        lba=None if upper & UPPER_LBA else data[9] | data[10] << 8 | data[11] << 16,
    )


def _registers_of_descriptors(rest: bytes) -> Registers | None:
    while len(rest) >= 2:
        kind, length = rest[0], rest[1]
        if kind == ATA_STATUS_RETURN and length >= 12 and len(rest) >= 14:
            return _registers_of_descriptor(rest)
        rest = rest[2 + length :]
    return None


def _registers_of_descriptor(data: bytes) -> Registers:
    """Bytes of the halves alternate; the upper ones count only for a 48-bit command."""
    is_extended = bool(data[2] & 1)
    low = data[7] | data[9] << 8 | data[11] << 16
    high = data[6] | data[8] << 8 | data[10] << 16
    return Registers(
        error=data[3],
        count=data[5] | (data[4] << 8 if is_extended else 0),
        lba=low | (high << 24 if is_extended else 0),
        device=data[12],
        status=data[13],
    )
