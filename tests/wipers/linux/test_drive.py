"""A drive asked for what no address shows: what is told of it, and that it is asked nothing that could hurt it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.statements import Media, Residual
from tests.support.fake_machine import FakeMachine
from tests.wipers.linux.recorded import (
    NoSuchRequest,
    RecordedDrive,
    Said,
    aborted,
    capacity,
    controller,
    health_log,
    identify,
    inquiry,
    log,
    names,
    namespace,
    overlay,
    page,
    registers,
    smart,
)
from wipers.linux import commands
from wipers.linux.describing_targets import unaddressable
from wipers.linux.devices import BlockDevice, list_devices
from wipers.linux.drive import (
    controllers_of,
    describe_drive,
    disk_temperature,
    raw_status,
    temperature,
    why_unaddressable,
)
from wipers.linux.machine import Machine

SIZE = 1_953_525_168
BYTES = SIZE * 512
NUMBER = "8:0"
FEATURES = {82: 0x0403, 83: 0x4C00, 119: 0x4100, 206: 0x0001, 59: 0x5000, 128: 0x0029}
UNKNOWN = (Residual("hidden-area-unknown"),)


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def plug(fake: FakeMachine, bus: str = "scsi", **attributes: str) -> BlockDevice:
    """A disk sda of that bus."""
    fake.disk("sda", NUMBER, BYTES, bus, **attributes)
    return listed(fake)


def plug_usb(fake: FakeMachine, **attributes: str) -> BlockDevice:
    """A disk sda whose place is below a USB port."""
    folder = fake.disk("sda", NUMBER, BYTES, "scsi", **attributes)
    port = fake.root / "sys" / "devices" / "pci0" / "usb2" / "2-1" / "host6"
    port.parent.mkdir(parents=True)
    (folder / "device").rename(port)
    (folder / "device").symlink_to(port)
    return listed(fake)


def listed(fake: FakeMachine) -> BlockDevice:
    (device,) = list_devices(fake.machine)
    return device


def sata(fake: FakeMachine, **attributes: str) -> BlockDevice:
    return plug(fake, device__vendor="ATA", device__model="WDC WD40EFRX", queue__rotational="1", **attributes)


def sata_drive(words: dict[int, int] | None = None) -> RecordedDrive:
    drive = RecordedDrive().on(commands.INQUIRY, Said(inquiry()))
    drive.on(commands.IDENTIFY, Said(identify({**FEATURES, **(words or {})})))
    drive.on(commands.CHECK_POWER_MODE, registers(count=0xFF, is_extended=False))
    drive.on(commands.SMART_RETURN_STATUS, registers(lba=0xC24F00, is_extended=False))
    drive.on(commands.SMART_READ_DATA, Said(smart(a5=8, a9=4000, a194=0x24, a197=0, a198=1)))
    drive.on(commands.READ_NATIVE_MAX_EXT, registers(lba=SIZE - 1))
    drive.on(commands.ACCESSIBLE_NATIVE_MAX, registers(lba=SIZE - 1))
    return drive.on(commands.CONFIGURATION_IDENTIFY, Said(overlay(SIZE - 1)))


def told(fake: FakeMachine, device: BlockDevice, drive: RecordedDrive) -> dict[str, str]:
    return {fact.name: fact.value for fact in describe_drive(fake.machine, device, drive)[0]}


def test_a_sata_drive_is_described(fake: FakeMachine) -> None:
    """Everything that `targets` shows of it, from its own answers."""
    drive = sata_drive()
    assert told(fake, sata(fake), drive) == {
        "health": "passed",
        "temperature-celsius": "36",
        "power-on-hours": "4000",
        "health-reallocated-sectors": "8",
        "health-pending-sectors": "0",
        "health-uncorrectable-sectors": "1",
        "ata-security": "disabled, frozen, enhanced-erase",
        "sanitize": "overwrite",
        "rotation": "5400 rpm",
        "hidden-hpa": "none",
        "hidden-dco": "none",
        "hidden-accessible-max-address": "none",
    }
    assert not drive.is_open


def test_a_drive_that_hides_nothing_leaves_nothing_out_of_reach(fake: FakeMachine) -> None:
    """Remapped sectors aside, which the medium itself has."""
    assert describe_drive(fake.machine, sata(fake), sata_drive())[1:] == ((), ())


def test_a_hidden_area_is_left_out_of_reach_in_bytes(fake: FakeMachine) -> None:
    """An overwrite of everything addressable ends before it."""
    drive = sata_drive().on(commands.READ_NATIVE_MAX_EXT, registers(lba=SIZE + 2047))
    drive.on(commands.CONFIGURATION_IDENTIFY, Said(overlay(SIZE + 2047)))
    assert describe_drive(fake.machine, sata(fake), drive)[1] == (Residual("hidden-area", 2048 * 512),)


@pytest.mark.parametrize(
    "said", [aborted(bytes(512)), Said(bytes(512)), Said(host=7), Said(overlay(0)), Said(overlay(1))]
)
def test_an_overlay_that_cannot_be_read_is_unknown(fake: FakeMachine, said: Said) -> None:
    """ "Real max sectors: 1" has been printed for each of these."""
    drive = sata_drive().on(commands.CONFIGURATION_IDENTIFY, said)
    facts, residuals, _ = describe_drive(fake.machine, sata(fake), drive)
    assert residuals == UNKNOWN
    assert {fact.value for fact in facts if fact.name == "hidden-dco"} == {"unknown"}


def test_a_locked_drive_cannot_be_touched(fake: FakeMachine) -> None:
    """It would fail at the first sector; better said before."""
    (obstacle,) = describe_drive(fake.machine, sata(fake), sata_drive({128: 0x0007}))[2]
    assert (obstacle.reason, dict(obstacle.facts)) == ("drive-locked", {"where": str(fake.machine.dev / "sda")})


def test_a_resting_drive_is_not_woken(fake: FakeMachine) -> None:
    """SMART data lie on its platters."""
    drive = sata_drive().on(commands.CHECK_POWER_MODE, registers(count=0, is_extended=False))
    facts = told(fake, sata(fake), drive)
    assert (facts["health"], facts["power"]) == ("unknown", "standby")
    assert not any(cdb[14] == 0xB0 for cdb in drive.asked if cdb[0] == 0x85)


def test_a_bridge_that_answers_with_zeros_is_an_unknown_drive(fake: FakeMachine) -> None:
    """Good status and an empty sector: whether anything is hidden behind it nobody can say."""
    device = plug_usb(fake, device__vendor="JMicron", device__model="Tech")
    drive = RecordedDrive(otherwise=Said(bytes(512))).on(commands.INQUIRY, Said(inquiry("JMicron", "Tech")))
    assert describe_drive(fake.machine, device, drive) == ((), UNKNOWN, ())


def test_a_bridges_own_words_are_told_beside_the_drives(fake: FakeMachine) -> None:
    """A label shows the drive's serial number; this bridge reports it with its bytes swapped."""
    device = plug_usb(fake, device__vendor="JMicron", device__model="Tech", device__serial="DWW-CCK72143")
    drive = sata_drive().on(commands.INQUIRY, Said(inquiry("JMicron", "Tech")))
    drive.on(commands.IDENTIFY, Said(identify(FEATURES, serial="WD-WCC7K1234")))
    facts = told(fake, device, drive)
    assert (facts["drive-model"], facts["drive-serial"]) == ("WDC WD40EFRX", "WD-WCC7K1234")
    assert facts["bridge-serial"] == "bytes-swapped"


