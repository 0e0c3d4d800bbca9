"""What an ATA drive says of itself, and which of it can be true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wipers.linux.recorded import (
    INVALID_COMMAND,
    RecordedDrive,
    Said,
    aborted,
    checked,
    identify,
    overlay,
    registers,
    smart,
    swapped,
)
from wipers.linux import ata, commands
from wipers.linux.passthrough import Channel

SIZE = 1_953_525_168
WITH_HPA = {82: 0x0401}
EVERYTHING = {82: 0x0403, 83: 0x4C00, 119: 0x4100, 206: 0x0001, 59: 0xF000, 128: 0x0021}


def port(drive: RecordedDrive, words: dict[int, int] | None = None) -> ata.Port:
    found = ata.find_port(Channel(77, drive.on(commands.IDENTIFY, Said(identify(words)))))
    assert found is not None
    return found


def test_the_words_are_read_in_the_drives_order() -> None:
    """Each word holds two letters, the first in its upper byte."""
    found = port(RecordedDrive(), {87: 0x4100, 108: 0x5001, 109: 0x4EE2, 110: 0xB5A5, 111: 0x1234}).identity
    assert (found.serial, found.model, found.firmware) == ("WD-WCC7K1", "WDC WD40EFRX", "82.00A82")
    assert (found.wwn, found.sectors, found.sector_size, found.rotation) == ("naa.50014ee2b5a51234", SIZE, 512, 5400)


def test_features_count_only_where_the_drive_says_that_it_fills_them_in() -> None:
    """Bits 15 and 14 of word 83 are 01 in a drive that does; 00 and 11 are in one that does not."""
    found = port(RecordedDrive(), EVERYTHING).identity
    assert (found.has_hpa, found.has_dco, found.has_ama, found.has_sct) == (True, True, True, True)
    assert found.sanitize == ("crypto-scramble", "overwrite", "block-erase")
    assert found.has_enhanced_erase
    for invalid in (0x0C00, 0xCC00):
        found = port(RecordedDrive(), {**EVERYTHING, 83: invalid, 119: invalid}).identity
        assert (found.has_hpa, found.has_dco, found.has_ama, found.security) == (False, False, False, "none")


@pytest.mark.parametrize(
    ("word", "security", "is_frozen"),
    [(0x0021, "disabled", False), (0x0029, "disabled", True), (0x0023, "enabled", False), (0x0027, "locked", False)],
)
def test_the_security_state_is_told_apart(word: int, security: str, is_frozen: bool) -> None:
    """A locked drive reads nothing; a frozen one erases nothing."""
    found = port(RecordedDrive(), {**EVERYTHING, 128: word}).identity
    assert (found.security, found.is_frozen) == (security, is_frozen)


def test_long_sectors_count_with_their_size() -> None:
    """4Kn: words 117 and 118 count 16-bit words."""
    found = port(RecordedDrive(), {106: 0x5000, 117: 2048, 118: 0}).identity
    assert found.sector_size == 4096


@pytest.mark.parametrize(
    "data",
    [
        bytes(512),
        b"\xff" * 512,
        identify()[:511] + bytes((identify()[511] ^ 1,)),
        identify()[:256],
        identify({0: 0x85C0}),
        identify({83: 0, 60: 0, 61: 0}),
        identify(model="\x01\x02\x03"),
        identify(model=""),
    ],
    ids=["zeros", "ones", "wrong checksum", "half", "packet device", "no sectors", "no text", "no model"],
)
def test_garbage_is_no_drive(data: bytes) -> None:
    """USB bridges return zeros with good status; hdparm prints an empty drive for them."""
    drive = RecordedDrive().on(commands.IDENTIFY, Said(data.ljust(512, b"\x00")))
    assert ata.find_port(Channel(77, drive)) is None
    assert ata.read_identity(data) is None


def test_letters_that_a_bridge_has_put_in_order_already_stay_so() -> None:
    """Swapping them once more would make a serial number that no label shows."""
    sector = bytearray(identify())
    for at, text, length in ((20, "S5Y1NG0R512345", 20), (46, "2B6Q0104", 8), (54, "Samsung SSD 870 EVO 1TB", 40)):
        sector[at : at + length] = text.ljust(length).encode()
    found = ata.read_identity(checked(sector))
    assert found is not None
    assert (found.serial, found.model) == ("S5Y1NG0R512345", "Samsung SSD 870 EVO 1TB")


@pytest.mark.parametrize(
    ("reported", "is_swapped"), [("DWW-CC7K1", False), ("WD-WCC7K1", False), ("0123456789", False), ("", False)]
)
def test_a_serial_number_is_swapped_only_where_it_is_the_drives_own(reported: str, is_swapped: bool) -> None:
    """Any other is the bridge's, and says nothing of the drive."""
    assert ata.is_swapped_serial(reported, "WD-WCC7K1") is is_swapped


@given(serial=st.text("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789-", min_size=2, max_size=20))
def test_a_swapped_serial_number_is_recognised(serial: str) -> None:
    """As a bridge reports it that forgot the order of a word's bytes."""
    reported = swapped(serial.ljust(20).encode()).decode()
    assert ata.is_swapped_serial(reported, serial) is (reported.strip() != serial.strip())


def test_a_bridge_that_knows_only_the_short_envelope_gets_it() -> None:
    """ATA PASS-THROUGH(12), when (16) is an invalid command; 48-bit commands then cannot be asked."""
    drive = RecordedDrive()
    short = commands.IDENTIFY.through_12
    assert short is not None
    drive.on(short, Said(identify(WITH_HPA)))
    found = ata.find_port(Channel(77, drive))
    assert found is not None
    assert found.is_short
    assert ata.read_native_max(found) is None
    assert [cdb[0] for cdb in drive.asked] == [0x85, 0xA1]


