"""What somebody does to the files while a run is on: nothing that stays elsewhere may count as overwritten."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.bench import MIB, Bench, bench_in, carrier_of, image_identity, path_selector
from tests.support.erasing import KEYSTREAM, Ordered, loop, order_files, write_all
from tests.support.ext4_image import Mounted, ext4_image, run
from tests.support.scanner import total_found
from wipers.linux.release import _give_back
from wipers.model import Lost, Writer
from wipers.readback import FullFindings, read_back_all

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NEEDLE = b"NEEDLE-OF-CHANGING-71c4"
CONTENT = (NEEDLE + b"\n") * 4000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with ext4_image(tmp_path) as found:
        folder = found.root / "in" / "all"
        folder.mkdir(parents=True)
        for name in ("a", "b"):
            (folder / name).write_bytes(CONTENT)
        found.sync()
        yield found


def punch(path: Path) -> None:
    """The first half is given back, and written again somewhere else."""
    run("fallocate", "--punch-hole", "--length", "1MiB", path)
    write_elsewhere(path, 0, MIB)


def collapse(path: Path) -> None:
    """The first half goes, and the file grows again to its size."""
    run("fallocate", "--collapse-range", "--length", "1MiB", path)
    write_elsewhere(path, MIB, MIB)


def recreate(path: Path) -> None:
    """All of its blocks go."""
    os.truncate(path, 0)
    write_elsewhere(path, 0, 2 * MIB)


def commit(path: Path) -> None:
    """What was given back may be handed out again."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_elsewhere(path: Path, offset: int, length: int) -> None:
    """Into blocks that were never the file's: all others but those are taken."""
    commit(path)
    with path.with_name("in-the-way").open("wb") as file:
        for step in (MIB, 1 << 12):
            with suppress(OSError):
                while True:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step)
    path.with_name("spare").unlink()
    commit(path.parent)
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), b"\xff" * length, offset)


@pytest.mark.parametrize("change", [punch, collapse, recreate])
def test_an_image_whose_blocks_moved_during_the_run_is_unread(bench: Bench, change: Callable[[Path], None]) -> None:
    """The blocks that were given back hold the content, and the read-back of the new ones says nothing about them."""
    image = bench.ext4() / "image"
    image.write_bytes((NEEDLE * (2 * MIB))[: 2 * MIB])
    with image.with_name("spare").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2 * MIB)
    commit(image)
    carrier, selector = carrier_of(image_identity(image)), path_selector(image)
    (target,) = bench.host.find(carrier, selector)
    with bench.host.open(target, carrier, selector, resuming=False) as writer:
        change(image)
        assert write_all(writer) == 0
        found = read_all(writer)
    assert total_found(bench.folder / "disk.img", [NEEDLE]) > 0
    assert found.unread_size >= MIB
    assert {failure.error for failure in found.unread} == {"ESTALE"}


def test_an_image_whose_blocks_moved_while_the_run_rested_is_unread(bench: Bench) -> None:
    """Taken up again, the run must not take the new blocks for those that held the content."""
    image = bench.ext4() / "image"
    image.write_bytes((NEEDLE * (2 * MIB))[: 2 * MIB])
    with image.with_name("spare").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2 * MIB)
    commit(image)
    carrier, selector = carrier_of(image_identity(image)), path_selector(image)
    (target,) = bench.host.find(carrier, selector)
    with bench.host.open(target, carrier, selector, resuming=False):
        pass
    punch(image)
    with bench.host.open(target, carrier, selector, resuming=True) as writer:
        assert write_all(writer) == 0
        assert read_all(writer).unread_size >= MIB
    assert total_found(bench.folder / "disk.img", [NEEDLE]) > 0


def read_all(writer: Writer) -> FullFindings:
    writer.settle()
    return read_back_all(writer, writer.layout("whole"), KEYSTREAM, loop())


def ordered(disk: Mounted, state: Path) -> Ordered:
    return order_files(disk.root / "in", ("all",), state)


