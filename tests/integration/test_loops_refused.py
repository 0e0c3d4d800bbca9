"""Loop devices that show something else than a whole image file: what they show has another name, or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bench import MIB, Bench, bench_in, full_of_needles
from tests.support.ext4_image import run
from wipers.linux.machine import THIS_MACHINE
from wipers.linux.system import stack_below

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


@pytest.fixture
def image(bench: Bench) -> Path:
    return bench.image("image", 8 * MIB, full_of_needles(8 * MIB))


def test_a_loop_over_another_device_is_refused(bench: Bench, image: Path) -> None:
    """Its node's inode in /dev identifies nothing, and the device has a name of its own, under which it is checked."""
    upper = bench.attach(bench.attach(image))
    assert "loop-not-whole-file" in bench.reasons(upper)


def test_a_device_below_another_loop_is_in_use(bench: Bench, image: Path) -> None:
    """The kernel holds no device exclusively for the loop above: what is mounted there would be overwritten."""
    lower = bench.attach(image)
    upper = bench.attach(lower)
    run("mkfs.ext4", "-q", "-F", upper)
    bench.mount(upper)
    (obstacle,) = bench.obstacles(lower)
    assert (obstacle.reason, dict(obstacle.facts)["by"]) == ("in-use", f"{upper} lies over it")


def test_a_partition_below_a_loop_keeps_its_disk_in_use(bench: Bench, image: Path) -> None:
    """The order names the disk; its user sits on a part of it."""
    lower = bench.attach(image, "--partscan")
    run("addpart", lower, "1", "2048", str(6 * 2048))
    upper = bench.attach(Path(f"{lower}p1"))
    assert [dict(one.facts)["by"] for one in bench.obstacles(lower)] == [f"{upper} lies over it"]


def test_the_stack_below_a_loop_over_a_device_is_traced(bench: Bench, image: Path) -> None:
    """Otherwise a loop over the system's disk would not count as the system's disk."""
    lower = bench.attach(image)
    upper = bench.attach(lower)
    assert {lower.name, upper.name} <= stack_below(THIS_MACHINE, upper.stat().st_rdev)


def test_a_loop_that_leaves_out_the_start_of_its_file_is_refused(bench: Bench, image: Path) -> None:
    """An order states the file and a size: two partitions of one size in one file could not be told apart."""
    device = bench.attach(image, "--offset", str(MIB), "--sizelimit", str(2 * MIB))
    assert bench.reasons(device) == ["loop-not-whole-file"]


def test_a_loop_that_leaves_out_the_end_of_its_file_is_not(bench: Bench, image: Path) -> None:
    """The size, which the order states, says where it ends."""
    assert bench.reasons(bench.attach(image, "--sizelimit", str(2 * MIB))) == []
