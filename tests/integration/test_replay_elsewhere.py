"""A replay that was cut holds files in a directory above the database's; then a restore comes to another place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.integration.test_replay import Done, cut_at, destroy, erased, named
from tests.support.ext4_image import Mounted, ext4_image, run, unmount

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with ext4_image(tmp_path, size=24 << 20) as found:
        yield found


@pytest.fixture
def cut(disk: Mounted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Done:
    """What a replay took out is held where the application, which owns its directory, can put nothing in its place."""
    folder = disk.root / "app"
    folder.mkdir()
    os.chown(folder, 1000, 1000)
    done = erased(folder / "crm.db", tmp_path, tmp_path)
    done.restore()
    cut_at(done, monkeypatch, "_noted")
    (held,) = disk.root.glob(".expunge-*")
    assert list(held.iterdir())
    return done


@contextmanager
def another_file_system(folder: Path, tmp_path: Path) -> Iterator[None]:
    """Mounted there, in the place of the directory that was."""
    (tmp_path / "new").mkdir()
    with ext4_image(tmp_path / "new", size=24 << 20) as new:
        run("mount", "--bind", new.root, folder)
        try:
            yield
        finally:
            unmount(folder)


def check_gone(done: Done, disk: Mounted) -> None:
    """What the restore brought is destroyed again, and no directory of ours is left."""
    found = done.look()
    assert found is not None
    assert (done.again(found), done.left(), done.look()) == (Outcome.PROVEN, 0, None)
    assert not list(disk.root.rglob(".*expunge-*"))


def test_files_held_on_the_file_system_of_before_are_named_first(cut: Done, disk: Mounted, tmp_path: Path) -> None:
    """They cannot come to where a replay on another one holds what it takes. Refused before anything is put aside, so
    that they are found; what is advised works, and then the replay goes."""
    with another_file_system(cut.path.parent, tmp_path):
        cut.restore()
        for _ in range(2):
            folder = named(cut)
            assert (folder.parent, bool(list(folder.iterdir()))) == (disk.root, True)
        destroy(cut, folder, "held")
        check_gone(cut, disk)


def test_files_held_beyond_a_mount_of_the_same_file_system_are_named_first(
    cut: Done, disk: Mounted, tmp_path: Path
) -> None:
    """No file can be moved from one mount to another, though both are of one file system: the rows were out when that
    showed, and no command went on from there."""
    restored = disk.root / "restored"
    restored.mkdir()
    run("mount", "--bind", restored, cut.path.parent)
    try:
        cut.restore()
        destroy(cut, named(cut), "held")
        check_gone(cut, disk)
    finally:
        unmount(cut.path.parent)
