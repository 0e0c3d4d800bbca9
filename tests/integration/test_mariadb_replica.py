"""A MariaDB replica is a copy that the primary knows of, and a carrier of its own; both are erased, and go on."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, mariadb
from tests.support.servers.mariadb_story import Story
from tests.support.withdrawing import destroy_held, withdraw

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


def follow(replica: MariaDB, port: str) -> None:
    replica.query(
        f"CHANGE MASTER TO master_host = '127.0.0.1', master_port = {port}, master_user = 'follows',"
        " master_password = 'of-a-test', master_log_file = 'binlog.000001', master_log_pos = 4",
        "START SLAVE",
    )


def wait_for(story: Story, table: str, rows: int) -> None:
    deadline = time.monotonic() + 60
    while story.do(f"SELECT COUNT(*) FROM information_schema.tables WHERE table_name = '{table}'") == [(0,)] or (
        story.counted(table)[0] != rows
    ):
        assert time.monotonic() < deadline, story.server.query("SHOW ALL SLAVES STATUS")
        time.sleep(0.1)


def test_a_primary_and_its_replica_are_erased_one_after_the_other(tmp_path: Path) -> None:
    """The primary names the replica and leaves it alone; the replica's relay log goes with its rows; what is written
    to the primary afterwards still arrives."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = str(trial.getsockname()[1])
    with disk_for_a_server(500 << 20) as disk:
        for name in ("first", "second"):
            (disk.root / name).mkdir()
        with (
            mariadb(disk.root / "first", port=port) as primary,
            # A relay log that was removed before is in free blocks, which are another matter than what is tested here.
            mariadb(disk.root / "second", server_id="2", relay_log="relay", relay_log_purge="0") as replica,
        ):
            primary.query(
                "CREATE USER follows@'127.0.0.1' IDENTIFIED BY 'of-a-test'",
                "GRANT REPLICATION SLAVE ON *.* TO follows@'127.0.0.1'",
            )
            story = Story(primary, "copied", tmp_path / "primary")
            story.fill("docs", count=300)
            follow(replica, port)
            other = replace(story, server=replica, state=tmp_path / "replica")
            replica.query("CREATE DATABASE IF NOT EXISTS copied")
            wait_for(other, "docs", 300)
            asked = story.ask("docs", most=100)
            found = asked.engine.look(asked.request)
            assert found is not None
            assert [copy.what for copy in found.copies] == ["replica"]
            assert asked.reasons() == set()
            for one in (story, other):
                done = withdraw(one.ask("docs", most=100))
                assert (done.rows, done.before, done.left) == (100, done.after, ())
                destroy_held(one.ask("docs", most=100))
            story.do(
                "INSERT INTO docs VALUES (9001, 'cy', 'KEEP', 'a', 'b')", "UPDATE docs SET small = 'z' WHERE id = 1"
            )
            wait_for(other, "docs", 201)
            assert story.summed("docs") == other.summed("docs")
            disk.sync()
            assert scan(disk.image, story.pattern(), packed=False).total == 0
