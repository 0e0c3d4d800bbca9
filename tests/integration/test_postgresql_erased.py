"""Records of a real PostgreSQL server: nowhere on the raw storage afterwards, and what stays is unharmed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from certificates.statements import Method, Residual
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import PostgreSQL, as_user, own, postgresql
from tests.support.servers.postgresql_standby_cut import fill_free, wait_for
from tests.support.servers.postgresql_story import GOES, Story, withdraw
from tests.support.withdrawing import destroy_held
from wipers.linux.engines import postgresql_checks, postgresql_files, postgresql_server, postgresql_spills
from wipers.linux.engines.postgresql_files import live_files
from wipers.linux.engines.postgresql_filling import Filling

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


def test_rows_are_nowhere_on_the_raw_image(
    disk: Mounted, server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, the rows that refer to them, what a view kept, statistics, the log of changes and the server's own log."""
    story = Story(server, "rowsa", tmp_path)
    story.fill()
    story.refer()
    with pytest.raises(Exception, match="who"):
        story.do("INSERT INTO docs (id, who) SELECT 3, (SELECT who FROM docs WHERE id = 6)::int::text")
    # The text of a statement that is no query is kept as it is; a table that was never committed leaves its file.
    story.do("SET application_name = 'VCTMrowsawho3-abcdef'")
    leave_orphan(server, story)
    # Nobody makes tables here, so that no file is too young to be told from one that is about to be committed.
    monkeypatch.setattr(postgresql_files, "COARSE", 0.0)
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


