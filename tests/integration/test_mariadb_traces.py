"""Places of a MariaDB server besides its tables, each with what is to go in it before its step, and without afterwards;
and the room that all of it takes."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.errors import Refused
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, mariadb
from tests.support.servers.mariadb_story import Story
from tests.support.withdrawing import Asked, Told, destroy_held, withdraw
from wipers.linux.engines import mariadb_innodb
from wipers.linux.engines.mariadb_server import connect
from wipers.linux.engines.mariadb_take import WATERMARK, Taking
from wipers.linux.engines.mariadb_traces import drop_filler, filler_schema
from wipers.linux.records import target_of
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

REDO = 32 << 20
"""Bytes of a redo log that the traffic of a withdrawal does not go once round."""
PAGE = 16384


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(400 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[MariaDB]:
    keys = disk.root / "keys"
    keys.write_text(f"1;{bytes(range(32)).hex()}\n")
    keys.chmod(0o644)
    with mariadb(disk.root, plugin_load_add="file_key_management", file_key_management_filename=str(keys)) as found:
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
    begin = mariadb_innodb._begin_redo

    def watched(taking: Taking) -> None:
        before = redo(server, story.pattern())
        begin(taking)
        seen.append((before, redo(server, story.pattern())))

    monkeypatch.setattr(mariadb_innodb, "_begin_redo", watched)
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
    for letter in "ab":
        story.do(f"UPDATE docs SET small = CONCAT(small, '{letter}')", "FLUSH TABLES docs FOR EXPORT", "UNLOCK TABLES")
    asked = story.ask("docs")
    held = asked.held()
    held.begin(server.data, "ab")
    session = connect(asked.request)
    try:
        taking = Taking(session, held, Told().given(), asked.machine)
        filler = filler_schema(taking) + ".`filler`"
        number = mariadb_innodb._make_filler(session, filler, 7000)
        disk.sync()
        assert doublewritten(server, story.pattern()) > 30
        mariadb_innodb._displace_doublewrite(taking, filler, 7000, number)
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
    ballast = take_all_but(disk, look.room - (1 << 20))
    try:
        assert reasons(asked) == {"records-space-low"}
        with pytest.raises(Refused) as refused:
            withdraw(asked)
        assert refused.value.reason == "records-space-low"
    finally:
        ballast.unlink()
    with asked.engine.open(asked.request, look.facts, True) as session:
        ballast = take_all_but(disk, look.room - (1 << 20))
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
        ballast = take_all_but(disk, WATERMARK + (1 << 19))
        try:
            assert not taking.has_room(1 << 20)
            mariadb_innodb._resize_redo(taking, 12 << 20)
            assert taking.left == {"write-ahead-log"}
        finally:
            ballast.unlink()
        assert server.query("SELECT @@GLOBAL.innodb_log_file_size") == [(8 << 20,)]
    finally:
        session.close()
        for name in held.names():
            (server.data / ".expunge-cd" / name).unlink()
        held.remove()


def test_an_encrypted_table_goes_with_what_logs_in_tables_say_of_it(
    disk: Mounted, server: MariaDB, tmp_path: Path
) -> None:
    """No sample can be told in ciphertext, and that is said; logs hold it in the clear, mysql.general_log and slow_log
    too, where what an application said is kept in tables."""
    story = Story(server, "secretly", tmp_path)
    server.query("SET GLOBAL log_output = 'TABLE'")
    try:
        story.fill("docs", "ENGINE = InnoDB ENCRYPTED = YES", count=90)
        disk.sync()
        assert not re.search(story.pattern(), (server.data / "secretly" / "docs.ibd").read_bytes())
        assert re.search(story.pattern(), (server.data / "mysql" / "general_log.CSV").read_bytes())
        asked, staying = story.ask("docs", most=30), story.summed("docs")
        look = asked.engine.look(asked.request)
        assert look is not None
        assert "ciphertext-not-hunted" in {one.code for one in look.residual}
        before = os.stat(server.data / "secretly" / "docs.ibd").st_ino
        done = withdraw(asked)
        assert (done.rows, done.before, done.left) == (30, done.after, ())
        folder = asked.held().path
        assert folder is not None
        assert before in {(folder / name).stat().st_ino for name in asked.held().names()}
        destroy_held(asked)
        disk.sync()
        assert scan(disk.image, story.pattern(), packed=False).total == 0
        assert (story.summed("docs"), story.counted("docs")) == (staying, (60, 0))
        assert story.do("SELECT COUNT(*) > 0 FROM mysql.general_log WHERE argument LIKE '%SUM(idx%'") == [(1,)]
    finally:
        server.query("SET GLOBAL log_output = 'FILE'")
