"""Disks that are full, quotas that are used up, mounts that turn read-only or vanish: a clear outcome, nothing claimed
that is not so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from certificates.errors import Interrupted
from certificates.statements import Outcome
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import order_files
from tests.support.ext4_image import run
from tests.support.grounds import Ground, MakeGround, btrfs, ext4, without_cow
from tests.support.served_image import ServedImage, served_image
from tests.support.trials import NAME, lines
from wipers.linux.extents import map_extents

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NEEDLE = b"NEEDLE-OF-A-FAULT-60d2"
COUNT, SIZE = 12, 90_000


@contextmanager
def laid(folder: Path, make: MakeGround | None = None) -> Iterator[tuple[Ground, CarriedOut]]:
    """Twelve files on a fresh disk, an ext4 unless it is said, and an order for them."""
    with (make or ext4())(folder) as ground:
        (ground.root / "in" / "all").mkdir(parents=True, exist_ok=True)
        for number in range(COUNT):
            (ground.root / "in" / "all" / f"{NAME}-{number}").write_bytes(lines(NEEDLE, number, SIZE))
        ground.sync()
        yield ground, CarriedOut(order_files(ground.root / "in", ("all",), folder / "state"))


def fill_up(ground: Ground) -> None:
    """No block is left to anybody."""
    with (ground.root / "filler").open("wb", buffering=0) as file:
        for step in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(bytes(step))
    ground.sync()
    assert os.statvfs(ground.root).f_bavail == 0


def check_proven(ground: Ground, carried: CarriedOut) -> None:
    assert carried.stopped is None, carried.stopped
    assert carried.claim.outcome is Outcome.PROVEN, carried.claim
    assert ground.hits(NEEDLE) == 0


@pytest.mark.parametrize("destroy", [(), ("names",), ("history",)])
def test_a_full_disk_is_erased_all_the_same(tmp_path: Path, destroy: tuple[str, ...]) -> None:
    """What is written over needs no new block; what needs one, says so where there is none."""
    with laid(tmp_path) as (ground, carried):
        fill_up(ground)
        filler = (ground.root / "filler").stat().st_size
        carried.order(destroy=destroy)
        carried.go()
        check_proven(ground, carried)
        if "names" in destroy:
            assert ground.hits(NAME.encode()) == 0
        assert (ground.root / "filler").stat().st_size == filler


def test_files_beyond_their_quota_keep_their_names_until_they_can_be_written(tmp_path: Path) -> None:
    """A btrfs takes no write there, not even in place: each is a finding, no name goes, and once the limit is lifted
    another run is proven. (The quotas of ext4 and xfs are not in every kernel, and root is exempt from them.)"""
    with laid(tmp_path, btrfs(prepare=without_cow)) as (ground, carried):
        run("btrfs", "quota", "enable", ground.root)
        run("btrfs", "quota", "rescan", "-w", ground.root)
        run("btrfs", "qgroup", "limit", str(COUNT * SIZE // 2), "0/5", ground.root)
        ground.sync()
        carried.go()
        assert carried.stopped is None
        assert carried.claim.outcome is Outcome.NOT_REACHED
        assert "not-released" in {reason.code for reason in carried.claim.reasons}
        assert len(list((ground.root / "in" / "all").iterdir())) == COUNT
        assert ground.hits(NEEDLE) > 0
        run("btrfs", "quota", "disable", ground.root)
        again = CarriedOut(carried.ordered)
        again.go()
        check_proven(ground, again)


def test_a_mount_that_turns_read_only_interrupts_and_is_resumed(tmp_path: Path) -> None:
    """Nothing is claimed of what could not be written; mounted for writing again, the same run goes on."""
    with laid(tmp_path) as (ground, carried):
        carried.when_held = lambda: run("mount", "-o", "remount,ro", ground.root)
        carried.go()
        assert isinstance(carried.stopped, Interrupted), carried.stopped
        assert carried.claim.outcome is not Outcome.PROVEN
        assert ground.hits(NEEDLE) > 0
        carried.when_held = lambda: None
        run("mount", "-o", "remount,rw", ground.root)
        carried.go()
        check_proven(ground, carried)


def test_a_mount_that_is_taken_away_leaves_a_run_that_ends_well_or_rests(tmp_path: Path) -> None:
    """Detached lazily, it lives on in the descriptors that hold it: what is claimed is so, below."""
    with laid(tmp_path) as (ground, carried):
        (device,) = (line.split()[0] for line in run("df", ground.root).splitlines()[1:])
        carried.when_held = lambda: run("umount", "--lazy", ground.root)
        try:
            carried.go()
        finally:
            run("mount", device, ground.root)
        left = ground.hits(NEEDLE)
        if carried.stopped is not None:
            assert isinstance(carried.stopped, Interrupted)
            carried.when_held = lambda: None
            carried.go()
            left = ground.hits(NEEDLE)
        assert carried.stopped is None, carried.stopped
        assert (carried.claim.outcome, left) == (Outcome.PROVEN, 0)
        assert not (ground.root / "in" / "all").exists()


def test_a_disk_that_comes_back_elsewhere_is_another_moment_and_the_same_run(tmp_path: Path) -> None:
    """The mount point alone, with nothing mounted there, is not the place that was ordered: nothing is found."""
    with laid(tmp_path) as (ground, carried):
        (device,) = (line.split()[0] for line in run("df", ground.root).splitlines()[1:])
        run("umount", ground.root)
        try:
            (ground.root / "in" / "all").mkdir(parents=True)
            (ground.root / "in" / "all" / "else").write_bytes(b"of somebody else")
            assert carried.ordered.find() == ()
            assert (ground.root / "in" / "all" / "else").read_bytes() == b"of somebody else"
        finally:
            run("mount", device, ground.root)
        carried.go()
        check_proven(ground, carried)


@contextmanager
def laid_on_bad_ground(folder: Path) -> Iterator[tuple[Ground, CarriedOut, ServedImage]]:
    """As `laid`, on a disk that fails where it is told to."""
    backing, root = folder / "disk.img", folder / "disk"
    with backing.open("wb") as file:
        file.truncate(32 << 20)
    run("mkfs.ext4", "-q", "-F", backing)
    root.mkdir()
    with served_image(folder / "served", backing) as image, on_loop_device(image.path, root):
        (root / "in" / "all").mkdir(parents=True)
        for number in range(COUNT):
            (root / "in" / "all" / f"{NAME}-{number}").write_bytes(lines(NEEDLE, number, SIZE))
        ground = Ground(root, (backing,))
        ground.sync()
        yield ground, CarriedOut(order_files(root / "in", ("all",), folder / "state")), image


@contextmanager
def on_loop_device(image: Path, root: Path) -> Iterator[None]:
    device = run("losetup", "--find", "--show", image).strip()
    try:
        run("mount", device, root)
        try:
            yield
        finally:
            run("umount", device)
    finally:
        run("losetup", "--detach", device)


def place_of(path: Path) -> int:
    """First byte of the file on the disk, where it lies in one piece."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        (span,) = map_extents(descriptor).spans
        return span.physical
    finally:
        os.close(descriptor)


