"""A wiping bench on this machine: loop devices are attached while it waits, with pipes and on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.support.bench import MIB, Bench, bench_in, full_of_needles
from tests.support.ext4_image import run as command
from tests.support.halting import let_go_on, until_at_rest
from tests.support.real_site import ROOT, Charge, RealSite, ended, loop_carrier

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

SIZE = 4 * MIB


@pytest.fixture
def site(tmp_path: Path) -> RealSite:
    return RealSite(tmp_path / "site")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


def image_of(bench: Bench, number: int) -> Path:
    return bench.image(f"image-{number}", SIZE, full_of_needles(SIZE))


def charge_for(site: RealSite, *images: Path) -> Charge:
    """One order for these images' loop devices, each with a label of its own."""
    carriers = [loop_carrier(image, id=f"disk-{n}", label=f"LABEL-{n}") for n, image in enumerate(images, start=1)]
    return site.charge(*carriers)


@dataclass
class Watched:
    """A process whose stderr is read line by line."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def until(self, wanted: str) -> str:
        """The line that says so; the process may take a minute."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + 60
        for line in self.process.stdout:
            self.lines.append(line)
            if wanted in line:
                return line
            assert time.monotonic() < deadline, self.lines
        raise AssertionError(f"it ended without {wanted}: {self.lines}")


def test_disks_plugged_in_while_it_waits_are_destroyed_once_confirmed(site: RealSite, bench: Bench) -> None:
    """Without a terminal: `--confirm` as for `run`, a line an event; what no order names stays whole."""
    first, second, foreign = (image_of(bench, number) for number in (1, 2, 3))
    charge = charge_for(site, first, second)
    said = [part for label in charge.labels for part in ("--confirm", label)]
    watched = Watched(site.start("run", "--station", str(charge.path), "--key", str(site.key), *said))
    try:
        time.sleep(1)
        other = bench.attach(foreign)
        line = watched.until(str(other))
        assert "named by no open order" in line
        one = bench.attach(first)
        assert "is looked at" in watched.until(f"{one}  disk-1")
        watched.until("disk-1  1 overwrite everything")
        bench.attach(second)
        watched.until("disk-2  1 overwrite everything")
    finally:
        told = ended(watched.process)
    assert told.returncode == 6, (watched.lines, told.stdout)
    assert {one.claim.outcome for one in site.certificates()} == {Outcome.PROVEN}
    assert len(site.certificates()) == 2
    assert foreign.read_bytes() == full_of_needles(SIZE)


@pytest.mark.alone  # another test would take the node between the two disks
def test_a_disk_with_another_content_under_the_same_node_is_another_disk(site: RealSite, bench: Bench) -> None:
    """Unplugged and replaced: the node is the same, and it is no identity."""
    named, other = image_of(bench, 1), image_of(bench, 2)
    charge = charge_for(site, named)
    watched = Watched(site.start("run", "--station", str(charge.path), "--key", str(site.key), "--confirm", "LABEL-1"))
    try:
        time.sleep(1)
        node = command("losetup", "--find", "--show", other).strip()
        try:
            assert "named by no open order" in watched.until(node)
        finally:
            command("losetup", "--detach", node)
        watched.until("unplugged")
        again = bench.attach(named)
        watched.until("disk-1  1 overwrite everything")
        assert str(again) == node
    finally:
        assert ended(watched.process).returncode == 6
    assert other.read_bytes() == full_of_needles(SIZE)


def test_ctrl_c_ends_the_bench_and_its_runs_as_interrupted(site: RealSite, bench: Bench) -> None:
    """Nothing new is started; what went on is resumed later."""
    image = bench.image("large", 32 * MIB)
    bench.attach(image)
    charge = site.charge(loop_carrier(image, id="disk-1", label="LABEL-1"), loop_carrier(image_of(bench, 2), id="d2"))
    words = ("run", "--station", str(charge.path), "--key", str(site.key), "--confirm", "LABEL-1")
    process = site.start(*words, moment="signal-3")
    until_at_rest(process)
    let_go_on(process, signal.SIGINT, signal.SIGINT)
    told = ended(process)
    assert told.returncode == 4, told.stdout
    assert site.resume().returncode == 6


def test_a_bench_without_an_open_order_says_so(site: RealSite) -> None:
    """It would wait for ever."""
    done = ended(site.start("run", "--station", "--key", str(site.key)))
    assert done.returncode == 3
    assert "No open order names a disk" in done.stdout


@dataclass
class Terminal:
    """A command on a terminal of its own."""

    site: RealSite
    arguments: tuple[str, ...]
    shown: str = ""

    def __enter__(self) -> Terminal:
        self.ours, theirs = pty.openpty()
        program = [sys.executable, "-c", "from agent.cli import main; main()", "--site", str(self.site.folder)]
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "180", "LINES": "40", "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(
            [*program, *self.arguments],
            cwd=ROOT,
            env=environment,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        )
        os.close(theirs)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self.ours)

    def until(self, wanted: str, is_so: Callable[[str], bool] | None = None) -> None:
        """Read what is drawn until it says so."""
        deadline = time.monotonic() + 60
        fresh = ""
        while wanted not in fresh:
            assert time.monotonic() < deadline, self.shown[-3000:]
            ready, _, _ = select.select([self.ours], [], [], 0.5)
            if ready:
                try:
                    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self.ours, 65536).decode("utf-8", "ignore"))
                except OSError:
                    raise AssertionError(f"it ended without {wanted}: {self.shown[-3000:]}") from None
                fresh = (fresh + text)[-20_000:]
                self.shown += text

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())


def test_on_a_terminal_labels_are_typed_into_a_table_of_bays(site: RealSite, bench: Bench) -> None:
    """A table, and a line to type on; a typing error starts nothing and can be taken back."""
    image = image_of(bench, 1)
    charge = charge_for(site, image)
    with Terminal(site, ("--json", "run", "--station", str(charge.path), "--key", str(site.key))) as terminal:
        terminal.until("Label or serial:")
        node = bench.attach(image)
        terminal.until("type or scan what stands on it")
        assert node.name in terminal.shown
        assert "LABEL-1" not in terminal.shown, "it is to be read from the object"
        terminal.type("LABEL-2\r")
        terminal.until("No disk that waits is called")
        assert image.read_bytes() == full_of_needles(SIZE)
        terminal.type("LABEL-1x\x7f\r")
        terminal.until("Started:")
        assert terminal.process.stdout is not None
        told = json.loads(terminal.process.stdout.read())
    assert told["exit"] == 6
    assert [one["outcome"] for one in told["results"]] == ["proven"]
