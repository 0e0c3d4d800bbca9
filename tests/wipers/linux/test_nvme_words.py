"""What an NVMe controller says of itself and its namespaces, and which of it can be true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wipers.linux.recorded import RecordedDrive, controller, health_log, names, namespace
from wipers.linux import commands, nvme
from wipers.linux.passthrough import Channel

GIB = 1 << 30


def test_a_controllers_words_and_abilities_are_read() -> None:
    """Offsets of Identify Controller, figure 275 of the specification's version 2.0."""
    found = nvme.controller_in(
        controller(id=6, oacs=0x0A, total=4 * GIB, free=GIB, rpmb=0x0203_0002, sanicap=0x03, fna=0x05, warning=343)
    )
    assert found is not None
    assert (found.serial, found.model, found.firmware) == ("S64GNE0R500000", "SAMSUNG MZQL23T8HCLS", "GDC5602Q")
    assert (found.id, found.version, found.subsystem) == (6, (2, 0, 0), "nqn.1994-11.com.samsung:nvme:PM9A3")
    assert (found.can_format, found.can_manage_namespaces) == (True, True)
    assert found.sanitize == ("crypto", "block")
    assert (found.has_crypto_format, found.formats_all) == (True, True)
    assert (found.total_capacity, found.unallocated_capacity) == (4 * GIB, GIB)
    assert found.rpmb_size == 2 * 4 * (128 << 10)
    assert found.warning_celsius == 70


def test_capacity_that_cannot_be_is_unknown() -> None:
    """More free than there is, or no total at all."""
    for total, free in ((GIB, 2 * GIB), (0, 5), ((1 << 128) - 1, 0)):
        found = nvme.controller_in(controller(total=total, free=free))
        assert found is not None
        assert found.unallocated_capacity is None


@pytest.mark.parametrize("data", [bytes(4096), b"\xff" * 4096, controller()[:2048]], ids=["zeros", "ones", "half"])
def test_garbage_is_no_controller(data: bytes) -> None:
    """Every controller names a model."""
    assert nvme.controller_in(data) is None


def test_a_namespaces_size_and_format_are_read() -> None:
    """Blocks of the format in use."""
    found = nvme.namespace_in(namespace(1000, shift=12, metadata=8))
    assert found is not None
    assert (found.size, found.sector_size, found.metadata_size) == (4_096_000, 4096, 8)
    assert (found.nguid, found.eui64) == ("36344730525000000025385300000001", "")


@pytest.mark.parametrize("data", [bytes(4096), namespace(1, shift=3), namespace(1 << 63), namespace(8)[:100]])
def test_an_inactive_namespace_is_none(data: bytes) -> None:
    """The controller answers with zeros for it."""
    assert nvme.namespace_in(data) is None


def test_unattached_namespaces_are_those_allocated_and_not_active() -> None:
    """Three exist, this controller shows one."""
    drive = RecordedDrive()
    drive.on_nvme(commands.ALLOCATED_NAMESPACES, names(1, 2, 7)).on_nvme(commands.ACTIVE_NAMESPACES, names(2))
    assert nvme.read_unattached(Channel(77, drive)) == (1, 7)


@pytest.mark.parametrize(
    "command", [commands.ALLOCATED_NAMESPACES, commands.ACTIVE_NAMESPACES], ids=lambda one: one.name
)
def test_namespaces_that_cannot_be_listed_are_unknown(command: commands.NvmeCommand) -> None:
    """Invalid field: the controller has no such list. None attached is something else."""
    drive = RecordedDrive()
    drive.on_nvme(commands.ALLOCATED_NAMESPACES, names(1)).on_nvme(commands.ACTIVE_NAMESPACES, names(1))
    drive.on_nvme(command, 0x4002)
    assert nvme.read_unattached(Channel(77, drive)) is None


def test_boot_partitions_are_two_of_one_size() -> None:
    """Log page 15h: bits 14 to 0 count 128 KiB."""
    page = bytes((0x15, 0, 0, 0)) + (0x8000_0000 | 8).to_bytes(4, "little") + bytes(8)
    drive = RecordedDrive().on_nvme(commands.BOOT_PARTITION, page)
    assert nvme.read_boot_partitions(Channel(77, drive)) == 2 * 8 * (128 << 10)
    assert nvme.boot_partitions_in(bytes(16)) is None
    assert nvme.read_boot_partitions(Channel(77, RecordedDrive())) is None


@pytest.mark.parametrize(
    ("warning", "is_sound"), [(0, True), (2, True), (1, False), (4, False), (8, False), (16, False)]
)
def test_heat_is_no_failure(warning: int, is_sound: bool) -> None:
    """Bit 1 of the critical warning speaks of temperature, the others of the medium."""
    found = nvme.health_in(health_log(warning=warning))
    assert found is not None
    assert found.is_sound is is_sound


def test_the_health_log_is_read_in_celsius() -> None:
    """The drive counts from absolute zero, and 0 says that it does not report."""
    found = nvme.health_in(health_log(kelvin=323, used=120, hours=9, media_errors=2))
    assert found is not None
    assert (found.temperature_celsius, found.percentage_used) == (50, 120)
    assert (found.power_on_hours, found.media_errors) == (9, 2)
    blank = nvme.health_in(health_log(kelvin=0))
    assert blank is not None
    assert blank.temperature_celsius is None
    assert nvme.health_in(bytes(512)) is None


@given(data=st.binary(max_size=600))
def test_any_bytes_are_read_without_an_impossible_number(data: bytes) -> None:
    """Targets over a network are programs too."""
    structure = (data * 8).ljust(4096, b"\x00")[:4096]
    found = nvme.controller_in(structure)
    if found is not None and found.unallocated_capacity is not None:
        assert 0 <= found.unallocated_capacity <= (found.total_capacity or 0)
    assert nvme.controller_in(data) is None
    space = nvme.namespace_in(structure)
    assert space is None or 0 < space.size < 1 << 63
    listed = nvme.namespaces_in(structure)
    assert list(listed) == sorted(set(listed))
    assert 0 not in listed
    boot = nvme.boot_partitions_in(data)
    assert boot is None or 0 <= boot < 1 << 33
    nvme.health_in(structure[:512])
