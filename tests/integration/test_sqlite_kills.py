"""A run on a SQLite database that is killed at any of its steps is completed: no survivor lost, no victim left."""

from __future__ import annotations

import functools
import os
import signal
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.support import people
from tests.support.carrying_out import CarriedOut
from tests.support.ext4_image import Mounted
from tests.support.people_disk import database, order_people, people_disk
from tests.support.raw_scanner import scan
from tests.support.sqlite_cut import (
    GONE,
    ROWS,
    JournalOnDisk,
    blocks_of,
    kill_and_resume,
    kill_and_resume_whole,
    killed,
    read_at,
    rows_of,
)
from wipers.linux.engines import sqlite_rewrite

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with people_disk(tmp_path, size=8 << 20) as found:
        yield found


WAYS = {
    "rows copy-forward ahead": (kill_and_resume, 4),
    "rows copy-forward anew": (kill_and_resume, 5),
    "rows copy-forward locked": (kill_and_resume, 4),
    "rows hole-filling ahead": (kill_and_resume, 3),
    "rows hole-filling locked": (kill_and_resume, 4),
    "rows hole-filling logged": (kill_and_resume, 6),
    "table copy-forward ahead": (kill_and_resume, 4),
    "whole": (kill_and_resume_whole, 4),
}
"""How a database or its rows go, and which of all moments are tried: every so-manyth, since most of a run's steps are
the same. The campaign `kill_sqlite_rows` tries all."""


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """The work is done in a process of its own meanwhile, and has been done well at the end; nothing of it goes on."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, this process ends here
            traceback.print_exc()
        finally:
            os._exit(status)
    try:
        yield
    finally:
        _, status = os.waitpid(child, 0)
    assert status == 0, "see what it printed"


def killed_at_each(disk: Mounted, way: str, first: int) -> None:
    """Killed at moments from the first on until none comes, each time with the whole database."""
    act, step = WAYS[way]
    moment = first
    people.make(database(disk), "PERSIST" if "hole-filling" in way and "logged" not in way else "WAL", rows=ROWS)
    content = database(disk).read_bytes()
    while act(disk, way, content, moment):
        moment += step
    assert moment > 30


def test_a_run_that_was_killed_anywhere_is_completed(tmp_path: Path) -> None:
    """Rolled back by SQLite or carried on by the manifest: every row that stays is as it was, and a certificate can
    be made of what the resumed run saw alone. All ways at once, on disks of their own: most of it is waiting."""
    with ExitStack() as left:
        works = []
        for first, way in enumerate(WAYS, 1):
            folder = tmp_path / str(first)
            folder.mkdir()
            disk = left.enter_context(people_disk(folder, size=8 << 20))
            works.append(functools.partial(killed_at_each, disk, way, first))
        for work in works[1:]:
            left.enter_context(beside(work))
        works[0]()


def test_the_old_file_is_written_over_whatever_its_application_put_in_its_place(disk: Mounted, tmp_path: Path) -> None:
    """Killed when the new file had got the name; then somebody compacted the database into a file of their own. The old
    one was taken for a new one that never came into use, and let go with all its rows."""
    path = database(disk)
    people.make(path, "PERSIST", rows=ROWS)
    expected = rows_of(path)
    ordered = order_people(disk, GONE)

    def die_once_swapped() -> None:
        swap = sqlite_rewrite.swap

        def swapped(path: Path, new: Path) -> None:
            swap(path, new)
            os.kill(os.getpid(), signal.SIGKILL)

        sqlite_rewrite.swap = swapped

    assert killed(ordered, tmp_path / "journal", die_once_swapped)
    before = blocks_of(disk, next(disk.root.rglob("new")))
    with closing(sqlite3.connect(path)) as found:
        found.execute("VACUUM INTO ?", (f"{path}.compact",))
    os.replace(f"{path}.compact", path)
    run = CarriedOut(ordered, JournalOnDisk(tmp_path / "journal"))
    run.go()
    assert run.stopped is None
    assert rows_of(path) == expected
    ordered.host.forget(ordered.carrier)
    assert [one.name for one in path.parent.iterdir()] == ["people.db"]
    disk.sync()
    assert before
    assert not [place for place, was in before.items() if read_at(disk.image, place) == was]
    assert scan(disk.image, people.TRACES).total == 0
