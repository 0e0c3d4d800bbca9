"""Records of a real PostgreSQL server: nowhere on the raw storage afterwards, and what stays is unharmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.statements import Method, Residual
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import PostgreSQL, as_user, own, postgresql
from tests.support.servers.postgresql_story import GOES, Story, withdraw
from tests.support.withdrawing import destroy_held
from wipers.linux.engines.postgresql_files import live_files

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(208 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[PostgreSQL]:
    # No segment of the log is removed before an order comes: free blocks are another matter than what is tested here.
    with postgresql(
        disk.root, max_wal_size="'1GB'", log_statement="'none'", shared_preload_libraries="'pg_stat_statements'"
    ) as found:
        found.query("CREATE EXTENSION pg_stat_statements")
        yield found


def hits(disk: Mounted, story: Story, *, packed: bool = True) -> int:
    """How often anything that was to go stands on the raw image, packed or not."""
    disk.sync()
    return scan(disk.image, story.pattern, packed=packed).total


def check_whole(server: PostgreSQL) -> None:
    """The server starts again, serves, and its own tool finds every heap and index whole."""
    server.stop()
    server.start()
    as_user(
        "pg_amcheck",
        *("-h", server.socket, "-U", "postgres", "--heapallindexed", "--install-missing", "postgres"),
    )


def leave_orphan(server: PostgreSQL, story: Story) -> None:
    """The server died while a table was made of rows that go."""
    session = server.connect()
    session.execute("BEGIN")
    session.execute(f"CREATE TABLE {story.schema}.orphan AS SELECT * FROM {story.schema}.docs".encode())
    server.query("CHECKPOINT")
    server.kill()
    session.close()
    server.start()


def test_rows_are_nowhere_on_the_raw_image(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """Rows, the rows that refer to them, what a view kept, statistics, the log of changes and the server's own log."""
    story = Story(server, "rowsa", tmp_path)
    story.fill()
    story.refer()
    with pytest.raises(Exception, match="who"):
        story.do("INSERT INTO docs (id, who) SELECT 3, (SELECT who FROM docs WHERE id = 6)::int::text")
    # The text of a statement that is no query is kept as it is; a table that was never committed leaves its file.
    story.do("SET application_name = 'VCTMrowsawho3-abcdef'")
    leave_orphan(server, story)
    before = {table: story.summed(table) for table in ("docs", "visits", "seen")}
    assert hits(disk, story, packed=False) > 1000
    asked = story.ask()
    done = withdraw(asked)
    assert (done.rows, done.before) == (200, done.after)
    assert done.before.tables == 4
    assert {one.code: one.count for one in done.consequences}["orphan-files"] >= 1
    assert "free-blocks" not in done.left
    assert destroy_held(asked) > 1 << 20
    assert hits(disk, story) == 0
    assert {table: story.summed(table) for table in before} == before
    assert (story.counted(), story.counted("visits"), story.counted("seen")) == ((400, 0), (400, 0), (400, 0))
    check_whole(server)


