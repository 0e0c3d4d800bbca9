"""One unit behind two paths, and one volume on two disks: all of it is overwritten, or nothing of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.lab.guest.devices import (
    SECTOR,
    SIZE,
    fill,
    memory_disk,
    needles,
    ordered,
    refusal,
    scsi_disk,
    settle,
    size_of,
)
from tests.support.bench import Bench, RealRun
from tests.support.ext4_image import run

ALL = SIZE // SECTOR


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """What takes down whatever a test has put up."""
    with ExitStack() as stack:
        yield stack


@contextmanager
def two_paths() -> Iterator[tuple[Path, Path]]:
    """One scsi_debug store that two hosts show: the same serial number and WWN, and the same bytes."""
    with scsi_disk(add_host=2, per_host_store="N", vpd_use_hostno=0) as first:
        model = Path("/sys/class/block", first.name, "device", "model").read_text()
        wait_for(lambda: len(alike(model)) == 2)
        settle()
        one, other = alike(model)
        yield one, other


def alike(model: str) -> list[Path]:
    """The disks of that model."""
    disks = (disk for disk in Path("/sys/block").glob("sd*") if (disk / "device" / "model").exists())
    return sorted(Path("/dev", disk.name) for disk in disks if (disk / "device" / "model").read_text() == model)


def wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    """It has come true; a test that waits for ever is ended by its own time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


def test_a_unit_without_a_map_is_erased_through_one_of_its_paths(bench: Bench) -> None:
    """Two nodes with one WWN and one serial number are one candidate, and neither shows a needle afterwards."""
    with two_paths() as (one, other):
        fill(one)
        assert len(needles(other)) == ALL
        done = ordered(bench, one)
        assert len({target.unit for target in bench.host.find(done.carrier, None)}) == 1
        done.go()
        assert done.claim.outcome is Outcome.PROVEN
        assert needles(one) == needles(other) == []


class CutsAPath:
    """A cable comes loose when the first bytes are behind."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.is_cut = False

    def progressed(self, step: int, done: int, total: int) -> None:
        if not self.is_cut:
            self.is_cut = True
            run("dmsetup", "message", "labpaths", "0", f"fail_path {self.number}")


def test_a_map_that_loses_a_path_amid_a_pass_carries_it_to_its_end(bench: Bench, held: ExitStack) -> None:
    """dm-multipath over both: the order finds the map, and what the one path does not take, the other does."""
    one, other = held.enter_context(two_paths())
    fill(one)
    carrier = ordered(bench, one).carrier
    table = f"0 {ALL} multipath 0 0 1 1 round-robin 0 2 1 {one} 1 {other} 1"
    run("dmsetup", "create", "labpaths", "--uuid", "mpath-labpaths", "--table", table)
    held.callback(run, "dmsetup", "remove", "--retry", "labpaths")
    settle()
    done = RealRun(bench.host, carrier)
    (target,) = bench.host.find(carrier, None)
    assert Path(target.location).resolve() == Path("/dev/mapper/labpaths").resolve()
    cable = CutsAPath((Path("/sys/class/block") / one.name / "dev").read_text().strip())
    done.ports["observer"] = cable
    done.go()
    assert cable.is_cut
    assert done.claim.outcome is Outcome.PROVEN
    assert needles(one) == needles(other) == []


def mirror(held: ExitStack, *members: Path | str) -> Path:
    """A RAID 1 of these disks, or `missing`, that is not copied when it is made."""
    words = ("--run", "--level=1", f"--raid-devices={len(members)}", "--metadata=1.2", "--assume-clean")
    run("mdadm", "--create", "/dev/md/labmirror", "--bitmap=none", *words, *members)
    held.callback(run, "mdadm", "--stop", "/dev/md/labmirror")
    settle()
    return Path("/dev/md/labmirror").resolve(strict=True)


def lack(bench: Bench, array: Path) -> str:
    """What is said to be wrong with the array that is refused."""
    return str(refusal(bench, array, "array-not-whole")["detail"])


def test_an_array_that_lacks_a_mirror_is_refused(bench: Bench, held: ExitStack) -> None:
    """The disk that is out lies in a drawer, with everything on it; the one that is in keeps every byte meanwhile."""
    member = held.enter_context(memory_disk())
    array = mirror(held, member, "missing")
    fill(array)
    assert "missing" in lack(bench, array)
    assert len(needles(array)) == size_of(array) // SECTOR


def test_a_mirror_that_lags_is_refused_until_it_has_caught_up(bench: Bench, held: ExitStack) -> None:
    """What the array is still copying to, a read of the array does not show: only the whole one is overwritten."""
    first, second = (held.enter_context(memory_disk()) for _ in range(2))
    array = mirror(held, first, second)
    fill(array)
    state = Path("/sys/class/block", array.name, "md")
    run("mdadm", array, "--fail", second)
    wait_for(lambda: removed(array, second))
    assert "missing" in lack(bench, array)
    (state / "sync_speed_max").write_text("1")
    (state / "sync_speed_min").write_text("1")
    run("mdadm", array, "--add", second)
    assert lack(bench, array)
    for name in ("sync_speed_max", "sync_speed_min"):
        (state / name).write_text("system")
    wait_for(lambda: (state / "sync_action").read_text() == "idle\n" and (state / "degraded").read_text() == "0\n")
    done = ordered(bench, array)
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    assert needles(array) == []
    behind = size_of(first) // SECTOR - size_of(array) // SECTOR
    for member in (first, second):
        assert len(needles(member)) < behind


def removed(array: Path, member: Path) -> bool:
    """Whether the array has let the failed disk go; it does not while a write to it is in the air."""
    return subprocess.run(["mdadm", array, "--remove", member], capture_output=True, check=False).returncode == 0
