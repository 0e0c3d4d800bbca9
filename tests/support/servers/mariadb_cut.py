"""A withdrawal in a process of its own that is killed at a statement, or whose server is, or both.

python -m tests.support.servers.mariadb_cut FOLDER DATABASE TABLE STATE STATEMENT SECONDS agent|server|both

STATEMENT may be `line:N` or `line:PHASE` instead: the moment when the Nth line of the manifest, or the first of that
phase, has become durable. TABLE may be `NAME:table`, of which all goes, or `:database`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.servers.mariadb import MariaDB
from tests.support.servers.mariadb_story import Story
from tests.support.withdrawing import Asked, withdraw
from wipers.conditions import Bound
from wipers.linux.engines.mariadb_server import Server
from wipers.linux.manifest import Manifest

LINE = "line:"
NOT_REACHED = 3
"""What the process returns where it came to its end before the statement."""


def cut(story: Story, table: str, statement: str, seconds: float, victim: str) -> int:
    """What became of a process that was cut so long after that statement began: its return code."""
    folder = story.server.data.parent
    told = (folder, story.database, table, story.state, statement, str(seconds), victim)
    command = (sys.executable, "-m", __name__, *told)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120)
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
            os.kill(int((server.data / "server.pid").read_text(encoding="ascii")), signal.SIGKILL)
        if victim in ("agent", "both"):
            os.kill(os.getpid(), signal.SIGKILL)

    if statement.startswith(LINE):
        _die_at_line(statement.removeprefix(LINE), die)
        withdraw(_asked(story, table))
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
    withdraw(_asked(story, table))
    return NOT_REACHED


def _asked(story: Story, table: str) -> Asked:
    name, is_whole, scope = table.partition(":")
    if not is_whole:
        return story.ask(name)
    return story.ask(name or None, "table" if scope == "table" else "database", most=900)


def _die_at_line(line: str, die: Callable[[], None]) -> None:
    write = Manifest.write

    def watched(self: Manifest, phase: str, **facts: Any) -> None:
        write(self, phase, **facts)
        if line in (str(len(self.lines)), phase):
            die()

    Manifest.write = watched  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
