"""Records of a real MariaDB server: nowhere on the raw storage afterwards, and what stays is unharmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, mariadb
from tests.support.servers.mariadb_story import FORMATS, Story
from tests.support.withdrawing import destroy_held, withdraw

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(360 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[MariaDB]:
    with mariadb(disk.root) as found:
        yield found


def hits(disk: Mounted, pattern: bytes, *, packed: bool = False) -> int:
    """How often anything that was to go stands on the raw image."""
    disk.sync()
    return scan(disk.image, pattern, packed=packed).total


def test_rows_of_every_format_are_nowhere_on_the_raw_image(disk: Mounted, server: MariaDB, tmp_path: Path) -> None:
    """Table, indexes, undo, redo, doublewrite buffer, binary, general and slow log, column statistics, Aria's log; with
    pages that are packed, and pages that give blocks back as they shrink."""
    story = Story(server, "rowsa", tmp_path)
    for table, how in FORMATS.items():
        refers = ", FOREIGN KEY (id) REFERENCES plain (id) ON DELETE CASCADE"
        story.fill(table, how, more=refers if table in ("zipped", "holes") else "")
    # Pages that shrank when they were changed gave blocks back: that is history, which was not ordered here.
    disk.fill()
    assert hits(disk, story.pattern()) > 10_000
    before = {table: story.summed(table) for table in FORMATS}
    for table in ("plain", "aria"):
        asked = story.ask(table, least=300)
        done = withdraw(asked)
        assert (done.rows, done.before, done.left) == (300, done.after, ())
        assert destroy_held(asked) > 1 << 20
    assert hits(disk, story.pattern(), packed=True) == 0
    assert {table: story.summed(table) for table in FORMATS} == before
    assert {table: story.counted(table) for table in FORMATS} == dict.fromkeys(FORMATS, (600, 0))
    server.stop()
    server.start()
    assert {table: story.summed(table) for table in FORMATS} == before
    assert "PAGE_COMPRESSED" in str(story.do("SHOW CREATE TABLE holes"))
    assert hits(disk, story.pattern()) == 0


def test_a_table_and_a_database_are_nowhere_on_the_raw_image(disk: Mounted, server: MariaDB, tmp_path: Path) -> None:
    """DROP unlinks the files without truncating them, so that a further name keeps all of their blocks in hand."""
    story = Story(server, "tablea", tmp_path)
    story.fill("docs", more=", FULLTEXT (small)")
    story.fill("beside", count=30)
    # A view that cannot be read any more is no harm, nor is a sequence that goes with its database.
    story.do(
        "CREATE VIEW seen AS SELECT id FROM docs", "CREATE VIEW other AS SELECT id FROM beside", "CREATE SEQUENCE s"
    )
    asked = story.ask("docs", "table", least=900, most=900)
    done = withdraw(asked)
    assert (done.rows, done.before, done.left) == (900, done.after, ())
    destroy_held(asked)
    assert hits(disk, story.pattern("docs")) == 0
    assert story.counted("beside") == (30, 10)
    asked = story.ask(None, "database", least=30, most=30)
    done = withdraw(asked)
    assert (done.rows, done.before) == (30, done.after)
    destroy_held(asked)
    assert hits(disk, story.pattern("beside")) == 0
    assert not (server.data / "tablea").exists()


def test_rows_that_refer_and_partitions_go_too(disk: Mounted, server: MariaDB, tmp_path: Path) -> None:
    """Foreign keys that cascade, or make null; a table in parts; what is listed is what goes."""
    story = Story(server, "refers", tmp_path)
    story.fill("docs", count=90)
    story.do(
        "CREATE TABLE visits (id INT PRIMARY KEY, doc INT, note VARCHAR(90), FOREIGN KEY (doc) REFERENCES docs (id)"
        " ON DELETE CASCADE)",
        "CREATE TABLE notes (id INT PRIMARY KEY, doc INT, note VARCHAR(90), FOREIGN KEY (doc) REFERENCES docs (id)"
        " ON DELETE SET NULL)",
        "INSERT INTO visits SELECT id, id, REPLACE(idx, 'docs', 'visits') FROM docs",
        "INSERT INTO notes SELECT id, id, 'a note' FROM docs",
        "CREATE VIEW seen AS SELECT idx FROM docs",
    )
    asked = story.ask("docs", most=30)
    found = asked.engine.look(asked.request)
    assert found is not None
    told = {one.code: one.count for one in found.consequences}
    assert (told["rows-by-foreign-key"], told["rows-forgetting"], told["views"]) == (30, 30, 1)
    done = withdraw(asked)
    assert (done.rows, done.before) == (30, done.after)
    destroy_held(asked)
    story.fill("parts", "ENGINE = InnoDB PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (40),"
               " PARTITION high VALUES LESS THAN MAXVALUE)", count=90)  # fmt: skip
    asked = story.ask("parts", most=30)
    assert withdraw(asked).rows == 30
    destroy_held(asked)
    assert hits(disk, story.pattern()) == 0
    assert story.do("SELECT COUNT(*) FROM visits") == [(60,)]
    assert story.do("SELECT COUNT(*), COUNT(doc) FROM notes") == [(90, 60)]


def test_the_servers_own_ways_leave_thousands(disk: Mounted, server: MariaDB, tmp_path: Path) -> None:
    """The same reader sees what DELETE, OPTIMIZE and DROP leave: it is not blind."""
    story = Story(server, "ownway", tmp_path)
    story.fill("docs")
    story.fill("dropped")
    story.do("DELETE FROM docs WHERE owner = 'anna'", "OPTIMIZE TABLE docs", "DROP TABLE dropped")
    assert story.counted("docs") == (600, 0)
    assert hits(disk, story.pattern("docs")) > 1000
    assert hits(disk, story.pattern("dropped")) > 1000
