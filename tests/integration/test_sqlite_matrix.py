"""Rows leave SQLite databases in which page size, encoding, journal, pointer maps and kind of table come together."""

from __future__ import annotations

import os
import shutil
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.support.carrying_out import CarriedOut
from tests.support.ext4_image import Mounted
from tests.support.people_disk import database, open_elsewhere, order_people, people_disk
from tests.support.records_ordered import text

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

KINDS = {
    "rowid": "CREATE TABLE people (name TEXT, note TEXT, photo BLOB)",
    "keyed": "CREATE TABLE people (name TEXT COLLATE NOCASE, note TEXT, photo, PRIMARY KEY (note, name)) WITHOUT ROWID",
    "fts3": "CREATE VIRTUAL TABLE people USING fts3 (name, note, photo)",
    "fts4": "CREATE VIRTUAL TABLE people USING fts4 (name, note, photo, prefix='3', notindexed=photo)",
    "fts5": "CREATE VIRTUAL TABLE people USING fts5 (name, note, photo UNINDEXED, prefix='2 4')",
}
BESIDE = """
ALTER TABLE people ADD COLUMN loud TEXT AS (upper(name)) VIRTUAL;
CREATE INDEX people_part ON people (note, photo) WHERE name LIKE '%q%';
CREATE INDEX people_loud ON people (loud, substr(note, 3));
CREATE VIEW whom AS SELECT name, loud FROM people;
CREATE VIRTUAL TABLE words USING {words};
CREATE TRIGGER people_out AFTER DELETE ON people BEGIN {forget}; END;
"""
WORDS = {
    "rowid": (
        "fts5 (note, content='people', content_rowid='rowid')",
        "INSERT INTO words (words, rowid, note) VALUES ('delete', old.rowid, old.note)",
    ),
    "keyed": ("fts4 (note)", "SELECT 1"),
}
"""An index of words beside a table, and what a trigger does to it."""


@dataclass(frozen=True)
class Shape:
    """How a database is made."""

    page_size: int
    encoding: str
    auto_vacuum: str
    journal: str
    kind: str
    is_open: bool
    """Whether somebody has it open meanwhile."""

    @property
    def gone(self) -> int:
        """How many rows go, of three times as many."""
        return 8 if self.page_size < 16384 else 3


