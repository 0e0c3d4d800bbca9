"""The whole story by the commands that people type, on drives with a bus below them: order, run, certificate, audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.drafting import Measured
from certificates.audit import Sign
from certificates.encoding import encode
from certificates.statements import Certificate, Outcome
from tests.lab.drives import BAD_SECTOR
from tests.lab.guest.devices import SECTOR, SIZE, drive, fill, listed, mapped, memory_disk, needles, served
from tests.support.bench import Bench, identity_of
from tests.support.real_site import RealSite, carrier, ended

PROVEN_BUT_UNREGISTERED, UNPROVEN = 6, 5
"""Exit codes of a run on a site without a registry."""


def certified(bench: Bench, device: Path, expected: int) -> tuple[RealSite, Certificate]:
    """A site on which the device was ordered and run, with that exit; the auditor finds every document in order."""
    site = RealSite(bench.folder / "site")
    target = listed("location", str(device))
    charge = site.charge((carrier(identity_of(target), Measured({}, 1, target.size), None), None))
    done = site.run(charge)
    assert done.returncode == expected, told(done.stdout)
    (report,) = site.audited()
    doubts = {finding.code for finding in report.findings if finding.sign is Sign.FAILS}
    assert doubts == (set() if expected == PROVEN_BUT_UNREGISTERED else {"claim-not-reached"})
    (certificate,) = site.certificates()
    return site, certificate


@pytest.mark.usefixtures("drives")
def test_an_honest_drive_gets_a_certificate_that_holds_against_the_medium(bench: Bench) -> None:
    """A SCSI disk: proven, and `audit --against` reads the disk again and finds the same."""
    device = Path(drive("LAB-SCSI").location)
    fill(device)
    site, certificate = certified(bench, device, PROVEN_BUT_UNREGISTERED)
    assert certificate.claim.outcome is Outcome.PROVEN
    assert needles(device) == []
    (site.folder / "trust.json").write_bytes(encode(site.trust))
    audited = ended(site.start("audit", str(site.bundles()[0]), "--against", str(device)))
    # Without a registry there is no receipt, and an audit that lacks one ends with 5.
    assert audited.returncode == 5, told(audited.stdout)
    assert f"read again now: {SIZE:,} of {SIZE:,} bytes match" in audited.stdout


def test_a_lying_drive_gets_a_record_and_no_certificate_of_destruction(bench: Bench) -> None:
    """It drops what is written to it: exit 5, not reached, and the documents of that are in order."""
    with memory_disk() as below:
        fill(below)
        with mapped(f"0 {SIZE // SECTOR} flakey {below} 0 0 600 1 drop_writes") as flakey, served(flakey) as device:
            _, certificate = certified(bench, device, UNPROVEN)
            assert certificate.claim.outcome is Outcome.NOT_REACHED


@pytest.mark.usefixtures("drives")
def test_a_drive_with_a_bad_sector_gets_a_record_that_lists_it(bench: Bench) -> None:
    """NVMe: exit 5, and the sector stands in what was sealed."""
    device = Path(drive("LAB-SICK-NVME").location)
    _, certificate = certified(bench, device, UNPROVEN)
    assert certificate.claim.outcome is Outcome.NOT_REACHED
    listed = [one.extent for record in certificate.evidence.records for one in getattr(record, "failures", ())]
    assert [(extent.offset, extent.length) for extent in listed] == [(BAD_SECTOR * SECTOR, SECTOR)]


def told(output: str) -> str:
    """What a command printed, with the traceback that it points to."""
    return output + "".join(path.read_text() for path in Path("/tmp").glob("expunge-*.log"))
