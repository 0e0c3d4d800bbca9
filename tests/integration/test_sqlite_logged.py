"""A SQLite database with a log that others have open: rows go while they read and write, and leave nothing behind."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from certificates.errors import Interrupted
from certificates.statements import Method, Outcome
from tests.support import people
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Ordered
from tests.support.ext4_image import Mounted
from tests.support.people_disk import database, open_elsewhere, order_people, people_disk
from tests.support.raw_scanner import scan
from tests.support.sqlite_cut import leave_a_log
from wipers.linux.engines import sqlite_ahead, sqlite_catalog, sqlite_logged, sqlite_rewrite, sqlite_withdrawal

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

WRITER = """
import json, select, sqlite3, sys, time
path, tag, until = sys.argv[1], sys.argv[2], time.monotonic() + 120
connection = sqlite3.connect(path, timeout=60, isolation_level=None)
done, errors = 0, []
print("ready", flush=True)
while time.monotonic() < until and not select.select([sys.stdin], [], [], 0)[0]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO log (word) VALUES (?)", (f"{tag}{done}",))
        connection.execute("UPDATE people SET city = city || '.' WHERE id = 1")
        connection.execute("COMMIT")
        done += 1
    except sqlite3.Error as error:
        errors.append(str(error))
        break
    time.sleep(0.002)
print(json.dumps({"done": done, "errors": errors}))
"""
READER = """
import json, select, sqlite3, sys, time
path, until = sys.argv[1], time.monotonic() + 120
connection = sqlite3.connect(path, timeout=60, isolation_level=None)
done, errors = 0, []
print("ready", flush=True)
while time.monotonic() < until and not select.select([sys.stdin], [], [], 0)[0]:
    try:
        found = connection.execute("SELECT count(*), sum(length(note)) FROM people WHERE name LIKE 'KEEP%'").fetchone()
        if found != tuple(map(int, sys.argv[3:5])):
            errors.append(repr(found))
        done += 1
    except sqlite3.Error as error:
        errors.append(str(error))
        break
    time.sleep(0.001)
print(json.dumps({"done": done, "errors": errors}))
"""
OLD_STATE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM people").fetchone()
print("ready", flush=True)
sys.stdin.readline()
"""

OPEN = OLD_STATE.replace('"BEGIN"', '"SELECT 1"')


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with people_disk(tmp_path) as found:
        yield found


