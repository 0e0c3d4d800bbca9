"""A SQLite database with a log that others have open: written anew where it is, by transactions of SQLite's own alone.

Whoever reads goes on reading, and whoever writes waits for a transaction, as for any other. What the file held is
written over as soon as the log is brought in; what the log held, as soon as it has begun anew and its end is written
over (https://www.sqlite.org/wal.html, https://www.sqlite.org/walformat.html).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from certificates.statements import Method
from wipers.acts import Halted
from wipers.linux.beneath import open_beneath, open_root
from wipers.linux.engines import LOCK_SECONDS, Survivors
from wipers.linux.engines.sqlite_ahead import has_room
from wipers.linux.engines.sqlite_catalog import connected, note_thing, number, read_catalog, thing_of
from wipers.linux.engines.sqlite_reach import Reach, survivors
from wipers.linux.engines.sqlite_rewrite import add_empty_pages
from wipers.linux.engines.sqlite_withdrawal import Withdrawal, others_of
from wipers.linux.sqlite_pages import end_of_log, salts_of
from wipers.model import Lost

VERSION = b"\x02\x02"
"""Bytes 18 and 19 of a file whose changes go into a log (https://www.sqlite.org/fileformat2.html, 1.3.3)."""
A_WRITE = 1 << 20
"""Bytes of the log's end that are written over at a time."""


class LoggedWithdrawal(Withdrawal):
    """One run's way from a database with a log, the same as without where nobody else has it open."""

    def _withdraw(self) -> None:
        """The rows are gone and everything is written anew in transactions that keep nobody from reading; raises
        Halted before the first alone."""
        if self._given.stop.is_set():
            raise Halted
        if self._method is Method.COPY_FORWARD:
            self._waited_until_alone()
        if not others_of(self._request):
            super()._withdraw()
            return
        if self._kept is not None:
            self._kept.close()
        # A run that was alone at first may have linked the log before somebody came who uses it now.
        self._held.let_go_shared()
        with self._connected() as connection:
            # Whoever goes on reading an old state is in the way; better before anything has changed.
            bring_in(connection)
            was = thing_of(self._path, number(connection, "PRAGMA main.schema_version"))
            before, after = self._take_out_and_write_anew(connection)
            self._make_as_it_was(connection)
            self._version_now = number(connection, "PRAGMA main.schema_version")
            self._note_rewritten(before, after)
            self._note_done(0)
            note_thing(self._path, was, thing_of(self._path, self._version_now))

    def _take_out_and_write_anew(self, connection: sqlite3.Connection) -> tuple[Survivors, Survivors]:
        """Nothing of the rows is in the file or in the log; return what had to stay and what stays. Raises Lost."""
        before, reach = self._take_out(connection, "READ", "WRITE")
        if self._stays(connection, reach) != before:
            connection.execute("ROLLBACK")
            raise Lost("engine-failed", where="the database", detail="rows that stay are not as they were")
        connection.execute("COMMIT")
        state = number(connection, "PRAGMA main.data_version")
        if not has_room(connection, self._request.machine):
            # What VACUUM lays out goes through a file of its own, where the system keeps such.
            connection.execute("PRAGMA temp_store = FILE")
        proc = self._request.machine.proc
        clear_log(connection, self._path, write_anew(connection, self._path, proc), proc)
        connection.execute("BEGIN")
        # What others have changed since the rows went cannot be told from what was lost.
        is_still = number(connection, "PRAGMA main.data_version") == state
        after = self._stays(connection, reach) if is_still else before
        connection.execute("COMMIT")
        return before, after

    def _stays(self, connection: sqlite3.Connection, reach: Reach) -> Survivors:
        """What is in the database now that the rows are gone."""
        return survivors(connection, reach.afterwards(read_catalog(connection)), self._request.key)


def keeps_log(path: Path) -> bool:
    """Tell whether a database's changes go into a log; no connection of this process may have the file locked."""
    with path.open("rb") as file:
        return file.read(20)[18:20] == VERSION


def bring_in(connection: sqlite3.Connection) -> None:
    """Every change is in the file, durable, and nobody reads the log any more; raises Lost where somebody goes on
    reading what was there before, sqlite3.Error."""
    is_busy, *_ = connection.execute("PRAGMA main.wal_checkpoint(RESTART)").fetchone()
    if is_busy:
        raise Lost("records-in-use", where="the database", detail="a connection goes on reading an older state of it")


def write_anew(connection: sqlite3.Connection, path: Path, proc: Path) -> bytes:
    """Every page that the file has is in the log, as VACUUM lays it out or free and nought, and from there in the file;
    return what tells the log from the one that follows. Raises Lost, sqlite3.Error."""
    with connected(path, "rw") as other:
        # As long as somebody reads the older state nobody can cut the file to its new size: what is cut off is not
        # written over.
        other.execute("BEGIN")
        pages = number(other, "PRAGMA main.page_count")
        size = number(other, "PRAGMA main.page_size")
        number(other, "SELECT count(*) FROM main.sqlite_schema")
        connection.execute("VACUUM main")
        add_empty_pages(connection, max(pages, path.stat().st_size // size))
        with _log_of(path, proc) as log:
            was = salts_of(log)
        other.execute("COMMIT")
    bring_in(connection)
    return was


def clear_log(connection: sqlite3.Connection, path: Path, was: bytes, proc: Path) -> None:
    """The log has begun anew since it was `was`, and what it held behind its present end is written over;
    raises Lost, sqlite3.Error."""
    until = time.monotonic() + LOCK_SECONDS
    with _log_of(path, proc) as log:
        while salts_of(log) == was:
            if time.monotonic() > until:
                raise Lost("records-in-use", where="the database", detail="its log does not begin anew")
            bring_in(connection)
            connection.execute("BEGIN IMMEDIATE")
            # Written as it is: the first change after everything was brought in begins the log anew.
            connection.execute(f"PRAGMA main.user_version = {number(connection, 'PRAGMA main.user_version')}")
            connection.execute("COMMIT")
        # Nobody adds to it meanwhile, and nobody reads behind its end.
        connection.execute("BEGIN IMMEDIATE")
        _write_over(log, end_of_log(log))
        connection.execute("COMMIT")


@contextmanager
def _log_of(path: Path, proc: Path) -> Iterator[int]:
    """A descriptor of the log that this process's connections have open, whose only name it is; raises Lost where
    something else has the name, OSError."""
    used = set(_opened_here(proc))
    root = open_root(str(path.parent))
    try:
        descriptor = open_beneath(root, f"{path.name}-wal", os.O_RDWR)
    finally:
        os.close(root)
    try:
        found = os.fstat(descriptor)
        if found.st_nlink != 1 or (found.st_dev, found.st_ino) not in used:
            raise Lost("records-changed", where="the database", detail="another file has its log's name")
        yield descriptor
    finally:
        os.close(descriptor)


def _opened_here(proc: Path) -> Iterator[tuple[int, int]]:
    for one in (proc / "self" / "fd").iterdir():
        # What another thread closes meanwhile.
        with suppress(OSError):
            found = one.stat()
            yield found.st_dev, found.st_ino


def _write_over(log: int, begin: int) -> None:
    size = os.fstat(log).st_size
    for at in range(begin, size, A_WRITE):
        os.pwrite(log, bytes(min(A_WRITE, size - at)), at)
    os.fdatasync(log)
