"""A command to a drive is one that reads, and its reply counts only where every part of it agrees."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wipers.linux.recorded import (
    INVALID_COMMAND,
    NoSuchRequest,
    RecordedDrive,
    Said,
    aborted,
    identify,
    inquiry,
    registers,
)
from wipers.linux import commands
from wipers.linux.commands import ATA_READS, NVME_READS, PERMITTED, SCSI_READS, AtaCommand, Command, NvmeCommand
from wipers.linux.passthrough import Channel, NvmeHeader, Outcome, SgHeader, channel_to
from wipers.linux.sense import parse_sense

NODE = Path("sda")

# What SPC-6, SBC-5 and MMC-6 call commands that only report; PASS-THROUGH is looked into.
REPORTING = {0x12, 0x1A, 0x25, 0x4D, 0x9E}
PASS_THROUGH = {0x85, 0xA1}
# ATA: opcode and features of those that only report. The neighbours: B1/C0 restores, B1/C3 sets the overlay; 78/01 sets
# the accessible maximum; F9 and 37 set the host protected area; B0/D4 starts a self-test; B4/11 to 14 erase.
ATA_REPORTING = {
    (0xEC, 0),
    (0xE5, 0),
    (0xF8, 0),
    (0x27, 0),
    (0xB1, 0xC2),
    (0x78, 0),
    (0xB0, 0xD0),
    (0xB0, 0xD5),
    (0xB0, 0xDA),
    (0xB4, 0),
}


def test_structures_have_the_kernels_size() -> None:
    """A field too many or too wide and the kernel would read the rest as something else."""
    if ctypes.sizeof(ctypes.c_void_p) == 8:
        assert ctypes.sizeof(SgHeader) == 88
    assert ctypes.sizeof(NvmeHeader) == 72
    assert (SgHeader.dxferp.offset, SgHeader.status.offset, SgHeader.host_status.offset) == (16, 64, 68)
    assert (NvmeHeader.addr.offset, NvmeHeader.cdw10.offset, NvmeHeader.timeout_ms.offset) == (24, 40, 64)


@pytest.mark.parametrize("command", SCSI_READS, ids=lambda one: one.name)
def test_every_scsi_command_of_the_table_reports(command: Command) -> None:
    """LOG SENSE must neither save nor clear: page control 01b, and no other bit of its second byte."""
    assert command.cdb[0] in REPORTING
    assert len(command.cdb) == {0: 6, 1: 10, 2: 10, 4: 16}[command.cdb[0] >> 5]
    assert command.least <= command.length
    if command.cdb[0] == 0x4D:
        assert (command.cdb[1], command.cdb[2] >> 6) == (0, 1)
    if command.cdb[0] == 0x9E:
        assert command.cdb[1] == 0x10


@pytest.mark.parametrize("command", ATA_READS, ids=lambda one: one.name)
def test_every_ata_command_of_the_table_reports(command: AtaCommand) -> None:
    """One features value away from DEVICE CONFIGURATION IDENTIFY lies the command that undoes the configuration."""
    assert (command.command, command.features) in ATA_REPORTING
    for wrapped in (command.through_16, command.through_12):
        if wrapped is None:
            assert command.is_extended
            continue
        protocol, flags = wrapped.cdb[1] >> 1 & 0x0F, wrapped.cdb[2]
        assert protocol in {3, 4}
        assert not command.has_data or flags & 0x08, "data flow from the drive"
        at = (4, 14) if wrapped.cdb[0] == 0x85 else (3, 9)
        assert (wrapped.cdb[at[0]], wrapped.cdb[at[1]]) == (command.features, command.command)


@pytest.mark.parametrize("command", NVME_READS, ids=lambda one: one.name)
def test_every_nvme_command_of_the_table_reports(command: NvmeCommand) -> None:
    """Get Log Page keeps the event that a log reports, and asks for no telemetry or persistent event to be made."""
    assert command.opcode in {0x02, 0x06}
    if command.opcode == 0x02:
        assert command.cdw10 & commands.RETAIN_EVENT
        assert command.cdw10 & 0xFF in {0x02, 0x15, 0x81}
        assert ((command.cdw10 >> 16) + 1) * 4 == command.length


def test_nothing_else_is_in_the_set_that_may_be_sent() -> None:
    """The walk above sees what the gate sees."""
    assert {one.cdb[0] for one in PERMITTED} <= REPORTING | PASS_THROUGH
    carried = [one for ata in ATA_READS for one in (ata.through_16, ata.through_12) if one is not None]
    assert frozenset({*SCSI_READS, *carried}) == PERMITTED


@given(cdb=st.binary(min_size=6, max_size=16), length=st.integers(0, 4096))
def test_a_command_outside_the_table_never_reaches_the_kernel(cdb: bytes, length: int) -> None:
    """Whatever a later mistake builds, the gate stands directly before the ioctl."""
    drive = RecordedDrive()
    with pytest.raises(ValueError, match="not among"):
        Channel(77, drive).ask(Command("INQUIRY", cdb, length, 0))
    assert drive.asked == []


@pytest.mark.parametrize(
    "command",
    [
        NvmeCommand("Format NVM", 0x80, 0, 0x200),
        NvmeCommand("Sanitize", 0x84, 0, 2),
        NvmeCommand("Get Log Page, telemetry made anew", 0x02, 512, 127 << 16 | 1 << 8 | 0x07),
        NvmeCommand("Identify, longer", 0x06, 8192, 1),
    ],
    ids=lambda one: one.name,
)
def test_an_nvme_command_outside_the_table_never_reaches_the_kernel(command: NvmeCommand) -> None:
    """Format is one opcode away."""
    drive = RecordedDrive()
    with pytest.raises(ValueError, match="not among"):
        Channel(77, drive).ask_nvme(command)
    assert drive.asked == []


def test_a_sound_reply_is_good_and_whole() -> None:
    """The base case that every other test here departs from."""
    drive = RecordedDrive().on(commands.INQUIRY, Said(inquiry()))
    reply = Channel(77, drive).ask(commands.INQUIRY)
    assert (reply.outcome, reply.data) == (Outcome.GOOD, inquiry())


def test_a_shorter_reply_is_cut_where_the_adapter_says() -> None:
    """What lies behind it in the buffer never came from the drive."""
    drive = RecordedDrive().on(commands.INQUIRY, Said(inquiry()[:36]))
    assert Channel(77, drive).ask(commands.INQUIRY).data == inquiry()[:36]


UNBELIEVABLE: list[tuple[str, Said, Outcome]] = [
    ("DID_ERROR though the call succeeded", Said(identify(), host=7), Outcome.TRANSPORT),
    ("DID_NO_CONNECT", Said(host=1), Outcome.TRANSPORT),
    ("DID_TIME_OUT", Said(identify(), host=3), Outcome.TIMED_OUT),
    ("DRIVER_TIMEOUT", Said(driver=6), Outcome.TIMED_OUT),
    ("DRIVER_HARD", Said(identify(), driver=4), Outcome.TRANSPORT),
    ("aborted, with data all the same", aborted(identify()), Outcome.REFUSED),
    ("invalid command, with data", Said(identify(), status=2, sense=INVALID_COMMAND, driver=8), Outcome.REFUSED),
    ("busy", Said(identify(), status=8), Outcome.REFUSED),
    ("reservation conflict", Said(status=0x18), Outcome.REFUSED),
    ("check condition without sense data", Said(identify(), status=2, driver=8), Outcome.CONTRADICTORY),
    (
        "check condition with garbage for sense data",
        Said(identify(), status=2, sense=b"\x00" * 18),
        Outcome.CONTRADICTORY,
    ),
    ("good status, hard sense", Said(identify(), sense=INVALID_COMMAND), Outcome.CONTRADICTORY),
    (
        "sense of an earlier command",
        Said(identify(), status=2, sense=b"\x71" + INVALID_COMMAND[1:], driver=8),
        Outcome.CONTRADICTORY,
    ),
    ("half a sector", Said(identify()[:256]), Outcome.SHORT),
    ("nothing", Said(), Outcome.SHORT),
    ("more left over than was asked for", Said(identify(), left_over=1024), Outcome.CONTRADICTORY),
    ("less than nothing left over", Said(identify(), left_over=-8), Outcome.CONTRADICTORY),
    ("recovered, with the error bit in the drive's status", registers(status=0x51), Outcome.REFUSED),
    ("recovered, with a fault", registers(status=0x70), Outcome.REFUSED),
]


@pytest.mark.parametrize(("said", "outcome"), [row[1:] for row in UNBELIEVABLE], ids=[row[0] for row in UNBELIEVABLE])
def test_a_reply_with_one_part_that_disagrees_gives_no_data(said: Said, outcome: Outcome) -> None:
    """Programs that looked at one part took each of these for an answer."""
    drive = RecordedDrive().on(commands.IDENTIFY, said)
    reply = Channel(77, drive).ask(commands.IDENTIFY.through_16)
    assert (reply.outcome, reply.data, reply.registers) == (outcome, b"", None)


@pytest.mark.parametrize(
    "said",
    [Said(), registers(status=0), registers(status=0xD0), registers(status=0x58)],
    ids=["no sense data", "all zeros", "busy", "wants to send data"],
)
def test_registers_count_only_where_the_drive_says_that_it_is_ready(said: Said) -> None:
    """Bridges return good status without registers, or a descriptor of zeros: 0 is then no native size."""
    drive = RecordedDrive().on(commands.READ_NATIVE_MAX_EXT, said)
    reply = Channel(77, drive).ask(commands.READ_NATIVE_MAX_EXT.through_16)
    assert (reply.outcome, reply.registers) == (Outcome.CONTRADICTORY, None)


def test_a_48_bit_address_is_put_together_from_its_halves() -> None:
    """The upper and lower bytes alternate in the descriptor."""
    drive = RecordedDrive().on(commands.READ_NATIVE_MAX_EXT, registers(lba=0x0605_0403_0201))
    reply = Channel(77, drive).ask(commands.READ_NATIVE_MAX_EXT.through_16)
    assert reply.registers is not None
    assert reply.registers.lba == 0x0605_0403_0201


@pytest.mark.parametrize(("upper", "lba"), [(0, 0x030201), (0x80, 0x030201), (0xA0, None)])
def test_an_address_that_did_not_fit_into_fixed_sense_data_is_unknown(upper: int, lba: int | None) -> None:
    """Some kernels return the registers so: 24 bits, and a mark that the rest is not zero."""
    sense = bytes((0x70, 0, 1, 0, 0x50, 0x40, 0, 10, upper, 1, 2, 3, 0x00, 0x1D, 0, 0, 0, 0))
    drive = RecordedDrive().on(commands.READ_NATIVE_MAX_EXT, Said(status=2, sense=sense, driver=8))
    reply = Channel(77, drive).ask(commands.READ_NATIVE_MAX_EXT.through_16)
    assert reply.registers is not None
    assert reply.registers.lba == lba


@pytest.mark.parametrize(
    ("status", "outcome"), [(0x4001, Outcome.REFUSED), (0x4002, Outcome.REFUSED), (0x371, Outcome.TRANSPORT)]
)
def test_an_nvme_status_is_no_answer(status: int, outcome: Outcome) -> None:
    """Invalid opcode and invalid field, as QEMU gives them; and the kernel's own word for a controller that is gone."""
    drive = RecordedDrive().on_nvme(commands.NVME_HEALTH, status)
    reply = Channel(77, drive).ask_nvme(commands.NVME_HEALTH)
    assert (reply.outcome, reply.data) == (outcome, b"")


