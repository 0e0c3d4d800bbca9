"""Places of a MariaDB server besides its tables, each with what is to go in it before its step, and without afterwards;
and the room that all of it takes."""

from __future__ import annotations

import os
import re
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from certificates.errors import Refused
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, copy_plugins, mariadb, own
from tests.support.servers.mariadb_story import Story
from tests.support.withdrawing import Asked, Told, destroy_held, withdraw
from wipers.linux.engines import mariadb_innodb, mariadb_redo
from wipers.linux.engines.mariadb_server import connect
from wipers.linux.engines.mariadb_take import WATERMARK, Taking
from wipers.linux.engines.mariadb_traces import drop_filler, filler_schema
from wipers.linux.records import target_of
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

REDO = 32 << 20
"""Bytes of a redo log that the traffic of a withdrawal does not go once round."""
PAGE = 16384
ENCRYPTED = (
    "innodb-encrypt-log",
    "encrypt-binlog",
    "aria-encrypt-tables",
    "encrypt-tmp-files",
    "encrypt-tmp-disk-tables",
)


def assert_destroyed_with(asked: Asked, files: set[int], disk: Mounted, story: Story) -> None:
    """These files, by their inodes, are among the held ones, and once those are destroyed nothing is anywhere."""
    held = asked.held()
    assert held.path is not None
    assert files <= {(held.path / name).stat().st_ino for name in held.names()}
    destroy_held(asked)
    disk.sync()
    assert scan(disk.image, story.pattern(), packed=False).total == 0


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(400 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[MariaDB]:
    keys = disk.root / "keys"
    keys.write_text(f"1;{bytes(range(32)).hex()}\n")
    keys.chmod(0o644)
    plugins = ("file_key_management", "server_audit", "sql_errlog")
    how = {"file_key_management_filename": str(keys), "slow_query_log_file": "/dev/null"}
    how["plugin_dir"] = str(copy_plugins(plugins, disk.root / "plugins"))
    with mariadb(disk.root, plugin_load_add=";".join(plugins), **how) as found:
        yield found


def redo(server: MariaDB, pattern: bytes) -> int:
    return len(re.findall(pattern, (server.data / "ib_logfile0").read_bytes()))


def doublewritten(server: MariaDB, pattern: bytes) -> int:
    """Hits in the doublewrite buffer, whose two extents page 5 of the system tablespace names (trx0sys.h)."""
    whole = (server.data / "ibdata1").read_bytes()
    blocks = struct.unpack_from(">II", whole, 6 * PAGE - 200 + 14)
    return sum(len(re.findall(pattern, whole[one * PAGE : (one + 64) * PAGE])) for one in blocks)


def test_redo_begins_anew_with_what_stood_in_it_held(
    disk: Mounted, server: MariaDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a log that nothing wraps, the values stand until our step, and neither in the log nor on the disk after it."""
    story = Story(server, "redone", tmp_path)
    server.query(f"SET GLOBAL innodb_log_file_size = {REDO}")
    story.fill("docs", count=90)
    seen: list[tuple[int, int]] = []
    begin = mariadb_redo.begin_redo

    def watched(taking: Taking) -> None:
        before = redo(server, story.pattern())
        begin(taking)
        seen.append((before, redo(server, story.pattern())))

    monkeypatch.setattr(mariadb_innodb, "begin_redo", watched)
    done = withdraw(story.ask("docs", most=30))
    assert (done.rows, done.left) == (30, ())
    assert seen[0][0] > 30
    assert seen[-1][1] == 0
    assert server.query("SELECT @@GLOBAL.innodb_log_file_size") == [(REDO,)]
    destroy_held(story.ask("docs", most=30))
    disk.sync()
    assert scan(disk.image, story.pattern(), packed=False).total == 0
    server.query(f"SET GLOBAL innodb_log_file_size = {8 << 20}")


def test_pages_in_the_doublewrite_buffer_are_displaced(disk: Mounted, server: MariaDB, tmp_path: Path) -> None:
    """The table's pages were the last that were written over, on a server that has nothing else to write."""
    story = Story(server, "doubly", tmp_path)
    story.fill("docs", count=90)
    asked = story.ask("docs")
    held = asked.held()
    held.begin(server.data, "ab")
    session = connect(asked.request)
    try:
        taking = Taking(session, held, Told().given(), asked.machine)
        filler = filler_schema(taking) + ".`filler`"
        number = mariadb_innodb._make_filler(session, filler, 7000)
        # What else the server writes at the same moment stands there as well.
        for letter in "abcdefgh":
            story.do(f"UPDATE docs SET small = CONCAT(small, '{letter}')")
            # Clearing old versions away changes pages of the table, which would be written some time later.
            mariadb_innodb.wait_for_purge(taking)
            story.do("FLUSH TABLES docs FOR EXPORT", "UNLOCK TABLES")
            disk.sync()
            if doublewritten(server, story.pattern()) > 30:
                break
        assert doublewritten(server, story.pattern()) > 30
        mariadb_innodb._displace_doublewrite(taking, filler, 7000, number, is_blind=False)
        disk.sync()
        assert doublewritten(server, story.pattern()) == 0
        assert not taking.left
        drop_filler(taking)
    finally:
        session.close()
        held.remove()


def take_all_but(disk: Mounted, size: int) -> Path:
    """A file of somebody else's that leaves so much to users who are not the superuser."""
    path = disk.root / "ballast"
    about = os.statvfs(disk.root)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, about.f_bavail * about.f_frsize - size)
    return path


def reasons(asked: Asked) -> set[str]:
    found = asked.engine.look(asked.request)
    assert found is not None
    return {one.reason for one in target_of(asked.carrier, asked.request, found).obstacles}


def test_too_little_room_is_refused_and_the_server_goes_on(disk: Mounted, server: MariaDB, tmp_path: Path) -> None:
    """A server whose disk is full waits for room, or ends: asked before anything is touched, and again before the
    first change."""
    story = Story(server, "roomy", tmp_path)
    story.fill("docs", count=90)
    asked = story.ask("docs", most=30)
    look = asked.engine.look(asked.request)
    assert look is not None
    assert reasons(asked) == set()
    ballast = take_all_but(disk, look.room // 2)
    try:
        assert reasons(asked) == {"records-space-low"}
        with pytest.raises(Refused) as refused:
            withdraw(asked)
        assert refused.value.reason == "records-space-low"
    finally:
        ballast.unlink()
    with asked.engine.open(asked.request, look.facts, True) as session:
        ballast = take_all_but(disk, look.room // 2)
        try:
            with pytest.raises(Lost) as lost:
                session.withdraw(asked.held(), Told().given(), look.preferred)
        finally:
            ballast.unlink()
    assert lost.value.reason == "records-space-low"
    assert story.counted("docs") == (90, 30)
    story.do("INSERT INTO docs VALUES (9001, 'cy', 'KEEP', 'a', 'b')")
    assert asked.held().manifest.last("deleting") is None
    asked.held().remove()


def test_fillers_leave_the_last_of_the_room_alone(disk: Mounted, server: MariaDB, tmp_path: Path) -> None:
    """Whoever else writes there finds some, also while undo is displaced."""
    asked = Story(server, "watered", tmp_path)
    asked.fill("docs", count=3)
    order = asked.ask("docs")
    held = order.held()
    held.begin(server.data, "cd")
    session = connect(order.request)
    try:
        taking = Taking(session, held, Told().given(), order.machine)
        assert taking.has_room(1 << 20)
        ballast = take_all_but(disk, WATERMARK * 3 // 4)
        try:
            assert not taking.has_room(1 << 20)
            mariadb_redo._resize(taking, 12 << 20)
            assert taking.left == {"write-ahead-log"}
        finally:
            ballast.unlink()
        assert server.query("SELECT @@GLOBAL.innodb_log_file_size") == [(8 << 20,)]
    finally:
        session.close()
        for name in held.names():
            (server.data / ".expunge-cd" / name).unlink()
        held.remove()


def test_where_everything_is_encrypted_nothing_stands_in_the_clear(
    disk: Mounted, server: MariaDB, tmp_path: Path
) -> None:
    """Tables, redo, undo, doublewrite buffer and binary log are ciphertext, in which no sample can be told:
    that is said, and every file is taken as otherwise. In the clear were logs of statements, those in tables too, and
    statistics, whose table is older than the encryption: gone."""
    settings = dict(server.settings)
    server.stop()
    server.settings |= dict.fromkeys(ENCRYPTED, "1") | {"innodb-encrypt-tables": "FORCE", "log-output": "FILE,TABLE"}
    try:
        server.start()
        story = Story(server, "hidden", tmp_path)
        story.fill("docs", count=90)
        # Statistics are written when their table is closed at the latest.
        server.query("FLUSH TABLES")
        disk.sync()
        files = [path for path in server.data.rglob("*") if path.is_file()]
        clear = {path.name for path in files if re.search(story.pattern(), path.read_bytes())}
        assert clear == {"general.log", "general_log.CSV", "slow_log.CSV", "column_stats.MAD"}
        (binlog, *_) = server.query("SHOW MASTER STATUS")[0]
        before = {(server.data / name).stat().st_ino for name in (str(binlog), "hidden/docs.ibd", "ib_logfile0")}
        asked, staying = story.ask("docs", most=30), story.summed("docs")
        look = asked.engine.look(asked.request)
        assert look is not None
        assert "ciphertext-not-hunted" in {one.code for one in look.residual}
        done = withdraw(asked)
        assert (done.rows, done.before, done.left) == (30, done.after, ())
        assert_destroyed_with(asked, before, disk, story)
        assert (story.summed("docs"), story.counted("docs")) == (staying, (60, 0))
        assert story.do("SELECT COUNT(*) > 0 FROM mysql.general_log WHERE argument LIKE '%SUM(idx%'") == [(1,)]
    finally:
        server.stop()
        server.settings = settings
        server.start()


def test_a_file_that_a_crash_left_of_our_own_table_is_in_nobodys_way(server: MariaDB, tmp_path: Path) -> None:
    """A server that dies while it makes a table may keep its file and know nothing of it: it then neither makes the
    table again nor drops the schema, and no resume would ever come to its end."""
    story = Story(server, "strayed", tmp_path)
    story.fill("docs", count=30)
    asked = story.ask("docs", most=10)
    asked.held().begin(server.data, "0123456789abcdef")
    server.query("CREATE SCHEMA expunge_0123456789abcdef")
    stray = server.data / "expunge_0123456789abcdef" / "filler.ibd"
    stray.write_bytes(bytes(1 << 16))
    found = asked.engine.look(asked.request)
    assert found is not None
    with asked.engine.open(asked.request, found.facts, True) as session:
        done = session.withdraw(asked.held(), Told().given(), found.preferred)
    assert (done.rows, done.left) == (10, ())
    assert not stray.parent.exists()
    destroy_held(asked)


def test_statistics_that_a_crash_damaged_are_mended(disk: Mounted, server: MariaDB, tmp_path: Path) -> None:
    """A server that dies while it changes its statistics leaves them damaged, with or without us: a run cannot take
    rows out of such a table, and would take it for damage of its own."""
    story = Story(server, "stats", tmp_path)
    story.fill("docs", count=90)
    story.fill("beside", count=30)
    server.stop()
    for name in ("table_stats", "column_stats"):
        path = server.data / "mysql" / f"{name}.MAI"
        with path.open("r+b") as file:
            file.seek(-8192, os.SEEK_END)
            file.write(bytes(8192))
    (server.data / "mysql" / "column_stats.MAD-261123094500.BAK").write_bytes(story.value("docs", "idx", 3).encode())
    server.start()
    asked = story.ask("docs", "table", most=90)
    done = withdraw(asked)
    assert (done.rows, done.left) == (90, ())
    destroy_held(asked)
    disk.sync()
    assert scan(disk.image, story.pattern("docs"), packed=False).total == 0
    told = server.query("CHECK TABLE mysql.table_stats, mysql.index_stats, mysql.column_stats EXTENDED")
    assert [row[3] for row in told] == ["OK"] * 3
    assert server.query("SELECT COUNT(*) FROM mysql.table_stats WHERE db_name = 'stats'") == [(1,)]


def test_logs_of_plugins_older_ones_and_those_behind_a_link_go_too(
    disk: Mounted, server: MariaDB, tmp_path: Path
) -> None:
    """An audit keeps every statement, a log of errors those that failed, each in files that it puts aside by itself; a
    log's name may lead out of the data directory, and one that keeps nothing is left alone."""
    story = Story(server, "audited", tmp_path)
    aside = Path(tempfile.mkdtemp(dir=disk.root))
    own(aside)
    (server.data / "led.log").symlink_to(aside / "general.log")
    try:
        server.query(
            "SET GLOBAL general_log_file = 'led.log'",
            "SET GLOBAL server_audit_logging = 1",
        )
        story.fill("docs", count=90)
        server.query("SET GLOBAL server_audit_file_rotate_now = 1")
        with server.connect("audited") as session, session.cursor() as cursor:
            with pytest.raises(pymysql.err.Error):
                cursor.execute(f"INSERT INTO nowhere VALUES ('{story.value('docs', 'idx', 3)}')")
            # A session writes a statement to the audit after it answered it, and before it takes the next.
            cursor.execute("SELECT SLEEP(0)")
        (aside / "general.log.1").write_bytes((aside / "general.log").read_bytes())
        logs = [
            *(server.data / name for name in ("server_audit.log.1", "server_audit.log", "sql_errors.log")),
            *(aside / name for name in ("general.log", "general.log.1")),
        ]
        assert [bool(re.search(story.pattern(), log.read_bytes())) for log in logs] == [True] * 5
        before = {log.stat().st_ino for log in logs}
        asked = story.ask("docs", most=30)
        look = asked.engine.look(asked.request)
        assert look is not None
        assert "server-log" not in {one.code for one in look.residual}
        done = withdraw(asked)
        assert (done.rows, done.left) == (30, ())
        assert_destroyed_with(asked, before, disk, story)
        story.do("SELECT 'said afterwards'", "SELECT SLEEP(0)")
        assert [b"said afterwards" in log.read_bytes() for log in (logs[1], aside / "general.log")] == [True] * 2
        assert Path("/dev/null").is_char_device()
        server.query("SET GLOBAL server_audit_output_type = 'syslog'")
        look = asked.engine.look(asked.request)
        assert look is not None
        assert "server-log" in {one.code for one in look.residual}
        server.query("SET GLOBAL server_audit_output_type = 'file'", "SET GLOBAL server_audit_file_rotations = 0")
        assert asked.reasons() == {"records-not-offered"}
    finally:
        server.query(
            "SET GLOBAL server_audit_logging = 0",
            "SET GLOBAL server_audit_file_rotations = 9",
            "SET GLOBAL general_log_file = 'general.log'",
        )
