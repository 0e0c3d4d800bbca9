"""What drives on real buses call themselves, and that the one which an order names is the one that is overwritten."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import Media, Outcome
from tests.lab.drives import SIZE, WWN
from tests.lab.guest.devices import SECTOR, drive, fill, needles, ordered, scsi_disk, settle
from tests.support.bench import Bench
from wipers.model import Target


def listed(bench: Bench) -> dict[str, tuple[Target, dict[str, str]]]:
    """Every drive with its facts, by its serial number."""
    found = [(target, {fact.name: fact.value for fact in target.facts}) for target in bench.host.list_targets()]
    return {facts["serial"]: (target, facts) for target, facts in found if "serial" in facts}


@pytest.mark.usefixtures("drives")
def test_each_bus_gives_serial_number_and_size(bench: Bench) -> None:
    """NVMe, SATA, SCSI behind virtio, USB in both its ways, virtio: none is found by its letter."""
    found = listed(bench)
    for serial in ("LAB-LIAR", "LAB-SATA", "LAB-SCSI", "LAB-USB", "LAB-UAS", "LAB-VIRTIO"):
        target, facts = found[serial]
        assert (facts["size"], target.obstacles) == (str(SIZE), ())


@pytest.mark.usefixtures("drives")
def test_model_maker_and_world_wide_name_are_what_the_drive_says(bench: Bench) -> None:
    """The words of an order come from here, so they have to be the drive's own."""
    found = listed(bench)
    _, scsi = found["LAB-SCSI"]
    assert (scsi["vendor"], scsi["model"]) == ("SEAGATE", "ST8000NM0075")
    assert f"{WWN + 1:x}" in scsi["wwn"]
    _, sata = found["LAB-SATA"]
    assert (sata["vendor"], sata["model"]) == ("ATA", "QEMU HARDDISK")
    assert f"{WWN:x}" in sata["wwn"]
    target, nvme = found["LAB-LIAR"]
    assert nvme["model"] == "QEMU NVMe Ctrl"
    assert nvme["wwn"]
    assert target.media is Media.OPAQUE


@pytest.mark.usefixtures("drives")
def test_a_namespace_is_erased_under_whatever_number_its_controller_has(bench: Bench) -> None:
    """The number in /dev/nvmeN is not the parent of nvmeNn1. Here the namespace has two controllers, of which the one
    with its number comes back under another: the order still finds its drive, and no other loses a byte."""
    before = Path(drive("LAB-TWIN").location)
    other = Path(drive("LAB-LIAR").location)
    fill(before)
    fill(other)
    # Whichever of the two was probed first gave the namespace its number, which stays taken as long as that lives.
    parent = before.name.rpartition("n")[0]
    assert parent in controllers("LAB-TWIN")
    assert len(controllers("LAB-TWIN")) == 2
    address = (Path("/sys/class/nvme") / parent / "address").read_text().strip()
    (Path("/sys/bus/pci/devices") / address / "remove").write_text("1")
    Path("/sys/bus/pci/rescan").write_text("1")
    deadline = time.monotonic() + 20
    while len(controllers("LAB-TWIN")) != 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    settle()
    assert len(controllers("LAB-TWIN")) == 2
    assert parent not in controllers("LAB-TWIN")
    done = ordered(bench, Path(drive("LAB-TWIN").location))
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    assert needles(before) == []
    assert len(needles(other)) == SIZE // SECTOR


def controllers(serial: str) -> list[str]:
    """Names of the controllers that say this serial number."""
    found = sorted(Path("/sys/class/nvme").iterdir())
    return [one.name for one in found if (one / "serial").read_text().strip() == serial]


def test_a_disk_with_sectors_of_4096_bytes_is_overwritten(bench: Bench) -> None:
    """4Kn: no read or write of less, and not one that begins between."""
    with scsi_disk(sector_size=4096) as device:
        fill(device)
        done = ordered(bench, device)
        assert done.plan.sector_size == 4096
        done.go()
        assert done.claim.outcome is Outcome.PROVEN
        assert needles(device) == []


def test_a_write_protected_disk_is_refused(bench: Bench) -> None:
    """scsi_debug wp: the kernel says read-only, and so do we, before anything is opened for writing."""
    with scsi_disk(wp=1) as device, pytest.raises(Refused) as caught:
        ordered(bench, device)
    assert caught.value.reason == "read-only"
