"""Runs in a virtual machine whose plug is pulled: QEMU gets SIGKILL, and with it goes all that the guest's kernel held.

The disk that is erased and the disk that carries the site are image files of this machine, so that after each kill an
independent reader sees what is left, and at the end what the medium holds.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from certificates.audit import Report, Sign, audit
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.statements import Certificate, KeystreamPattern, Outcome, OverwriteRecord
from certificates.trust import parse_trust
from tests.lab import image
from tests.lab.base import Unavailable
from tests.lab.machine import Guest, booted, disk
from tests.support.bench import MIB, full_of_needles
from tests.support.kills import Watch
from tests.support.real_site import RealSite
from tests.support.scanner import total_found

FULL = 20
SLICE = 0
"""None: tests/lab/test_power_cuts.py has its own, because it needs the lab and keeps no turn."""
NEEDS_ROOT = True
SIZE = 32 * MIB
SPEED = "throttling.bps-write=8388608,throttling.bps-read=16777216"
"""The disk takes 4 s to be written and 2 s to be read, however fast this machine is."""
MOST_KILLS = 3
JOB = "python3 -m tests.lab.guest.cut_short"
LONGEST = 300


@dataclass(frozen=True)
class Shown:
    """What the guest showed of its site, in the shape of one."""

    folder: Path


@dataclass(frozen=True)
class Moment:
    """So long after so many journal entries more than there were."""

    entries: int
    delay: float


def draw(chance: Random) -> Moment:
    """Half of the moments lie anywhere in the long work, half around what is made durable before and after it."""
    if chance.random() < 0.5:
        return Moment(chance.randint(1, 3), chance.uniform(0, 7))
    return Moment(chance.randint(0, 9), chance.uniform(0, 1))


@dataclass
class Campaign:
    """Runs, each killed and resumed until it is through."""

    chance: Random
    folder: Path
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    again: int = 0
    """Runs that were killed more than once."""

    def go(self, kills: int) -> str:
        """A line of results, when the plug was pulled so many times."""
        image.built()
        project = self.folder / "project.img"
        image.make_project_image(project)
        while self.kills.total() < kills:
            wanted = min(self.chance.randint(1, MOST_KILLS), kills - self.kills.total())
            with tempfile.TemporaryDirectory(dir=self.folder) as place:
                trial = Trial(Path(place), project)
                try:
                    trial.go(self.chance, wanted)
                except AssertionError as error:
                    raise AssertionError(f"run {self.runs + 1}: {error}") from error
            self.kills += Counter(trial.stages)
            self.runs += bool(trial.stages)
            self.again += len(trial.stages) > 1
        told = ", ".join(f"{name} {count}" for name, count in self.kills.most_common())
        return (
            f"{self.runs} runs killed {self.kills.total()} times ({told}), {self.again} of them more than once: no "
            "certificate before the last byte was overwritten, each completed by resume with one certificate, proven, "
            "and the medium holds its pattern"
        )


@dataclass
class Trial:
    """One disk, from its first needle to its certificate."""

    folder: Path
    project: Path
    stages: list[str] = field(default_factory=list)
    """Where the run stood at each kill."""

    def __post_init__(self) -> None:
        self.wiped.write_bytes(full_of_needles(SIZE))
        command = ["mke2fs", "-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", str(self.site), "24M"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    @property
    def wiped(self) -> Path:
        return self.folder / "disk"

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def go(self, chance: Random, kills: int) -> None:
        """Killed so many times unless it is through before, resumed, and looked at."""
        drives = (
            *disk(self.wiped, "CUT-DISK", "nvme", options=f",{SPEED}"),
            *disk(self.site, "CUT-SITE"),
        )
        is_cut = True
        while is_cut:
            moment = draw(chance) if kills else None
            with booted(JOB, drives, self.project, plain=True) as guest:
                self._look(guest)
                is_cut = moment is not None and self._cut(guest, moment)
                kills -= is_cut
                if not is_cut:
                    self._check_end(guest)

    def _look(self, guest: Guest) -> None:
        """Up again: no certificate unless nothing is left; and where the run stood when the plug was pulled."""
        left = total_found(self.wiped, [b"NEEDLE-"])
        assert guest.wait_until((guest.share / "going").exists, LONGEST), f"it did not come up:\n{guest.said()}"
        watch = Watch(as_site(guest.share / "found"))
        assert not watch.has_certificate or left == 0, f"a certificate exists, and {left} needles are left"
        if self.stages:
            self.stages[-1] = watch.stage

    def _cut(self, guest: Guest, moment: Moment) -> bool:
        """Whether the plug was pulled before the run was through."""
        ended = (guest.share / "ended").exists
        assert guest.wait_until(lambda: ended() or len([*guest.share.glob("mark-*")]) >= moment.entries, LONGEST), (
            f"it made no progress:\n{guest.said()}"
        )
        if guest.wait_until(ended, moment.delay):
            return False
        assert guest.is_up, f"the machine went down by itself:\n{guest.said()}"
        guest.kill()
        self.stages.append("start")
        return True

    def _check_end(self, guest: Guest) -> None:
        """One certificate, proven, that an auditor believes; and the medium holds what it says."""
        assert guest.wait_until((guest.share / "ended").exists, LONGEST), f"it did not come to its end:\n{guest.said()}"
        path = guest.share / "output"
        output = path.read_text(encoding="utf-8") if path.exists() else ""
        status = int((guest.share / "ended").read_text(encoding="ascii"))
        assert status in (0, 6), f"exit {status}: {output}"
        left = guest.share / "left"
        events = Watch(as_site(left)).events()
        assert sum(event["kind"] == "certified" for event in events) == 1, events
        report = audited(left)
        doubts = [finding.code for finding in report.findings if finding.sign is Sign.FAILS]
        assert not doubts, doubts
        (path,) = (left / "outbox").glob("*.dsse.json")
        certificate = decode(unwrap(path.read_bytes(), 4 << 20).payload, Certificate)
        assert certificate.claim.outcome is Outcome.PROVEN, certificate.claim
        assert self.wiped.read_bytes() == keystream(certificate), "the medium does not hold the certificate's pattern"


def as_site(folder: Path) -> RealSite:
    """What is needed of a site to see how far its run is."""
    return Shown(folder)  # type: ignore[return-value]


def audited(left: Path) -> Report:
    """What an auditor says of the one bundle."""
    (bundle,) = (left / "certificates").rglob("*.expunge")
    return audit(bundle.read_bytes(), parse_trust((left / "trust.json").read_bytes()), bundle.name)


def keystream(certificate: Certificate) -> bytes:
    """The last pass, as openssl makes it from the key in the certificate."""
    last = [record for record in certificate.evidence.records if isinstance(record, OverwriteRecord)][-1]
    assert isinstance(last.pattern, KeystreamPattern)
    command = ["openssl", "enc", "-aes-256-ctr", "-K", last.pattern.key, "-iv", "0" * 32]
    return subprocess.run(command, input=bytes(SIZE), capture_output=True, check=True, timeout=60).stdout


def run(seed: int, trials: int) -> str:
    """One line of results."""
    if not trials:
        return "nothing asked"
    try:
        image.check_available()
    except Unavailable as error:
        raise AssertionError(f"not run: {error}") from error
    with image.scratch() as folder:
        return Campaign(Random(seed), folder).go(trials)
