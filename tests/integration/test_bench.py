"""Many devices in one run, on real loop devices: all end, in bounded memory; people pause and cancel from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent import wishes
from agent.live import open_site
from certificates.statements import Outcome
from tests.support.bench import MIB, Bench, bench_in, full_of_needles, needle_of
from tests.support.halting import let_go_on, until_at_rest
from tests.support.real_site import ROOT, Charge, RealSite, ended, loop_carrier

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

MANY = 16
# The interpreter itself may lie where nobody may read: what is loaded late is loaded before.
AS_NOBODY = """
import importlib, os, sys
for name in ("live", "wishes", "cli", "cli.cancel", "cli.exits", "cli.pause", "cli.wishing", "cli.words"):
    importlib.import_module(f"agent.{name}")
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
from agent.cli import main
main(sys.argv[1:])
"""
SLACK = 64 * MIB
"""What an interpreter with its libraries takes on top, differently from machine to machine."""


@dataclass(frozen=True)
class Watched(RealSite):
    """A site whose processes are ended with the test."""

    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, **how: Any) -> subprocess.Popen[str]:
        self.started.append(super().start(*arguments, **how))
        return self.started[-1]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealSite]:
    made = Watched(tmp_path / "site")
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


def rack(site: RealSite, bench: Bench, number: int, size: int, content: bytes = b"") -> tuple[Charge, list[Path]]:
    """One order for so many loop devices."""
    images = [bench.image(f"image-{n}", size, content) for n in range(number)]
    for image in images:
        bench.attach(image)
    carriers = [loop_carrier(image, id=f"disk-{n}", label=f"LABEL-{n}") for n, image in enumerate(images)]
    return site.charge(*carriers), images


def resident(process: subprocess.Popen[str]) -> int:
    """Most bytes that the process ever held in memory, as the kernel counts."""
    try:
        told = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in told.splitlines() if line.startswith("VmHWM")), 0)


def statuses(site: RealSite) -> list[dict[str, Any]]:
    """What `status --json` tells of the runs."""
    done = ended(site.start("--json", "status", "--all"))
    assert done.returncode == 0, done.stdout
    runs: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
    return runs


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def asked(site: RealSite, *words: str) -> None:
    done = ended(site.start(*words))
    assert done.returncode == 0, done.stdout


def test_sixteen_devices_of_one_order_all_end_proven_in_bounded_memory(site: RealSite, bench: Bench) -> None:
    """64 MiB and 16 MiB a device is what a bench of many drives is bought for."""
    charge, images = rack(site, bench, MANY, 12 * MIB, full_of_needles(MIB))
    process = site.start_run(charge)
    most = 0
    while process.poll() is None:
        most = max(most, resident(process))
        time.sleep(0.05)
    told = ended(process)
    assert told.returncode == 6, told.stdout
    certificates = site.certificates()
    assert [one.claim.outcome for one in certificates] == [Outcome.PROVEN] * MANY
    assert sorted(one.binding.journal_sequence for one in certificates) == list(range(1, MANY + 1))
    assert all(needle_of(0) not in image.read_bytes() for image in images)
    assert 0 < most <= 64 * MIB + 16 * MIB * MANY + SLACK, f"{most >> 20} MiB"


def test_signals_stop_all_devices_and_a_second_one_harms_nothing(site: RealSite, bench: Bench) -> None:
    """Each is told as interrupted, and one resume completes them all."""
    charge, _ = rack(site, bench, 4, 32 * MIB)
    process = site.start_run(charge, moment="signal-6")
    until_at_rest(process)
    let_go_on(process, signal.SIGINT, signal.SIGINT, signal.SIGTERM)
    assert ended(process).returncode == 4
    states = [one["state"] for one in statuses(site)]
    assert "interrupted" in states
    assert set(states) <= {"interrupted", "unregistered"}
    assert site.resume().returncode == 6
    assert [one.claim.outcome for one in site.certificates()] == [Outcome.PROVEN] * 4


def test_one_device_is_paused_another_cancelled_and_a_kill_leaves_the_pause(site: RealSite, bench: Bench) -> None:
    """By other processes, in mid-run; the paused one waits also after it was killed and resumed."""
    charge, images = rack(site, bench, 3, 64 * MIB)
    process = site.start_run(charge, moment="chunk-6")
    until_at_rest(process)
    live = open_site(str(site.folder))
    wishes.pause(live, "disk-0")
    wishes.cancel(live, "disk-1")
    let_go_on(process)
    until(lambda: {one["carrier"]: one["state"] for one in statuses(site)}.get("disk-1") == "interrupted")
    until(lambda: len(site.certificates()) == 1)
    first = next(one for one in statuses(site) if one["carrier"] == "disk-0")
    assert (first["state"], first["going"]) == ("paused", True)
    process.kill()
    ended(process)
    first = next(one for one in statuses(site) if one["carrier"] == "disk-0")
    assert (first["state"], first["going"]) == ("paused", False)

    resumed = site.start_resume()
    until(lambda: len(site.certificates()) == 2)
    assert not images[0].read_bytes().strip(b"\0") or first["position"]
    asked(site, "pause", "--lift", "disk-0")
    told = ended(resumed)
    assert told.returncode == 6, told.stdout
    assert [one.claim.outcome for one in site.certificates()] == [Outcome.PROVEN] * 3


def test_who_may_not_write_to_the_site_can_neither_pause_nor_cancel(site: RealSite, bench: Bench) -> None:
    """Otherwise anybody with a login could keep data from being destroyed."""
    charge, _ = rack(site, bench, 1, 8 * MIB)
    process = site.start_run(charge, moment="chunk-2")
    try:
        until_at_rest(process)
        for words in (["pause"], ["cancel"]):
            done = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, *words],
                cwd=ROOT,
                env=os.environ | {"EXPUNGE_CONFIG": str(site.folder)},
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 3, done.stderr
        assert not list((site.folder / "runs").rglob("pause.json"))
        assert not list((site.folder / "runs").rglob("cancel.json"))
    finally:
        let_go_on(process)
        assert ended(process).returncode == 6