def test_partitions_go_with_their_files(
    disk: Mounted, server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partitioned table has no files; those that hold the rows do, also in a tablespace on the same file system, and
    a table without any index can be ordered."""
    trees = trees_checked(monkeypatch)
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
        "CREATE INDEX ON high (who)",
        f"INSERT INTO docs SELECT g, {tag} FROM generate_series(1, 300) g",
        "ANALYZE docs",
    )
    asked = story.ask(most=100)
    found = asked.engine.look(asked.request)
    assert found is not None
    assert {one.code: one.count for one in found.consequences}["partitions"] == 2
    assert withdraw(asked).rows == 100
    # What was rewritten is compared with its rows.
    assert ("parts.high_who_idx", True) in trees
    destroy_held(asked)
    assert hits(disk, story) == 0
    assert story.counted() == (200, 0)


def spilled(story: Story, held: str = "") -> psycopg.Connection[Any]:
    """A session whose cursor keeps the rows in a temporary file."""
    session = story.server.connect()
    session.execute("SET work_mem = '64kB'")
    session.execute("BEGIN")
    statement = f"SELECT who, g FROM {story.schema}.docs, generate_series(1, 99) g ORDER BY md5(who || g)"
    session.execute(f"DECLARE kept CURSOR {held} FOR {statement}".encode())
    session.execute("FETCH 1 FROM kept")
    return session


def test_what_backends_spilled_is_held_or_told(
    disk: Mounted, server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed backend leaves what it sorted, if the server is told so; a cursor WITH HOLD outlives every snapshot."""
    story = Story(server, "spills", tmp_path)
    story.fill(60)
    folder = server.data / "base" / "pgsql_tmp"
    server.query("ALTER SYSTEM SET remove_temp_files_after_crash = off")
    server.query("SELECT pg_reload_conf()")
    try:
        dying = spilled(story)
        process = dying.info.backend_pid
        os.kill(process, signal.SIGKILL)
        dying.close()
        server.wait_until_served(dead=process)
        left = sorted(folder.glob(f"pgsql_tmp{process}.*"))
        assert left
        living = spilled(story, "WITH HOLD")
        living.execute("COMMIT")
        kept = sorted(folder.glob(f"pgsql_tmp{living.info.backend_pid}.*"))
        assert kept
        asked = story.ask(most=20)
        monkeypatch.setattr(postgresql_spills, "WAIT_SECONDS", 0.5)
        done = withdraw(asked)
        assert {one.code: one.count for one in done.consequences}["orphan-files"] >= len(left)
        assert set(done.left) == {"temporary-files", "free-blocks"}
        assert sorted(folder.iterdir()) == kept
        assert living.execute("FETCH 5 FROM kept").fetchall()
        living.close()
        # Its backend removes them a moment after it was told to go.
        wait_for(lambda: not any(file.exists() for file in kept))
        destroy_held(asked)
    finally:
        server.query("ALTER SYSTEM RESET ALL")
        server.query("SELECT pg_reload_conf()")
    fill_free(disk)
    assert hits(disk, story) == 0


def trees_checked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The trees that are checked from now on, and whether each is compared with its table's rows."""
    found: list[tuple[str, bool]] = []

    def run(session: Any, statement: str, values: Any = ()) -> Any:
        if "bt_index_check" in statement:
            ((name,),) = session.execute("SELECT %s::regclass::text", values[:1]).fetchall()
            found.append((name, values[1]))
        return postgresql_server.run(session, statement, values)

    monkeypatch.setattr(postgresql_checks, "run", run)
    return found


def test_few_rows_are_filled_in_place(
    disk: Mounted, server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten rows of a large table: no rewrite, a short lock, and neither page, index, statistics nor log has them. What
    the server built and compared itself is not compared again; `pg_amcheck` finds it whole."""
    trees = trees_checked(monkeypatch)
    threads: list[str] = []
    fill = Filling.fill

    def told(filling: Filling, pages: Iterable[int]) -> tuple[int, ...]:
        threads.append(threading.current_thread().name)
        return fill(filling, pages)

    monkeypatch.setattr(Filling, "fill", told)
    story = Story(server, "few", tmp_path)
    story.fill_large()
    staying = story.summed()
    asked = story.ask(most=10)
    story.do(
        "CREATE INDEX cut ON docs (id)", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'cut'::regclass"
    )
    found = asked.engine.look(asked.request)
    assert found is not None
    # Nobody writes an index anew that is not valid: it would keep what it holds.
    assert found.preferred is Method.COPY_FORWARD
    story.do("DROP INDEX cut")
    found = asked.engine.look(asked.request)
    assert found is not None
    assert found.preferred is Method.HOLE_FILLING
    # The table was never vacuumed: that writes all of it, and to the log, which is kept meanwhile.
    (size,) = server.query("SELECT pg_relation_size('few.docs')")[0]
    facts = {fact.name: fact.value for fact in found.description}
    assert (found.room > size, int(facts["bytes-to-write"]) > 2 * size) == (True, True)
    before = server.query("SELECT pg_relation_filenode('few.docs')")
    done = withdraw(asked, method=Method.HOLE_FILLING)
    assert (done.rows, done.before) == (10, done.after)
    assert done.before.rows > 100
    # The pages are filled while the server builds: no index has anything to do with the column.
    assert "fill_0" in threads
    mine = {name: is_compared for name, is_compared in trees if name.startswith("few.")}
    assert mine == dict.fromkeys(("few.docs_pkey", "few.docs_who_key", "few.docs_lower_idx"), False)
    assert all(is_compared for name, is_compared in trees if name not in mine)
    assert "older-page-slack" not in done.left
    assert server.query("SELECT pg_relation_filenode('few.docs')") == before
    # Nor is it vacuumed: its pages are full, and reading the ten closed their ranks.
    assert server.query("SELECT relallvisible FROM pg_class WHERE oid = 'few.docs'::regclass") == [(0,)]
    destroy_held(asked)
    assert hits(disk, story) == 0
    assert (story.summed(), story.counted()) == (staying, (59990, 0))
    check_whole(server)


def test_an_index_that_waited_for_our_own_filling_is_built_again(
    disk: Mounted, server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a machine has much else to do, a few pages take longer than a lock is waited for: nobody else was in the
    way, and the run had ended as if somebody were."""
    story = Story(server, "slowly", tmp_path)
    story.fill_large(6000)
    fill, given_up = Filling._fill, "query LIKE 'CREATE%CONCURRENTLY%' AND state = 'idle'"
    waited: list[int] = []

    def slow(filling: Filling, place: str, page: int) -> bool:
        if threading.current_thread().name == "fill_0" and not waited:
            waited.append(page)
            wait_for(lambda: server.query(f"SELECT count(*) FROM pg_stat_activity WHERE {given_up}") == [(1,)])
        return fill(filling, place, page)

    monkeypatch.setattr(Filling, "_fill", slow)
    monkeypatch.setitem(postgresql_server.QUIET, "lock_timeout", "500")
    asked = story.ask(most=10)
    done = withdraw(asked, method=Method.HOLE_FILLING)
    assert (done.rows, done.before, len(waited)) == (10, done.after, 1)
    destroy_held(asked)
    assert hits(disk, story, packed=False) == 0
    assert server.query("SELECT count(*) FROM pg_class WHERE relname LIKE 'expunge%'") == [(0,)]
    story.do("DROP TABLE docs")


def test_pages_with_room_are_filled_too(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """The server closes no ranks of a page with room as it is read: such a table is vacuumed."""
    story = Story(server, "roomy", tmp_path)
    story.fill_large(6000)
    story.do(
        "DELETE FROM docs WHERE id % 3 = 1",
        "VACUUM docs",
    )
    staying = story.summed()
    asked = story.ask(most=10)
    done = withdraw(asked, method=Method.HOLE_FILLING)
    assert (done.rows, done.before) == (10, done.after)
    assert "older-page-slack" not in done.left
    assert server.query("SELECT relallvisible > 0 FROM pg_class WHERE oid = 'roomy.docs'::regclass") == [(True,)]
    destroy_held(asked)
    assert hits(disk, story, packed=False) == 0
    assert (story.summed(), story.counted()) == (staying, (3990, 0))
    check_whole(server)


def test_the_servers_own_ways_leave_thousands(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """The same reader sees what DELETE and VACUUM FULL leave: it is not blind."""
    story = Story(server, "plain", tmp_path)
    story.fill()
    story.do("DELETE FROM docs WHERE id % 3 = 0", "VACUUM FULL docs", "CHECKPOINT")
    assert story.counted() == (400, 0)
    assert hits(disk, story, packed=False) > 1000
