"""Several people, and timers, at one host at the same time: numbers, ledger and journals are shared, and hold."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificates.audit import Sign, audit_all
from certificates.statements import Outcome
from tests.campaigns.kill_block import LoopDevice, content
from tests.support.bench import MIB, Bench, bench_in, full_of_needles
from tests.support.kills import Watch, check_end
from tests.support.real_site import ROOT, Charge, RealSite, ended, loop_carrier

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

SIZE = 64 << 20


@pytest.fixture
def site(tmp_path: Path) -> RealSite:
    return RealSite(tmp_path / "site")


@dataclass
class Rack:
    """Loop devices, each with an order of its own."""

    bench: Bench
    site: RealSite

    def charge(self, number: int) -> Charge:
        image = self.bench.image(f"image-{number}", 16 * MIB, full_of_needles(16 * MIB))
        self.bench.attach(image)
        return self.site.charge(loop_carrier(image), name=f"order-{number}")


@pytest.fixture
def rack(tmp_path: Path, site: RealSite) -> Iterator[Rack]:
    with bench_in(tmp_path) as bench:
        yield Rack(bench, site)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[LoopDevice]:
    found = LoopDevice(tmp_path / "image", ())
    found.image.write_bytes(memoryview(content())[:SIZE])
    found.attach()
    try:
        yield found
    finally:
        found.detach()


def test_runs_at_once_get_numbers_and_chains_of_their_own(rack: Rack) -> None:
    """A bench wipes many drives at a time: each run has its journal, and together they show no gap."""
    started = [rack.site.start_run(charge) for charge in [rack.charge(number) for number in range(4)]]
    told = [ended(process) for process in started]
    assert [one.returncode for one in told] == [6] * 4, [one.stdout for one in told]
    certificates = rack.site.certificates()
    assert sorted(one.binding.journal_sequence for one in certificates) == [1, 2, 3, 4]
    assert {one.claim.outcome for one in certificates} == {Outcome.PROVEN}
    journals = [(path.name, path.read_bytes()) for path in (rack.site.folder / "journal").iterdir()]
    together = audit_all(rack.site.audited(), journals, is_complete=True)
    assert not [finding for finding in together.runs if finding.sign is not Sign.HOLDS]


HAMMER = """
import sys
from pathlib import Path
from agent.lines import write_durably
for number in range(60):
    write_durably(Path(sys.argv[1]), sys.argv[2].encode() * (number + 1))
"""


def test_one_file_is_written_by_many_processes_whole(tmp_path: Path) -> None:
    """Every command takes in hold states and remembers what it saw."""
    path = tmp_path / "seen.json"
    writers = [subprocess.Popen([sys.executable, "-c", HAMMER, str(path), name], cwd=ROOT) for name in "abcd"]
    assert [writer.wait(timeout=300) for writer in writers] == [0] * 4
    written = path.read_text()
    assert written in {name * 60 for name in "abcd"}
    assert [name.name for name in tmp_path.iterdir()] == ["seen.json"]


def test_an_order_used_twice_at_once_is_used_once(rack: Rack) -> None:
    """Both were allowed when they looked; only one still is when it begins."""
    charge = rack.charge(0)
    exits = [ended(process).returncode for process in [rack.site.start_run(charge) for _ in range(3)]]
    assert sorted(exits) == [3, 3, 6]
    assert len(rack.site.certificates()) == 1
    events = Watch(rack.site).events()
    assert sum(event.get("start") is not None for event in events) == 1


def test_two_resumes_at_once_make_one_certificate(site: RealSite, device: LoopDevice) -> None:
    """A person and a timer may both think of it; one holds the device, and the other is told so or finds it done."""
    assert ended(site.start_run(device.charge(site), moment="entry-5")).returncode == -signal.SIGKILL
    both = [site.start_resume(), site.start_resume()]
    exits = sorted(ended(process).returncode for process in both)
    assert 6 in exits, exits
    assert set(exits) <= {3, 4, 6}
    check_end(site, device)