def test_a_memory_stick_is_asked_no_ata_command(fake: FakeMachine) -> None:
    """Some hang on it, and only pulling them out helps."""
    device = plug_usb(fake, device__vendor="Kingston", device__model="DataTraveler", removable="1")
    drive = RecordedDrive().on(commands.INQUIRY, Said(inquiry("Kingston", "DataTraveler", is_removable=True)))
    assert describe_drive(fake.machine, device, drive) == ((), UNKNOWN, ())
    assert drive.asked == [commands.INQUIRY.cdb]


def sas_drive() -> RecordedDrive:
    drive = RecordedDrive().on(commands.INQUIRY, Said(inquiry("SEAGATE", "ST8000NM0075")))
    drive.on(commands.SUPPORTED_PAGES, Said(page(0x00, b"\x00\x80\x83\xb1")))
    drive.on(commands.CHARACTERISTICS, Said(page(0xB1, bytes((0x1C, 0x20, 0, 0)))))
    drive.on(commands.READ_CAPACITY_16, Said(capacity(SIZE, 512, protection=0x03)))
    drive.on(commands.SUPPORTED_LOGS, Said(log(0x00, {})[:2] + b"\x00\x03\x00\x0d\x2f"))
    drive.on(commands.TEMPERATURE, Said(log(0x0D, {0: b"\x00\x21"})))
    return drive.on(commands.EXCEPTIONS, Said(log(0x2F, {0: b"\x00\x00\x21"})))


