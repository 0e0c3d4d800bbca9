"""A database that another process is changing is waited for, and told from one whose change nobody will finish."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from certificates.errors import Interrupted, Refused
from certificates.statements import Outcome
from tests.support import people
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Ordered, order_database
from tests.support.ext4_image import Mounted, ext4_image
from tests.support.records_ordered import order_records, text
from wipers.linux import sqlite_locks
from wipers.linux.engines import sqlite
from wipers.linux.sqlite_pages import HOT_JOURNAL

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS, GONE = 300, 100
AMID = """
import sqlite3, sys
changing = sqlite3.connect(sys.argv[1], isolation_level=None)
changing.execute("PRAGMA cache_size = 5")
changing.execute("BEGIN")
changing.execute("UPDATE people SET note = note || '.'")
print("amid", flush=True)
if sys.stdin.readline():
    changing.execute("COMMIT")
print("done", flush=True)
"""
"""Has a journal with a header beside the database, and its first changed pages in it."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with ext4_image(tmp_path_factory.mktemp("busy"), size=24 << 20) as found:
        yield found


@pytest.fixture
def database(disk: Mounted) -> Iterator[Path]:
    folder = disk.root / "data"
    folder.mkdir()
    people.make(folder / "people.db", "DELETE", rows=ROWS)
    yield folder / "people.db"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@contextmanager
