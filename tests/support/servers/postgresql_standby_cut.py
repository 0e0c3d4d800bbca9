"""A standby's run that is cut at its n-th effect, while its primary's goes on or before it began."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from certificates.errors import Refused
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers.postgresql import PATIENCE, PostgreSQL
from tests.support.servers.postgresql_cut import NOT_REACHED, begun, ended, of_a_standby
from tests.support.servers.postgresql_story import Story, withdraw
from tests.support.withdrawing import destroy_held
from wipers.linux.engines import Withdrawn
from wipers.model import Lost

WAITING = b'["waiting"'
MOMENT = 0.5
"""Seconds in which a process that is to die at once mostly has died: where it dies later, its primary's run is in the
middle of something or over, which has to go as well."""


def check_standby_cut(disk: Mounted, primary: Story, other: Story, effect: int, victim: str) -> int:
    """A standby's run cut at that effect was taken up again: it has what its primary has, and its disk, once its free
    blocks are filled, nothing of what went; return what became of the process that was cut."""
    primary.fill(150)
    staying = primary.summed()
    wait_for(lambda: other.server.query(f"SELECT to_regclass('{other.schema}.docs') IS NOT NULL") == [(True,)])
    wait_for(lambda: other.counted() == primary.counted())
    process = begun(other, effect, victim)
    wait_for(lambda: process.poll() is not None or is_waiting(other))
    time.sleep(MOMENT)
    # Whoever died before it waited is taken up first: a standby's run begins before its primary's.
    is_done = process.poll() is None and _is_done(primary)
    became = ended(process)
    if not other.server.is_running():
        other.server.start()
    primary.server.wait_until_followed()
    if became != NOT_REACHED:
        done = _resumed(primary, other, is_done=is_done)
        assert (done.rows, done.before) == (50, done.after), (effect, victim)
    _check_end(disk, primary, other, staying)
    primary.do("DROP TABLE docs")
    return became


def _is_done(story: Story) -> bool:
    """The primary's run came to its end; false where the standby died, for which it keeps its log."""
    asked = story.ask()
    try:
        withdraw(asked, resuming=bool(asked.held().manifest.lines))
    except (Lost, Refused):
        return False
    destroy_held(story.ask())
    return True


def _resumed(primary: Story, other: Story, *, is_done: bool) -> Withdrawn:
    """The run is taken up again and ends, its primary's beside it where that has yet to come to its end."""
    found: list[Withdrawn] = []
    again = threading.Thread(
        target=lambda: found.append(withdraw(of_a_standby(other.ask()), resuming=True)), daemon=True
    )
    again.start()
    if not is_done:
        wait_for(lambda: is_waiting(other) or not again.is_alive())
        time.sleep(MOMENT)
        assert _is_done(primary)
    again.join(PATIENCE)
    assert found, "the resume did not come to its end"
    return found[0]


def _check_end(disk: Mounted, primary: Story, other: Story, staying: str) -> None:
    destroy_held(other.ask())
    wait_for(lambda: other.counted() == primary.counted())
    assert (primary.summed(), other.summed(), other.counted()) == (staying, staying, (100, 0))
    fill_free(disk)
    assert scan(disk.image, other.pattern, packed=False).total == 0
    assert other.server.query(
        "SELECT count(*) FROM pg_settings WHERE name IN ('wal_recycle', 'wal_keep_size') AND source <> 'default'"
    ) == [(0,)]


def is_waiting(story: Story) -> bool:
    """Whether a run of the story notes that it waits."""
    return any(WAITING in file.read_bytes() for file in story.state.glob("*.records"))


def wait_for(tells: Callable[[], bool]) -> None:
    """What is asked for has come; else the test fails."""
    deadline = time.monotonic() + PATIENCE
    while not tells():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def on_standby(story: Story, server: PostgreSQL) -> Story:
    """The same story on a standby."""
    return replace(story, server=server, state=story.state.parent / f"{story.state.name}-standby")


def fill_free(disk: Mounted) -> None:
    """No free block of the file system holds what it held."""
    Path(f"/sys/fs/ext4/{disk.device.name}/reserved_clusters").write_text("0")
    place = disk.root / "filling"
    with place.open("wb", buffering=0) as file:
        size = 1 << 20
        while size >= 4096:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
        os.fsync(file.fileno())
    place.unlink()
    disk.sync()