def test_a_sas_disk_is_described_and_asked_no_ata_command(fake: FakeMachine) -> None:
    """hdparm -I on it prints an empty ATA drive and success. Its native size no SCSI command tells."""
    device = plug(fake, device__vendor="SEAGATE", device__model="ST8000NM0075", queue__rotational="1")
    drive = sas_drive().on(commands.IDENTIFY, Said(identify()))
    facts, residuals, obstacles = describe_drive(fake.machine, device, drive)
    assert {fact.name: fact.value for fact in facts} == {
        "health": "passed",
        "temperature-celsius": "33",
        "rotation": "7200 rpm",
        "protection-information": "type 2",
    }
    assert (residuals, obstacles) == (UNKNOWN, ())
    assert not any(cdb[0] in {0x85, 0xA1} for cdb in drive.asked)


def test_a_disk_that_was_exchanged_behind_its_name_is_told(fake: FakeMachine) -> None:
    """The kernel noted serial number and name when it found a disk there; the disk itself says others."""
    noted = {"device__serial": "ZA1OLD", "device__wwid": "naa.5000c50015ea71ac"}
    device = plug(fake, device__vendor="SEAGATE", device__model="ST8000NM0075", **noted)
    drive = sas_drive().on(commands.UNIT_SERIAL, Said(page(0x80, b"ZA1NEW")))
    designator = bytes((0x01, 0x03, 0, 8)) + bytes.fromhex("5000c50015ea71ac")
    drive.on(commands.IDENTIFICATION, Said(page(0x83, designator)))
    facts = told(fake, device, drive)
    assert facts["drive-serial"] == "ZA1NEW"
    assert "drive-wwn" not in facts


def test_a_write_protected_disk_with_a_cache_says_so(fake: FakeMachine) -> None:
    """Mode page 08h, behind no block descriptor."""
    device = plug(fake, device__vendor="SEAGATE", device__model="ST8000NM0075")
    drive = sas_drive().on(commands.CACHING_PAGE, Said(bytes((23, 0, 0x80, 0, 0x88, 0x12, 0x04)) + bytes(17)))
    facts = told(fake, device, drive)
    assert (facts["write-protected"], facts["write-cache"]) == ("yes", "on")


def test_an_ata_drive_behind_a_sas_adapter_is_found_by_its_page(fake: FakeMachine) -> None:
    """VPD page 89h: the adapter's translation layer says what it translates for."""
    device = plug(fake, device__vendor="LSI", device__model="WD40EFRX", queue__rotational="1")
    drive = sata_drive().on(commands.SUPPORTED_PAGES, Said(page(0x00, b"\x00\x80\x83\x89")))
    assert told(fake, device, drive)["hidden-dco"] == "none"


def test_a_virtual_disk_adds_no_unknown_area(fake: FakeMachine) -> None:
    """The storage below it is out of reach as a whole, and listed so."""
    device = plug(fake, device__vendor="QEMU", device__model="QEMU HARDDISK")
    assert device.media is Media.OPAQUE
    drive = RecordedDrive().on(commands.INQUIRY, Said(inquiry("QEMU", "QEMU HARDDISK")))
    assert describe_drive(fake.machine, device, drive) == ((), (), ())


