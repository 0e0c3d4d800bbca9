"""A SQLite database of people of whom a third is to be forgotten, with everything that SQLite keeps copies in."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

ROWS = 1500
GONE = ROWS // 3
"""People of kind VCTM; all others are of kind KEEP."""
TRACES = rb"VCTM-[a-z]+-[0-9]{6}|vctmword[0-9]{6}"
"""What only those who go have: their values, and their words as an index of words folds them."""
ALL_FOUR = "name LIKE :who"
SCHEMA = """
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, note TEXT, city TEXT, photo BLOB);
CREATE INDEX people_name ON people (name);
CREATE TABLE visits (day TEXT, who INTEGER REFERENCES people (id) ON DELETE CASCADE, what TEXT,
    PRIMARY KEY (day, who)) WITHOUT ROWID;
CREATE TABLE desks (id INTEGER PRIMARY KEY, who INTEGER REFERENCES people (id) ON DELETE SET NULL);
CREATE VIRTUAL TABLE notes USING fts5 (note, content = 'people', content_rowid = 'id');
CREATE VIRTUAL TABLE letters USING fts4 (body);
CREATE TRIGGER people_in AFTER INSERT ON people BEGIN
    INSERT INTO notes (rowid, note) VALUES (new.id, new.note); END;
CREATE TRIGGER people_out AFTER DELETE ON people BEGIN
    INSERT INTO notes (notes, rowid, note) VALUES ('delete', old.id, old.note); END;
"""


def make(path: Path, mode: str, *, rows: int = ROWS) -> None:
    """The database is there and closed; its rows share cities, and every one was written twice."""
    child = os.fork()
    if child == 0:
        with closing(sqlite3.connect(path, isolation_level=None)) as made:
            made.execute(f"PRAGMA journal_mode = {mode}")
            made.execute("PRAGMA secure_delete = ON")
            made.executescript(SCHEMA)
            made.execute("BEGIN")
            for number in range(rows):
                kind = "VCTM" if number % 3 == 0 else "KEEP"
                word = f"{kind.lower()}word{number:06d}"
                photo = f"{kind}-photo-{number:06d}".encode() + bytes(range(256)) * 2
                row = (number, f"{kind}-first-{number:06d}", f"{word} came", f"Springfield-{number % 7}", photo)
                made.execute("INSERT INTO people VALUES (?, ?, ?, ?, ?)", row)
                made.execute(
                    "INSERT INTO visits VALUES (?, ?, ?)", (f"{number:06d}", number, f"{kind}-what-{number:06d}")
                )
                if number % 10 == 0:
                    made.execute("INSERT INTO desks VALUES (?, ?)", (number, number))
            made.execute("UPDATE people SET name = replace(name, 'first', 'second')")
            made.execute("INSERT INTO letters (body) SELECT 'keepword ' || id FROM people LIMIT 20")
            made.execute("COMMIT")
            _add_statistics(made)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0


def _add_statistics(made: sqlite3.Connection) -> None:
    """Statistics as a build with STAT4 leaves them: samples of the indexes' values, in a table that this build does
    not write but has to know."""
    made.execute("ANALYZE")
    made.execute("CREATE TABLE stat4_of_others (tbl, idx, nEq, nLt, nDLt, sample)")
    made.execute("PRAGMA writable_schema = ON")
    made.execute(
        "UPDATE sqlite_schema SET name = 'sqlite_stat4', tbl_name = 'sqlite_stat4', "
        "sql = 'CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)' WHERE name = 'stat4_of_others'"
    )
    made.execute("PRAGMA writable_schema = RESET")
    made.execute(
        "INSERT INTO sqlite_stat4 SELECT 'people', 'people_name', '1 1', '0 0', '0 0', CAST(name AS BLOB) "
        "FROM people WHERE id % 50 = 0"
    )


def survivors(path: Path) -> tuple[int, ...]:
    """How many rows each table has, and whom an index of words finds."""
    with closing(sqlite3.connect(path)) as found:
        tables = ("people", "visits", "desks", "letters")
        counts = [found.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
        kept = found.execute("SELECT count(*) FROM notes WHERE notes MATCH 'keepword000001'").fetchone()[0]
        whole = found.execute("SELECT count(*) FROM people WHERE name LIKE 'KEEP-second-%'").fetchone()[0]
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return (*counts, kept, whole)


LEFT = (ROWS - GONE, ROWS - GONE, ROWS // 10, 20, 1, ROWS - GONE)
"""What `survivors` says afterwards."""
