"""Committing a transaction that gives files up, while we keep them: the server truncates what it drops.

PostgreSQL truncates and unlinks a dropped relation's files by name, so a further link does not keep their content:
they are renamed away before COMMIT, and placeholders take their names. A placeholder holds one page that no server
takes for a page: if COMMIT never comes, a reader fails instead of seeing an empty table. The backend is told to commit
before anything is renamed, and waits for a lock of ours; when we die, the lock goes and it commits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certificates.errors import Refused
from wipers.linux.engines.postgresql_files import PAGE, files_of
from wipers.linux.engines.postgresql_server import one
from wipers.linux.held import Held, Taken
from wipers.model import Lost

if TYPE_CHECKING:
    from psycopg import Connection

NOT_A_PAGE = b"\xff" * PAGE
GATE = 0x657870756E6765
"""Number of the advisory lock at which the committing backend waits: "expunge"."""
PATIENCE = 30.0
"""Seconds until a backend that waits for nothing but us is given up."""


@dataclass(slots=True)
class Commit:
    """One transaction that gives files up."""

    working: Connection[Any]
    """Has the transaction open, and its locks."""
    watching: Connection[Any]
    """A session beside it."""
    where: Path
    held: Held

    def run(self, paths: tuple[str, ...], *, is_flushed: bool) -> float:
        """The transaction is committed, and the files that had those paths before it are held; return when, by the
        monotonic clock, its locks ended; raises Lost. What the server still had to write to the files it wrote before:
        afterwards it would write to a placeholder."""
        xid = int(one(self.working, "SELECT pg_current_xact_id()::text::int8"))
        process = int(one(self.working, "SELECT pg_backend_pid()"))
        if not is_flushed:
            self.watching.execute("CHECKPOINT")
        self.working.execute("SET LOCAL lock_timeout = 0")
        files = tuple(files_of(self.where, paths))
        self.held.manifest.write("committing", xid=xid, files=len(files))
        with self._gate():
            waiting = threading.Thread(target=self._commit, daemon=True)
            waiting.start()
            self._wait_for(process)
            self.held.swap(files, NOT_A_PAGE)
        waiting.join(PATIENCE)
        ended = time.monotonic()
        self._conclude(xid)
        return ended

    def _commit(self) -> None:
        import psycopg

        try:
            self.working.execute(f"SELECT pg_advisory_lock({GATE}); COMMIT".encode())
        except psycopg.Error:
            return  # what came of it stands in the commit log, which is asked

    @contextmanager
    def _gate(self) -> Iterator[None]:
        self.watching.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        try:
            yield
        finally:
            if not self.watching.closed:
                self.watching.execute("SELECT pg_advisory_unlock(%s)", (GATE,))

    def _wait_for(self, process: int) -> None:
        """The backend stands at the gate; nothing is renamed before."""
        deadline = time.monotonic() + PATIENCE
        statement = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = %s"
        while not one(self.watching, statement, (process,)):
            if time.monotonic() > deadline:
                raise Lost("engine-failed", where=str(self.where), detail="the backend did not come to its commit")
            time.sleep(0.001)

    def _conclude(self, xid: int) -> None:
        conclude(self.watching, self.held, xid, self.where)
        if one(self.working, "SELECT pg_advisory_unlock(%s)", (GATE,)) is None:
            raise Lost("engine-failed", where=str(self.where), detail="the session is gone")


def status_of(session: Connection[Any], xid: int) -> str | None:
    """Return what became of a transaction; none where the server does not know it: it never wrote anything that
    lasted."""
    from psycopg.errors import InvalidParameterValue

    try:
        found = one(session, "SELECT pg_xact_status(%s::text::xid8)", (str(xid),))
    except InvalidParameterValue:
        return None
    return str(found) if found is not None else None


def conclude(session: Connection[Any], held: Held, xid: int, where: Path) -> bool:
    """What was renamed for a transaction is kept where it committed, and back at its place where it did not; return
    whether it committed; raises Lost while it still runs."""
    deadline = time.monotonic() + PATIENCE
    while (state := status_of(session, xid)) == "in progress":
        if time.monotonic() > deadline:
            raise Lost("engine-failed", where=str(where), detail="a transaction does not end")
        time.sleep(0.01)
    if state == "committed":
        _finish(held)
        held.keep()
        held.manifest.write("committed", xid=xid)
        return True
    held.put_back()
    held.manifest.write("undone", xid=xid)
    return False


def settle(held: Held) -> None:
    """What was being taken when a run was cut, outside of any transaction, is held where it is only a further name, and
    back at its place else: it is taken anew."""
    for line in reversed(held.manifest.lines):
        if line.phase in ("kept", "put-back"):
            return
        if line.phase == "take" and line.facts["how"] == "link":
            held.finish()
            held.keep()
            return
        if line.phase == "take":
            held.put_back()
            return


def _finish(held: Held) -> None:
    """Files that a crash left with the server are lost to free blocks: it truncated them when it committed. Their names
    may stand until its next checkpoint, with nothing behind them."""
    if _was_never_taken(held) or any(_is_with_server(held, taken) for taken in held.pending()):
        held.manifest.write("freed")
    try:
        held.finish()
    except FileNotFoundError:
        held.manifest.write("freed")


def _was_never_taken(held: Held) -> bool:
    """Tell whether the run was cut when the server stood at its commit, and nothing of its files was noted yet."""
    for line in reversed(held.manifest.lines):
        if line.phase == "take":
            return False
        if line.phase == "committing":
            return bool(line.facts.get("files"))
    return False


def _is_with_server(held: Held, taken: Taken) -> bool:
    """Tell whether a file that was to be swapped still has its name, or never came to be held."""
    place = held.path / taken.name if held.path is not None else None
    if taken.how != "swap" or place is None:
        return False
    is_held = place.exists() and place.lstat().st_ino == taken.inode
    return not is_held or (taken.path.exists() and taken.path.lstat().st_ino == taken.inode)


def pending(held: Held) -> int | None:
    """Return the transaction that was being committed when a run was cut; none where none was."""
    for line in reversed(held.manifest.lines):
        if line.phase in ("committed", "undone"):
            return None
        if line.phase == "committing":
            return int(line.facts["xid"])
    return None


def check_in_use(where: Path, is_served: bool) -> None:
    """A withdrawal that was cut can only be completed with the server running; raises Refused."""
    if not is_served:
        raise Refused("engine-unreachable", where=where, detail="start it: a withdrawal was cut and is to be completed")