def test_the_short_envelope_is_not_tried_where_the_long_one_failed_otherwise() -> None:
    """An aborted command was understood."""
    drive = RecordedDrive(otherwise=aborted())
    assert ata.find_port(Channel(77, drive)) is None
    assert len(drive.asked) == 1


def test_native_sizes_are_one_more_than_the_last_address() -> None:
    """The registers hold an address."""
    drive = RecordedDrive()
    drive.on(commands.READ_NATIVE_MAX_EXT, registers(lba=SIZE + 4095))
    drive.on(commands.ACCESSIBLE_NATIVE_MAX, registers(lba=SIZE - 1))
    drive.on(commands.CONFIGURATION_IDENTIFY, Said(overlay(SIZE + 8191)))
    found = port(drive, EVERYTHING)
    assert ata.read_native_max(found) == SIZE + 4096
    assert ata.read_accessible_native_max(found) == SIZE
    assert ata.read_configured_max(found) == SIZE + 8192


def test_an_aborted_command_gives_no_size_whatever_lies_in_the_buffer() -> None:
    """hdparm --dco-identify prints "Real max sectors: 1" and success for exactly this reply."""
    drive = RecordedDrive()
    for command in (commands.READ_NATIVE_MAX_EXT, commands.ACCESSIBLE_NATIVE_MAX):
        drive.on(command, aborted())
    drive.on(commands.CONFIGURATION_IDENTIFY, aborted(bytes(512)))
    found = port(drive, EVERYTHING)
    assert ata.read_native_max(found) is None
    assert ata.read_accessible_native_max(found) is None
    assert ata.read_configured_max(found) is None


@pytest.mark.parametrize(
    "page",
    [bytes(512), overlay(SIZE)[:510] + b"\xa5\x00", overlay(SIZE)[:510] + b"\x00\x00", overlay(SIZE, 9), b"\xff" * 512],
    ids=["zeros", "wrong checksum", "no signature", "unknown revision", "ones"],
)
def test_a_configuration_page_that_is_not_sound_gives_no_size(page: bytes) -> None:
    """Its checksum is there to be looked at."""
    drive = RecordedDrive().on(commands.CONFIGURATION_IDENTIFY, Said(page))
    assert ata.read_configured_max(port(drive, EVERYTHING)) is None


@pytest.mark.parametrize(
    ("said", "is_sound"),
    [
        (registers(lba=0xC24F00, is_extended=False), True),
        (registers(lba=0x2CF400, is_extended=False), False),
        (registers(lba=0, is_extended=False), None),
        (aborted(), None),
        (Said(status=2, sense=INVALID_COMMAND, driver=8), None),
    ],
)
def test_the_smart_status_is_one_of_two_marks_or_unknown(said: Said, is_sound: bool | None) -> None:
    """Registers left as they were sent, or emptied by a bridge, are no verdict."""
    drive = RecordedDrive().on(commands.SMART_RETURN_STATUS, said)
    assert ata.read_smart_status(port(drive)) is is_sound


def test_a_resting_drive_is_seen_to_rest() -> None:
    """0 in the count register is standby, FFh turning."""
    for count, rests in ((0x00, True), (0x01, True), (0x80, False), (0xFF, False)):
        drive = RecordedDrive().on(commands.CHECK_POWER_MODE, registers(count=count, is_extended=False))
        assert ata.is_standing_by(port(drive)) is rests
    assert not ata.is_standing_by(port(RecordedDrive()))


def test_smart_attributes_are_read_by_number() -> None:
    """Six bytes of raw value each."""
    drive = RecordedDrive().on(commands.SMART_READ_DATA, Said(smart(a5=8, a194=0x0010_0020_0024)))
    found = ata.read_attributes(port(drive))
    assert {number: int.from_bytes(raw, "little") for number, raw in found.items()} == {5: 8, 194: 0x0010_0020_0024}


@pytest.mark.parametrize("data", [bytes(512), smart(a5=8)[:511] + b"\x00", smart(a5=8)[:300]])
def test_smart_data_that_are_not_sound_have_no_attributes(data: bytes) -> None:
    """A sum over the sector tells; a blank one sums up too."""
    assert ata.attributes_of(data) == {}


@pytest.mark.parametrize(
    ("version", "byte", "celsius"), [(3, 36, 36), (2, 256 - 5, -5), (3, 0x80, None), (3, 0, None), (9, 36, None)]
)
def test_the_sct_status_tells_a_temperature(version: int, byte: int, celsius: int | None) -> None:
    """80h says that it is not known."""
    sector = bytearray(512)
    sector[0], sector[200] = version, byte
    assert ata.sct_temperature(bytes(sector)) == celsius


@given(data=st.binary(min_size=512, max_size=512), seal=st.booleans())
def test_any_sector_is_read_without_an_impossible_number(data: bytes, seal: bool) -> None:
    """Firmware, bridges and cables put anything there; also with a right checksum."""
    sector = checked(bytearray(data)) if seal else data
    identity = ata.read_identity(sector)
    if identity is not None:
        assert 0 < identity.sectors < 1 << 48
        assert identity.sector_size >= 0
        assert identity.model.isprintable()
    configured = ata.configured_sectors(sector)
    assert configured is None or configured > 0
    assert all(len(raw) <= 6 for raw in ata.attributes_of(sector).values())
    celsius = ata.sct_temperature(sector)
    assert celsius is None or -128 < celsius < 128
