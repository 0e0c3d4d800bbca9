"""From drives that a host surveys, by the desk's cards, to a signed order that the host carries out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.surveying import drive_id
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.statements import ImageIdentity, Matching, Order, Survey
from tests.support import world
from tests.support.bench import MIB, Bench, bench_in, full_of_needles, identity_of, needle_of
from tests.support.real_site import RealSite, ended
from tests.support.screens import EXAMPLES

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]
WITHOUT_REGISTRY = 6
CARDS = """\
资产卡片号,名称,分类代码,序列号,分级,账面价值(元)
ZC-1,镜像一,A02010500,,一般,900
ZC-2,镜像二,A02010500,,一般,900
"""


@dataclass(frozen=True)
class Story:
    """A bench with two loop devices, the site that surveys them, and the desk."""

    bench: Bench
    site: RealSite
    ours: dict[str, Path]
    """Drive's id -> image below it."""
    devices: tuple[Path, ...]

    @property
    def desk(self) -> Path:
        return self.site.folder / "desk"

    def expunge(self, *arguments: object, expected: int = 0, through: tuple[object, ...] = ()) -> str:
        done = ended(self.site.start(*map(str, arguments), through=tuple(map(str, through))))
        assert done.returncode == expected, done.stdout
        return done.stdout

    def survey(self) -> Survey:
        self.expunge("survey", "--images", "-o", self.desk / "s.survey.json")
        return decode(unwrap((self.desk / "s.survey.json").read_bytes()).payload, Survey)

    def write_draft(self, surveyed: Survey) -> None:
        """The example for this world's people, these two drives by hand, and everything else left out."""
        text = (EXAMPLES / "survey-order.toml").read_text(encoding="utf-8")
        text = text[: text.index("[[from_survey.leave_out]]")]
        now = self.site.now
        for old, new in {
            "2026-11-20T09:00:00+08:00": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
            "2026-12-20T18:00:00+08:00": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
            'validator = "P-0150"': 'validator = "P-0640"',
            '[[persons]]\nid = "P-0417"': '[[persons]]\nid = "P-0588"\nrole = "approver"\n[[persons]]\nid = "P-0417"',
        }.items():
            assert old in text
            text = text.replace(old, new)
        by_hand = zip(self.ours, ("ZC-1", "ZC-2"), strict=True)
        tables = [f'[[from_survey.by_hand]]\ndrive = "{drive}"\ncards = ["{card}"]' for drive, card in by_hand]
        others = [one.id for one in surveyed.drives if one.id not in self.ours]
        tables += [f'[[from_survey.leave_out]]\ndrive = "{drive}"\nreason = "stays"' for drive in others]
        (self.desk / "order.toml").write_text("\n".join((text, *tables)), encoding="utf-8")
        (self.desk / "minutes.txt").write_text("minutes")
        (self.desk / "cards.csv").write_text(CARDS, encoding="gb18030")

    def draft(self) -> str:
        given = ("--from-survey", self.desk / "s.survey.json", "--cards", self.desk / "cards.csv")
        return self.expunge("order", "draft", self.desk / "order.toml", "-o", self.desk / "o.json", *given)


@pytest.fixture(name="story")
def _story(tmp_path: Path) -> Iterator[Story]:
    with bench_in(tmp_path) as bench:
        images = [bench.image(f"{name}.img", 2 * MIB, full_of_needles(2 * MIB)) for name in ("one", "two")]
        found: dict[str, Path] = {}
        devices: list[Path] = []
        for image in images:
            devices.append(bench.attach(image))
            identity: Any = identity_of(bench.listed(devices[-1]))
            found[drive_id(identity)] = image
        yield Story(bench, RealSite(tmp_path / "site"), found, tuple(devices))


def test_surveyed_drives_become_an_order_that_is_carried_out(story: Story) -> None:
    """What the survey called them is what the order names, and what `plan` finds again."""
    surveyed = story.survey()
    identities = {one.id: one.identity for one in surveyed.drives}
    assert story.ours.keys() <= identities.keys()
    for drive, image in story.ours.items():
        found = identities[drive]
        assert isinstance(found, ImageIdentity)
        assert found.inode == image.stat().st_ino
    story.write_draft(surveyed)
    story.draft()
    path = story.desk / "o.json"
    order = decode(unwrap(path.read_bytes()).payload, Order)
    assert {carrier.id for carrier in order.carriers} == story.ours.keys()
    assert {carrier.hosts for carrier in order.carriers} == {(surveyed.host,)}
    listed = decode((story.desk / "o.matching.json").read_bytes(), Matching)
    assert {(one.card, one.by) for one in listed.matched} == {("ZC-1", "by-hand"), ("ZC-2", "by-hand")}
    path.write_bytes(world.seal(order, *world.APPROVERS))
    told = json.loads(story.expunge("--json", "plan", path))
    assert told["missing"] == []
    labels = [part for carrier in order.carriers for part in ("--confirm", carrier.label)]
    story.expunge("run", path, "--key", story.site.key, *labels, expected=WITHOUT_REGISTRY)
    assert not any(needle_of(0) in image.read_bytes() for image in story.ours.values())
    assert {made.binding.order_id for made in story.site.certificates()} == {order.id}


def reads(story: Story, *command: str) -> set[str]:
    """What a command and its children read, by any call of the kernel that reads or maps a file: paths.

    The kernel's own count of a device's reads would tell of all who look at it, and here many do."""
    traced = story.site.folder / "calls.txt"
    calls = "read,readv,pread64,preadv,preadv2,mmap,sendfile,splice,copy_file_range,io_uring_setup,process_vm_readv"
    program = ("strace", "-f", "-qq", "-y", "-s", "0", "-o", traced, "-e", f"trace={calls}")
    story.expunge(*command, through=program)
    told = traced.read_text(encoding="utf-8", errors="replace")
    assert "io_uring_setup" not in told
    return set(re.findall(r"\d+<([^<>]*)(?:<[^<>]*>)?>", told))


def test_a_survey_reads_no_byte_of_a_medium(story: Story) -> None:
    """`targets`, which tells what lies where, reads each."""
    ours = {str(device) for device in story.devices}
    assert not ours & reads(story, "survey", "--images")
    assert ours <= reads(story, "targets")


def test_a_survey_that_was_written_is_shown(story: Story) -> None:
    """With who signed it."""
    told = story.survey()
    page = story.expunge("show", story.desk / "s.survey.json")
    assert "host arch-07" in page
    assert all(drive.id in page for drive in told.drives)
