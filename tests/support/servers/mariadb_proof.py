"""What holds of a MariaDB server whose withdrawal was cut anywhere and taken up again."""

from __future__ import annotations

from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers.mariadb_cut import EFFECT, NOT_REACHED, asked_for, cut
from tests.support.servers.mariadb_story import FORMATS, Story
from tests.support.withdrawing import Asked, destroy_held, withdraw

ROWS = 150
SETTINGS = "SELECT @@innodb_log_file_size, @@aria_log_file_size, @@aria_checkpoint_interval, @@aria_log_purge_type"


def check_rows_cut(disk: Mounted, story: Story, table: str, effect: int, seconds: float, victim: str) -> int:
    """Rows of one table that were to go are gone, those that stay are all there, and the server is as it was made;
    return what became of the process that was cut."""
    server = story.server
    story.fill(table, FORMATS.get(table, FORMATS["plain"]), count=ROWS)
    made, staying, settings = story.do(f"SHOW CREATE TABLE {table}"), story.summed(table), server.query(SETTINGS)
    became = _cut(story, table, effect, seconds, victim)
    assert story.summed(table) == staying
    asked, left = asked_for(story, table), set()
    if became != NOT_REACHED:
        done = withdraw(asked, resuming=True)
        left = set(done.left)
        assert (done.rows, done.before) == (ROWS // 3, done.after)
        assert left <= ({"free-blocks"} if table == "holes" else set())
    _check_gone(disk, story, asked, is_packed=table in ("zipped", "holes"), is_freed=bool(left))
    assert story.do(f"SHOW CREATE TABLE {table}") == made
    assert (story.summed(table), story.counted(table)) == (staying, (ROWS - ROWS // 3, 0))
    assert server.query(SETTINGS) == settings
    story.do(f"DROP TABLE {table}")
    return became


def check_whole_cut(disk: Mounted, story: Story, what: str, effect: int, seconds: float, victim: str) -> int:
    """The table, or the database, is gone, and what stands beside it is as it was."""
    server, name = story.server, what.partition(":")[0]
    beside = Story(server, f"stays{story.database}", story.state)
    beside.fill("beside", count=30)
    story.fill(name or "docs", count=ROWS)
    staying, settings = (beside.summed("beside"), beside.counted("beside")), server.query(SETTINGS)
    became = _cut(story, what, effect, seconds, victim)
    asked = asked_for(story, what)
    if became != NOT_REACHED:
        done = withdraw(asked, resuming=True)
        assert (done.rows, done.before, done.left) == (ROWS, done.after, ())
    _check_gone(disk, story, asked)
    assert (beside.summed("beside"), beside.counted("beside")) == staying
    assert server.query(SETTINGS) == settings
    assert not server.query(f"SHOW TABLES FROM {story.database}" if name else f"SHOW DATABASES LIKE '{story.database}'")
    server.query(f"DROP DATABASE {beside.database}")
    return became


def check_cluster_cut(disk: Mounted, story: Story, effect: int, seconds: float, victim: str) -> int:
    """Nothing is left of the server; one that died before it was counted is started once more."""
    server = story.server
    story.fill("docs", count=ROWS)
    asked = asked_for(story, ":cluster")
    became = cut(story, ":cluster", f"{EFFECT}{effect}", seconds, victim)
    if became != NOT_REACHED:
        if not _is_noted(asked):
            server.kill()
            server.start()
        done = withdraw(asked, resuming=True)
        assert (done.rows, done.left) == (ROWS, ())
    server.kill()
    destroy_held(asked)
    assert not [path for path in server.data.rglob("*") if path.is_file()]
    disk.sync()
    assert scan(disk.image, story.pattern(), packed=False).total == 0
    return became


def _is_noted(asked: Asked) -> bool:
    return asked.held().manifest.last("deleting") is not None


def _cut(story: Story, what: str, effect: int, seconds: float, victim: str) -> int:
    became = cut(story, what, f"{EFFECT}{effect}", seconds, victim)
    if victim != "agent":
        story.server.kill()
        story.server.start()
    return became


def _check_gone(disk: Mounted, story: Story, asked: Asked, *, is_packed: bool = False, is_freed: bool = False) -> None:
    """None of it is on the raw image, and nothing of ours in the server."""
    destroy_held(asked)
    assert not story.server.query("SHOW DATABASES LIKE 'expunge%'")
    disk.sync()
    if not is_freed:
        assert scan(disk.image, story.pattern(), packed=is_packed).total == 0
