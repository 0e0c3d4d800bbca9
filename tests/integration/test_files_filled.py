"""Free space and journals of file systems that are laid out otherwise: what lies below other mounts, fast commits,
projects' quotas, a site on the very disk that is filled, long targets of links."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest

from certificates.statements import FillRecord, NamesRecord, Outcome
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Acting, erase_with, order_files
from tests.support.ext4_image import run
from tests.support.grounds import Ground, MakeGround, btrfs, ext4, without_cow, xfs
from tests.support.real_site import files_carrier
from tests.support.trials import command, trial
from wipers.acts import FillFree
from wipers.linux.filesystems import file_system_of
from wipers.linux.freespace import fill_free
from wipers.linux.machine import THIS_MACHINE, Machine
from wipers.linux.reserves import without_reserve
from wipers.linux.room import Room
from wipers.linux.tinyfiles import TinyFiles
from wipers.linux.unwritten import has_unwritten

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NAME = b"NAME-OF-A-SECRET-3f90"
CONTENT = b"CONTENT-OF-A-SECRET-a71c"


def laid(ground: Ground, folder: Path, *destroy: Literal["names", "history"]) -> CarriedOut:
    """Forty files, made durable one by one, and an order for them."""
    place = ground.root / "in" / "all"
    place.mkdir(parents=True, exist_ok=True)
    for number in range(40):
        with (place / f"{NAME.decode()}-{number}").open("wb", buffering=0) as file:
            file.write(CONTENT * 400)
            os.fsync(file.fileno())
    ground.sync()
    return CarriedOut(order_files(ground.root / "in", ("all",), folder / "state", destroy=destroy))


def test_a_file_below_another_mount_is_looked_at_too(tmp_path: Path) -> None:
    """What is mounted over a directory hides files that were given blocks and never wrote them."""
    with ext4()(tmp_path) as ground:
        hidden = ground.root / "hidden"
        hidden.mkdir()
        root = os.open(ground.root, os.O_RDONLY)
        try:
            assert has_unwritten(root, THIS_MACHINE, lambda done, total: None) is False
            run("fallocate", "--length", "1MiB", hidden / "never-written")
            run("mount", "-t", "tmpfs", "tmpfs", hidden)
            try:
                assert has_unwritten(root, THIS_MACHINE, lambda done, total: None) is True
            finally:
                run("umount", hidden)
        finally:
            os.close(root)


def test_what_another_run_fills_with_is_left_to_it(tmp_path: Path) -> None:
    """Two carriers of one order lie in one directory: the second would take for a crash's what the first is making, and
    neither would reach every free block."""
    machine, waits, filled = Machine(runs=tmp_path / "runs"), threading.Event(), []
    with ext4()(tmp_path) as ground:
        root = os.open(ground.root, os.O_RDONLY)
        found = file_system_of(root)

        def fill() -> None:
            filled.append(fill_free(root, found, bytes(32), machine=machine, pause=lambda done, total: waits.set()))

        second = threading.Thread(target=fill)
        try:
            with without_reserve(root, found, machine), closing(Room(root)) as room, TinyFiles(root, found, room):
                second.start()
                assert waits.wait(120)
                assert len(list(ground.root.glob(".expunge-fill-*"))) == 1
                assert not filled
        finally:
            second.join(120)
            os.close(root)
        assert [(one.unreached, one.left) for one in filled] == [(0, ())]
        assert not list(ground.root.glob(".expunge-fill-*"))


LAYOUTS: dict[str, tuple[str, ...]] = {
    "fast commits and a file of orphans": ("-O", "fast_commit,orphan_file"),
    "groups of groups": ("-O", "meta_bg,^resize_inode"),
    "numbers of 32 bits": ("-O", "^64bit,^flex_bg"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_are_gone_however_an_ext4_is_laid_out(tmp_path: Path, layout: str) -> None:
    """A fast commit writes the name of each file that was made durable into blocks that no round of the journal
    reaches."""
    with ext4("-b", "1024", *LAYOUTS[layout], size=24 << 20)(tmp_path) as ground:
        carried = laid(ground, tmp_path, "names")
        assert ground.hits(NAME) > 40
        carried.go()
        assert carried.stopped is None
        (record,) = (one for one in carried.records if isinstance(one, NamesRecord))
        assert (record.is_complete, ground.hits(NAME)) == (True, 0), record


def test_a_journal_on_another_device_is_said_not_to_be_reached(tmp_path: Path) -> None:
    """It holds names, and nobody looks there: nothing is called proven."""
    journal = tmp_path / "journal.img"
    with journal.open("wb") as file:
        file.truncate(8 << 20)
    device = run("losetup", "--find", "--show", journal).strip()
    try:
        run("mke2fs", "-q", "-F", "-b", "1024", "-O", "journal_dev", device)
        with ext4("-b", "1024", "-J", f"device={device}", size=24 << 20)(tmp_path / "disk") as ground:
            carried = laid(ground, tmp_path, "names")
            carried.go()
            assert carried.stopped is None
            (record,) = (one for one in carried.records if isinstance(one, NamesRecord))
            assert record.left == ("file-system-journal",)
            assert carried.claim.outcome is not Outcome.PROVEN
    finally:
        run("losetup", "--detach", device)


PLAIN_FOLDER, PLAIN_FILE = "qxqxqxqxqx", "zvzvzvzvzv"
"""Names of so few different letters that they are told from chance only in the shape of a directory's entry."""


