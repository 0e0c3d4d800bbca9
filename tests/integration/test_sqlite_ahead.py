"""What stays in a SQLite database is written and proven while others read; the lock that keeps them out comes later."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from certificates.errors import Interrupted
from certificates.statements import WithdrawalRecord
from tests.support import people
from tests.support.ext4_image import Mounted
from tests.support.people_disk import carried_out, check_proven, database, people_disk
from wipers.linux.engines import sqlite, sqlite_ahead, sqlite_kept, sqlite_withdrawal
from wipers.linux.engines.sqlite_catalog import read_catalog
from wipers.linux.engines.sqlite_reach import Reach, kept_in
from wipers.linux.engines.sqlite_rewrite import faults_in
from wipers.linux.engines.sqlite_taking import take_out

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS, GONE = 60, 20
STAY = ROWS - GONE


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with people_disk(tmp_path, size=8 << 20) as found:
        yield found


OTHER = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
print(other.execute("SELECT count(*) FROM people").fetchone()[0])
try:
    other.execute("DELETE FROM people WHERE id = 1")
except sqlite3.OperationalError as error:
    print(error)
"""


def keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The withdrawal writes what stays itself, as where somebody has written since the samples were taken."""
    monkeypatch.setattr(sqlite.Session, "foresee", lambda *_: None)


@pytest.mark.parametrize("mode", ["PERSIST", "WAL"])
def test_others_read_and_nobody_writes_until_what_stays_is_proven(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The lock in which everybody waits is for the exchange alone: at the last look at what stays they do not."""
    people.make(database(disk), mode, rows=ROWS)
    keep_nothing(monkeypatch)
    told: list[str] = []

    def asked(new: Path) -> int:
        command = [sys.executable, "-c", OTHER, str(database(disk))]
        told.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return faults_in(new)

    monkeypatch.setattr(sqlite_ahead, "faults_in", asked)
    monkeypatch.setattr(sqlite_withdrawal, "write_new", None)
    run = carried_out(disk, GONE)
    assert told == [f"{ROWS}\ndatabase is locked\n"]
    check_proven(run, disk, STAY)
    taken = next(one for one in run.records if isinstance(one, WithdrawalRecord))
    assert taken.rows == GONE


