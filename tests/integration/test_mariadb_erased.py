"""Records of a real MariaDB server: nowhere on the raw storage afterwards, and what stays is unharmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.foreground import LONGEST
from tests.support.servers.mariadb import MariaDB, mariadb
from tests.support.servers.mariadb_story import FORMATS, Story
from tests.support.withdrawing import destroy_held, withdraw
from wipers.conditions import Bound
from wipers.linux.engines import mariadb_beside, mariadb_redo
from wipers.linux.engines.mariadb_server import Server

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(400 << 20) as found:
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
    pages that are packed, pages that give blocks back as they shrink, and what the server keeps of a table's data when
    it mends it after a crash."""
    story = Story(server, "rowsa", tmp_path)
    for table, how in FORMATS.items():
        refers = ", FOREIGN KEY (id) REFERENCES plain (id) ON DELETE CASCADE"
        story.fill(table, how, more=refers if table in ("zipped", "holes") else "")
    # Pages that shrank when they were changed gave blocks back: that is history, which was not ordered here.
    with server.paused():
        disk.fill()
    assert hits(disk, story.pattern()) > 10_000
    before = {table: story.summed(table) for table in FORMATS}
    kept = [server.data / "rowsa" / f"{name}.MAD-261123094500.BAK" for name in ("aria", "aria2")]
    for path, row in zip(kept, (3, 4), strict=True):
        path.write_text(story.value("aria", "idx", row))
    for table in ("plain", "aria"):
        asked = story.ask(table, least=300)
        done = withdraw(asked)
        assert (done.rows, done.before, done.left) == (300, done.after, ())
        assert destroy_held(asked) > 1 << 20
    assert hits(disk, story.pattern(), packed=True) == 0
    assert [path.exists() for path in kept] == [False, True]
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


def test_few_rows_of_a_large_table_go_while_others_read(
    disk: Mounted, server: MariaDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers are shut out for a moment; who writes waits and loses nothing, and what stays is summed in two snapshots
    between which nobody writes. The redo log is wide as long as the table is rewritten, and as it was afterwards."""
    monkeypatch.setattr(mariadb_beside, "LEAST", 1 << 20)
    monkeypatch.setattr(mariadb_redo, "LARGE", 1 << 20)
    monkeypatch.setattr(mariadb_redo, "WIDE", 16 << 20)
    story = Story(server, "beside", tmp_path)
    story.fill("docs", count=30)
    story.do(
        "INSERT INTO docs SELECT 1000 + seq, 'ben', CONCAT('KEEP', seq), REPEAT('s', 200), REPEAT('b', 2000)"
        " FROM seq_1_to_6000",
        "ANALYZE TABLE docs",
    )
    staying, said, stop, done = story.summed("docs"), [], threading.Event(), {"read": 0, "written": 0}
    run = Server.run

    def heard(self: Server, statement: str, *values: Bound) -> int:
        said.append(statement)
        return run(self, statement, *values)

    monkeypatch.setattr(Server, "run", heard)

    def work(what: str, statement: str) -> None:
        with server.connect("beside") as session, session.cursor() as cursor:
            while not stop.is_set():
                cursor.execute(statement.format(row=20_000 + done[what]))
                done[what] += 1
                time.sleep(0.005)

    workers = [
        threading.Thread(target=work, args=("read", "SELECT COUNT(*) FROM docs WHERE id < 100")),
        threading.Thread(target=work, args=("written", "INSERT INTO docs VALUES ({row}, 'cy', 'KEEP', 'a', 'b')")),
    ]
    for worker in workers:
        worker.start()
    try:
        asked = story.ask("docs", most=10)
        out = withdraw(asked)
        deadline = time.monotonic() + LONGEST
        while min(done.values()) <= 20:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        stop.set()
        for worker in workers:
            worker.join(120)
    destroy_held(asked)
    assert [one for one in said if " docs" in one.replace("`", " ") and one.startswith("ALTER")] == [
        "ALTER TABLE `beside`.`docs` FORCE, ALGORITHM = INPLACE, LOCK = SHARED"
    ]
    assert (out.rows, out.before, out.left) == (10, out.after, ())
    sizes = [int(one.split()[-1]) >> 20 for one in said if one.startswith("SET GLOBAL innodb_log_file_size")]
    assert (sizes, server.query("SELECT @@innodb_log_file_size >> 20")) == ([16, 8], [(8,)])
    assert story.summed("docs") == staying
    assert story.do("SELECT COUNT(*) FROM docs WHERE owner = 'cy'") == [(done["written"],)]
    assert hits(disk, story.pattern()) == 0


def test_a_table_goes_so_however_fast_it_is_rewritten(
    disk: Mounted, server: MariaDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rewriting cannot end before it is summed, and what somebody writes for whom it waits is in both sums."""
    monkeypatch.setattr(mariadb_beside, "LEAST", 1)
    story = Story(server, "moment", tmp_path)
    story.fill("docs", count=30)
    altering: list[str] = []
    run = Server.run

    def heard(self: Server, statement: str, *values: Bound) -> int:
        altering.extend([statement] if statement.startswith("ALTER TABLE `moment`") else [])
        return run(self, statement, *values)

    monkeypatch.setattr(Server, "run", heard)
    waiting = (
        "SELECT id FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE `moment`%' AND state LIKE 'Wait%'"
    )

    def write(other: pymysql.connections.Connection[Any]) -> None:
        deadline = time.monotonic() + LONGEST
        while not server.query(waiting):
            assert time.monotonic() < deadline
        other.cursor().execute("INSERT INTO docs VALUES (9001, 'cy', 'KEEP', 'a', 'b')")
        other.commit()

    asked = story.ask("docs", most=10)
    with server.connect("moment") as other, ThreadPoolExecutor(1) as pool:
        other.begin()
        # Changes nothing, and has the table open for whoever changes something.
        other.cursor().execute("UPDATE docs SET small = 'x' WHERE id = -1")
        writing = pool.submit(write, other)
        done = withdraw(asked)
        writing.result()
    destroy_held(asked)
    assert altering == ["ALTER TABLE `moment`.`docs` FORCE, ALGORITHM = INPLACE, LOCK = SHARED"]
    assert (done.rows, done.before.rows, done.before, done.left) == (10, 21, done.after, ())
    assert hits(disk, story.pattern()) == 0


def test_the_servers_own_ways_leave_thousands(disk: Mounted, server: MariaDB, tmp_path: Path) -> None:
    """The same reader sees what DELETE, OPTIMIZE and DROP leave: it is not blind."""
    story = Story(server, "ownway", tmp_path)
    story.fill("docs")
    story.fill("dropped")
    story.do("DELETE FROM docs WHERE owner = 'anna'", "OPTIMIZE TABLE docs", "DROP TABLE dropped")
    assert story.counted("docs") == (600, 0)
    assert hits(disk, story.pattern("docs")) > 1000
    assert hits(disk, story.pattern("dropped")) > 1000