def test_a_cd_writer_is_not_even_opened(fake: FakeMachine) -> None:
    """There ATA PASS-THROUGH(12) would blank the medium."""
    device = plug(fake, device__vendor="HL-DT-ST", device__model="DVDRAM")
    (fake.root / "sys" / "devices" / "sda" / "device" / "type").write_text("5\n")
    drive = RecordedDrive()
    drive.open_error = AssertionError("opened")  # type: ignore[assignment]
    assert describe_drive(fake.machine, device, drive) == ((), (), ())


@pytest.mark.parametrize("bus", ["", "virtio", "mmc"])
def test_other_devices_are_not_even_opened(fake: FakeMachine, bus: str) -> None:
    """Loop devices, virtio disks and memory cards take none of these commands."""
    device = plug(fake, bus)
    drive = RecordedDrive()
    drive.open_error = AssertionError("opened")  # type: ignore[assignment]
    assert describe_drive(fake.machine, device, drive) == ((), (), ())
    assert raw_status(fake.machine, device, drive) == b""


def test_a_driver_without_pass_through_leaves_everything_unknown(fake: FakeMachine) -> None:
    """One call, and nothing said."""
    device = sata(fake)
    assert describe_drive(fake.machine, device, NoSuchRequest()) == ((), UNKNOWN, ())


def test_a_drive_that_cannot_be_opened_is_an_unknown_one(fake: FakeMachine) -> None:
    """`targets` runs without root too."""
    drive = RecordedDrive()
    drive.open_error = OSError(errno.EACCES, os.strerror(errno.EACCES))
    assert describe_drive(fake.machine, sata(fake), drive) == ((), UNKNOWN, ())


def test_a_drive_that_lost_a_command_is_not_asked_again(fake: FakeMachine) -> None:
    """The kernel resets a drive that lets a command run out of time: not twice, and not amid a wipe."""
    device = sata(fake, diskseq="4711")
    silent = RecordedDrive(otherwise=Said(host=3))
    describe_drive(fake.machine, device, silent)
    assert len(silent.asked) == 1
    sound = sata_drive()
    assert describe_drive(fake.machine, device, sound) == ((), UNKNOWN, ())
    assert disk_temperature(fake.machine, fake.machine.sys / "block" / "sda", sound) is None
    assert sound.asked == []
    (fake.root / "sys" / "devices" / "sda" / "diskseq").write_text("4712\n")
    assert told(fake, device, sound)["health"] == "passed"


def plug_nvme(fake: FakeMachine, **attributes: str) -> BlockDevice:
    own = {"device__model": "SAMSUNG MZQL23T8HCLS", "device__transport": "pcie", "nsid": "1", **attributes}
    return plug(fake, "nvme", **own)


def nvme_drive(**fields: int) -> RecordedDrive:
    drive = RecordedDrive().on_nvme(commands.IDENTIFY_CONTROLLER, controller(**fields))
    return drive.on_nvme(commands.NVME_HEALTH, health_log())


def test_an_nvme_drive_is_described(fake: FakeMachine) -> None:
    """Its health, what it can do itself, and everything that lies in no namespace of this host."""
    drive = nvme_drive(
        id=6, warning=343, oacs=0x0A, total=1 << 40, free=1 << 30, rpmb=0x0003_0001, sanicap=0x03, fna=0x04
    )
    drive.on_nvme(commands.ALLOCATED_NAMESPACES, names(1, 2)).on_nvme(commands.ACTIVE_NAMESPACES, names(1))
    drive.on_nvme(commands.ALLOCATED_NAMESPACE, namespace(2048, shift=12), namespace=2)
    drive.on_nvme(commands.BOOT_PARTITION, bytes((0x15, 0, 0, 0, 1, 0, 0, 0)) + bytes(8))
    facts, residuals, obstacles = describe_drive(fake.machine, plug_nvme(fake), drive)
    assert {fact.name: fact.value for fact in facts} == {
        "health": "passed",
        "temperature-celsius": "37",
        "power-on-hours": "8760",
        "wear-percent-used": "3",
        "health-media-errors": "0",
        "temperature-warning-celsius": "70",
        "sanitize": "crypto block crypto-format",
        "controller": "6",
        "subsystem": "nqn.1994-11.com.samsung:nvme:PM9A3",
        "namespaces-unattached": f"2:{2048 * 4096}",
        "rpmb": str(4 * 131072),
        "boot-partitions": str(2 * 131072),
        "namespaces-unallocated": str(1 << 30),
    }
    assert residuals == (
        Residual("unattached-namespaces", 1),
        Residual("rpmb", 4 * 131072),
        Residual("boot-partitions", 2 * 131072),
        Residual("unallocated-capacity", 1 << 30),
    )
    assert obstacles == ()


