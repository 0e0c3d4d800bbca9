"""Drives that hide something, asked the whole way through the kernel: SCSI layer, host adapter, sense data and all."""

from __future__ import annotations

from pathlib import Path

from certificates.statements import Residual
from tests.lab.guest.answering import answering
from tests.support.bench import Bench
from tests.wipers.linux.recorded import (
    RecordedDrive,
    Said,
    aborted,
    capacity,
    identify,
    inquiry,
    overlay,
    page,
    registers,
)
from wipers.linux import commands
from wipers.linux.devices import BlockDevice, device_numbered
from wipers.linux.drive import describe_drive, disk_temperature, why_unaddressable
from wipers.linux.machine import THIS_MACHINE

SECTORS = 16384
SIZE = SECTORS * 512
FEATURES = {60: SECTORS, 61: 0, 100: SECTORS, 101: 0, 82: 0x0403, 83: 0x4C00, 206: 0x0001, 128: 0x0021}


def sata(words: dict[int, int] | None = None, sectors: int = SECTORS, block_size: int = 512) -> RecordedDrive:
    """What a SATA drive behind a host adapter says to the kernel and to us."""
    drive = RecordedDrive().on(commands.INQUIRY, Said(inquiry("ATA", "HIDING DRIVE")))
    drive.on(commands.SUPPORTED_PAGES, Said(page(0x00, b"\x00\x80\x83")))
    drive.on(commands.UNIT_SERIAL, Said(page(0x80, b"HIDING-1")))
    designator = bytes((0x01, 0x03, 0, 8)) + bytes.fromhex("5000c50015ea7777")
    drive.on(commands.IDENTIFICATION, Said(page(0x83, designator)))
    drive.on(commands.READ_CAPACITY_16, Said(capacity(sectors, block_size)))
    drive.on(commands.IDENTIFY, Said(identify({**FEATURES, **(words or {})}, serial="HIDING-1")))
    drive.on(commands.CHECK_POWER_MODE, registers(count=0xFF, is_extended=False))
    drive.on(commands.SMART_RETURN_STATUS, registers(lba=0xC24F00, is_extended=False))
    drive.on(commands.SCT_STATUS, Said(b"\x03\x00" + bytes(198) + b"\x25" + bytes(311)))
    drive.on(commands.READ_NATIVE_MAX_EXT, registers(lba=SECTORS - 1))
    return drive.on(commands.CONFIGURATION_IDENTIFY, Said(overlay(SECTORS - 1)))


def listed(node: Path) -> BlockDevice:
    found = device_numbered(THIS_MACHINE, node.stat().st_rdev)
    assert found is not None
    return found


def test_a_drive_that_hides_nothing_is_known_to() -> None:
    """Registers, pages and checksums come back through the kernel as they were sent."""
    with answering(sata().said, SIZE) as (node, _):
        facts, residuals, obstacles = describe_drive(THIS_MACHINE, listed(node))
        told = {fact.name: fact.value for fact in facts}
        assert (told["health"], told["temperature-celsius"], told["ata-security"]) == (
            "passed",
            "37",
            "disabled, enhanced-erase",
        )
        assert (told["hidden-hpa"], told["hidden-dco"]) == ("none", "none")
        assert (residuals, obstacles) == ((), ())
        assert disk_temperature(THIS_MACHINE, Path("/sys/block") / node.name) == 37


def test_a_protected_area_and_an_overlay_are_found_in_bytes() -> None:
    """48-bit addresses in the sense data's descriptor, and a page of their own."""
    drive = sata().on(commands.READ_NATIVE_MAX_EXT, registers(lba=SECTORS + 2047))
    drive.on(commands.CONFIGURATION_IDENTIFY, Said(overlay(SECTORS + 4095)))
    with answering(drive.said, SIZE) as (node, _):
        assert describe_drive(THIS_MACHINE, listed(node))[1] == (Residual("hidden-area", 4096 * 512),)


def test_an_aborted_command_is_seen_to_be_aborted() -> None:
    """Zeros came in the buffer, and the sense data say why: not 1 sector, and not none."""
    drive = sata().on(commands.CONFIGURATION_IDENTIFY, aborted(bytes(512)))
    drive.on(commands.READ_NATIVE_MAX_EXT, aborted())
    with answering(drive.said, SIZE) as (node, _):
        assert describe_drive(THIS_MACHINE, listed(node))[1] == (Residual("hidden-area-unknown"),)


def test_a_short_answer_is_none() -> None:
    """Half a page came, and the adapter says so."""
    drive = sata().on(commands.CONFIGURATION_IDENTIFY, Said(overlay(SECTORS + 4095)[:256]))
    with answering(drive.said, SIZE) as (node, _):
        assert describe_drive(THIS_MACHINE, listed(node))[1] == (Residual("hidden-area-unknown"),)


def test_a_locked_drive_is_a_target_that_nobody_can_take(bench: Bench) -> None:
    """It stands in the list with the reason."""
    with answering(sata({128: 0x0027}).said, SIZE) as (node, _):
        found = bench.listed(node)
        assert "drive-locked" in [obstacle.reason for obstacle in found.obstacles]


def test_a_resting_drive_is_not_woken() -> None:
    """No SMART command reached it."""
    drive = sata().on(commands.CHECK_POWER_MODE, registers(count=0, is_extended=False))
    with answering(drive.said, SIZE) as (node, side):
        facts = {fact.name: fact.value for fact in describe_drive(THIS_MACHINE, listed(node))[0]}
        assert facts["power"] == "standby"
        assert not any(cdb[0] == 0x85 and cdb[14] == 0xB0 for cdb in side.asked)


def test_a_disk_of_520_byte_sectors_is_shown_with_the_way_out() -> None:
    """Linux gives it no capacity; the disk itself says why."""
    with answering(sata(block_size=520).said, SECTORS * 520) as (node, _):
        assert (Path("/sys/block") / node.name / "size").read_text().strip() == "0"
        found = why_unaddressable(THIS_MACHINE, node.name)
        assert found is not None
        assert (found.reason, dict(found.facts)["size"]) == ("sector-size-foreign", "520")
