"""A withdrawal from PostgreSQL that is killed anywhere, with or without its server: it goes on, and nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import PATIENCE, PostgreSQL, postgresql
from tests.support.servers.postgresql_cut import check_cut, check_filling_cut
from tests.support.servers.postgresql_standby_cut import wait_for
from tests.support.servers.postgresql_story import Story, withdraw
from tests.support.withdrawing import destroy_held
from wipers.linux.engines import postgresql_obstacles, postgresql_rewrite
from wipers.linux.held import Held

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

CUTS = (
    (7, "agent"),
    (16, "both"),
    (23, "agent"),
    (26, "both"),
    (30, "server"),
    (40, "agent"),
    (58, "server"),
)
"""Some effects at which something is killed: while segments are linked, rows deleted, files renamed, statistics
rewritten, the log switched. `tests.campaigns.kill_postgresql` takes them all."""

FILLING_CUTS = ((12, "agent"), (24, "both"))
"""The same where pages are filled."""


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(224 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[PostgreSQL]:
    with postgresql(disk.root, max_wal_size="'1GB'", fsync="on") as found:
        yield found


@pytest.mark.parametrize(("effect", "victim"), CUTS)
def test_a_cut_withdrawal_goes_on(disk: Mounted, server: PostgreSQL, tmp_path: Path, effect: int, victim: str) -> None:
    """Whoever dies, and whenever: no row that stays is lost or silently out of sight, and none that goes is left but
    where it is told."""
    check_cut(disk, Story(server, f"cut{effect}{victim}", tmp_path), effect, victim)


@pytest.mark.parametrize(("effect", "victim"), FILLING_CUTS)
def test_a_filling_that_is_cut_goes_on(
    disk: Mounted, server: PostgreSQL, tmp_path: Path, effect: int, victim: str
) -> None:
    """In the middle of a transaction that fills, or while an index changes files."""
    story = Story(server, f"fill{effect}{victim}", tmp_path)
    # A server that dies before its log is held removes of it what it likes; when that is depends on the log's length.
    check_filling_cut(disk, story, effect, victim, may_free=victim != "agent")


class Died(BaseException):
    """Nothing of the run goes on."""


def test_what_a_server_committed_before_anything_was_taken_is_told(
    server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands at its commit, and commits when whoever holds it back dies: the old files are lost to free blocks, and
    no note speaks of them."""
    story = Story(server, "untaken", tmp_path)
    story.fill(90)

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(Held, "swap", die)
        with pytest.raises(Died):
            withdraw(story.ask())
    done = withdraw(story.ask(), resuming=True)
    assert (done.rows, done.before == done.after) == (30, True)
    assert "free-blocks" in done.left
    destroy_held(story.ask())


def test_a_run_that_was_cut_after_its_last_step_goes_on(disk: Mounted, server: PostgreSQL, tmp_path: Path) -> None:
    """The log has gone on since: none of it is held again, since nobody would give it up any more."""
    story = Story(server, "late", tmp_path)
    story.fill(90)
    asked = story.ask()
    done = withdraw(asked)
    story.do("SELECT pg_switch_wal()")
    again = withdraw(asked, resuming=True)
    assert (again.rows, again.before, again.left) == (done.rows, done.before, done.left)
    destroy_held(asked)
    disk.sync()
    assert scan(disk.image, story.pattern, packed=False).total == 0


def test_nobody_else_is_disturbed(
    disk: Mounted, server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other sessions write to another table and to this one meanwhile: no error, and no commit is lost. How long they
    wait is measured by `benchmarks/databases`: on a busy machine that is the machine's matter."""
    # Where flushing takes long, others hold the table most of the time.
    monkeypatch.setattr(postgresql_rewrite, "LOCK_SECONDS", PATIENCE)
    monkeypatch.setattr(postgresql_obstacles, "LONG_SECONDS", PATIENCE)
    story = Story(server, "busy", tmp_path)
    story.fill(300)
    story.do("CREATE TABLE other (id serial PRIMARY KEY, text text)")
    stop = threading.Event()
    done: dict[str, int] = {"other": 0, "docs": 0}
    errors: list[BaseException] = []

    def insert(table: str, statement: str) -> None:
        try:
            with server.connect() as session:
                while not stop.is_set():
                    session.execute(statement.encode(), (done[table],))
                    done[table] += 1
                    time.sleep(0.002)
        except psycopg.Error as error:
            errors.append(error)

    writers = [
        threading.Thread(target=insert, args=("other", "INSERT INTO busy.other (text) VALUES (md5(%s::text))")),
        threading.Thread(
            target=insert, args=("docs", "INSERT INTO busy.docs (id, who) VALUES (100000 + %s, 'KEEPbusynew')")
        ),
    ]
    for writer in writers:
        writer.start()
    try:
        wait_for(lambda: bool(errors) or min(done.values()) > 20)
        before = dict(done)
        asked = story.ask()
        withdraw(asked)
        wait_for(lambda: bool(errors) or all(done[table] > before[table] for table in done))
    finally:
        stop.set()
        for writer in writers:
            writer.join(PATIENCE)
    destroy_held(asked)
    assert errors == []
    assert story.counted("other") == (done["other"], 0)
    assert story.counted() == (200 + done["docs"], 0)
    disk.sync()
    assert scan(disk.image, story.pattern, packed=False).total == 0
