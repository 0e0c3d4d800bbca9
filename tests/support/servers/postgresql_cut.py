"""A withdrawal in a process of its own that is killed at its n-th effect, or whose server is, or both.

python -m tests.support.servers.postgresql_cut FOLDER PASSFILE SCHEMA STATE EFFECT agent|server|both METHOD
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from certificates.statements import Method
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers.postgresql import PATIENCE, PostgreSQL
from tests.support.servers.postgresql_story import Story, withdraw
from tests.support.withdrawing import Asked, destroy_held
from wipers.linux import held
from wipers.linux.engines import postgresql_filling, postgresql_inplace, postgresql_server, postgresql_twins
from wipers.linux.manifest import Manifest

MANY = 6000
"""Rows of a table that is filled, whatever its size."""
NOT_REACHED = 3
"""What the process returns where it came to its end before the effect."""


def cut(story: Story, effect: int, victim: str, method: Method = Method.COPY_FORWARD) -> int:
    """What became of a process that was cut at that effect: its return code."""
    return ended(begun(story, effect, victim, method))


def begun(story: Story, effect: int, victim: str, method: Method = Method.COPY_FORWARD) -> subprocess.Popen[str]:
    """A process that is on its way to that effect."""
    server = story.server
    words = (server.data.parent, server.password_file, story.schema, story.state, effect, victim, method.value)
    command = [sys.executable, "-m", __name__, *(str(word) for word in words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> int:
    """What became of it: its return code."""
    try:
        _, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode in (-signal.SIGKILL, NOT_REACHED, 1), said
    return process.returncode


def check_cut(disk: Mounted, story: Story, effect: int, victim: str) -> int:
    """A withdrawal cut at that effect was taken up again: no row that stays is lost, nor silently out of sight before,
    and none that goes is left but where it is told; return what became of the process that was cut."""
    server = story.server
    story.fill(150)
    staying = story.summed()
    became = cut(story, effect, victim)
    if not server.is_running():
        server.start()
        check_not_silent(story)
    done = withdraw(story.ask(), resuming=True) if became != NOT_REACHED else None
    destroy_held(story.ask())
    disk.sync()
    assert (story.summed(), story.counted()) == (staying, (100, 0)), (effect, victim)
    if done is not None:
        assert (done.rows, done.before) == (50, done.after), (effect, victim)
    # With the first line nothing is begun: what a server that dies then removes of its log is as it always was.
    is_early = effect == 1 and victim != "agent"
    if not is_early and (done is None or "free-blocks" not in done.left):
        assert scan(disk.image, story.pattern, packed=False).total == 0, (effect, victim)
    assert server.query("SELECT source FROM pg_settings WHERE name = 'wal_recycle'") == [("default",)]
    assert server.query("SELECT count(*) FROM pg_replication_slots") == [(0,)]
    return became


def check_filling_cut(disk: Mounted, story: Story, effect: int, victim: str, *, may_free: bool = True) -> int:
    """The same where pages are filled. What to search for died with the process: every index is written anew then, and
    what a search would have found elsewhere is told. Blocks are free only where the server gave them back: it died, or
    it committed after the agent died between the note that files are taken and their taking."""
    server = story.server
    story.fill_large(MANY)
    staying = story.summed()
    became = cut(story, effect, victim, Method.HOLE_FILLING)
    if not server.is_running():
        server.start()
        check_not_silent(story, MANY - 10)
    asked = story.ask()
    done = withdraw(asked, method=Method.HOLE_FILLING, resuming=True) if became != NOT_REACHED else None
    if done is not None:
        assert (done.rows, done.before) == (10, done.after), (effect, victim)
    destroy_held(asked)
    disk.sync()
    assert (story.summed(), story.counted()) == (staying, (MANY - 10, 0)), (effect, victim)
    is_freed = done is not None and "free-blocks" in done.left
    assert not is_freed or may_free, (effect, victim)
    if not is_freed and (effect > 1 or victim == "agent"):
        assert scan(disk.image, story.pattern, packed=False).total == 0, (effect, victim)
    assert server.query("SELECT count(*) FROM pg_class WHERE relname LIKE 'expunge%'") == [(0,)]
    assert server.query("SELECT source FROM pg_settings WHERE name = 'wal_recycle'") == [("default",)]
    story.do("DROP TABLE docs")
    return became


def check_not_silent(story: Story, least: int = 100) -> None:
    """Before the resume, a table whose files are away is an error to its readers, and never an empty one."""
    try:
        every, _ = story.counted()
    except psycopg.Error:
        return
    assert every >= least


SEEN = re.compile("BEGIN|ROLLBACK$|VACUUM|CHECKPOINT|CREATE|DROP|UPDATE pg_class", re.ASCII)
"""Statements by which pages are filled and indexes written anew: nothing is noted of them, and each is an effect."""


def main(folder: str, passfile: str, schema: str, state: str, effect: str, victim: str, method: str) -> int:
    """Everything durable is an effect: a line of the manifest, a file that takes or loses a name, a statement."""
    work = Path(folder)
    server = PostgreSQL(work / "data", work, Path(passfile))
    _count(_Cut(server, int(effect), victim))
    asked = Story(server, schema, Path(state)).ask()
    if server.query("SELECT pg_is_in_recovery()") == [(True,)]:
        asked = of_a_standby(asked)
    withdraw(asked, method=Method(method))
    return NOT_REACHED


def of_a_standby(asked: Asked) -> Asked:
    """The same order as a standby takes it: blocks that it gives back as it replays are nobody's."""
    return replace(asked, request=replace(asked.request, destroy=("history",)))


@dataclass(slots=True)
class _Cut:
    """Who dies when so many effects have happened."""

    server: PostgreSQL
    effect: int
    victim: str
    count: int = 0

    def happened(self) -> None:
        self.count += 1
        if self.count != self.effect:
            return
        if self.victim in ("server", "both"):
            self.server.kill()
        if self.victim in ("agent", "both"):
            os.kill(os.getpid(), signal.SIGKILL)


def _count(cut_at: _Cut) -> None:
    """Every effect of this process is told."""
    write, take, run = Manifest.write, held._take_one, postgresql_server.run

    def counted_write(self: Manifest, phase: str, **facts: Any) -> None:
        write(self, phase, **facts)
        cut_at.happened()

    def counted_take(one: held.Taken, folder: int) -> bool:
        done = take(one, folder)
        # Links of segments are many, and one is like the other.
        if one.how != "link" or one.name.endswith("0"):
            cut_at.happened()
        return done

    def counted_run(session: Any, statement: str, values: Any = ()) -> Any:
        done = run(session, statement, values)
        if SEEN.match(statement):
            cut_at.happened()
        return done

    Manifest.write = counted_write  # type: ignore[method-assign]
    held._take_one = counted_take
    for module in (postgresql_inplace, postgresql_filling, postgresql_twins):
        module.run = counted_run  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