@pytest.mark.parametrize("count", [2, 300], ids=["in an inode", "in blocks"])
def test_a_plain_name_is_gone_from_a_directory_of_xfs_that_stays(tmp_path: Path, count: int) -> None:
    """Removed, it stands there still: behind a mark of free room, or behind the last entry in the inode."""
    with trial(tmp_path, xfs()) as laid:
        folder = laid.folder / PLAIN_FOLDER
        folder.mkdir(parents=True)
        (folder / PLAIN_FILE).write_bytes(CONTENT * 400)
        for number in range(count):
            (laid.folder / f"stays-{number}").write_bytes(b"kept")
        assert laid.ground.hits(PLAIN_FOLDER.encode()) > 0
        charge = laid.site.charge(files_carrier(laid.folder, PLAIN_FOLDER, destroy=("names",)), name="plain")
        (label,) = charge.labels
        ending = command(laid.site, "run", str(charge.path), "--key", str(laid.site.key), "--confirm", label)
        assert laid.ground.hits(PLAIN_FOLDER.encode(), PLAIN_FILE.encode()) == 0
        assert (ending.exit, laid.certificate.claim.outcome) == (6, Outcome.PROVEN), ending
        assert sorted(path.name for path in laid.folder.iterdir()) == sorted(f"stays-{at}" for at in range(count))
        laid.check_audit()


TARGET = b"TARGET-OF-A-LINK-6d02-"


GROUNDS: dict[str, MakeGround] = {"ext4": ext4(), "xfs": xfs(), "btrfs": btrfs("", without_cow)}


@pytest.mark.parametrize("kind", GROUNDS)
def test_a_run_fills_the_disk_that_its_own_site_lies_on(tmp_path: Path, kind: str) -> None:
    """What a run must know again stands on the disk that it fills to the last block, and is written right after. The
    long target of a link has a block of its own, which nothing else reaches."""
    with GROUNDS[kind](tmp_path / "disk") as ground:
        state = ground.root / "site"
        state.mkdir()
        carried = laid(ground, state, "history")
        for number in range(20):
            (ground.root / "in" / "all" / f"link-{number}").symlink_to((TARGET * 40).decode())
        assert ground.hits(TARGET) > 400
        journal = state / "journal"
        carried.when_held = lambda: journal.write_bytes(b"begun\n")
        carried.go()
        assert carried.stopped is None, carried.stopped
        with journal.open("ab", buffering=0) as file:
            file.write(b"ended\n" * 10_000)
            os.fsync(file.fileno())
        (record,) = (one for one in carried.records if isinstance(one, FillRecord))
        assert record.is_complete == (kind == "ext4")
        # In btrfs's leaves targets stand among names, and are left with them.
        assert ground.hits(CONTENT, *(() if kind == "btrfs" else (TARGET,))) == 0


def test_a_mount_that_is_replaced_amid_the_filling_is_not_what_is_filled(tmp_path: Path) -> None:
    """Another file system stands in its place by then: not a byte goes there, and of the first one nobody can walk the
    files any more, which the record says."""
    with ext4(size=64 << 20)(tmp_path) as ground:
        carried = laid(ground, tmp_path, "history")
        (device,) = (line.split()[0] for line in run("df", ground.root).splitlines()[1:])
        acting = Acting()
        replaced: list[str] = []

        def told(done: int, total: int) -> None:
            if not replaced and done > total // 2:
                run("umount", "--lazy", device)
                run("mount", "-t", "tmpfs", "tmpfs", ground.root)
                replaced.append(device)

        acting.told = told
        ordered = carried.ordered
        try:
            with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
                erase_with(writer)
                record = writer.act(FillFree(), acting.given())
            assert replaced
            assert list(ground.root.iterdir()) == []
            assert os.statvfs(ground.root).f_blocks - os.statvfs(ground.root).f_bfree == 0
        finally:
            if replaced:
                run("umount", ground.root)
                run("mount", device, ground.root)
        assert isinstance(record, FillRecord)
        assert record.left == ("unwritten-extents",)
        assert ground.hits(CONTENT) == 0


def test_a_quota_ends_the_filling_and_the_record_says_so(tmp_path: Path) -> None:
    """The disk is not full when the limit is reached: what is free beyond it keeps what it held, and is named.
    (Projects' quotas are not in every kernel; btrfs counts by subvolume.)"""
    with btrfs("", without_cow)(tmp_path) as ground:
        run("btrfs", "quota", "enable", ground.root)
        run("btrfs", "quota", "rescan", "-w", ground.root)
        run("btrfs", "qgroup", "limit", str(24 << 20), "0/5", ground.root)
        carried = laid(ground, tmp_path, "history")
        carried.go()
        assert carried.stopped is None, carried.stopped
        (record,) = (one for one in carried.records if isinstance(one, FillRecord))
        assert not record.is_complete
        assert "reserved-blocks" in record.left
        assert record.filled < 24 << 20 < record.unreached
        assert ground.hits(CONTENT) == 0, "what was ordered was overwritten where it lay"