def test_a_bad_place_that_takes_no_write_interrupts_and_is_resumed(tmp_path: Path) -> None:
    """Which files a barrier that failed had covered nobody can tell: none of them counts, no name goes, and once the
    disk is sound the same run goes on."""
    with laid_on_bad_ground(tmp_path) as (ground, carried, image):
        begin = place_of(ground.root / "in" / "all" / f"{NAME}-5")
        carried.when_held = lambda: image.fail(begin + 8192, 4096, writes=True)
        carried.go()
        image.mend()
        assert isinstance(carried.stopped, Interrupted), carried.stopped
        assert carried.claim.outcome is not Outcome.PROVEN
        assert ground.hits(NEEDLE) > 0
        assert len(list((ground.root / "in" / "all").iterdir())) == COUNT
        carried.when_held = lambda: None
        carried.go()
        check_proven(ground, carried)


def test_a_bad_place_that_cannot_be_read_is_never_called_proven(tmp_path: Path) -> None:
    """It took the pass, as far as anybody can tell; all else was read back."""
    with laid_on_bad_ground(tmp_path) as (ground, carried, image):
        begin = place_of(ground.root / "in" / "all" / f"{NAME}-5")
        carried.when_held = lambda: image.fail(begin + 8192, 4096, reads=True)
        carried.go()
        image.mend()
        assert carried.stopped is None, carried.stopped
        assert (carried.claim.outcome, ground.hits(NEEDLE)) == (Outcome.UNKNOWN, 0)
        assert {reason.code for reason in carried.claim.reasons} == {"unread"}