def amid(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of a transaction, with an unfinished journal on the disk."""
    command = [sys.executable, "-c", AMID, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "amid\n"
        assert Path(f"{database}-journal").read_bytes().startswith(HOT_JOURNAL)
        try:
            yield other
        finally:
            other.kill()


def commit(other: subprocess.Popen[str]) -> None:
    assert other.stdin is not None
    assert other.stdout is not None
    print("commit", file=other.stdin, flush=True)
    assert other.stdout.readline() == "done\n"


def order(state: Path, database: Path) -> Ordered:
    who = (text("who", "VCTM%"),)
    wanted = {"table": "people", "condition": "name LIKE :who", "parameters": who, "least": GONE, "most": GONE}
    return order_records("sqlite", database, state, **wanted)  # type: ignore[arg-type]


def test_a_transaction_that_lasts_is_named_and_not_called_unfinished(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner lives: to open and close the database once would help nobody."""
    monkeypatch.setattr(sqlite, "LOCK_SECONDS", 0.2)
    with amid(database) as other:
        before = database.read_bytes()
        run = CarriedOut(order(tmp_path, database))
        run.go()
        assert isinstance(run.stopped, Refused)
        assert run.stopped.reason == "in-use"
        assert f"a transaction of process {other.pid} (" in str(run.stopped.facts["by"])
        assert order_database(database, tmp_path).reasons() == {"in-use"}
        assert database.read_bytes() == before


def test_a_transaction_that_ends_in_time_is_waited_for(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application at work is in one at almost every moment."""
    with amid(database) as other:
        pauses: list[float] = []

        def sleep(seconds: float) -> None:
            if not pauses:
                commit(other)
            pauses.append(seconds)

        with monkeypatch.context() as patched:
            patched.setattr(time, "sleep", sleep)
            target = order(tmp_path, database).target()
        assert pauses
        assert (target.objects, target.obstacles) == (GONE, ())
    run = CarriedOut(order(tmp_path, database))
    run.go()
    assert run.stopped is None
    assert run.claim.outcome is Outcome.PROVEN
    run.ordered.host.forget(run.ordered.carrier)
    with closing(sqlite3.connect(database)) as found:
        assert found.execute("SELECT count(*) FROM people WHERE note LIKE 'keepword%.'").fetchone() == (ROWS - GONE,)


def test_a_transaction_whose_owner_was_killed_is_unfinished(database: Path, tmp_path: Path) -> None:
    """Only the application that began it may roll it back: then it is known which rows there are."""
    with amid(database) as other:
        other.kill()
        other.wait()
        assert "database-unfinished" in order(tmp_path, database).reasons()
        assert order_database(database, tmp_path).reasons() == {"database-unfinished"}
    with closing(sqlite3.connect(database)) as found:
        assert found.execute("SELECT count(*) FROM people WHERE note LIKE '%.'").fetchone() == (0,)
    assert order(tmp_path, database).reasons() == set()


def test_a_reader_is_nobody_who_changes_it(database: Path) -> None:
    """Shared locks come and go all day."""
    with closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM people").fetchone()
        with database.open("rb") as main:
            assert sqlite_locks.process_changing(main.fileno()) is None
            reader.execute("COMMIT")
            reader.execute("BEGIN IMMEDIATE")
            assert sqlite_locks.process_changing(main.fileno()) == os.getpid()


def test_two_transactions_one_after_the_other_are_none_that_was_never_finished(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two looks at the journal one may end and the next begin."""
    journal = Path(f"{database}-journal")

    def next_one(_: int) -> None:
        journal.write_bytes(HOT_JOURNAL + os.urandom(20))

    next_one(0)
    root = os.open(database.parent, os.O_RDONLY)
    try:
        with database.open("rb") as main:
            assert sqlite_locks.is_unfinished(root, database.name, main.fileno())
            monkeypatch.setattr(sqlite_locks, "process_changing", next_one)
            assert not sqlite_locks.is_unfinished(root, database.name, main.fileno())
    finally:
        os.close(root)
        journal.unlink()


def test_the_wait_is_bounded(database: Path) -> None:
    """Somebody may hold a transaction open over a weekend."""
    with amid(database) as other, database.open("rb") as main:
        began = time.monotonic()
        assert sqlite_locks.lasting_change(main.fileno(), 0.1) == other.pid
        assert time.monotonic() - began < 60


def leave_unfinished(database: Path, super_journal: Path) -> None:
    """Another process dies amid a transaction over two files, when its journal named what binds them."""
    with amid(database):
        pass
    name = bytes(super_journal)
    page = 0x40000000 // 4096 + 1
    record = struct.pack(f">I{len(name)}sII", page, name, len(name), sum(name)) + HOT_JOURNAL
    with Path(f"{database}-journal").open("ab") as journal:
        journal.write(record)


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("moment", ["samples", "withdrawal"])
def test_a_transaction_whose_owner_died_since_the_last_look_is_not_undone_by_the_run(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, is_there: bool
) -> None:
    """SQLite itself undoes it for whoever connects, and where the super-journal that it names is gone leaves it half
    done: the application's own to decide. Its journal holds pages of rows that go, too."""
    super_journal = database.with_name("people.db-mj0123456789")
    if is_there:
        super_journal.write_bytes(bytes(database) + b"-journal\0")
    before = database.read_bytes()
    run = CarriedOut(order(tmp_path, database))
    if moment == "samples":
        run.when_held = lambda: leave_unfinished(database, super_journal)
    else:
        withdraw = sqlite.Session.withdraw

        def late(self: sqlite.Session, *given: object) -> object:
            leave_unfinished(database, super_journal)
            return withdraw(self, *given)  # type: ignore[arg-type]

        monkeypatch.setattr(sqlite.Session, "withdraw", late)
    run.go()
    assert isinstance(run.stopped, Interrupted)
    assert run.stopped.reason == "records-in-use"
    assert database.read_bytes() != before
    assert Path(f"{database}-journal").read_bytes().startswith(HOT_JOURNAL)
    monkeypatch.undo()
    run.when_held = lambda: None
    if is_there:
        with closing(sqlite3.connect(database)) as application:
            assert application.execute("SELECT count(*) FROM people WHERE note LIKE '%.'").fetchone() == (0,)
        run.go()
        assert run.stopped is None
        assert run.claim.outcome is Outcome.PROVEN, run.claim
        run.ordered.host.forget(run.ordered.carrier)
    else:
        run.go()
        assert isinstance(run.stopped, Interrupted | Refused)
    for left in database.parent.glob(".expunge-*"):
        shutil.rmtree(left)
