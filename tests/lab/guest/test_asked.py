"""Drives asked by our own commands, on the buses of a real kernel: what they say, and what they only seem to say."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from certificates.statements import Residual
from tests.lab.drives import SIZE
from tests.lab.guest.devices import drive, mapped, memory_disk, settle
from tests.support.bench import Bench
from tests.support.ext4_image import run
from wipers.linux import ata, commands, nvme, scsi
from wipers.linux.devices import BlockDevice, device_numbered
from wipers.linux.drive import controllers_of, describe_drive, raw_status, temperature, why_unaddressable
from wipers.linux.machine import THIS_MACHINE
from wipers.linux.passthrough import Outcome, channel_to

pytestmark = pytest.mark.usefixtures("drives")
QEMUS_TEMPERATURE = 50
"""What QEMU's NVMe drive always has: 323 kelvin."""


def asked(node: Path) -> tuple[dict[str, str], tuple[Residual, ...]]:
    facts, residuals, obstacles = describe_drive(THIS_MACHINE, listed(node))
    assert obstacles == ()
    return {fact.name: fact.value for fact in facts}, residuals


def listed(node: Path) -> BlockDevice:
    found = device_numbered(THIS_MACHINE, node.stat().st_rdev)
    assert found is not None
    return found


def node_of(bench: Bench, serial: str) -> Path:
    return Path(drive(serial).location)


def test_an_nvme_drives_health_is_what_its_maker_put_there(bench: Bench) -> None:
    """Kelvin become Celsius, by descriptor and by name, and nvme-cli reads the same."""
    node = node_of(bench, "LAB-LIAR")
    facts, _ = asked(node)
    assert (facts["health"], facts["temperature-celsius"]) == ("passed", str(QEMUS_TEMPERATURE))
    descriptor = os.open(node, os.O_RDONLY)
    try:
        assert temperature(descriptor) == temperature(node) == QEMUS_TEMPERATURE
    finally:
        os.close(descriptor)
    theirs = json.loads(run("nvme", "smart-log", node, "-o", "json"))
    assert theirs["temperature"] - 273 == QEMUS_TEMPERATURE
    assert str(theirs["media_errors"]) == facts["health-media-errors"]


def test_a_sata_drive_tells_its_serial_number_and_aborts_what_it_does_not_have(bench: Bench) -> None:
    """hdparm --dco-identify prints "Real max sectors: 1" for this drive, and success."""
    node = node_of(bench, "LAB-SATA")
    with channel_to(node, node.stat().st_rdev) as channel:
        assert channel is not None
        port = ata.find_port(channel)
        assert port is not None
        assert (port.identity.serial, port.identity.model) == ("LAB-SATA", "QEMU HARDDISK")
        assert port.identity.sectors * port.identity.sector_size == SIZE
        reply = port.ask(commands.CONFIGURATION_IDENTIFY)
        assert reply is not None
        assert (reply.outcome, reply.data) == (Outcome.REFUSED, b"")
        assert ata.read_configured_max(port) is None
        assert ata.read_native_max(port) == SIZE // 512
        assert ata.read_accessible_native_max(port) is None


def test_a_sata_drive_is_described(bench: Bench) -> None:
    """Its SMART attributes, and no feature set that hides anything."""
    facts, residuals = asked(node_of(bench, "LAB-SATA"))
    assert facts["health"] == "passed"
    assert (facts["ata-security"], facts["sanitize"], facts["hidden-hpa"]) == ("none", "none", "none")
    assert residuals == ()
    celsius = temperature(node_of(bench, "LAB-SATA"))
    assert celsius is not None
    assert facts["temperature-celsius"] == str(celsius)


def test_a_scsi_disk_answers_no_ata_command(bench: Bench) -> None:
    """hdparm -I prints an empty ATA drive for it, and success."""
    node = node_of(bench, "LAB-SCSI")
    with channel_to(node, node.stat().st_rdev) as channel:
        assert channel is not None
        inquiry, capacity = scsi.read_inquiry(channel), scsi.read_capacity(channel)
        assert inquiry is not None
        assert inquiry.is_disk
        assert inquiry.vendor == "SEAGATE"
        assert capacity is not None
        assert (capacity.block_size, capacity.blocks * capacity.block_size) == (512, SIZE)
        assert scsi.read_unit_serial(channel) == "LAB-SCSI"
        assert scsi.read_wwn(channel).startswith("naa.5000c500")
        assert ata.find_port(channel) is None
        assert not channel.is_broken