@pytest.mark.parametrize("status", [0x4001, 0x4002])
def test_lists_that_a_controller_refuses_are_unknown(fake: FakeMachine, status: int) -> None:
    """It says that it can hide namespaces, and not whether it does."""
    drive = nvme_drive(oacs=0x0A, total=1 << 40).on_nvme(commands.ALLOCATED_NAMESPACES, status)
    facts, residuals, _ = describe_drive(fake.machine, plug_nvme(fake), drive)
    assert residuals == UNKNOWN
    assert {fact.value for fact in facts if fact.name == "namespaces-unattached"} == {"unknown"}


def test_a_controller_that_does_not_answer_is_an_unknown_drive(fake: FakeMachine) -> None:
    """Without its identity nothing is known of namespaces beside this one."""
    assert describe_drive(fake.machine, plug_nvme(fake), RecordedDrive()) == ((), UNKNOWN, ())


def test_a_simple_controller_has_nothing_beside_its_namespace(fake: FakeMachine) -> None:
    """It manages no namespaces, so none can be unattached; its specification knows no boot partitions."""
    facts, residuals, _ = describe_drive(fake.machine, plug_nvme(fake), nvme_drive(version=0x010200))
    assert residuals == ()
    assert {fact.value for fact in facts if fact.name in {"namespaces-unattached", "boot-partitions"}} == {"none"}


def test_a_controller_is_found_by_the_namespaces_own_place(fake: FakeMachine) -> None:
    """nvme1n1 of controller nvme0 (nvme-cli issue 455); and one namespace that two controllers share."""
    devices = fake.root / "sys" / "devices"
    for name in ("nvme0", "subsystem-0/nvme3", "subsystem-0/nvme5"):
        (devices / name).mkdir(parents=True)
        (devices / name / "cntlid").write_text("1\n")
    for disk, parent in (("nvme1n1", "nvme0"), ("nvme0n1", "subsystem-0")):
        (devices / disk).mkdir()
        (devices / disk / "device").symlink_to(devices / parent)
    assert [one.name for one in controllers_of(devices / "nvme1n1")] == ["nvme0"]
    assert [one.name for one in controllers_of(devices / "nvme0n1")] == ["nvme3", "nvme5"]
    assert controllers_of(devices / "absent") == ()


@pytest.mark.parametrize("size", [520, 528, 4224])
def test_a_disk_of_foreign_sectors_is_named_with_the_way_out(fake: FakeMachine, size: int) -> None:
    """The kernel shows it without capacity, so no list of disks has it."""
    fake.disk("sda", NUMBER, 0, "scsi", device__vendor="SEAGATE", device__model="ST8000NM0075")
    drive = sas_drive().on(commands.READ_CAPACITY_16, Said(capacity(SIZE, size)))
    found = why_unaddressable(fake.machine, "sda", drive)
    assert found is not None
    facts = dict(found.facts)
    assert (found.reason, facts["size"]) == ("sector-size-foreign", str(size))
    assert facts["how"] == f"sg_format --format --size=512 {fake.machine.dev / 'sda'}"


