"""The write-ahead log: every segment that may hold what goes is held, until the server has let go of all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_files import segments
from wipers.linux.engines.postgresql_server import NAME, one, rows, run
from wipers.linux.held import Held
from wipers.model import Lost

if TYPE_CHECKING:
    from psycopg import Connection

RECYCLE = "wal_recycle"
SPARE_ROUNDS = 16
"""Segments more than there were that are filled before the log is told to be kept by something."""
AT_ONCE = 16
"""Segments that are begun between two checkpoints: those that wait for being written, of an earlier use, go one by
one."""
PATIENCE = 60.0
"""Seconds that the archive is waited for."""


@dataclass(slots=True)
class Segments:
    """The log of one server while records are taken out of it."""

    session: Connection[Any]
    where: Path
    held: Held

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The server keeps every segment meanwhile; those that it has are held. A slot of the session does it, so that
        it ends with us whatever happens."""
        name = f"{NAME}_{one(self.session, 'SELECT pg_backend_pid()')}"
        self.session.execute("SELECT pg_create_physical_replication_slot(%s, true, true)", (name,))
        try:
            self.hold()
            yield
            self.hold()
        finally:
            if not self.session.closed:
                self.session.execute("SELECT pg_drop_replication_slot(%s)", (name,))

    def hold(self) -> int:
        """Every segment there is now has a further name among what is held; return how many were new."""
        known = {taken.inode for taken in self.held.taken()}
        new = [file for file in segments(self.where) if file.stat().st_ino not in known]
        if not new:
            return 0
        taken = self.held.link(new)
        self.held.keep()
        return len(taken)

    def let_go(self) -> int:
        """The server has no held segment any more; return how many times it was made to begin a new one. Raises Lost
        where something keeps it from removing them."""
        switched = 0
        with self._not_recycled():
            most = len(segments(self.where)) + SPARE_ROUNDS
            while (left := len(self._still_used())) and switched < most:
                for _ in range(min(left, AT_ONCE)):
                    run(self.session, "SELECT pg_logical_emit_message(false, 'expunge', '')")
                    run(self.session, "SELECT pg_switch_wal()")
                    switched += 1
                self._wait_for_archive()
                run(self.session, "CHECKPOINT")
        if left:
            raise Lost("records-in-use", where=str(self.where / "pg_wal"), detail=f"{left} segments are kept")
        return switched

    def _still_used(self) -> tuple[str, ...]:
        return self.held.linked_elsewhere()

    def _wait_for_archive(self) -> None:
        deadline = time.monotonic() + PATIENCE
        status = self.where / "pg_wal" / "archive_status"
        if not one(self.session, "SELECT current_setting('archive_mode') <> 'off'"):
            return
        while any(status.glob("*.ready")):
            if time.monotonic() > deadline:
                raise Lost("records-in-use", where=str(self.where / "pg_wal"), detail="segments wait for the archive")
            time.sleep(0.05)

    @contextmanager
    def _not_recycled(self) -> Iterator[None]:
        """Segments that are done with are removed, not renamed to be written again."""
        was = rows(
            self.session,
            "SELECT setting, coalesce(sourcefile LIKE '%%/postgresql.auto.conf', false) FROM pg_settings"
            " WHERE name = %s",
            (RECYCLE,),
        )
        own = str(was[0][0]) if was and was[0][1] else None
        self.held.manifest.write("setting", name=RECYCLE, was=own)
        self.session.execute(f"ALTER SYSTEM SET {RECYCLE} = off")
        reload(self.session)
        try:
            yield
        finally:
            if not self.session.closed:
                restore_setting(self.session, self.held)


def restore_setting(session: Connection[Any], held: Held) -> None:
    """The setting that we changed is as it was. Idempotent."""
    for line in reversed(held.manifest.lines):
        if line.phase == "setting-restored":
            return
        if line.phase == "setting":
            was = line.facts["was"]
            value = f"SET {RECYCLE} = {'on' if was == 'on' else 'off'}" if was is not None else f"RESET {RECYCLE}"
            session.execute(f"ALTER SYSTEM {value}".encode())
            reload(session)
            held.manifest.write("setting-restored", name=RECYCLE)
            return


def reload(session: Connection[Any]) -> None:
    """The server reads its settings again, and had a moment for it."""
    session.execute("SELECT pg_reload_conf()")
    time.sleep(0.1)
