"""Runs on a SQLite database that are killed at one of their steps, and resumed: no survivor lost, no victim left."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from certificates.statements import Outcome
from tests.support import people
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Ordered
from tests.support.ext4_image import Mounted
from tests.support.people_disk import database, open_elsewhere, order_people
from tests.support.raw_scanner import scan
from tests.support.runs import JournalInMemory
from tests.support.simulated_host import Plug
from wipers.linux import manifest
from wipers.linux.engines import sqlite_ahead, sqlite_kept, sqlite_logged, sqlite_rewrite, sqlite_withdrawal
from wipers.linux.extents import map_extents

ROWS, GONE = 60, 20


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
        """Before and after each line of the manifest, each exchange of names, each file written, filled or overwritten,
        each log brought in; after each entry of the journal and each file made durable."""
        write, sync, entered = manifest.Manifest.write, sqlite_rewrite.sync, JournalOnDisk.write

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

        def around(act: Callable[..., object]) -> Callable[..., object]:
            def acted(*given: object) -> object:
                moments.pass_by()
                made = act(*given)
                moments.pass_by()
                return made

            return acted

        moments = self
        manifest.Manifest.write = written  # type: ignore[method-assign]
        JournalOnDisk.write = enter  # type: ignore[method-assign]
        for one in (sqlite_ahead, sqlite_rewrite, sqlite_withdrawal):
            one.sync = synced  # type: ignore[attr-defined]
        for module, name in (
            (sqlite_ahead, "write_new"),
            (sqlite_withdrawal, "write_new"),
            (sqlite_rewrite, "swap"),
            (sqlite_withdrawal, "write_over"),
            (sqlite_withdrawal, "fill_up"),
            (sqlite_logged, "bring_in"),
            (sqlite_logged, "add_empty_pages"),
            (sqlite_logged, "_write_over"),
            (sqlite_logged.LoggedWithdrawal, "_take_out"),
        ):
            setattr(module, name, around(getattr(module, name)))


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


def rows_left(path: Path) -> list[tuple[object, ...]]:
    """What stays where a whole table goes, which is there no more."""
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = found.execute("SELECT rowid, * FROM letters ORDER BY 1").fetchall()
        return [*rows, *found.execute("SELECT id FROM desks ORDER BY 1")]


def is_left(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as found:
        return found.execute("SELECT 1 FROM sqlite_schema WHERE name = 'people'").fetchone() is not None


def kill_and_resume(disk: Mounted, way: str, content: bytes, moment: int) -> bool:
    """A run is killed at that moment and resumed, and all is as it should be; tell whether it came so far. `way`:
    scope, copy-forward or hole-filling, ahead of the lock (where samples are taken, or anew) or under it, or with a log
    among others who have it open."""
    path = database(disk)
    path.write_bytes(content)
    scope, method, when = way.split()
    # In this process and those it starts: no memory for a copy, or somebody who writes after the samples were taken.
    if when == "locked":
        for module in (sqlite_ahead, sqlite_kept):
            module.has_room = lambda *_: False  # type: ignore[attr-defined]
    elif when == "anew":
        sqlite_kept.Kept._is_as_it_was = lambda *_: False  # type: ignore[method-assign]
    left_of = rows_of if scope == "rows" else rows_left
    expected = left_of(path)
    table = {"scope": "table", "condition": None, "parameters": (), "least": ROWS, "most": ROWS}
    ordered = order_people(disk, GONE, **(table if scope == "table" else {}))
    journal = JournalOnDisk(disk.image.parent / f"journal-{moment}")
    with ExitStack() as left:
        if when == "logged":
            left.enter_context(open_elsewhere(path))
        elif method == "hole-filling":
            left.enter_context(closing(sqlite3.connect(path))).execute("SELECT 1 FROM people").fetchone()
        was_killed = killed_at(ordered, journal.path, moment)
        resume(ordered, journal, moment)
        if when == "logged":
            assert scan(Path(f"{path}-wal"), people.TRACES).total == 0, moment
    assert left_of(path) == expected, moment
    assert scope == "rows" or not is_left(path), moment
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