@pytest.mark.parametrize("said", [Said(host=3), Said(host=7)], ids=["timed out", "lost"])
def test_nothing_more_is_sent_once_the_way_broke(said: Said) -> None:
    """Each further wait would have the kernel reset the drive, perhaps in the middle of its erasure."""
    drive = RecordedDrive(otherwise=said)
    channel = Channel(77, drive)
    channel.ask(commands.INQUIRY)
    assert channel.ask(commands.IDENTIFY.through_16).outcome is Outcome.NOT_SENT
    assert len(drive.asked) == 1


def test_a_driver_that_knows_no_such_request_is_asked_once() -> None:
    """Loop devices and virtio disks answer ENOTTY."""
    drive = NoSuchRequest()
    channel = Channel(77, drive)
    assert channel.ask(commands.INQUIRY).detail == "ENOTTY"
    assert channel.is_broken


def test_the_channel_leads_only_to_the_device_of_that_number() -> None:
    """A name may be another drive's by the time it is opened."""
    drive = RecordedDrive(number=os.makedev(8, 16))
    with channel_to(NODE, os.makedev(8, 0), drive) as channel:
        assert channel is None
    assert not drive.is_open
    drive.open_error = OSError(errno.ENXIO, os.strerror(errno.ENXIO))
    with channel_to(NODE, os.makedev(8, 16), drive) as channel:
        assert channel is None


