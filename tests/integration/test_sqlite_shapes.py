"""Rows leave SQLite databases of every shape: page sizes, encodings, pointer maps, computed columns, virtual tables."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import Method, Outcome
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Ordered, order_database
from tests.support.ext4_image import Mounted
from tests.support.ext4_image import run as run_program
from tests.support.people_disk import WHO, database, open_elsewhere, order_people, people_disk
from tests.support.records_ordered import order_records

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS, GONE = 300, 100
SCHEMA = """
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, note TEXT, photo BLOB,
    loud TEXT GENERATED ALWAYS AS (upper(name)) STORED, low TEXT AS (lower(name)) VIRTUAL);
CREATE INDEX people_low ON people (low);
CREATE INDEX people_part ON people (note) WHERE name LIKE '%name-0000%';
CREATE INDEX people_expression ON people (substr(name, 2));
CREATE TABLE visits (day TEXT COLLATE NOCASE, who INTEGER REFERENCES people (id) ON DELETE CASCADE, what TEXT,
    PRIMARY KEY (day, who)) WITHOUT ROWID;
CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1);
CREATE TABLE freed (a TEXT);
"""
WHOLE = ("people", "visits", "boxes")
KEPT = ("page_size", "encoding", "auto_vacuum", "user_version", "application_id")


@dataclass(frozen=True)
class Shape:
    """How a database was made."""

    page_size: int
    encoding: str
    auto_vacuum: str
    way: Method
    journal: str = "DELETE"


SHAPES = (
    Shape(512, "UTF-8", "NONE", Method.COPY_FORWARD),
    Shape(512, "UTF-8", "FULL", Method.HOLE_FILLING),
    Shape(1024, "UTF-16be", "INCREMENTAL", Method.HOLE_FILLING, "PERSIST"),
    Shape(4096, "UTF-16le", "FULL", Method.COPY_FORWARD, "WAL"),
    Shape(65536, "UTF-8", "NONE", Method.HOLE_FILLING),
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with people_disk(tmp_path) as found:
        yield found


def make(path: Path, shape: Shape) -> None:
    """Rows of every kind, in a process of its own; pages that were freed and not looked at again, full of rows too."""
    child = os.fork()
    if child == 0:
        with closing(sqlite3.connect(path, isolation_level=None)) as made:
            made.execute(f"PRAGMA page_size = {shape.page_size}")
            made.execute(f"PRAGMA encoding = '{shape.encoding}'")
            made.execute(f"PRAGMA auto_vacuum = {shape.auto_vacuum}")
            made.execute(f"PRAGMA journal_mode = {shape.journal}")
            made.execute("PRAGMA secure_delete = OFF")
            made.executescript("PRAGMA user_version = 4711; PRAGMA application_id = 815;" + SCHEMA)
            made.execute("BEGIN")
            _fill(made, shape.page_size)
            made.execute("COMMIT")
            made.execute("DELETE FROM freed")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0


def _fill(made: sqlite3.Connection, page_size: int) -> None:
    for number in range(ROWS):
        kind = "KEEP" if number % 3 else "VCTM"
        photo = f"{kind}-photo-{number:06d}".encode() * (2 * min(page_size, 4096) // 16)
        row = (number, f"{kind}-name-{number:06d}", f"{kind}-note-{number:06d}", photo)
        made.execute("INSERT INTO people (id, name, note, photo) VALUES (?, ?, ?, ?)", row)
        made.execute("INSERT INTO visits VALUES (?, ?, ?)", (f"{kind}-day-{number:06d}", number, "came"))
        made.execute("INSERT INTO boxes VALUES (?, ?, ?)", (number, number, number + 1))
        made.execute("INSERT INTO freed VALUES (?)", (f"VCTM-freed-{number:06d}" * 20,))


TRACES = re.compile(rb"ctm-[a-z]+-[0-9]{6}|c.t.m.-.(?:[a-z].)+-.(?:[0-9].){5}[0-9]", re.DOTALL)
"""In every encoding, also as an index that leaves the first letter out writes them."""


def traces(disk: Mounted) -> int:
    """In every case too, as computed columns write them; made small at once, since a search that minds no case takes
    a hundred times as long."""
    disk.sync()
    return len(TRACES.findall(disk.image.read_bytes().lower()))


def left(path: Path, *, before: bool) -> list[object]:
    """Everything of those who stay, and what the file says of itself."""
    with closing(sqlite3.connect(path)) as found:
        found.execute("PRAGMA foreign_keys = ON")
        if before:
            found.execute("DELETE FROM people WHERE id % 3 = 0")
        rows: list[object] = [found.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in WHOLE]
        if before:
            found.rollback()
        kept = [found.execute(f"PRAGMA {name}").fetchone() for name in KEPT]
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        schema = found.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()
    return [*rows, kept, schema]


def order(disk: Mounted, **more: object) -> Ordered:
    return order_people(disk, GONE, **more)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda one: f"{one.page_size}-{one.encoding}-{one.auto_vacuum}")
def test_rows_leave_a_database_of_any_shape(disk: Mounted, shape: Shape) -> None:
    """Nothing of them is on the raw device, in no case and encoding; all that stays, and how the file is made, is as
    it was."""
    path = database(disk)
    make(path, shape)
    assert traces(disk) > 3 * GONE
    expected = left(path, before=True)
    run = CarriedOut(order(disk, history=True))
    if shape.way is Method.HOLE_FILLING:
        inode = path.stat().st_ino
        with open_elsewhere(path):
            run.go()
        assert path.stat().st_ino == inode
    else:
        run.go()
    assert run.stopped is None
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    assert traces(disk) == 0
    assert left(path, before=False) == expected


def test_in_place_no_block_of_the_file_is_given_back_unwritten(disk: Mounted) -> None:
    """A database that shrinks by itself at every commit would leave its tail in free blocks, where only an order that
    asks for history would reach it."""
    path = database(disk)
    make(path, Shape(4096, "UTF-8", "FULL", Method.HOLE_FILLING))
    blocks = blocks_of(path)
    run = CarriedOut(order(disk))
    with open_elsewhere(path):
        run.go()
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    disk.sync()
    with disk.image.open("rb") as image:
        for begin, length in blocks:
            image.seek(begin)
            assert b"VCTM-" not in image.read(length)


def blocks_of(path: Path) -> list[tuple[int, int]]:
    found = []
    for row in run_program("filefrag", "-e", "-b1", path).splitlines():
        cells = row.replace(":", " ").replace("..", " ").split()
        if cells and cells[0].isdigit():
            found.append((int(cells[3]), int(cells[5])))
    assert found
    return found


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_database_is_destroyed_whole(disk: Mounted, journal: str) -> None:
    """Scope database: its file and those beside it, samples looked for afterwards on the whole device."""
    path = database(disk)
    make(path, Shape(4096, "UTF-8", "NONE", Method.COPY_FORWARD, journal))
    other = disk.root / "data" / "other.db"
    with closing(sqlite3.connect(other)) as made, made:
        made.execute("CREATE TABLE t (a)")
    whole = {"scope": "database", "table": None, "condition": None, "parameters": ()}
    rows = 2 * ROWS
    assert order(disk, **whole, least=rows + 1, most=9999).reasons() == {"count-outside-order"}
    ordered = order(disk, **whole, least=rows, most=rows, history=True)
    with open_elsewhere(path):
        assert ordered.reasons() == {"in-use"}
    run = CarriedOut(ordered)
    run.go()
    assert run.stopped is None
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    assert traces(disk) == 0
    assert [one.name for one in path.parent.iterdir()] == ["other.db"]


def test_of_an_attached_pair_each_is_ordered_by_itself(disk: Mounted) -> None:
    """What an application sees as schemas of one database are files: the order names each."""
    path = database(disk)
    make(path, Shape(4096, "UTF-8", "NONE", Method.COPY_FORWARD, "WAL"))
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("ATTACH ? AS archive", (str(path.with_name("archive.db")),))
        made.execute("PRAGMA archive.journal_mode = WAL")
        made.execute("CREATE TABLE archive.people AS SELECT id, name, note FROM main.people")
    before = path.with_name("archive.db").read_bytes()
    runs = [CarriedOut(order(disk, history=True))]
    runs[0].go()
    assert path.with_name("archive.db").read_bytes() == before
    who = {"table": "people", "condition": "name LIKE :who", "parameters": WHO, "least": GONE}
    state = disk.image.parent / "state"
    second = order_records("sqlite", path.with_name("archive.db"), state, most=GONE, history=True, **who)  # type: ignore[arg-type]
    runs.append(CarriedOut(second))
    runs[1].go()
    assert [run.stopped for run in runs] == [None, None]
    assert runs[1].claim.outcome is Outcome.PROVEN, runs[1].claim
    assert traces(disk) == 0


def refused(ordered: Ordered) -> Refused:
    run = CarriedOut(ordered)
    run.go()
    assert isinstance(run.stopped, Refused), run.stopped
    assert not run.journal.entries
    return run.stopped


TRAIL = (
    "CREATE TABLE trail (old); CREATE TRIGGER copy AFTER DELETE ON visits BEGIN INSERT INTO trail VALUES (old.day); END"
)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (TRAIL, "records-not-offered"),
        ("CREATE TABLE names (n TEXT COLLATE nobodys); CREATE INDEX names_n ON names (n)", "records-not-offered"),
        ("CREATE TABLE sums (a INT CHECK (a > least_of(a)))", "records-not-offered"),
    ],
    ids=["a-trigger-behind-a-foreign-key", "a-sorting-of-its-own", "a-check-of-its-own"],
)
def test_what_this_sqlite_cannot_write_anew_is_refused_before_anything_is_touched(
    disk: Mounted, statements: str, reason: str
) -> None:
    """Under the lock it would fail half way, or carry the rows elsewhere."""
    make(database(disk), SHAPES[0])
    with closing(sqlite3.connect(database(disk))) as found:
        found.create_collation("nobodys", lambda one, other: (one > other) - (one < other))
        found.create_function("least_of", 1, lambda _: 0, deterministic=True)
        found.executescript(statements)
    before = database(disk).read_bytes()
    assert refused(order(disk)).reason == reason
    assert database(disk).read_bytes() == before


def test_a_schema_in_letters_of_before_utf_8_is_refused_and_goes_as_a_whole_file(disk: Mounted) -> None:
    """SQLite never looks at the bytes of a name, and so keeps those of an application that was never converted. No
    statement can repeat them; the file can be destroyed all the same."""
    path = database(disk)
    spelled = 'CREATE TABLE people (name TEXT, "stra\u00dfe" TEXT)'.encode("latin-1")
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("PRAGMA journal_mode = MEMORY")
        made.execute("CREATE TABLE people (name TEXT, note TEXT)")
        made.executemany("INSERT INTO people VALUES (?, ?)", [(f"VCTM-name-{at:06d}", "x") for at in range(GONE)])
        made.execute("PRAGMA writable_schema = ON")
        made.execute("UPDATE sqlite_schema SET sql = CAST(? AS TEXT)", (spelled,))
    before = path.read_bytes()
    whole = {"scope": "database", "table": None, "condition": None, "parameters": ()}
    for ordered in (order(disk), order(disk, **whole)):
        stopped = refused(ordered)
        assert stopped.reason == "records-not-offered"
        assert 'of kind "database"' in str(stopped.facts["detail"])
    assert path.read_bytes() == before
    assert traces(disk) >= GONE
    run = CarriedOut(order_database(path, disk.image.parent / "state", least=GONE, most=GONE))
    run.go()
    assert (run.stopped, path.exists(), traces(disk)) == (None, False, 0)


def test_bytes_that_an_extension_keeps_in_each_page_are_refused(disk: Mounted) -> None:
    """Its sums over the pages would not hold any more."""
    make(database(disk), SHAPES[0])
    with database(disk).open("r+b") as file:
        file.seek(20)
        file.write(b"\x08")
    assert refused(order(disk)).reason == "records-not-offered"


def test_a_second_name_of_the_file_is_refused(disk: Mounted) -> None:
    """The rows would stay under it."""
    make(database(disk), SHAPES[0])
    os.link(database(disk), disk.root / "second.db")
    assert refused(order(disk)).reason == "hard-links-outside"


def test_a_condition_that_asks_for_chance_is_refused(disk: Mounted) -> None:
    """It would select others under the lock than were counted."""
    make(database(disk), SHAPES[0])
    ordered = order(disk, condition="name LIKE :who AND random() > 0", least=0)
    assert refused(ordered).reason == "condition-wrong"
