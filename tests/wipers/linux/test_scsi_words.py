"""What a SCSI disk says of itself, and which of it can be true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wipers.linux.recorded import RecordedDrive, Said, capacity, inquiry, log, page
from wipers.linux import commands, scsi
from wipers.linux.passthrough import Channel


def on(command: commands.Command, data: bytes) -> Channel:
    return Channel(77, RecordedDrive().on(command, Said(data)))


@pytest.mark.parametrize(
    ("kind", "is_disk"),
    [(0x00, True), (0x14, True), (0x05, False), (0x01, False), (0x1F, False), (0x7F, False), (0x20, False)],
)
def test_only_a_disk_that_is_there_is_a_disk(kind: int, is_disk: bool) -> None:
    """5 is a CD writer, where the opcode of ATA PASS-THROUGH(12) blanks the medium; the upper bits: nothing there."""
    found = scsi.read_inquiry(on(commands.INQUIRY, inquiry("SEAGATE", "ST8000NM0075", kind)))
    assert found is not None
    assert found.is_disk is is_disk
    assert (found.vendor, found.product) == ("SEAGATE", "ST8000NM0075")


def test_a_page_counts_only_under_its_own_number() -> None:
    """Sticks answer every page with the standard inquiry data."""
    assert scsi.read_pages(on(commands.SUPPORTED_PAGES, page(0x00, b"\x00\x80\x83\x89"))) == {0x00, 0x80, 0x83, 0x89}
    assert scsi.read_pages(on(commands.SUPPORTED_PAGES, page(0x80, b"\x00\x89"))) == frozenset()
    assert scsi.read_unit_serial(on(commands.UNIT_SERIAL, page(0x80, b"ZA1ABCDE   "))) == "ZA1ABCDE"
    assert scsi.read_rotation(on(commands.CHARACTERISTICS, page(0xB1, bytes((0x1C, 0x20, 0, 0))))) == 7200
    assert scsi.read_rotation(on(commands.CHARACTERISTICS, page(0xB1, bytes((0, 1, 0, 0))))) == 1
    assert scsi.read_rotation(on(commands.CHARACTERISTICS, page(0xB1, bytes((0, 9, 0, 0))))) is None


def test_a_disk_is_named_by_its_own_naa_designator() -> None:
    """Designators of the port and the target stand beside it."""
    port = bytes((0x01, 0x93, 0, 8)) + bytes.fromhex("5000c50015ea71ad")
    text = bytes((0x02, 0x01, 0, 4)) + b"ABCD"
    unit = bytes((0x01, 0x03, 0, 8)) + bytes.fromhex("5000c50015ea71ac")
    assert scsi.read_wwn(on(commands.IDENTIFICATION, page(0x83, port + text + unit))) == "naa.5000c50015ea71ac"
    assert scsi.read_wwn(on(commands.IDENTIFICATION, page(0x83, port + unit[:-1]))) == ""


@pytest.mark.parametrize("size", [520, 528, 4104, 4160, 4224])
def test_foreign_sectors_are_seen_in_the_capacity(size: int) -> None:
    """Filers format their disks so; Linux shows them without capacity."""
    found = scsi.read_capacity(on(commands.READ_CAPACITY_16, capacity(1000, size)))
    assert found is not None
    assert (found.blocks, found.block_size) == (1000, size)
    assert size not in scsi.KERNEL_SECTORS


def test_protection_information_is_told_with_its_type() -> None:
    """The field counts from 0."""
    found = scsi.capacity_in(capacity(1000, 512, protection=0x03))
    assert found is not None
    assert found.protection == 2


def test_the_short_capacity_is_taken_where_the_long_one_is_refused() -> None:
    """And not where it says that it is too small for the disk."""
    short = (999).to_bytes(4, "big") + (520).to_bytes(4, "big")
    found = scsi.read_capacity(on(commands.READ_CAPACITY_10, short))
    assert found is not None
    assert (found.blocks, found.block_size) == (1000, 520)
    assert scsi.read_capacity(on(commands.READ_CAPACITY_10, b"\xff" * 4 + short[4:])) is None


@pytest.mark.parametrize("data", [capacity(1000, 0), b"\xff" * 32, capacity(1 << 60, 512), capacity(8, 1 << 30)])
def test_a_capacity_that_cannot_be_is_none(data: bytes) -> None:
    """Not even a number to divide by."""
    assert scsi.capacity_in(data) is None


def test_write_protection_and_cache_are_read_past_the_block_descriptor() -> None:
    """Its length varies."""
    caching = bytes((0x88, 0x12, 0x04)) + bytes(17)
    assert scsi.caching_in(bytes((31, 0, 0x80, 8)) + bytes(8) + caching) == (True, True)
    assert scsi.caching_in(bytes((23, 0, 0x00, 0)) + caching) == (False, True)
    assert scsi.caching_in(bytes((3, 0, 0x00, 0))) == (False, None)
    assert scsi.caching_in(b"\x00") is None


def test_temperature_and_soundness_come_from_their_log_pages() -> None:
    """FFh is not known; 5Dh is a failure predicted, 0Bh a warning of heat."""
    assert scsi.read_temperature(on(commands.TEMPERATURE, log(0x0D, {0: b"\x00\x25", 1: b"\x00\x41"}))) == 37
    assert scsi.read_temperature(on(commands.TEMPERATURE, log(0x0D, {0: b"\x00\xff"}))) is None
    assert scsi.read_temperature(on(commands.TEMPERATURE, log(0x2F, {0: b"\x00\x25"}))) is None
    for code, is_sound in ((0x00, True), (0x0B, True), (0x5D, False)):
        assert scsi.soundness_in({0: bytes((code, 0, 30))}) is is_sound
    assert scsi.soundness_in({}) is None


@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_without_an_impossible_number(data: bytes) -> None:
    """Every reply is somebody's firmware."""
    for command in commands.SCSI_READS:
        channel = on(command, data)
        scsi.read_inquiry(channel)
        scsi.read_pages(channel)
        scsi.read_wwn(channel)
        scsi.read_logs(channel)
        scsi.read_caching(channel)
        assert (scsi.read_rotation(channel) or 1) >= 1
        celsius = scsi.read_temperature(channel)
        assert celsius is None or 0 < celsius < 255
        size = scsi.read_capacity(channel)
        assert size is None or 0 < size.blocks * size.block_size < 1 << 63
