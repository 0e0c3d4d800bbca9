"""Rows or a table leave a SQLite database, in steps of which each is one transaction or one change of names."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from certificates.statements import Consequence, Fact, Method, Scope
from wipers.acts import Given, Halted
from wipers.linux.engines import LOCK_SECONDS, Request, Survivors, Withdrawn, rows_outside
from wipers.linux.engines.sqlite_catalog import (
    Catalog,
    Table,
    connected,
    name_of,
    note_thing,
    number,
    read_catalog,
    thing_of,
    thing_since,
)
from wipers.linux.engines.sqlite_reach import Reach, going, reach_of, survivors
from wipers.linux.engines.sqlite_rewrite import (
    INCREMENTAL,
    NEW,
    SHRINKING,
    exchange,
    faults_of,
    fill_up,
    is_locked,
    make_alike,
    mode_of,
    swap,
    was_exchanged,
    write_new,
    write_over,
)
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
        self, request: Request, expected: tuple[Fact, ...], held: Held, given: Given, method: Method, *, with_keys: bool
    ) -> None:
        """Open nothing yet; the held directory has begun."""
        self._request = request
        self._path = request.where
        self._expected = expected
        self._held = held
        self._given = given
        self._method = method
        self._with_keys = with_keys
        self._new = (held.path or self._path.parent) / NEW
        self._version_now = 0

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
        """Take the lock once, and do everything under it; raises Halted before that alone."""
        if self._given.stop.is_set():
            raise Halted
        if self._method is Method.COPY_FORWARD:
            self._waited_until_alone()
        self._take_logs()
        with self._locked() as connection:
            began = time.monotonic()
            was = thing_of(self._path, number(connection, "PRAGMA main.schema_version"))
            before, reach = self._delete(connection)
            write_new(connection, self._new)
            after = self._check_new(reach)
            facts = {"before": [before.tables, before.rows, before.digest]}
            self._held.manifest.write("rewritten", after=[after.tables, after.rows, after.digest], **facts)
            if not self._exchange(connection):
                self._write_over(connection)
            self._note_done(int((time.monotonic() - began) * 1000) + 1)
            note_thing(self._path, was, thing_of(self._path, self._version_now))

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
        """A connection that keeps everybody out from its first transaction on, with the log brought into the file."""
        with connected(self._path, "rw") as connection:
            mode = mode_of(connection)
            if self._held.manifest.last("mode") is None:
                shrinks = number(connection, "PRAGMA main.auto_vacuum") == SHRINKING
                self._held.manifest.write("mode", mode=mode, shrinks=shrinks)
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA foreign_keys = {'ON' if self._with_keys else 'OFF'}")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            if number_of_mode(connection) != "persist":
                raise Lost("records-in-use", where="the database", detail="its log cannot be brought in")
            self._take("-shm")
            yield connection

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
        before = survivors(connection, reach, self._request.key)
        if counted is None:
            consequences = [[one.code, one.count] for one in reach.consequences]
            self._held.manifest.write("counted", rows=reach.rows, consequences=consequences)
        if not is_gone:
            take_out(connection, reach, self._request.identity.scope)
        connection.execute("COMMIT")
        return before, reach

    def _check_schema(self, catalog: Catalog) -> None:
        """It is the schema that was planned for; raises Lost."""
        now = thing_of(self._path, catalog.version)
        if thing_since(self._path, self._expected[-1].value, now) != now:
            raise Lost("records-changed", where="the database", detail="its schema is another than planned for")

    def _check_count(self, catalog: Catalog, reach: Reach) -> None:
        """Under the lock it is the schema that was planned for, and as many rows as ordered; raises Lost."""
        self._check_schema(catalog)
        if rows_outside(self._request, reach.rows) is not None:
            raise Lost("records-changed", where="the database", detail=f"{reach.rows} rows under lock")

    def _check_new(self, reach: Reach) -> Survivors:
        """Everything that stays is in the new file, which SQLite finds whole meanwhile; raises Lost."""
        with ThreadPoolExecutor(1) as beside, connected(self._new, "ro") as fresh:
            # SQLite's own check runs in one step outside this interpreter.
            checked = beside.submit(_faults_in, self._new)
            left = replace(reach, catalog=read_catalog(fresh), doomed={})
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
        self._check_locked()
        lock = exchange(self._path, self._held, self._new)
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

    def _check_locked(self) -> None:
        """Nobody else can have committed since the rows were counted; raises Lost."""
        if not is_locked(self._path, self._request.machine.proc):
            raise Lost("records-in-use", where="the database", detail="its lock was lost")

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


def _faults_in(path: Path) -> int:
    with connected(path, "ro") as connection:
        return faults_of(connection)


def number_of_mode(connection: sqlite3.Connection) -> str:
    """Ask for a journal that is kept rather than removed, and return what SQLite made of it."""
    return str(connection.execute("PRAGMA main.journal_mode = PERSIST").fetchone()[0], "utf-8")


def take_out(connection: sqlite3.Connection, reach: Reach, scope: Scope) -> None:
    """What is ordered is in no table and no index of words any more; within a transaction of the caller's."""
    table = name_of(reach.table.name)
    words = [one for one in reach.catalog.words if one.content is None or one.content]
    if scope == "table":
        over = [one for one in words if one.content == reach.table.name]
        for one in over:
            connection.execute(f"INSERT INTO main.{name_of(one.name)}({name_of(one.name)}) VALUES ('delete-all')")
        connection.execute(f"DROP TABLE main.{table}")
        words = [one for one in words if one != reach.table and one not in over]
    else:
        # By what was noted: a condition that asks for the time or for chance would select others now.
        gone = connection.execute(f"DELETE FROM main.{table} WHERE {going(reach)}").rowcount
        if gone != reach.rows and reach.table.kind == "table":
            raise Lost("records-changed", where="the database", detail=f"{gone} rows went")
    for one in words:
        # Deleted words stay in an index's segments until it is built anew.
        connection.execute(f"INSERT INTO main.{name_of(one.name)}({name_of(one.name)}) VALUES ('rebuild')")
    for one in reach.catalog.words:
        if one.content == "":
            connection.execute(f"INSERT INTO main.{name_of(one.name)}({name_of(one.name)}) VALUES ('optimize')")
    _refresh_statistics(connection, reach, scope)


def _refresh_statistics(connection: sqlite3.Connection, reach: Reach, scope: Scope) -> None:
    """Statistics keep values of rows (sqlite_stat3, sqlite_stat4): those of the tables concerned are dropped, and
    gathered anew where this SQLite gathers them."""
    concerned = sorted({*reach.doomed, *reach.changed})
    for kept in ("sqlite_stat3", "sqlite_stat4", "sqlite_stat1"):
        if kept in reach.catalog.tables:
            for name in concerned:
                connection.execute(f"DELETE FROM main.{kept} WHERE lower(tbl) = ?", (name,))
    if "sqlite_stat1" in reach.catalog.tables:
        for name in concerned:
            if name != reach.table.name.lower() or scope == "rows":
                connection.execute(f"ANALYZE main.{name_of(reach.catalog.table(name).name)}")
