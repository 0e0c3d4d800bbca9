"""A SQLite database across the page at 1 GiB that SQLite itself never uses, since connections lock bytes of it."""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from certificates.statements import Parameter
from tests.support.ext4_image import Mounted
from tests.support.people_disk import WHO, database, people_disk
from tests.support.withdrawing import Asked, ask, withdraw
from wipers.linux.engines import sqlite_samples
from wipers.linux.sqlite_pages import count_rows, open_pages

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

PAGE = 65536
LOCK_PAGE = (1 << 30) // PAGE + 1
ROWS, GONE = 60, 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with people_disk(tmp_path, size=48 << 20) as found:
        yield found


def make(path: Path) -> None:
    """Rows on both sides of the page, of which only they take room on the disk: all pages below are free ones that no
    block stands behind (https://www.sqlite.org/fileformat2.html, 1.3 and 1.5)."""
    with closing(sqlite3.connect(path)) as made, made:
        made.execute(f"PRAGMA page_size = {PAGE}")
        made.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, photo BLOB)")
    begin, last = LOCK_PAGE - 60, LOCK_PAGE + 200
    around = [number for number in range(begin, last + 1) if number != LOCK_PAGE]
    below = list(range(path.stat().st_size // PAGE + 1, begin))
    with path.open("r+b") as file:
        file.truncate(last * PAGE)
        # New pages are taken from the first list alone for as long as it has some.
        for (number, *free), following in ((around, below[0]), (below, 0)):
            file.seek((number - 1) * PAGE)
            file.write(struct.pack(f">II{len(free)}I", following, len(free), *free))
        file.seek(28)
        file.write(struct.pack(">III", last, around[0], len(around) + len(below)))
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("PRAGMA journal_mode = MEMORY")
        for number in range(ROWS):
            name = f"{'KEEP' if number % 3 else 'VCTM'}-name-{number:06d}"
            made.execute("INSERT INTO people VALUES (?, ?, ?)", (number, name, os.urandom(PAGE)))


def left(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return found.execute("SELECT * FROM people WHERE name LIKE 'KEEP%' ORDER BY id").fetchall()


def order(path: Path, state: Path, parameters: tuple[Parameter, ...] = WHO) -> Asked:
    return ask(
        "sqlite",
        path,
        state,
        database="main",
        table="people",
        condition="name LIKE :who",
        parameters=parameters,
        least=GONE,
        most=GONE,
    )


def test_rows_on_both_sides_of_the_page_that_is_never_used_go_and_stay(disk: Mounted, tmp_path: Path) -> None:
    """Counted from the pages, sampled without a copy in memory that could not be had in one piece, taken out; what
    stays is whole in the new file."""
    path = database(disk)
    make(path)
    with path.open("rb") as file:
        assert count_rows(open_pages(file.fileno(), None)) == ROWS
    expected = left(path)
    asked = order(path, tmp_path / "state")
    assert path.stat().st_size > sqlite_samples.MOST_COPIED
    found = asked.engine.look(asked.request)
    assert found is not None
    with asked.engine.open(asked.request, found.facts, resuming=False) as session:
        values = list(session.values(200))
    # Both the name and the picture of each.
    assert len(values) == 2 * GONE
    done = withdraw(asked)
    assert (done.rows, done.before.rows, done.before) == (GONE, ROWS - GONE, done.after)
    assert left(path) == expected
    assert b"VCTM-name-" not in path.read_bytes()
    held = asked.held()
    assert max((held.path or path).joinpath(name).stat().st_size for name in held.names()) > 1 << 30