@contextmanager
def at_work(program: str, *words: object) -> Iterator[subprocess.Popen[str]]:
    """Another process works with the database until it is written a line."""
    command = [sys.executable, "-c", program, *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def told_by(process: subprocess.Popen[str]) -> dict[str, object]:
    told = json.loads(process.communicate("\n")[0])
    assert isinstance(told, dict)
    return told


def laid(disk: Mounted, mode: str = "WAL") -> Path:
    """A database that was made elsewhere: no free block of this disk has anything of it."""
    made = disk.image.with_name("made.db")
    people.make(made, mode)
    shutil.move(made, database(disk))
    return database(disk)


def order(disk: Mounted, **more: object) -> Ordered:
    return order_people(disk, people.GONE, **more)


def carried_out(run: CarriedOut) -> None:
    run.go()
    assert run.stopped is None, run.stopped
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    run.ordered.host.forget(run.ordered.carrier)


def check_nowhere(disk: Mounted) -> None:
    """Neither in the live file nor in the live log, nor anywhere else on the raw device."""
    disk.sync()
    assert scan(disk.image, people.TRACES).total == 0


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_processes_that_read_and_write_meet_no_error_and_lose_no_commit(disk: Mounted, mode: str) -> None:
    """Two of each, all the while: every read finds the rows that stay, every commit is there afterwards."""
    path = laid(disk, mode)
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE log (n INTEGER PRIMARY KEY, word TEXT)")
        stays = made.execute("SELECT count(*), sum(length(note)) FROM people WHERE name LIKE 'KEEP%'").fetchone()
    inode = path.stat().st_ino
    with ExitStack() as left:
        writers = [left.enter_context(at_work(WRITER, path, tag)) for tag in "ab"]
        readers = [left.enter_context(at_work(READER, path, "-", *stays)) for _ in range(2)]
        run = CarriedOut(order(disk))
        assert run.ordered.target().preferred is Method.HOLE_FILLING
        run.go()
        wrote, read = [told_by(one) for one in writers], [told_by(one) for one in readers]
    assert [one["errors"] for one in (*wrote, *read)] == [[], [], [], []]
    assert all(one["done"] for one in (*wrote, *read))
    with closing(sqlite3.connect(path)) as found:
        commits = sum(int(str(one["done"])) for one in wrote)
        assert found.execute("SELECT count(*) FROM log").fetchone() == (commits,)
        assert found.execute("SELECT length(city) - length(rtrim(city, '.')) FROM people WHERE id = 1").fetchone() == (
            commits,
        )
    assert path.stat().st_ino == inode
    assert people.survivors(path) == people.LEFT
    assert run.stopped is None, run.stopped
    if mode == "WAL":
        assert run.claim.outcome is Outcome.PROVEN, run.claim
        check_nowhere(disk)
    # Without a log, journals that writers made and removed before keep in free blocks what was in their pages.
    assert scan(path, people.TRACES).total == 0


def test_the_file_keeps_its_blocks_and_the_log_is_written_over_to_its_end(disk: Mounted) -> None:
    """A log many times as long as what is written anew, and values in pages that an application freed without a
    trace of care: what stays open has none of them."""
    path = laid(disk)
    log = Path(f"{path}-wal")
    with open_elsewhere(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as found:
            found.execute("PRAGMA secure_delete = OFF")
            found.execute("PRAGMA wal_autocheckpoint = 0")
            for _ in range(3):
                found.execute("UPDATE people SET photo = photo || photo WHERE id % 2")
                found.execute("UPDATE people SET photo = substr(photo, 1, 100)")
            found.execute("UPDATE people SET note = replace(note, 'came', 'went')")
        size, length = path.stat().st_size, log.stat().st_size
        assert length > 2 * size
        assert scan(log, people.TRACES).total > people.GONE
        carried_out(CarriedOut(order(disk)))
        assert path.stat().st_size >= size
        assert log.stat().st_size >= length
        check_nowhere(disk)
    assert people.survivors(path) == people.LEFT


def test_nobody_cuts_the_file_before_all_of_it_is_written_over(disk: Mounted, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is laid out anew is shorter. Another connection that brings the log in just then would give the file's end
    back as it is."""
    path = laid(disk)
    with closing(sqlite3.connect(path)) as found, found:
        found.execute("DELETE FROM people WHERE id > 500 AND name LIKE 'KEEP%'")
    fill = sqlite_rewrite.add_empty_pages
    sizes: list[int] = []

    def filled(connection: sqlite3.Connection, pages: int) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA wal_checkpoint(PASSIVE)")
        sizes.append(path.stat().st_size)
        fill(connection, pages)

    monkeypatch.setattr(sqlite_logged, "add_empty_pages", filled)
    size = path.stat().st_size
    with open_elsewhere(path):
        carried_out(CarriedOut(order(disk)))
        assert sizes == [size]
        check_nowhere(disk)


def test_a_table_is_dropped_while_others_have_the_database_open(disk: Mounted) -> None:
    """Whoever asks for it afterwards is told that there is none, and goes on with the rest."""
    path = laid(disk)
    table = {"scope": "table", "condition": None, "parameters": (), "least": people.ROWS, "most": people.ROWS}
    with at_work(OPEN, path):
        carried_out(CarriedOut(order(disk, **table)))
        check_nowhere(disk)
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("SELECT count(*), count(who) FROM desks").fetchone() == (people.ROWS // 10, 0)
        assert found.execute("SELECT 1 FROM sqlite_schema WHERE name = 'people'").fetchone() is None


def test_a_reader_of_an_older_state_is_in_the_way_before_anything_has_changed(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file could not be written over under its eyes: the run stops, and is resumed when it has read to the end."""
    monkeypatch.setattr(sqlite_catalog, "LOCK_SECONDS", 0.2)
    path = laid(disk)
    run = CarriedOut(order(disk))
    with at_work(OLD_STATE, path):
        with closing(sqlite3.connect(path, isolation_level=None)) as found:
            found.execute("UPDATE people SET city = 'Shelbyville' WHERE id = 1")
        run.go()
        assert isinstance(run.stopped, Interrupted)
        assert run.stopped.reason == "records-in-use"
        with closing(sqlite3.connect(path)) as found:
            assert found.execute("SELECT count(*) FROM people").fetchone() == (people.ROWS,)
    with open_elsewhere(path):
        carried_out(run)
        check_nowhere(disk)
    assert people.survivors(path) == people.LEFT


@pytest.mark.parametrize("is_open_later", [True, False])
def test_a_reader_that_stays_while_rows_go_is_waited_for_by_a_resume(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, is_open_later: bool
) -> None:
    """The rows are gone by then, and their values stand where it reads: nothing is claimed until they do no more."""
    path = laid(disk)
    run = CarriedOut(order(disk))
    with open_elsewhere(path), ExitStack() as reading, monkeypatch.context() as patched:
        patched.setattr(sqlite_catalog, "LOCK_SECONDS", 0.2)
        write = sqlite_logged.write_anew

        def written(connection: sqlite3.Connection, path: Path, proc: Path) -> bytes:
            reading.enter_context(at_work(OLD_STATE, path))
            return write(connection, path, proc)

        patched.setattr(sqlite_logged, "write_anew", written)
        run.go()
        assert isinstance(run.stopped, Interrupted)
        assert run.stopped.reason == "records-in-use"
        assert scan(path, people.TRACES).total > 0
    with open_elsewhere(path) if is_open_later else ExitStack():
        carried_out(run)
        check_nowhere(disk)
    assert people.survivors(path) == people.LEFT


def test_rows_that_are_not_as_they_were_stop_the_run_with_nothing_changed(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion that takes more than was ordered is rolled back."""
    path = laid(disk)
    take = sqlite_logged.LoggedWithdrawal._take_out

    def taken(self: sqlite_logged.LoggedWithdrawal, connection: sqlite3.Connection, *kinds: str) -> object:
        done = take(self, connection, *kinds)
        connection.execute("DELETE FROM letters WHERE rowid = 1")
        return done

    monkeypatch.setattr(sqlite_logged.LoggedWithdrawal, "_take_out", taken)
    run = CarriedOut(order(disk))
    with open_elsewhere(path):
        run.go()
    assert isinstance(run.stopped, Interrupted)
    assert run.stopped.reason == "engine-failed"
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("SELECT count(*) FROM people").fetchone() == (people.ROWS,)
        assert found.execute("SELECT count(*) FROM letters").fetchone() == (20,)


def test_a_log_that_was_linked_while_nobody_had_the_database_open_is_let_go_of(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was alone, made a further name for the log, and did not get the lock, since somebody had come: what they
    write into now must not be written over as a file that nobody uses."""
    path = laid(disk)
    leave_a_log(path)
    run = CarriedOut(order(disk))
    ahead = sqlite_ahead.write_ahead
    with ExitStack() as left, monkeypatch.context() as patched:
        patched.setattr(sqlite_catalog, "LOCK_SECONDS", 0.2)

        def written(*given: object, **more: object) -> object:
            # Of a program of its own: what is forked from here would share SQLite's belief about its locks.
            left.enter_context(at_work(OPEN, path))
            return ahead(*given, **more)  # type: ignore[arg-type]

        patched.setattr(sqlite_withdrawal, "write_ahead", written)
        run.go()
        assert isinstance(run.stopped, Interrupted)
        assert run.stopped.reason == "records-in-use"
        assert Path(f"{path}-wal").stat().st_nlink == 2
        with closing(sqlite3.connect(path)) as found, found:
            found.execute("INSERT INTO letters (body) VALUES ('written meanwhile')")
        carried_out(run)
        check_nowhere(disk)
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("SELECT count(*) FROM letters WHERE body = 'written meanwhile'").fetchone() == (1,)
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("is_linked", [True, False])
def test_another_file_under_the_logs_name_is_not_written_over(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, is_linked: bool
) -> None:
    """Whoever owns the directory can put any file there that they may link, and have root write into it."""
    path = laid(disk)
    log, other = Path(f"{path}-wal"), path.with_name("of-others")
    other.write_bytes(b"of somebody else" * 1000)
    write = sqlite_logged.write_anew

    def written(connection: sqlite3.Connection, path: Path, proc: Path) -> bytes:
        was = write(connection, path, proc)
        if is_linked:
            log.with_name("kept").hardlink_to(log)
        else:
            log.rename(log.with_name("kept"))
            log.write_bytes(other.read_bytes())
        return was

    run = CarriedOut(order(disk))
    with open_elsewhere(path):
        with monkeypatch.context() as patched:
            patched.setattr(sqlite_logged, "write_anew", written)
            run.go()
        assert isinstance(run.stopped, Interrupted)
        assert run.stopped.reason == "records-changed"
        if not is_linked:
            assert log.read_bytes() == other.read_bytes()
            log.unlink()
            log.with_name("kept").rename(log)
        else:
            log.with_name("kept").unlink()
        carried_out(run)
        check_nowhere(disk)