def test_who_writes_between_what_was_proven_and_the_lock_loses_nothing(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database with a log gives up the one lock before it takes the other: what was written ahead is old then, and
    all is done again under the lock."""
    people.make(database(disk), "WAL", rows=ROWS)
    lock = sqlite_withdrawal.Withdrawal._lock

    def late(self: sqlite_withdrawal.Withdrawal, connection: sqlite3.Connection) -> None:
        with closing(sqlite3.connect(database(disk))) as other, other:
            other.execute("INSERT INTO people (name, note) VALUES ('KEEP-late', 'keepwordlate')")
        lock(self, connection)

    monkeypatch.setattr(sqlite_withdrawal.Withdrawal, "_lock", late)
    check_proven(carried_out(disk, GONE), disk, STAY + 1)
    with closing(sqlite3.connect(database(disk))) as found:
        assert found.execute("SELECT count(*) FROM notes WHERE notes MATCH 'keepwordlate'").fetchone() == (1,)


def test_without_memory_for_a_copy_all_is_done_under_the_lock(disk: Mounted, monkeypatch: pytest.MonkeyPatch) -> None:
    """As before there was another way."""
    people.make(database(disk), "DELETE", rows=ROWS)
    monkeypatch.setattr(sqlite_ahead, "free_memory", lambda _: 0)
    monkeypatch.setattr(sqlite_kept, "prove", None)
    check_proven(carried_out(disk, GONE), disk, STAY)


SEATS = """
CREATE TABLE seats (id INTEGER PRIMARY KEY, who TEXT DEFAULT 1 REFERENCES people (id) ON DELETE SET DEFAULT,
    other REFERENCES people (id) ON DELETE SET NULL, note);
INSERT INTO seats (id, who, other, note) SELECT id, id, id + 1, 'seat ' || id FROM people WHERE id < 6;
"""
"""Rows of which foreign keys empty some cells: in three rows a name, in two another's."""
HARMS = (
    "DELETE FROM visits WHERE who = 1",
    "UPDATE letters SET body = 'x' WHERE rowid = 1",
    "UPDATE desks SET who = 1 WHERE id = 10",
    "UPDATE desks SET who = 1 WHERE id = 30",
    "UPDATE seats SET who = 4 WHERE id = 3",
    "UPDATE seats SET other = 1 WHERE id = 1",
    "UPDATE seats SET note = 'x' WHERE id = 3",
)


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("when", ["ahead", "locked"])
def test_where_a_row_that_stays_is_not_what_it_was_nothing_is_exchanged(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, harm: str, when: str
) -> None:
    """Whatever took it, also a single cell beside those that foreign keys empty, or one of them that is not what they
    leave: the old file is not exchanged, and ahead of the lock whole still, so the run goes on once that is mended."""
    people.make(database(disk), "DELETE", rows=ROWS)
    with closing(sqlite3.connect(database(disk))) as made:
        made.executescript(SEATS)
    before = database(disk).read_bytes()

    def harmful(connection: sqlite3.Connection, *given: object) -> None:
        take_out(connection, *given)  # type: ignore[arg-type]
        connection.execute(harm)

    with monkeypatch.context() as patched:
        if when == "locked":
            for module in (sqlite_ahead, sqlite_kept):
                patched.setattr(module, "has_room", lambda *_: False)
        patched.setattr(sqlite_ahead if when == "ahead" else sqlite_withdrawal, "take_out", harmful)
        run = carried_out(disk, GONE)
    assert isinstance(run.stopped, Interrupted)
    assert run.stopped.reason == "engine-failed"
    if when == "ahead":
        assert database(disk).read_bytes() == before
        run.go()
        check_proven(run, disk, STAY)
        with closing(sqlite3.connect(database(disk))) as found:
            seats = found.execute("SELECT * FROM seats ORDER BY id").fetchall()
        assert seats[0] == (0, "1", 1, "seat 0")
        assert seats[2] == (2, "2", None, "seat 2")
        assert [(who, other) for _, who, other, _ in seats] == [
            ("1", 1),
            ("1", 2),
            ("2", None),
            ("1", 4),
            ("4", 5),
            ("5", None),
        ]


VALUES = (
    ("a", 1, 1.0),
    ("a", "1", 1),
    ("a", "x", b"x"),
    ("t", "one\0two", "one\0too"),
    ("t", "Name", "name"),
    ("t", "name ", "name"),
    ("r", 0.1, 0.1 + 2**-56),
    ("i", 2**62, 2**62 + 1),
    ("n", None, ""),
    ("n", 9007199254740993, 9007199254740992.0),
)


@pytest.mark.parametrize(("column", "one", "other"), VALUES)
def test_two_values_that_are_not_the_same_bit_by_bit_are_told_apart(
    tmp_path: Path, column: str, one: object, other: object
) -> None:
    """SQLite calls many equal that are not: 1 and 1.0, two spellings by the column's own rule."""
    for name, value in (("old", one), ("same", one), ("new", other)):
        with closing(sqlite3.connect(tmp_path / name)) as made, made:
            made.execute("CREATE TABLE t (a, t TEXT COLLATE NOCASE, r REAL, i INTEGER, n NUMERIC)")
            made.execute(f"INSERT INTO t ({column}) VALUES (?)", (value,))
    for name, same in (("same", 1), ("new", 0)):
        with closing(sqlite3.connect(tmp_path / "old")) as found:
            found.text_factory = bytes
            found.execute("ATTACH ? AS fresh", (str(tmp_path / name),))
            catalog = read_catalog(found)
            reach = Reach(catalog, catalog.table("t"), "1", ())
            ((table, columns),) = kept_in(reach)
            assert found.execute(sqlite_ahead._same(found, reach, table, columns)).fetchone() == (same,)