def test_a_file_that_grew_during_the_run_is_not_proven(disk: Mounted, tmp_path: Path) -> None:
    """What was added was never overwritten, and its blocks would be given back with it."""
    order = ordered(disk, tmp_path / "state")
    with order.host.open(order.target(), order.carrier, order.selector, resuming=False) as writer:
        write_all(writer)
        with (disk.root / "in" / "all" / "a").open("ab") as file:
            file.write(CONTENT)
        assert read_all(writer).unread_size > 0


def test_a_file_that_grew_after_its_read_back_keeps_its_name(disk: Mounted, tmp_path: Path) -> None:
    """Released, nobody could name the blocks in which the new content stands."""
    order = ordered(disk, tmp_path / "state")
    grown = disk.root / "in" / "all" / "a"
    with order.host.open(order.target(), order.carrier, order.selector, resuming=False) as writer:
        write_all(writer)
        assert read_all(writer).unread_size == 0
        with grown.open("ab") as file:
            file.write(CONTENT)
        assert writer.release() == 1
    assert grown.read_bytes().endswith(CONTENT)


def test_a_file_that_came_after_the_read_back_stays(disk: Mounted, tmp_path: Path) -> None:
    """It was not overwritten, so it must not go."""
    order = ordered(disk, tmp_path / "state")
    newcomer = disk.root / "in" / "all" / "new"
    with order.host.open(order.target(), order.carrier, order.selector, resuming=False) as writer:
        write_all(writer)
        assert read_all(writer).unread_size == 0
        newcomer.write_bytes(CONTENT)
        assert writer.release() == 2
    assert newcomer.read_bytes() == CONTENT


def test_names_in_a_directory_that_was_moved_away_do_not_count_as_gone(disk: Mounted, tmp_path: Path) -> None:
    """They are still there, where it was moved to."""
    order = ordered(disk, tmp_path / "state")
    folder, other = disk.root / "in" / "all", disk.root / "other"
    other.mkdir()
    with order.host.open(order.target(), order.carrier, order.selector, resuming=False) as writer:
        write_all(writer)
        assert read_all(writer).unread_size == 0
        folder.rename(disk.root / "aside")
        folder.symlink_to(other, target_is_directory=True)
        assert writer.release() == 0


def test_names_below_a_new_mount_go_once_it_is_gone(disk: Mounted, tmp_path: Path) -> None:
    """Out of reach is not gone: the run rests, and is taken up again."""
    order = order_files(disk.root / "in", ("all/a", "all/b"), tmp_path / "state")
    folder, other = disk.root / "in" / "all", disk.root / "other"
    other.mkdir()
    with order.host.open(order.target(), order.carrier, order.selector, resuming=False) as writer:
        write_all(writer)
        run("mount", "--bind", other, folder)
        try:
            with pytest.raises(Lost):
                writer.release()
        finally:
            run("umount", folder)
        assert writer.release() == 2
    assert list(folder.iterdir()) == []


def test_a_name_that_somebody_took_is_not_taken_back_from_him(tmp_path: Path) -> None:
    """What was renamed by mistake gets its old name only while that is free."""
    for name in ("passing", "old"):
        (tmp_path / name).write_text(name)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        _give_back(folder, "passing", "old")
        assert (tmp_path / "old").read_text() == "old"
        _give_back(folder, "passing", "free")
        assert (tmp_path / "free").read_text() == "passing"
    finally:
        os.close(folder)


def test_nothing_comes_back_with_the_journal_after_a_power_cut(disk: Mounted, tmp_path: Path) -> None:
    """The image as it stood right after the release, mounted again, which replays the journal."""
    order = ordered(disk, tmp_path / "state")
    with order.host.open(order.target(), order.carrier, order.selector, resuming=False) as writer:
        write_all(writer)
        assert read_all(writer).unread_size == 0
        assert writer.release() == 3
    copy = tmp_path / "copy.img"
    copy.write_bytes(disk.image.read_bytes())
    with bench_in(tmp_path) as bench:
        root = bench.mount(bench.attach(copy), "copy")
        assert sorted(path.name for path in root.iterdir()) == ["in", "lost+found"]
        os.sync()
        assert total_found(copy, [NEEDLE]) == 0
