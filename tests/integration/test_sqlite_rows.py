"""Rows counted from a database's pages are those that SQLite counts, and counting changes nothing."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from wipers.linux.sqlite_pages import NotReadable, count_rows, is_hot, open_pages

pytestmark = pytest.mark.integration

Make = Callable[[sqlite3.Connection], None]


def many_tables(found: sqlite3.Connection) -> None:
    for number in range(300):
        found.execute(f"CREATE TABLE t{number} (a INTEGER PRIMARY KEY, b TEXT, c BLOB, UNIQUE (b))")
        found.execute(f"INSERT INTO t{number} (b) VALUES ('x'), ('y'), (?)", (str(number),))


def long_statement(found: sqlite3.Connection) -> None:
    """The schema's record needs overflow pages."""
    columns = ", ".join(f"column_number_{number} TEXT /* {'z' * 90} */" for number in range(400))
    found.execute(f"CREATE TABLE wide ({columns})")
    found.executemany("INSERT INTO wide (column_number_7) VALUES (?)", [("v" * 5000,)] * 40)
    found.execute("CREATE TABLE after (a)")
    found.execute("INSERT INTO after VALUES (1)")


def without_rowid(found: sqlite3.Connection) -> None:
    found.execute("CREATE TABLE w (a TEXT PRIMARY KEY, b TEXT) WITHOUT ROWID")
    found.executemany("INSERT INTO w VALUES (?, ?)", [(f"{number:09d}" * 3, "x" * 50) for number in range(5000)])


def deleted_and_added(found: sqlite3.Connection) -> None:
    found.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
    found.executemany("INSERT INTO t (b) VALUES (?)", [(os.urandom(300),) for _ in range(4000)])
    found.execute("DELETE FROM t WHERE a % 3 = 0")
    found.execute("CREATE INDEX i ON t (b)")
    found.execute("ANALYZE")
    found.execute("CREATE TABLE auto (a INTEGER PRIMARY KEY AUTOINCREMENT)")
    found.execute("INSERT INTO auto DEFAULT VALUES")


def nothing(found: sqlite3.Connection) -> None:
    found.execute("CREATE TABLE t (a)")


MAKES = (many_tables, long_statement, without_rowid, deleted_and_added, nothing)


def counted_by_sqlite(path: Path) -> int:
    with closing(sqlite3.connect(path)) as found:
        names = found.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        return sum(found.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names.fetchall())


def counted_by_pages(path: Path) -> int:
    opened = [os.open(path, os.O_RDONLY)]
    log = path.with_name(path.name + "-wal")
    try:
        if log.exists():
            opened.append(os.open(log, os.O_RDONLY))
        return count_rows(open_pages(opened[0], opened[1] if len(opened) > 1 else None))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def state_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
@pytest.mark.parametrize("make", MAKES, ids=lambda make: make.__name__)
def test_every_shape_of_database_is_counted_as_sqlite_counts_it(
    tmp_path: Path, make: Make, encoding: str, page_size: int
) -> None:
    """Two readers that share no code come to one number."""
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode = OFF")
        made.execute(f"PRAGMA page_size = {page_size}")
        made.execute(f"PRAGMA encoding = '{encoding}'")
        made.execute("PRAGMA auto_vacuum = INCREMENTAL")
        made.execute("PRAGMA synchronous = OFF")
        make(made)
        made.commit()
    before = state_of(tmp_path)
    assert counted_by_pages(path) == counted_by_sqlite(path)
    assert state_of(tmp_path) == before


def left_open(path: Path, *statements: str, commit: bool = True) -> None:
    """A process that changes the database and dies without closing it."""
    child = os.fork()
    if child == 0:
        found = sqlite3.connect(path, isolation_level=None)
        found.execute("PRAGMA cache_size = 5")
        for statement in ("PRAGMA journal_mode", *statements):
            found.execute(statement)
        if commit and found.in_transaction:
            found.commit()
        os._exit(0)
    os.waitpid(child, 0)


def test_rows_that_stand_in_the_log_alone_are_counted(tmp_path: Path) -> None:
    """What was committed and not yet copied into the main file is part of the database; what was not is not."""
    path = tmp_path / "x.db"
    left_open(
        path,
        "PRAGMA journal_mode = WAL",
        "PRAGMA wal_autocheckpoint = 0",
        "CREATE TABLE t (a)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n",
        "DELETE FROM t WHERE a % 2",
        "BEGIN",
        "INSERT INTO t SELECT a FROM t",
        commit=False,
    )
    assert sorted(state_of(tmp_path)) == ["x.db", "x.db-shm", "x.db-wal"]
    before = state_of(tmp_path)
    assert counted_by_pages(path) == 2500
    assert state_of(tmp_path) == before
    assert counted_by_sqlite(path) == 2500


def test_a_log_that_was_begun_anew_counts_up_to_its_own_end(tmp_path: Path) -> None:
    """Behind the new frames stand old ones, of another salt."""
    path = tmp_path / "x.db"
    fill = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO t SELECT i FROM n"
    )
    left_open(
        path,
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE t (a)",
        fill,
        "PRAGMA wal_checkpoint(RESTART)",
        "DELETE FROM t WHERE a > 100",
    )
    assert counted_by_pages(path) == counted_by_sqlite(path) == 100


def test_a_virtual_tables_storage_is_not_counted(tmp_path: Path) -> None:
    """Its rows are seen through its module alone; the tables behind it are no rows of anybody's."""
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE VIRTUAL TABLE words USING fts5(a)")
        made.execute("INSERT INTO words VALUES ('one'), ('two')")
        made.execute("CREATE TABLE plain (a)")
        made.execute("INSERT INTO plain VALUES (1)")
        made.commit()
    assert counted_by_pages(path) == 1


def test_an_unfinished_journal_is_seen(tmp_path: Path) -> None:
    """The main file is then in the middle of a change."""
    path = tmp_path / "x.db"
    left_open(
        path,
        "CREATE TABLE t (a)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO t SELECT i FROM n",
        "BEGIN",
        "UPDATE t SET a = a || 'x'",
        commit=False,
    )
    journal = os.open(tmp_path / "x.db-journal", os.O_RDONLY)
    try:
        assert is_hot(journal)
    finally:
        os.close(journal)


def test_damage_is_told_and_never_hangs(tmp_path: Path) -> None:
    """A damaged file gives a number or a refusal, in the end."""
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as made:
        deleted_and_added(made)
        made.commit()
    whole = path.read_bytes()
    chance = random.Random(4)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(8):
            damaged[chance.randrange(4096 * 3)] = chance.randrange(256)
        path.write_bytes(damaged)
        with suppress(NotReadable):
            assert counted_by_pages(path) >= 0


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\x00", b"no database at all" * 400], ids=["empty", "cut", "text"]
)
def test_what_is_no_database_is_told(tmp_path: Path, content: bytes) -> None:
    """An order that names the wrong file must not destroy it."""
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises(NotReadable):
        counted_by_pages(path)