def test_a_disk_of_foreign_sectors_is_listed_with_the_way_out(fake: FakeMachine) -> None:
    """Whoever looks for a drive that is in the machine has to find it."""
    fake.disk("sda", NUMBER, 0, "scsi", device__vendor="SEAGATE", device__model="ST8000NM0075", device__serial="S1")
    drive = sas_drive().on(commands.READ_CAPACITY_16, Said(capacity(SIZE, 520)))
    (found,) = unaddressable(fake.machine, drive)
    assert {fact.name: fact.value for fact in found.facts}["serial"] == "S1"
    assert [one.reason for one in found.obstacles] == ["sector-size-foreign"]


def test_a_namespace_with_metadata_between_its_blocks_is_named_too(fake: FakeMachine) -> None:
    """Linux shows it without capacity where it cannot strip them."""
    fake.disk("sda", NUMBER, 0, "nvme", nsid="3")
    drive = nvme_drive().on_nvme(commands.IDENTIFY_NAMESPACE, namespace(1000, metadata=8), namespace=3)
    found = why_unaddressable(fake.machine, "sda", drive)
    assert found is not None
    assert dict(found.facts)["size"] == "512+8"


def test_an_empty_card_reader_has_nothing_in_its_way(fake: FakeMachine) -> None:
    """No medium is no foreign format."""
    fake.disk("sda", NUMBER, 0, "scsi", device__vendor="Generic", removable="1")
    drive = RecordedDrive().on(commands.INQUIRY, Said(inquiry("Generic", "SD/MMC", is_removable=True)))
    assert why_unaddressable(fake.machine, "sda", drive) is None


@pytest.mark.parametrize(
    ("vendor", "drive", "celsius"),
    [
        ("ATA", RecordedDrive().on(commands.SCT_STATUS, Said(b"\x03\x00" + bytes(198) + b"\x29" + bytes(311))), 41),
        ("ATA", RecordedDrive().on(commands.SMART_READ_DATA, Said(smart(a194=44))), 44),
        ("SEAGATE", sas_drive(), 33),
        ("SEAGATE", RecordedDrive(), None),
    ],
    ids=["SCT", "SMART", "log page", "nothing"],
)
def test_a_temperature_takes_a_command_or_two(
    fake: FakeMachine, vendor: str, drive: RecordedDrive, celsius: int | None
) -> None:
    """It is asked for all the while that a drive is overwritten."""
    plug(fake, device__vendor=vendor, device__model="X")
    assert disk_temperature(fake.machine, fake.machine.sys / "block" / "sda", drive) == celsius
    assert len(drive.asked) <= 4


def test_of_several_drives_below_the_hottest_counts(fake: FakeMachine) -> None:
    """An array is paused when one of its members is hot."""
    fake.disk("md0", "9:0")
    for at, heat in enumerate(("31000", "47000", "0")):
        fake.disk(f"vd{at}", f"254:{at}", bus="virtio")
        sensor = fake.root / "sys" / "devices" / f"vd{at}" / "device" / "hwmon" / "hwmon1"
        sensor.mkdir(parents=True)
        (sensor / "temp1_input").write_text(heat)
        fake.stack("md0", f"vd{at}")
    assert disk_temperature(fake.machine, fake.machine.sys / "block" / "md0", RecordedDrive()) == 47


def test_nothing_has_no_temperature(fake: FakeMachine, tmp_path: Path) -> None:
    """A closed descriptor, a file, a name that is gone: no number and no error."""
    (tmp_path / "file").write_bytes(b"")
    assert temperature(tmp_path / "file", fake.machine) is None
    assert temperature(str(tmp_path / "gone"), fake.machine) is None
    assert temperature(999_999, fake.machine) is None


def test_the_raw_status_keeps_every_reply_as_it_came(fake: FakeMachine) -> None:
    """Evidence is what the drive said, refusals too, so that others can read it again."""
    drive = sata_drive().on(commands.CONFIGURATION_IDENTIFY, aborted(bytes(512)))
    lines = [json.loads(line) for line in raw_status(fake.machine, sata(fake), drive).splitlines()]
    by_name = {line["command"]: line for line in lines}
    assert by_name["IDENTIFY DEVICE"]["data"] == identify(FEATURES).hex()
    assert (by_name["DEVICE CONFIGURATION IDENTIFY"]["outcome"], by_name["DEVICE CONFIGURATION IDENTIFY"]["data"]) == (
        "refused",
        "",
    )
    assert by_name["READ NATIVE MAX ADDRESS EXT"]["sense"].startswith("72")
    assert "SANITIZE STATUS EXT" in by_name


