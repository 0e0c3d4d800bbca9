"""A run on a SQLite database that is killed at any of its steps is completed: no survivor lost, no victim left."""

from __future__ import annotations

import functools
import os
import pickle
import signal
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.support import people
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Ordered
from tests.support.ext4_image import Mounted
from tests.support.people_disk import database, order_people, people_disk
from tests.support.raw_scanner import scan
from tests.support.runs import JournalInMemory
from tests.support.simulated_host import Plug
from wipers.linux import manifest
from wipers.linux.engines import sqlite_rewrite
from wipers.linux.extents import map_extents

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS, GONE = 60, 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with people_disk(tmp_path, size=8 << 20) as found:
        yield found


class JournalOnDisk(JournalInMemory):
    """A journal that another process can read after this one was killed."""

    def __init__(self, path: Path) -> None:
        super().__init__(Plug())
        self.path = path
        if path.exists():
            self.entries, self.head = pickle.loads(path.read_bytes())

    def write(self, event: object) -> None:
        super().write(event)
        new = self.path.with_suffix(".new")
        new.write_bytes(pickle.dumps((self.entries, self.head)))
        new.replace(self.path)


class Moments:
    """Counts a run's durable steps, in a process of its own that dies at one of them."""

    def __init__(self, last: int) -> None:
        self.left = last

    def pass_by(self) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Before and after each line of the manifest, after each entry of the journal and each file made durable."""
        write, sync, entered = manifest.Manifest.write, sqlite_rewrite._sync, JournalOnDisk.write

        def written(self: manifest.Manifest, phase: str, **facts: object) -> None:
            moments.pass_by()
            write(self, phase, **facts)
            moments.pass_by()

        def enter(self: JournalOnDisk, event: object) -> None:
            entered(self, event)
            moments.pass_by()

        def synced(path: Path) -> None:
            sync(path)
            moments.pass_by()

        moments = self
        manifest.Manifest.write = written  # type: ignore[method-assign]
        JournalOnDisk.write = enter  # type: ignore[method-assign]
        sqlite_rewrite._sync = synced


def killed_at(ordered: Ordered, path: Path, moment: int) -> bool:
    """A run that is killed at its so-manyth step; tell whether it came so far."""
    return killed(ordered, path, Moments(moment).watch)


def killed(ordered: Ordered, path: Path, prepare: Callable[[], None]) -> bool:
    """A run that is killed where it was prepared to be; tell whether it came so far."""
    child = os.fork()
    if child == 0:
        prepare()
        run = CarriedOut(ordered, JournalOnDisk(path))
        run.go()
        os._exit(0 if run.stopped is None else 7)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return os.waitstatus_to_exitcode(status) != 0


def rows_of(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found.execute("INSERT INTO notes (notes) VALUES ('integrity-check')")
        kept = "SELECT * FROM {} WHERE {} NOT LIKE 'VCTM%' ORDER BY 1"
        named = (("people", "name"), ("visits", "what"), ("letters", "body"))
        return [row for table, column in named for row in found.execute(kept.format(table, column))]


def kill_and_resume(disk: Mounted, method: str, content: bytes, moment: int) -> bool:
    """A run is killed at that moment and resumed, and all is as it should be; tell whether it came so far."""
    path = database(disk)
    path.write_bytes(content)
    expected = rows_of(path)
    ordered = order_people(disk, GONE)
    journal = JournalOnDisk(disk.image.parent / f"journal-{moment}")
    with ExitStack() as left:
        if method == "hole-filling":
            left.enter_context(closing(sqlite3.connect(path))).execute("SELECT 1 FROM people").fetchone()
        was_killed = killed_at(ordered, journal.path, moment)
        resume(ordered, journal, moment)
    assert rows_of(path) == expected, moment
    assert scan(path, people.TRACES).total == 0, moment
    assert [one.name for one in path.parent.iterdir()] == ["people.db"], moment
    path.unlink()
    return was_killed


def resume(ordered: Ordered, journal: JournalOnDisk, moment: int) -> None:
    """The run that was killed is completed, proven, and forgotten."""
    run = CarriedOut(ordered, JournalOnDisk(journal.path))
    run.go()
    assert run.stopped is None, (moment, run.stopped)
    assert run.claim.outcome is Outcome.PROVEN, (moment, run.claim, run.journal.entries)
    ordered.host.forget(ordered.carrier)


def kill_and_resume_whole(disk: Mounted, _: str, content: bytes, moment: int) -> bool:
    """A run that destroys the database with its log is killed at that moment and resumed: no block of them is what it
    was, and what stands beside them is; tell whether it came so far."""
    path, log = database(disk), Path(f"{database(disk)}-wal")
    path.write_bytes(content)
    leave_a_log(path)
    path.with_name("other.db").write_bytes(b"of somebody else")
    ordered = order_people(disk, 0, scope="database", table=None, condition=None, parameters=(), most=9999)
    before = blocks_of(disk, path) | blocks_of(disk, log)
    journal = JournalOnDisk(disk.image.parent / f"journal-{moment}")
    was_killed = killed_at(ordered, journal.path, moment)
    resume(ordered, journal, moment)
    assert [one.name for one in path.parent.iterdir()] == ["other.db"], moment
    disk.sync()
    assert len(before) > 20
    assert not [place for place, was in before.items() if read_at(disk.image, place) == was], moment
    return was_killed


def leave_a_log(path: Path) -> None:
    """Rows stand in the log alone, left by a process that died."""
    child = os.fork()
    if child == 0:
        made = sqlite3.connect(path, isolation_level=None)
        made.execute("PRAGMA wal_autocheckpoint = 0")
        made.execute("UPDATE people SET note = note || '.'")
        os._exit(0)
    os.waitpid(child, 0)


WAYS = {
    "copy-forward": (kill_and_resume, 2),
    "hole-filling": (kill_and_resume, 2),
    "whole": (kill_and_resume_whole, 3),
}
"""How a database or its rows go, and which of all moments are tried in each share: every so-manyth. Of a whole
database's a third, since most of a run's steps are the same; all were tried when this was written."""


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
    people.make(database(disk), "PERSIST" if way == "hole-filling" or not first % 2 else "WAL", rows=ROWS)
    content = database(disk).read_bytes()
    while act(disk, way, content, moment):
        moment += step
    assert moment > 30


def test_a_run_that_was_killed_anywhere_is_completed(tmp_path: Path) -> None:
    """Rolled back by SQLite or carried on by the manifest: every row that stays is as it was, and a certificate can
    be made of what the resumed run saw alone. All ways at once, on disks of their own: most of it is waiting."""
    shares = [("copy-forward", 1), ("copy-forward", 2), ("hole-filling", 1), ("hole-filling", 2), ("whole", 1)]
    with ExitStack() as left:
        works = []
        for way, first in shares:
            folder = tmp_path / f"{way}-{first}"
            folder.mkdir()
            disk = left.enter_context(people_disk(folder, size=8 << 20))
            works.append(functools.partial(killed_at_each, disk, way, first))
        for work in works[1:]:
            left.enter_context(beside(work))
        works[0]()


def read_at(image: Path, place: int) -> bytes:
    with image.open("rb") as raw:
        raw.seek(place)
        return raw.read(4096)


def blocks_of(disk: Mounted, path: Path) -> dict[int, bytes]:
    """What stands on the disk in each block of a file that is not all zeros."""
    with path.open("rb") as file:
        spans = map_extents(file.fileno()).spans
    disk.sync()
    places = (place for span in spans for place in range(span.physical, span.physical + span.length, 4096))
    return {place: was for place in places if any(was := read_at(disk.image, place))}


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
