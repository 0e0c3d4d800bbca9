"""Everything that a PostgreSQL server holds: the server ends, and no file of it, nor the raw storage, has any of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from certificates.statements import Outcome, WithdrawalRecord
from tests.support.carrying_out import CarriedOut
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import PostgreSQL, own, postgresql
from tests.support.servers.postgresql_proof import ordered_by
from tests.support.servers.postgresql_story import Story
from wipers.linux import held

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


AMID = 300
"""One of the files, of about 1,200."""


@contextmanager
def whole_server(tmp_path: Path) -> Iterator[tuple[Mounted, Story]]:
    """Two databases and a tablespace of a server."""
    with disk_for_a_server(128 << 20) as disk, postgresql(disk.root, max_wal_size="'1GB'") as server:
        story = Story(server, "cluster", tmp_path / "state")
        story.fill(90)
        beside = server.data.parent / "space"
        beside.mkdir()
        own(beside)
        server.query(f"CREATE TABLESPACE beside LOCATION '{beside}'")
        server.query("CREATE DATABASE other TABLESPACE beside")
        server.query(
            "CREATE TABLE t AS SELECT g, 'VCTMclusterwho' || g || '-beef' FROM generate_series(1, 10) g", "other"
        )
        server.query("CHECKPOINT")
        yield disk, story


def spilled(server: PostgreSQL) -> psycopg.Connection[Any]:
    """A session that sorts rows in a temporary file."""
    session = server.connect()
    session.execute("SET work_mem = '64kB'")
    session.execute("BEGIN")
    session.execute(
        "DECLARE sorted CURSOR FOR SELECT who, g FROM cluster.docs, generate_series(1, 99) g ORDER BY md5(who || g)"
    )
    session.execute("FETCH 1 FROM sorted")
    assert any((server.data / "base" / "pgsql_tmp").iterdir())
    return session


def test_a_whole_server_is_proven_gone_though_the_run_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan announces that it ends; its log, temporary files and its part of a tablespace go too. Cut while files
    went, it goes on, though nobody can be asked any more."""
    take, count = held._take_one, 0

    def cut(one: held.Taken, folder: int) -> bool:
        nonlocal count
        count += 1
        if count == AMID:
            raise KeyboardInterrupt
        return take(one, folder)

    with whole_server(tmp_path) as (disk, story):
        sorting = spilled(story.server)
        run = CarriedOut(ordered_by(story, history=True, most=100, scope="cluster"))
        with monkeypatch.context() as patched:
            patched.setattr(held, "_take_one", cut)
            with pytest.raises(KeyboardInterrupt):
                run.go()
        sorting.close()
        assert not story.server.is_running()
        run.go()
        assert (run.stopped, run.claim.outcome) == (None, Outcome.PROVEN), run.claim
        (taken,) = (one for one in run.records if isinstance(one, WithdrawalRecord))
        assert (taken.rows, taken.left) == (100, ())
        assert [file for file in story.server.data.rglob("*") if file.is_file()] == []
        disk.sync()
        assert scan(disk.image, story.pattern, packed=False).total == 0


def test_what_lies_beside_a_log_that_was_moved_is_not_taken_along(tmp_path: Path) -> None:
    """The log may be a link into a directory that somebody else uses too: all of it was held and overwritten."""
    with whole_server(tmp_path) as (_, story):
        data, moved = story.server.data, story.server.data.parent / "log"
        story.server.stop()
        (data / "pg_wal").rename(moved)
        (data / "pg_wal").symlink_to(moved)
        story.server.start()
        asked = story.ask("cluster", table=None, most=1000)
        assert asked.reasons() == set()
        (moved / "of-others").mkdir()
        assert asked.reasons() == {"records-not-offered"}