def test_the_raw_status_of_an_nvme_drive_has_its_logs(fake: FakeMachine) -> None:
    """The sanitize status before a run too: an old success is then seen to be old."""
    drive = nvme_drive().on_nvme(commands.NVME_SANITIZE_STATUS, 0x4002)
    lines = [json.loads(line) for line in raw_status(fake.machine, plug_nvme(fake), drive).splitlines()]
    by_name = {line["command"]: line for line in lines}
    assert by_name["Get Log Page SMART / Health Information"]["data"] == health_log().hex()
    assert by_name["Get Log Page Sanitize Status"]["detail"] == "status 0x4002"


reply = st.builds(
    Said,
    data=st.binary(max_size=512),
    status=st.sampled_from([0, 0, 0, 2, 8]),
    sense=st.one_of(st.just(b""), st.binary(max_size=32), st.just(registers(lba=7).sense)),
    host=st.sampled_from([0, 0, 0, 0, 7]),
    left_over=st.one_of(st.none(), st.just(0)),
)


@given(
    otherwise=reply,
    said=st.dictionaries(st.sampled_from(commands.ATA_READS), reply),
    vendor=st.sampled_from(["ATA", "SEAGATE"]),
)
def test_whatever_a_disk_says_describing_it_neither_fails_nor_lies(
    tmp_path_factory: pytest.TempPathFactory, otherwise: Said, said: dict[commands.AtaCommand, Said], vendor: str
) -> None:
    """Random bytes in every reply."""
    machine, device = _plugged(tmp_path_factory, "scsi", vendor)
    drive = (
        RecordedDrive(otherwise=otherwise)
        .on(commands.INQUIRY, Said(inquiry(vendor)))
        .on(commands.IDENTIFY, Said(identify(FEATURES)))
    )
    for command, one in said.items():
        drive.on(command, one)
    facts, residuals, _ = describe_drive(machine, device, drive)
    assert all(residual.count is None or 0 < residual.count < 1 << 53 for residual in residuals)
    assert all(fact.value.isprintable() and len(fact.value) <= 2000 for fact in facts)


@given(
    answers=st.dictionaries(
        st.sampled_from(commands.NVME_READS), st.one_of(st.integers(1, 0x7FFF), st.binary(min_size=1, max_size=1100))
    ),
    fields=st.fixed_dictionaries(
        {
            "oacs": st.integers(0, 0xFFFF),
            "rpmb": st.integers(0, (1 << 32) - 1),
            "free": st.integers(0, 1 << 100),
            "total": st.integers(0, 1 << 100),
        }
    ),
)
def test_whatever_a_controller_says_describing_it_neither_fails_nor_lies(
    tmp_path_factory: pytest.TempPathFactory, answers: dict[commands.NvmeCommand, bytes | int], fields: dict[str, int]
) -> None:
    """Random bytes and statuses in every reply."""
    machine, device = _plugged(tmp_path_factory, "nvme", "")
    drive = nvme_drive(**fields)
    for command, answer in answers.items():
        drive.on_nvme(command, answer)
    facts, residuals, _ = describe_drive(machine, device, drive)
    assert all(residual.count is None or 0 < residual.count < 1 << 63 for residual in residuals)
    assert all(fact.value.isprintable() and len(fact.value) <= 2000 for fact in facts)


def _plugged(factory: pytest.TempPathFactory, bus: str, vendor: str) -> tuple[Machine, BlockDevice]:
    fake = FakeMachine(factory.mktemp("machine"))
    return fake.machine, plug(fake, bus, device__vendor=vendor, device__model="X", queue__rotational="1")
