"""What the kernel swaps to is refused, and can be destroyed once it does not any more.

While there is swap in the clear no run on the machine keeps samples, so no other test of real things runs beside these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificates.errors import Refused
from tests.support.bench import (
    MIB,
    Bench,
    RealRun,
    bench_in,
    carrier_of,
    full_of_needles,
    image_identity,
    path_selector,
)
from tests.support.erasing import erase, order_files
from tests.support.ext4_image import run

PAGE = 4096
HIBERNATED = b"S1SUSPEND\0"
MEMORY = b"MEMORY-OF-A-MACHINE-4d18;"

pytestmark = [pytest.mark.integration, pytest.mark.needs_root, pytest.mark.alone]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


@contextmanager
def swapped_to(path: Path) -> Iterator[None]:
    """The kernel may write pages there."""
    run("mkswap", path)
    run("swapon", path)
    try:
        yield
    finally:
        run("swapoff", path)


def test_a_device_is_refused(bench: Bench) -> None:
    """The kernel would write into it, and read from it."""
    device = bench.attach(bench.image("image", 8 * MIB, full_of_needles(8 * MIB)))
    with swapped_to(device):
        users = [dict(one.facts)["by"] for one in bench.listed(device).obstacles if one.reason == "in-use"]
        assert users == [f"swap {device}"]
        assert "system-disk" in bench.reasons(device)


def test_an_image_is_refused(bench: Bench) -> None:
    """It has no descriptor anywhere."""
    plain = bench.ext4() / "image"
    plain.write_bytes(full_of_needles(4 * MIB))
    plain.chmod(0o600)
    with swapped_to(plain), pytest.raises(Refused, match=f"swap {plain}"):
        RealRun(bench.host, carrier_of(image_identity(plain)), path_selector(plain))


def test_a_file_is_refused_and_is_a_file_again_afterwards(bench: Bench, tmp_path: Path) -> None:
    """The kernel writes pages there whenever it likes; after swapoff what they held is still there to be destroyed."""
    root = bench.ext4() / "swapped"
    root.mkdir()
    swap = root / "swap"
    with swap.open("wb") as file:
        file.write(full_of_needles(MIB))
        os.fsync(file.fileno())
    swap.chmod(0o600)
    ordered = order_files(root, ("swap",), tmp_path / "state")
    with swapped_to(swap):
        obstacles = ordered.target().obstacles
    assert any("swapoff" in dict(one.facts).get("by", "") for one in obstacles)
    assert ordered.reasons() == set()


def test_an_image_of_the_memory_that_a_machine_left_is_named_and_goes(bench: Bench, tmp_path: Path) -> None:
    """Hibernation writes memory into the swap area and its own mark where the area's was (kernel/power/swap.c). The
    kernel that runs this need not hibernate: what stands there afterwards is bytes in a device or file."""
    device = bench.attach(bench.image("image", 8 * MIB))
    root = bench.ext4() / "swapped"
    root.mkdir()
    file = root / "swap"
    file.write_bytes(bytes(MIB))
    for place in (device, file):
        run("mkswap", place)
        with place.open("r+b") as area:
            for offset, data in ((PAGE - len(HIBERNATED), HIBERNATED), (2 * PAGE, MEMORY * 1000)):
                area.seek(offset)
                area.write(data)
            area.flush()
            os.fsync(area.fileno())
    told = {one.name: one.value for one in bench.listed(device).description}
    assert told["contents"].endswith(": swsuspend")
    assert bench.listed(device).obstacles == ()
    assert erase(order_files(root, ("swap",), tmp_path / "state")).names == 1
    assert MEMORY not in (bench.folder / "disk.img").read_bytes()
