"""A withdrawal in a process of its own that is killed at a statement, or whose server is, or both.

python -m tests.support.servers.mariadb_cut FOLDER DATABASE TABLE STATE STATEMENT SECONDS agent|server|both

STATEMENT may be `line:N` or `line:PHASE` instead: the moment when the Nth line of the manifest, or the first of that
phase, has become durable; or `effect:N`: the Nth of all lines, of all names that files take or lose, and of statements
that change more than our own tables, each of those just before. TABLE may be `NAME:table`, of which all goes,
`:database` or `:cluster`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count as count_from
from pathlib import Path
from typing import Any

from certificates.statements import Scope
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.mariadb_story import Story
from tests.support.withdrawing import Asked, withdraw
from wipers.conditions import Bound
from wipers.linux import held
from wipers.linux.engines import mariadb_beside
from wipers.linux.engines.mariadb_server import Server
from wipers.linux.manifest import Manifest

SCOPES: dict[str, Scope] = {"": "rows", "table": "table", "database": "database", "cluster": "cluster"}
BESIDE = "beside"
"""A table of which rows go while others read, whatever its size."""
LINE = "line:"
EFFECT = "effect:"
QUIET = (
    *("SET SESSION", "UPDATE `expunge", "INSERT", "PURGE", "FLUSH TABLES `expunge", "UNLOCK"),
    "SET GLOBAL innodb_log_checkpoint_now",
)
"""Statements that change nothing beside our own tables, or are given until something comes to be."""
NOT_REACHED = 3
"""What the process returns where it came to its end before the statement."""


def cut(story: Story, table: str, statement: str, seconds: float, victim: str) -> int:
    """What became of a process that was cut so long after that statement began: its return code."""
    folder = story.server.data.parent
    told = (folder, story.database, table, story.state, statement, str(seconds), victim)
    command = (sys.executable, "-m", __name__, *told)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in (-signal.SIGKILL, NOT_REACHED, 1), done.stderr
    assert done.returncode != 1 or "Lost" in done.stderr or "Refused" in done.stderr, done.stderr
    return done.returncode


def main(folder: str, database: str, table: str, state: str, statement: str, seconds: str, victim: str) -> int:
    """The statement is given to the server, and somebody dies while it is at it or just after; 0 seconds: before."""
    work = Path(folder)
    server = MariaDB(work / "data", work / "socket", {})
    story = Story(server, database, Path(state))

    def die() -> None:
        if victim in ("server", "both"):
            # One that has ended has none.
            with suppress(FileNotFoundError):
                os.kill(int((server.data / "server.pid").read_text(encoding="ascii")), signal.SIGKILL)
        if victim in ("agent", "both"):
            os.kill(os.getpid(), signal.SIGKILL)

    if table == BESIDE:
        mariadb_beside.LEAST = 1
    if statement.startswith(EFFECT):
        at_once = float(seconds) == 0
        _die_at_effect(
            int(statement.removeprefix(EFFECT)), die if at_once else threading.Timer(float(seconds), die).start
        )
        withdraw(asked_for(story, table))
        return NOT_REACHED
    if statement.startswith(LINE):
        _die_at_line(statement.removeprefix(LINE), die)
        withdraw(asked_for(story, table))
        return NOT_REACHED
    run = Server.run

    def watched(self: Server, words: str, *values: Bound) -> int:
        if not words.startswith(statement):
            return run(self, words, *values)
        if float(seconds) == 0:
            die()
        else:
            threading.Timer(float(seconds), die).start()
        return run(self, words, *values)

    Server.run = watched  # type: ignore[method-assign, assignment]
    withdraw(asked_for(story, table))
    return NOT_REACHED


def asked_for(story: Story, table: str) -> Asked:
    """An order for what TABLE says."""
    name, _, scope = table.partition(":")
    return story.ask(name or None, SCOPES[scope], most=900)


def _die_at_effect(effect: int, die: Callable[[], None]) -> None:
    count = count_from(1)
    run, write, take, unlink = Server.run, Manifest.write, held._take_one, Path.unlink

    def reach() -> None:
        if next(count) == effect:
            die()

    def ran(self: Server, words: str, *values: Bound) -> int:
        if not words.startswith(QUIET):
            reach()
        return run(self, words, *values)

    def written(self: Manifest, phase: str, **facts: Any) -> None:
        write(self, phase, **facts)
        reach()

    def taken(one: held.Taken, folder: Any) -> bool:
        try:
            return take(one, folder)
        finally:
            reach()

    def unlinked(self: Path, missing_ok: bool = False) -> None:
        unlink(self, missing_ok)
        reach()

    Server.run, Manifest.write, held._take_one, Path.unlink = ran, written, taken, unlinked  # type: ignore[method-assign, assignment]


def _die_at_line(line: str, die: Callable[[], None]) -> None:
    write = Manifest.write

    def watched(self: Manifest, phase: str, **facts: Any) -> None:
        write(self, phase, **facts)
        if line in (str(len(self.lines)), phase):
            die()

    Manifest.write = watched  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
