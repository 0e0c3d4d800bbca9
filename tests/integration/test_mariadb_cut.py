"""A withdrawal from MariaDB that is killed anywhere, with or without its server: it goes on, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, mariadb
from tests.support.servers.mariadb_cut import NOT_REACHED, cut
from tests.support.servers.mariadb_story import FORMATS, Story
from tests.support.withdrawing import destroy_held, withdraw

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

CUTS = (
    ("holes", "ALTER TABLE `cut0`.`holes` PAGE_COMPRESSED=", 0.0, "both"),
    # Aria commits nothing under a lock: a crash before the rewriting undoes the deletion, which was noted as done.
    ("aria", "ALTER TABLE `cut1`.`aria` FORCE", 0.0, "both"),
    ("plain", "SET GLOBAL innodb_log_file_size", 0.5, "both"),
)
"""A table, a statement or a line of the manifest, how long after its begin somebody is killed, and who."""


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(360 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[MariaDB]:
    with mariadb(disk.root) as found:
        yield found


@pytest.mark.parametrize("number", range(len(CUTS)))
def test_a_cut_withdrawal_goes_on(disk: Mounted, server: MariaDB, tmp_path: Path, number: int) -> None:
    """Whoever dies, and whenever: no row that stays is lost, none that goes is left, and a table is as it was made."""
    table, statement, seconds, victim = CUTS[number]
    check_cut(disk, server, Story(server, f"cut{number}", tmp_path), table, statement, seconds, victim)


def check_cut(
    disk: Mounted, server: MariaDB, story: Story, table: str, statement: str, seconds: float, victim: str
) -> None:
    story.fill(table, FORMATS[table], count=300)
    made, staying = story.do(f"SHOW CREATE TABLE {table}"), story.summed(table)
    assert cut(story, table, statement, seconds, victim) != NOT_REACHED
    if victim != "agent":
        server.kill()
        server.start()
    assert story.summed(table) == staying
    done = withdraw(story.ask(table, most=100), resuming=True)
    assert (done.rows, done.before, done.left) == (100, done.after, ())
    destroy_held(story.ask(table, most=100))
    assert story.do(f"SHOW CREATE TABLE {table}") == made
    assert (story.summed(table), story.counted(table)) == (staying, (200, 0))
    assert not server.query("SHOW DATABASES LIKE 'expunge%'")
    disk.sync()
    assert scan(disk.image, story.pattern(), packed=table != "plain").total == 0
