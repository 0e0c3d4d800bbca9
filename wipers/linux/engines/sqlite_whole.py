"""A whole SQLite database: nothing is rewritten, its file and those beside it are held."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator

from wipers.acts import Halted
from wipers.linux.engines import Survivors, rows_outside
from wipers.linux.engines.sqlite_catalog import Catalog, Table, name_of, number, read_catalog
from wipers.linux.engines.sqlite_withdrawal import Withdrawal, others_of
from wipers.model import Lost

NONE = Survivors(0, 0, "sha256:" + hashlib.sha256(b"").hexdigest())
"""Nothing is to survive."""


def counted(catalog: Catalog) -> tuple[Table, ...]:
    """Tables whose rows count as the database's: its own, and indexes of words that keep their own contents."""
    return (*catalog.kept, *(one for one in catalog.words if one.content is None))


def rows_of(connection: sqlite3.Connection, catalog: Catalog) -> int:
    """Rows of all tables."""
    return sum(number(connection, f"SELECT count(*) FROM main.{name_of(one.name)}") for one in counted(catalog))


def values_of(connection: sqlite3.Connection, most: int) -> Iterator[bytes]:
    """Yield values of all tables, spread evenly over tables, columns and rows."""
    tables = [one for one in counted(read_catalog(connection)) if one.columns]
    columns = sum(len(one.columns) for one in tables)
    for table in tables:
        rows = number(connection, f"SELECT count(*) FROM main.{name_of(table.name)}")
        stride = max(rows * columns // max(most, 1), 1)
        for column in map(name_of, table.columns):
            found = connection.execute(
                f"SELECT {column} FROM (SELECT {column}, row_number() OVER () AS at FROM main.{name_of(table.name)}) "
                f"WHERE at % ? = 0 AND typeof({column}) IN ('text', 'blob')",
                (stride,),
            )
            yield from (value for (value,) in found)


class WholeWithdrawal(Withdrawal):
    """One run's way from a database to none, resumable between any two of its steps."""

    def _withdraw(self) -> None:
        """Everything is counted and moved under the lock; raises Halted before that alone."""
        if self._given.stop.is_set():
            raise Halted
        if not self._is_held():
            if not self._waited_until_alone():
                detail = f"{', '.join(others_of(self._request)[:1]) or 'somebody'} has it open"
                raise Lost("records-in-use", where="the database", detail=detail)
            self._take_logs()
            began = time.monotonic()
            with self._locked() as connection:
                self._count(connection)
                self._move()
                connection.close()
            self._note_done(int((time.monotonic() - began) * 1000) + 1)
        else:
            self._note_done(0)

    def _is_held(self) -> bool:
        """Tell whether the main file is taken: what has its name since then is another database."""
        return any(one.path == self._path and one.name in self._held.names() for one in self._held.taken())

    def _count(self, connection: sqlite3.Connection) -> None:
        catalog = read_catalog(connection)
        self._check_schema(catalog)
        rows, before = rows_of(connection, catalog), self._held.manifest.last("counted")
        if rows_outside(self._request, rows) is not None or (before is not None and before.facts["rows"] != rows):
            raise Lost("records-changed", where="the database", detail=f"{rows} rows under lock")
        if before is None:
            self._held.manifest.write("counted", rows=rows, consequences=[])
        nothing = [NONE.tables, NONE.rows, NONE.digest]
        self._held.manifest.write("rewritten", before=nothing, after=nothing)

    def _move(self) -> None:
        """All files are in the held directory, the main one last: without it the others say nothing."""
        if others := others_of(self._request):
            raise Lost("records-in-use", where="the database", detail=f"{others[0]} has it open")
        inode = self._check_locked()
        for end in ("-journal", "-wal"):
            self._take(end)
        taken = self._held.move((self._path,))
        if [one.inode for one in taken] != [inode]:
            raise Lost("records-changed", where="the database", detail="another file has its name")
        self._new = self._new.with_name(taken[0].name)
        self._see_latecomers_off()