def test_a_table_is_nowhere_on_the_raw_image(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """The server would truncate the files of a table that it drops, and so give their blocks back as they are."""
    story = Story(server, "tablea", tmp_path)
    story.fill(300)
    assert hits(disk, story, packed=False) > 500
    asked = story.ask("table")
    done = withdraw(asked)
    assert done.rows == 300
    destroy_held(asked)
    assert hits(disk, story) == 0


def test_a_schema_is_nowhere_on_the_raw_image(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """A tenant is a schema in many places."""
    story = Story(server, "tenant", tmp_path)
    story.fill(300)
    story.refer(300)
    asked = story.ask("schema", table=None, most=600)
    assert withdraw(asked).rows == 600
    destroy_held(asked)
    assert hits(disk, story) == 0
    assert server.query("SELECT count(*) FROM pg_namespace WHERE nspname = 'tenant'") == [(0,)]


def test_a_database_is_nowhere_on_the_raw_image(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """Every file of it, whatever table, index or catalog it belongs to."""
    server.query("CREATE DATABASE customers")
    story = Story(server, "dba", tmp_path, database="customers")
    story.fill(300)
    asked = story.ask("database", table=None, most=300)
    done = withdraw(asked)
    assert done.rows == 300
    assert destroy_held(asked) > 1 << 20
    assert hits(disk, story) == 0
    assert server.query("SELECT count(*) FROM pg_database WHERE datname = 'customers'") == [(0,)]


def test_a_log_that_somebody_else_keeps_is_written_over_where_it_stands(
    disk: Mounted, server: PostgreSQL, tmp_path: Path
) -> None:
    """Debian's scripts open a file for what a server says, and an older one lies beside it; what goes to the system's
    log is in nobody's reach, which a plan says beforehand."""
    story = Story(server, "logged", tmp_path)
    story.fill(60)
    server.query("ALTER SYSTEM SET logging_collector = off")
    server.stop()
    server.start()
    try:
        with pytest.raises(Exception, match="who"):
            story.do("INSERT INTO docs (id, who) SELECT 3, (SELECT who FROM docs WHERE id = 6)::int::text")
        log = server.data.parent / "start.log"
        older = log.with_name("start.log.1")
        older.write_bytes(log.read_bytes())
        told = log.stat().st_size, log.stat().st_ino
        assert GOES.encode() in older.read_bytes()
        asked = story.ask(most=20)
        done = withdraw(asked)
        assert (done.rows, done.left) == (20, ())
        assert (log.stat().st_size >= told[0], log.stat().st_ino) == (True, told[1])
        assert {file for file, place in live_files(server.data, (log, older)) if place == "engine-log"} >= {log, older}
        destroy_held(asked)
        assert hits(disk, story) == 0
        server.query("ALTER SYSTEM SET log_destination = 'syslog'")
        server.query("SELECT pg_reload_conf()")
        asked = story.ask("table", most=60)
        found = asked.engine.look(asked.request)
        assert found is not None
        assert Residual("server-log") in found.residual
    finally:
        server.query("ALTER SYSTEM RESET ALL")
        server.stop()
        server.start()


def test_partitions_go_with_their_files(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """A partitioned table has no files; those that hold the rows do, also in a tablespace on the same file system, and
    a table without any index can be ordered."""
    story = Story(server, "parts", tmp_path)
    beside = server.data.parent / "space"
    beside.mkdir()
    own(beside)
    server.query(f"CREATE TABLESPACE beside LOCATION '{beside}'")
    tag = "case when g % 3 = 0 then 'VCTM' else 'KEEP' end || 'partswho' || g || '-' || md5(g::text)"
    story.do(
        "CREATE SCHEMA parts",
        "CREATE TABLE docs (id int, who text) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF docs FOR VALUES FROM (0) TO (200)",
        "CREATE TABLE high PARTITION OF docs FOR VALUES FROM (200) TO (1000) TABLESPACE beside",
        f"INSERT INTO docs SELECT g, {tag} FROM generate_series(1, 300) g",
        "ANALYZE docs",
    )
    asked = story.ask(most=100)
    found = asked.engine.look(asked.request)
    assert found is not None
    assert {one.code: one.count for one in found.consequences}["partitions"] == 2
    assert withdraw(asked).rows == 100
    destroy_held(asked)
    assert hits(disk, story) == 0
    assert story.counted() == (200, 0)


def test_few_rows_are_filled_in_place(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """Ten rows of a large table: no rewrite, a short lock, and neither page, index, statistics nor log has them."""
    story = Story(server, "few", tmp_path)
    story.fill_large()
    staying = story.summed()
    asked = story.ask(most=10)
    found = asked.engine.look(asked.request)
    assert found is not None
    assert found.preferred is Method.HOLE_FILLING
    # The table was never vacuumed: that writes all of it, and to the log, which is kept meanwhile.
    (size,) = server.query("SELECT pg_relation_size('few.docs')")[0]
    told = {fact.name: fact.value for fact in found.description}
    assert (found.room > size, int(told["bytes-to-write"]) > 2 * size) == (True, True)
    before = server.query("SELECT pg_relation_filenode('few.docs')")
    done = withdraw(asked, method=Method.HOLE_FILLING)
    assert (done.rows, done.before) == (10, done.after)
    assert done.before.rows > 100
    assert "older-page-slack" not in done.left
    assert server.query("SELECT pg_relation_filenode('few.docs')") == before
    destroy_held(asked)
    assert hits(disk, story) == 0
    assert (story.summed(), story.counted()) == (staying, (59990, 0))
    check_whole(server)


def test_the_servers_own_ways_leave_thousands(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """The same reader sees what DELETE and VACUUM FULL leave: it is not blind."""
    story = Story(server, "plain", tmp_path)
    story.fill()
    story.do("DELETE FROM docs WHERE id % 3 = 0", "VACUUM FULL docs", "CHECKPOINT")
    assert story.counted() == (400, 0)
    assert hits(disk, story, packed=False) > 1000
