"""A withdrawal in a process of its own that is killed at its n-th effect, or whose server is, or both.

python -m tests.support.servers.postgresql_cut FOLDER SCHEMA STATE EFFECT agent|server|both
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from certificates.statements import Method
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.postgresql_story import Story, withdraw
from tests.support.withdrawing import destroy_held
from wipers.linux import held
from wipers.linux.manifest import Manifest

NOT_REACHED = 3
"""What the process returns where it came to its end before the effect."""


def cut(story: Story, effect: int, victim: str, method: Method = Method.COPY_FORWARD) -> int:
    """What became of a process that was cut at that effect: its return code."""
    folder = story.server.data.parent
    command = (sys.executable, "-m", __name__, folder, story.schema, story.state, str(effect), victim, method.value)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (-signal.SIGKILL, NOT_REACHED, 1), done.stderr
    return done.returncode


def check_cut(disk: Mounted, story: Story, effect: int, victim: str) -> int:
    """A withdrawal cut at that effect was taken up again: no row that stays is lost, nor silently out of sight before,
    and none that goes is left but where it is told; return what became of the process that was cut."""
    server = story.server
    story.fill(150)
    staying = story.summed()
    ended = cut(story, effect, victim)
    if not server.is_running():
        server.start()
        check_not_silent(story)
    done = withdraw(story.ask(), resuming=ended != NOT_REACHED) if ended != NOT_REACHED else None
    destroy_held(story.ask())
    disk.sync()
    assert (story.summed(), story.counted()) == (staying, (100, 0)), (effect, victim)
    if done is not None:
        assert (done.rows, done.before) == (50, done.after), (effect, victim)
    if done is None or "free-blocks" not in done.left:
        assert scan(disk.image, story.pattern, packed=False).total == 0, (effect, victim)
    assert server.query("SELECT source FROM pg_settings WHERE name = 'wal_recycle'") == [("default",)]
    assert server.query("SELECT count(*) FROM pg_replication_slots") == [(0,)]
    return ended


def check_not_silent(story: Story) -> None:
    """Before the resume, a table whose files are away is an error to its readers, and never an empty one."""
    try:
        every, _ = story.counted()
    except psycopg.Error:
        return
    assert every >= 100


def main(folder: str, schema: str, state: str, effect: str, victim: str, method: str) -> int:
    """Everything durable is an effect: a line of the manifest, a file that takes or loses a name."""
    work = Path(folder)
    server = PostgreSQL(work / "data", work, work / "passfile")
    count = 0

    def happened() -> None:
        nonlocal count
        count += 1
        if count != int(effect):
            return
        if victim in ("server", "both"):
            server.kill()
        if victim in ("agent", "both"):
            os.kill(os.getpid(), signal.SIGKILL)

    write, take = Manifest.write, held._take_one

    def counted_write(self: Manifest, phase: str, **facts: Any) -> None:
        write(self, phase, **facts)
        happened()

    def counted_take(one: held.Taken, folder: Path) -> bool:
        done = take(one, folder)
        # Links of segments are many, and one is like the other.
        if one.how != "link" or one.name.endswith("0"):
            happened()
        return done

    Manifest.write = counted_write  # type: ignore[method-assign]
    held._take_one = counted_take
    withdraw(Story(server, schema, Path(state)).ask(), method=Method(method))
    return NOT_REACHED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
