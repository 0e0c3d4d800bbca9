"""Files on disks that take no write in places, or none at all any more; and files on a FAT, which are refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.measuring import measure
from certificates.errors import Interrupted, Refused
from certificates.statements import Outcome, OverwriteRecord
from tests.lab.guest.devices import SECTOR, mapped, memory_disk, needles, ordered, remap, served, settle
from tests.support.bench import MIB, Bench
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import order_files
from tests.support.ext4_image import run

COUNT, SIZE = 6, 64 << 10
LARGE, LARGE_SIZE = 4, 400 << 10
"""Number and bytes of the one file that is written past the cache."""
ALL = 8 * MIB // SECTOR


@dataclass
class Disk:
    """An ext4 over a mapping over memory, six files on it, and an order for them."""

    below: Path
    device: Path
    root: Path
    carried: CarriedOut

    def fail(self, begin: int, count: int) -> None:
        """These sectors answer with errors from now on."""
        after = begin + count
        table = [f"{begin} {count} error"]
        table += [f"0 {begin} linear {self.below} 0"] if begin else []
        table += [f"{after} {ALL - after} linear {self.below} {after}"] if after < ALL else []
        remap(self.device, *sorted(table, key=lambda line: int(line.split()[0])))

    def heal(self) -> None:
        """All answer again, and the file system is taken up anew."""
        remap(self.device, f"0 {ALL} linear {self.below} 0")
        run("umount", self.root)
        run("mount", "-t", "ext4", self.device, self.root)

    def left(self) -> set[int]:
        """Numbers of the files of which anything stands on the storage."""
        run("sync", "--file-system", self.root)
        raw = raw_of(self.below)
        return {number for number in range(COUNT) if word(number) in raw}


def raw_of(device: Path) -> bytes:
    """What stands on the device itself, past what was read of it before."""
    run("blockdev", "--flushbufs", device)
    return device.read_bytes()


def word(number: int) -> bytes:
    return b"NEEDLE-OF-A-FAILING-DISK-%d" % number


@contextmanager
def disk(bench: Bench) -> Iterator[Disk]:
    """Everything is given back at the end."""
    with memory_disk() as below, mapped(f"0 {ALL} linear {below} 0") as device:
        run("mke2fs", "-q", "-t", "ext4", device)
        root = bench.folder / "disk"
        root.mkdir()
        run("mount", "-t", "ext4", device, root)
        try:
            (root / "in" / "all").mkdir(parents=True)
            for number in range(COUNT):
                size = LARGE_SIZE if number == LARGE else SIZE
                (root / "in" / "all" / f"file-{number}").write_bytes((word(number) * size)[:size])
            run("sync", "--file-system", root)
            order = order_files(root / "in", ("all",), bench.folder / "state")
            yield Disk(below, device, root, CarriedOut(order))
        finally:
            run("umount", root)


def sectors_of(path: Path) -> tuple[int, int]:
    """First sector and number of sectors of a file in one piece, as another program tells."""
    rows = [
        row.replace(":", " ").replace("..", " ").split() for row in run("filefrag", "-e", "-b512", path).splitlines()
    ]
    ((_, _, _, begin, _, count, *_),) = (row for row in rows if row and row[0].isdigit())
    return int(begin), int(count)


@pytest.mark.parametrize("number", [3, LARGE])
def test_a_file_on_bad_sectors_keeps_all_names_and_is_told(bench: Bench, number: int) -> None:
    """dm-error below one file: the others are overwritten, nothing is released, and the claim says how much is left. A
    small file is written through the cache, where an error shows too late to say whose: the run rests, and is resumed
    past the cache."""
    with disk(bench) as found:
        begin, _ = sectors_of(found.root / "in" / "all" / f"file-{number}")
        found.carried.when_held = lambda: found.fail(begin + 8, 16)
        found.carried.go()
        assert (found.carried.stopped is None) == (number == LARGE), found.carried.stopped
        if found.carried.stopped is not None:
            found.carried.when_held = lambda: None
            found.carried.go()
        assert found.carried.stopped is None, found.carried.stopped
        assert found.carried.claim.outcome is Outcome.NOT_REACHED
        (record,) = (one for one in found.carried.records if isinstance(one, OverwriteRecord))
        assert 16 * SECTOR <= record.failed_size < LARGE_SIZE
        assert {one.extent.stream for one in record.failures} == {number}
        assert len(os.listdir(found.root / "in" / "all")) == COUNT
        found.heal()
        assert found.left() == {number}


def test_a_disk_that_fails_altogether_interrupts_and_is_resumed(bench: Bench) -> None:
    """All sectors fail from the first write on: the run rests; healed and mounted again, it is completed."""
    with disk(bench) as found:
        found.carried.when_held = lambda: found.fail(0, ALL)
        found.carried.go()
        assert isinstance(found.carried.stopped, Interrupted) or found.carried.claim.outcome is Outcome.NOT_REACHED
        found.carried.when_held = lambda: None
        found.heal()
        assert found.left() == set(range(COUNT))
        if found.carried.stopped is None:
            found.carried = CarriedOut(found.carried.ordered)
        found.carried.go()
        assert found.carried.stopped is None, found.carried.stopped
        assert found.carried.claim.outcome is Outcome.PROVEN
        assert found.left() == set()


def test_files_on_a_fat_are_refused_and_its_whole_disk_is_not(bench: Bench) -> None:
    """It was not shown where a FAT writes, and it has no inodes to know a file by: refused with every byte as it was;
    the way out that is named leaves nothing."""
    with memory_disk() as below, served(below) as device:
        run("mkfs.vfat", device)
        root = bench.folder / "fat"
        root.mkdir()
        run("mount", "-t", "vfat", device, root)
        try:
            content = b"NEEDLE-OF-A-FAT" * 9000
            (root / "all").mkdir()
            (root / "all" / "file").write_bytes(content)
            # Its UUID is known once udev has seen it, which alone shows nothing of where it writes.
            settle()
            assert "file-system-not-supported" in order_files(root, ("all",), bench.folder / "state").reasons()
            with pytest.raises(Refused) as caught:
                measure({"kind": "files"}, {"root": str(root), "names": ["all"]}, "C-1")
            assert caught.value.reason == "file-system-not-supported", "a clerk is told before anybody signs"
            assert (root / "all" / "file").read_bytes() == content
        finally:
            run("umount", root)
        assert b"NEEDLE-OF-A-FAT" in raw_of(below)
        done = ordered(bench, device)
        done.go()
        assert done.claim.outcome is Outcome.PROVEN
        assert b"NEEDLE-OF-A-FAT" not in raw_of(below)
        assert needles(below) == []