@given(sense=st.binary(max_size=64))
def test_any_sense_data_are_read_or_are_none(sense: bytes) -> None:
    """They come from whatever firmware stands there."""
    parsed = parse_sense(sense)
    assert parsed is None or 0 <= parsed.key <= 15


@given(
    said=st.builds(
        Said,
        data=st.binary(max_size=512),
        status=st.sampled_from([0, 2]),
        sense=st.one_of(
            st.binary(max_size=64),
            st.builds(lambda rest: b"\x72\x01\x00\x1d\x00\x00\x00\x0e" + rest, st.binary(max_size=20)),
        ),
        host=st.sampled_from([0, 0, 0, 7]),
        driver=st.sampled_from([0, 8]),
        left_over=st.one_of(st.none(), st.integers(-(1 << 31), (1 << 31) - 1)),
    )
)
def test_whatever_comes_back_a_believed_reply_is_whole(said: Said) -> None:
    """Random replies never crash, and are never taken for more than came."""
    for command in (commands.IDENTIFY, commands.READ_NATIVE_MAX_EXT):
        reply = Channel(77, RecordedDrive().on(command, said)).ask(command.through_16)
        if reply.is_good and command.has_data:
            assert len(reply.data) == 512
        if reply.is_good and not command.has_data:
            assert reply.registers is not None
            assert reply.registers.status & 0x40