def shapes() -> Iterator[Shape]:
    """Every page size twice, and of everything else each in turn: the turns are of lengths without a common divisor, so
    that few come together twice."""
    for number in range(16):
        journal = ("DELETE", "WAL", "TRUNCATE", "PERSIST")[number // 2 % 4]
        yield Shape(
            page_size=512 << number % 8,
            encoding=("UTF-8", "UTF-16le", "UTF-16be")[number % 3],
            auto_vacuum=("NONE", "FULL", "INCREMENTAL", "FULL")[(number + number // 8) % 4],
            journal=journal,
            kind=list(KINDS)[number % 5],
            is_open=number % 2 == 1,
        )


def make(path: Path, shape: Shape) -> None:
    """Made by a process of its own, which leaves its log behind; values need many overflow pages, and were written
    twice."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _make(path, shape)
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, this process ends here
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0


def _make(path: Path, shape: Shape) -> None:
    made = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size", "encoding", "auto_vacuum"):
        made.execute(f"PRAGMA {pragma} = '{getattr(shape, pragma)}'")
    made.execute(f"PRAGMA journal_mode = {shape.journal}")
    made.execute("PRAGMA secure_delete = OFF")
    made.execute(KINDS[shape.kind])
    if shape.kind in WORDS:
        words, forget = WORDS[shape.kind]
        made.executescript(BESIDE.format(words=words, forget=forget))
    made.execute("CREATE TABLE other (a, b TEXT)")
    made.execute("BEGIN")
    _fill(made, shape)
    made.execute("COMMIT")
    made.execute("ANALYZE")
    if shape.journal == "WAL":
        # Its log stays behind, as of a process that died.
        os._exit(0)
    made.close()


def _fill(made: sqlite3.Connection, shape: Shape) -> None:
    for number in range(3 * shape.gone):
        kind = "keepq" if number % 3 else "vctmq"
        # Each begins with a letter of its own: an index of words writes only where one differs from the one before.
        name, note = (f"{chr(97 + number)}{kind}{part}{number:04d}" for part in ("name", "note"))
        photo: str | bytes = f"{kind}photo{number:04d} " * (shape.page_size // 6)
        photo = photo if shape.kind.startswith("fts") else str(photo).encode()
        made.execute("INSERT INTO people (name, note, photo) VALUES (?, ?, ?)", (name, "-", "-"))
        made.execute("UPDATE people SET note = ?, photo = ? WHERE name = ?", (note, photo, name))
        made.execute("INSERT INTO other VALUES (?, ?)", (number / 3, "stays" * number))
        if shape.kind == "keyed" and kind == "keepq":
            made.execute("INSERT INTO words (note) VALUES (?)", (note,))
    if shape.kind == "rowid":
        made.execute("INSERT INTO words (words) VALUES ('rebuild')")


def traces(image: Path) -> int:
    """In every encoding and case, by a reader that knows bytes alone."""
    content = image.read_bytes().lower()
    return content.count(b"vctmq") + content.count(b"v\0c\0t\0m\0q")


def left(path: Path) -> list[object]:
    """All that stays, and what the file says of itself."""
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows: list[object] = found.execute(
            "SELECT name, note, photo FROM people WHERE name LIKE '%keepq%' ORDER BY 1"
        ).fetchall()
        rows += found.execute("SELECT rowid, * FROM other ORDER BY 1")
        return rows + [found.execute(f"PRAGMA {name}").fetchone() for name in ("page_size", "encoding", "auto_vacuum")]


def words_of(path: Path, kind: str, word: str) -> int:
    """How often an index of words finds a word."""
    with closing(sqlite3.connect(path)) as found:
        table = "words" if kind in WORDS else "people"
        return int(found.execute(f"SELECT count(*) FROM {table} WHERE {table} MATCH ?", (word,)).fetchone()[0])


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with people_disk(tmp_path_factory.mktemp("matrix"), size=24 << 20) as found:
        yield found


@pytest.mark.parametrize(
    "shape", tuple(shapes()), ids=lambda one: f"{one.page_size}-{one.encoding}-{one.journal}-{one.kind}"
)
def test_rows_leave_whatever_comes_together(disk: Mounted, tmp_path: Path, shape: Shape) -> None:
    """No trace in any encoding and case on the raw device, and all that stays is as it was."""
    path = database(disk)
    make(path, shape)
    disk.sync()
    assert traces(disk.image) > 10 * shape.gone
    for one in path.parent.iterdir():
        # Opened where it stands, it would give its log up.
        shutil.copy(one, tmp_path)
    expected = left(tmp_path / path.name)
    ordered = order_people(disk, shape.gone, parameters=(text("who", "%vctmq%"),), history=True)
    run = CarriedOut(ordered)
    inode = path.stat().st_ino
    with open_elsewhere(path) if shape.is_open else nullcontext():
        run.go()
    assert run.stopped is None
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    disk.sync()
    assert traces(disk.image) == 0
    assert left(path) == expected
    assert (words_of(path, shape.kind, "bkeepqnote0001"), words_of(path, shape.kind, "avctmqnote0000")) == (1, 0)
    assert (path.stat().st_ino == inode) == shape.is_open


@pytest.fixture(autouse=True)
def nothing_is_left(disk: Mounted) -> Iterator[None]:
    """Each begins with an empty folder and no run before it."""
    yield
    for one in database(disk).parent.iterdir():
        one.unlink()
    shutil.rmtree(disk.image.parent / "state", ignore_errors=True)
