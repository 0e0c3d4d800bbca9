"""Rows or a table leave a SQLite database, in steps of which each is one transaction or one change of names."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from certificates.statements import Consequence, Fact, Method
from wipers.acts import Given, Halted
from wipers.linux.engines import LOCK_SECONDS, Request, Survivors, Withdrawn
from wipers.linux.engines.sqlite_ahead import Ahead, check_count, check_finished, check_schema, write_ahead
from wipers.linux.engines.sqlite_catalog import (
    Catalog,
    Table,
    connected,
    note_thing,
    number,
    read_catalog,
    thing_of,
)
from wipers.linux.engines.sqlite_kept import Kept
from wipers.linux.engines.sqlite_reach import Reach, reach_of, survivors
from wipers.linux.engines.sqlite_rewrite import (
    INCREMENTAL,
    NEW,
    SHRINKING,
    exchange,
    faults_in,
    fill_up,
    is_locked,
    make_alike,
    mode_of,
    swap,
    sync,
    was_exchanged,
    write_new,
    write_over,
)
from wipers.linux.engines.sqlite_taking import take_out
from wipers.linux.held import Held
from wipers.linux.manifest import sync_folder
from wipers.linux.openers import openers
from wipers.model import Lost

_GONE = Table("", "table", (), ())
"""Stands for a table that is dropped already."""
PAUSE = 0.05
"""Seconds between two looks at who has the file open."""


def others_of(request: Request) -> tuple[str, ...]:
    """Which other processes have the database open."""
    return opened_by(request, request.where)


def opened_by(request: Request, path: Path) -> tuple[str, ...]:
    """Which other processes have a file open."""
    found = path.stat()
    number_of_file = (found.st_dev, found.st_ino)
    opened = openers(request.machine, frozenset({number_of_file})).files
    return tuple(sorted({str(opener) for opener in opened.get(number_of_file, ())}))


class Withdrawal:
    """One run's way from a database with the rows to one without, resumable between any two of its steps."""

    def __init__(
        self,
        request: Request,
        expected: tuple[Fact, ...],
        held: Held,
        given: Given,
        method: Method,
        *,
        with_keys: bool,
        kept: Kept | None = None,
    ) -> None:
        """Open nothing yet; the held directory has begun. `kept`: what was written ahead where samples were taken."""
        self._request = request
        self._path = request.where
        self._expected = expected
        self._held = held
        self._given = given
        self._method = method
        self._with_keys = with_keys
        self._kept = kept
        self._new = (held.path or self._path.parent) / NEW
        self._version_now = 0
        counted = held.manifest.last("counted")
        self._inode: int | None = counted.facts.get("inode") if counted is not None else None

    def go(self) -> Withdrawn:
        """The rows are gone, and every file that held them is in the held directory under its only name."""
        done = self._held.manifest.last("done")
        if done is None:
            if was_exchanged(self._held, self._new):
                if self._inode_of("-journal") in self._held_inodes():
                    self._take("-journal")
                self._note_done(0)
            else:
                self._withdraw()
            done = self._held.manifest.last("done")
        counted, after = self._held.manifest.last("counted"), self._held.manifest.last("rewritten")
        if done is None or counted is None or after is None:
            raise Lost("engine-failed", where="the database", detail="the list of what was done is not whole")
        return Withdrawn(
            rows=counted.facts["rows"],
            locked_milliseconds=done.facts["locked"],
            before=Survivors(*after.facts["before"]),
            after=Survivors(*after.facts["after"]),
            consequences=tuple(Consequence(code, count) for code, count in counted.facts["consequences"]),
        )

    def _withdraw(self) -> None:
        """Write and prove what stays while others read, then take the lock once; raises Halted before that alone."""
        if self._given.stop.is_set():
            raise Halted
        if self._method is Method.COPY_FORWARD:
            self._waited_until_alone()
        self._take_logs()
        if self._held.manifest.last("mode") is None and not (self._kept is not None and self._kept.is_logged):
            # Later a journal may be this run's own, which is to be undone.
            check_finished(self._path)
        if self._kept is not None:
            self._kept.look_again()
        with self._connected() as connection:
            ahead = write_ahead(
                connection,
                self._request,
                self._new,
                with_keys=self._with_keys,
                is_as_ordered=self._is_as_ordered,
                kept=self._handed_over,
            )
            self._lock(connection)
            began = time.monotonic()
            was = thing_of(self._path, number(connection, "PRAGMA main.schema_version"))
            if ahead is None or not self._is_taken_over(connection, ahead):
                self._rewrite(connection)
            if not self._exchange(connection):
                self._write_over(connection)
            self._note_done(int((time.monotonic() - began) * 1000) + 1)
            note_thing(self._path, was, thing_of(self._path, self._version_now))

    def _handed_over(self) -> Ahead | None:
        """What was written ahead where samples were taken, where nobody has changed anything since."""
        found = self._kept.handed_over() if self._kept is not None else None
        if found is None:
            return None
        ahead, self._inode = found
        return ahead

    def _is_as_ordered(self, reach: Reach) -> bool:
        """Tell whether the rows are all there still, none of which an earlier part of this run took; raises Lost."""
        counted = self._held.manifest.last("counted")
        if counted is None:
            self._check_count(reach.catalog, reach)
        return counted is None or counted.facts["rows"] == reach.rows

    def _is_taken_over(self, connection: sqlite3.Connection, ahead: Ahead) -> bool:
        """Tell whether the file that was written ahead holds what stays now, since nobody has changed the old one;
        what is under the lock is noted then."""
        if not ahead.holds(connection):
            return False
        if self._was("shrinks"):
            connection.execute(f"PRAGMA main.auto_vacuum = {INCREMENTAL}")
        self._note_count(ahead.reach)
        self._version_now = ahead.version
        self._note_rewritten(ahead.survivors, ahead.survivors)
        return True

    def _rewrite(self, connection: sqlite3.Connection) -> None:
        """The rows are gone from the old file, and what stays is in a new one."""
        before, reach = self._delete(connection)
        write_new(connection, self._new)
        sync(self._new)
        after = self._check_new(reach)
        if after != before:
            # The old file is whole yet but for what was ordered: nothing takes its place.
            raise Lost("engine-failed", where="the new file", detail="rows that stay are not as they were")
        self._note_rewritten(before, after)

    def _note_rewritten(self, before: Survivors, after: Survivors) -> None:
        facts = {"before": [before.tables, before.rows, before.digest]}
        self._held.manifest.write("rewritten", after=[after.tables, after.rows, after.digest], **facts)

    def _note_count(self, reach: Reach) -> None:
        if self._held.manifest.last("counted") is None:
            consequences = [[one.code, one.count] for one in reach.consequences]
            self._held.manifest.write("counted", rows=reach.rows, consequences=consequences, inode=self._inode)

    def _note_done(self, locked: int) -> None:
        self._held.manifest.write("done", locked=locked)

    def _waited_until_alone(self) -> bool:
        """Tell whether nobody else has the file open, after waiting for a while until it is so."""
        until = time.monotonic() + LOCK_SECONDS
        while others_of(self._request) and time.monotonic() < until:
            time.sleep(PAUSE)
        return not others_of(self._request)

    def _take_logs(self) -> None:
        """The log and the journal have a name in the held directory, so that SQLite cannot let go of their blocks."""
        inodes = self._held_inodes()
        paths = (Path(f"{self._path}{end}") for end in ("-wal", "-journal"))
        self._held.link(path for path in paths if path.exists() and path.stat().st_ino not in inodes)

    def _inode_of(self, end: str) -> int | None:
        path = Path(f"{self._path}{end}")
        return path.stat().st_ino if path.exists() else None

    def _held_inodes(self) -> set[int]:
        return {self._new.with_name(name).stat().st_ino for name in self._held.names()}

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        """A connection that keeps everybody out, with the log brought into the file."""
        with self._connected() as connection:
            self._lock(connection)
            yield connection

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection that overwrites what it frees, with what the database was before the run noted."""
        with connected(self._path, "rw") as connection:
            mode = mode_of(connection)
            if self._held.manifest.last("mode") is None:
                shrinks = number(connection, "PRAGMA main.auto_vacuum") == SHRINKING
                self._held.manifest.write("mode", mode=mode, shrinks=shrinks)
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA foreign_keys = {'ON' if self._with_keys else 'OFF'}")
            yield connection

    def _lock(self, connection: sqlite3.Connection) -> None:
        """Everybody is kept out from now on, and the log is brought into the file; raises sqlite3.Error, Lost."""
        if mode_of(connection) == "wal":
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        # Later, a connection that keeps its locks has no writer left that would wait for it.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("COMMIT")
        # Of a database with a log it is a lock for reading until the log is brought in.
        self._check_locked("WRITE", "READ")
        # A log that somebody began meanwhile.
        self._take_logs()
        if number_of_mode(connection) != "persist":
            raise Lost("records-in-use", where="the database", detail="its log cannot be brought in")
        self._check_locked()
        self._take("-shm")

    def _take(self, end: str) -> None:
        """A file beside the database is in the held directory alone; it may have been linked there before."""
        path = Path(f"{self._path}{end}")
        if not path.exists():
            return
        if path.stat().st_ino in self._held_inodes():
            path.unlink()
            sync_folder(path.parent)
        else:
            self._held.move((path,))

    def _delete(self, connection: sqlite3.Connection) -> tuple[Survivors, Reach]:
        """The rows are gone in one transaction, counted in it; what stays was counted in it too."""
        taken = self._take_out(connection)
        connection.execute("COMMIT")
        return taken

    def _take_out(self, connection: sqlite3.Connection, *kinds: str) -> tuple[Survivors, Reach]:
        """The same with the transaction still open; `kinds` of lock that the connection has on the file."""
        if self._was("shrinks"):
            # Else the file's tail would be given back, unwritten, as soon as they are gone.
            connection.execute(f"PRAGMA main.auto_vacuum = {INCREMENTAL}")
        connection.execute("BEGIN EXCLUSIVE")
        counted = self._held.manifest.last("counted")
        catalog = read_catalog(connection)
        is_gone = counted is not None and (self._request.selects.table or "").lower() not in catalog.tables
        if is_gone:
            reach = Reach(catalog, _GONE, "(1)", ())
        else:
            reach = reach_of(connection, catalog, self._request, with_keys=self._with_keys)
            if counted is None:
                self._check_count(catalog, reach)
            elif reach.rows not in (0, counted.facts["rows"]):
                raise Lost("records-changed", where="the database", detail=f"{reach.rows} rows since the run began")
        self._check_locked(*kinds)
        before = survivors(connection, reach, self._request.key)
        self._note_count(reach)
        if not is_gone:
            take_out(connection, reach, self._request.identity.scope)
        return before, reach

    def _check_schema(self, catalog: Catalog) -> None:
        """It is the schema that was planned for; raises Lost."""
        self._inode = check_schema(self._request, self._expected, catalog)

    def _check_count(self, catalog: Catalog, reach: Reach) -> None:
        """Under the lock it is the schema that was planned for, and as many rows as ordered; raises Lost."""
        self._inode = check_count(self._request, self._expected, catalog, reach.rows)

    def _check_new(self, reach: Reach) -> Survivors:
        """Everything that stays is in the new file, which SQLite finds whole meanwhile; raises Lost."""
        with ThreadPoolExecutor(1) as beside, connected(self._new, "ro") as fresh:
            # SQLite's own check runs in one step outside this interpreter.
            checked = beside.submit(faults_in, self._new)
            left = reach.afterwards(read_catalog(fresh))
            self._version_now = left.catalog.version
            after = survivors(fresh, left, self._request.key)
            if faults := checked.result():
                raise Lost("engine-failed", where="the new file", detail=f"{faults} faults by integrity_check")
        return after

    def _was(self, what: str) -> object:
        """What the database was before the run, by the manifest."""
        line = self._held.manifest.last("mode")
        return line.facts[what] if line is not None else None

    def _make_as_it_was(self, connection: sqlite3.Connection) -> None:
        """The database keeps its journal and gives back free pages as it did before the run."""
        if self._was("shrinks"):
            connection.execute(f"PRAGMA main.auto_vacuum = {SHRINKING}")
        if self._was("mode") == "wal":
            connection.execute("PRAGMA main.journal_mode = WAL").fetchall()

    def _exchange(self, connection: sqlite3.Connection) -> bool:
        """The new file has the name and the connection is closed, or nothing has changed since somebody who waits for
        the lock has the old file open, and would go on with that."""
        if self._method is not Method.COPY_FORWARD or others_of(self._request):
            return False
        with connected(self._new, "rw") as fresh:
            self._make_as_it_was(fresh)
        make_alike(self._path, self._new)
        self._take_logs()
        lock = exchange(self._path, self._check_locked(), self._held, self._new)
        try:
            if not opened_by(self._request, self._new):
                self._take("-journal")
                connection.close()
                return True
            swap(self._path, self._new)
        finally:
            os.close(lock)
        with connected(self._new, "rw") as fresh:
            fresh.execute("PRAGMA journal_mode = DELETE").fetchall()
        return False

    def _check_locked(self, *kinds: str) -> int:
        """Nobody else can have committed since the rows were counted, and the connection has that file open whose rows
        were; return its inode. Raises Lost."""
        inode = self._path.lstat().st_ino
        if self._inode not in (None, inode):
            raise Lost("records-changed", where="the database", detail="another file has its name")
        if not is_locked(inode, self._request.machine.proc, kinds or ("WRITE",)):
            raise Lost("records-in-use", where="the database", detail="its lock was lost")
        return inode

    def _see_latecomers_off(self) -> None:
        """Whoever opened the old file in the moment before the exchange meets its lock until it gives up; it cannot
        write to a file without a name in any case."""
        until = time.monotonic() + LOCK_SECONDS
        while opened_by(self._request, self._new) and time.monotonic() < until:
            time.sleep(PAUSE)

    def _write_over(self, connection: sqlite3.Connection) -> None:
        """The new file's pages are in the old file's blocks, so that whoever has it open goes on with it."""
        self._check_locked()
        fill_up(self._new, number(connection, "PRAGMA main.page_count"))
        write_over(connection, self._new)
        # SQLite removes the journal itself where it goes back to a log.
        self._take_logs()
        self._make_as_it_was(connection)
        self._take("-journal")
        self._version_now = number(connection, "PRAGMA main.schema_version")
        self._new.unlink()
        sync_folder(self._new.parent)


def number_of_mode(connection: sqlite3.Connection) -> str:
    """Ask for a journal that is kept rather than removed, and return what SQLite made of it."""
    return str(connection.execute("PRAGMA main.journal_mode = PERSIST").fetchone()[0], "utf-8")