def test_what_speaks_for_itself_alone_is_an_unknown_drive(bench: Bench) -> None:
    """QEMU's USB bridges have no ATA drive behind them; whether anything is hidden there nobody can say."""
    for serial in ("LAB-USB", "LAB-UAS"):
        node = node_of(bench, serial)
        started = time.monotonic()
        assert asked(node) == ({}, (Residual("hidden-area-unknown"),))
        assert temperature(node) is None
        assert time.monotonic() - started < 5


def test_a_drive_is_still_read_and_written_after_it_was_asked(bench: Bench) -> None:
    """No command resets the bus or changes the drive: its sectors are there, and the kernel noted nothing."""
    before = run("dmesg").count("reset")
    for serial in ("LAB-LIAR", "LAB-SATA", "LAB-SCSI", "LAB-USB", "LAB-UAS"):
        node = node_of(bench, serial)
        assert raw_status(THIS_MACHINE, listed(node))
        with node.open("rb") as file:
            assert len(file.read(4096)) == 4096
    assert run("dmesg").count("reset") == before


def test_devices_without_such_commands_say_nothing(bench: Bench) -> None:
    """virtio, null_blk and the device mapper: quickly, and without an error."""
    with memory_disk() as below, mapped(f"0 64 linear {below} 0") as above:
        for node in (node_of(bench, "LAB-VIRTIO"), below, above):
            assert asked(node) == ({}, ())
            assert temperature(node) is None


def test_what_lies_on_a_drive_has_the_drives_temperature(bench: Bench) -> None:
    """A mapping over an NVMe drive is paused when that drive is hot."""
    with mapped(f"0 64 linear {node_of(bench, 'LAB-LIAR')} 0") as above:
        assert temperature(above) == QEMUS_TEMPERATURE


def test_a_namespace_of_two_controllers_is_asked_through_either(bench: Bench) -> None:
    """The kernel shows it below the subsystem, and its name holds the number of none of them."""
    node = node_of(bench, "LAB-TWIN")
    found = controllers_of(Path("/sys/block") / node.name)
    assert len(found) == 2
    assert {(one / "serial").read_text().strip() for one in found} == {"LAB-TWIN"}
    facts, _ = asked(node)
    assert facts["controller"] in {(one / "cntlid").read_text().strip() for one in found}


def test_a_namespace_that_was_detached_is_listed_with_its_size(bench: Bench) -> None:
    """No list of disks has it, and an overwrite of the other one leaves it whole."""
    node, controller = pair()
    facts, _ = asked(node)
    assert facts["namespaces-unattached"] == "none"
    own = (controller / "cntlid").read_text().strip()
    device = f"/dev/{controller.name}"
    run("nvme", "detach-ns", device, "-n", "2", "-c", own)
    try:
        facts, residuals = asked(node)
        assert facts["namespaces-unattached"] == f"2:{SIZE}"
        assert Residual("unattached-namespaces", 1) in residuals
    finally:
        run("nvme", "attach-ns", device, "-n", "2", "-c", own)
        settle()


def test_a_namespace_with_metadata_between_its_blocks_is_named_with_the_way_out() -> None:
    """Linux gives it a name and no capacity."""
    node, _ = pair(namespace=3)
    assert (Path("/sys/block") / node.name / "size").read_text().strip() == "0"
    found = why_unaddressable(THIS_MACHINE, node.name)
    assert found is not None
    assert (found.reason, dict(found.facts)["size"]) == ("sector-size-foreign", "512+8")


def pair(namespace: int = 1) -> tuple[Path, Path]:
    """That namespace of the controller that has three, and the controller's folder."""
    for folder in sorted(Path("/sys/block").glob("nvme*")):
        found = controllers_of(folder)
        serials = {(one / "serial").read_text().strip() for one in found}
        is_path = (folder / "hidden").read_text().strip() == "1"
        if serials == {"LAB-PAIR"} and not is_path and (folder / "nsid").read_text().strip() == str(namespace):
            return Path("/dev") / folder.name, found[0]
    raise AssertionError(f"no namespace {namespace} of LAB-PAIR")


def test_the_controller_tells_what_it_can_do(bench: Bench) -> None:
    """QEMU's can format and manage namespaces, and has no sanitize: its log page is refused."""
    node, _ = pair()
    with channel_to(node, node.stat().st_rdev) as channel:
        assert channel is not None
        controller = nvme.read_controller(channel)
        assert controller is not None
        assert controller.serial == "LAB-PAIR"
        assert controller.can_format
        assert controller.can_manage_namespaces
        assert controller.sanitize == ()
        assert channel.ask_nvme(commands.NVME_SANITIZE_STATUS).outcome is Outcome.REFUSED
        assert not channel.is_broken
