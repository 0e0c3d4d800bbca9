"""Where the registry keeps what it accepted: transactions over a database named by a URL.

SQLite embedded now; nothing here but `_prepare_sqlite` knows which database it is, so that a larger one can follow.
A write transaction takes the database's one writer lock *before* it reads, so whatever it decides on still holds when
it commits, also against another process (`import` beside `serve`).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from server_stub.tables import METADATA

BUSY_SECONDS = 30
"""How long a writer waits for another process's transaction."""


class Store:
    """A database with the registry's tables in it."""

    def __init__(self, url: str) -> None:
        """Open the database at `url`, and make the tables that it lacks."""
        place = sa.make_url(url)
        self._in_memory = place.get_backend_name() == "sqlite" and place.database in (None, "", ":memory:")
        self._engine = _make_engine(place, in_memory=self._in_memory)
        self._writing = self._engine.execution_options(expunge_writes=True)
        self._writer = threading.RLock()
        METADATA.create_all(self._engine)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view, for the length of the block."""
        with self._reader_turn(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """The only writer, for the length of the block: everything in it is on disk afterwards, or nothing."""
        with self._writer, self._writing.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """The database is let go of."""
        self._engine.dispose()

    def _reader_turn(self) -> AbstractContextManager[object]:
        # A database in memory is one connection, which readers and the writer must take turns on.
        return self._writer if self._in_memory else nullcontext()


def _make_engine(place: sa.URL, *, in_memory: bool) -> sa.Engine:
    if place.get_backend_name() != "sqlite":
        return sa.create_engine(place)
    if in_memory:
        engine = sa.create_engine(place, connect_args={"check_same_thread": False}, poolclass=StaticPool)
    else:
        engine = sa.create_engine(place, connect_args={"timeout": BUSY_SECONDS})
    _prepare_sqlite(engine)
    return engine


def _prepare_sqlite(engine: sa.Engine) -> None:
    """Every connection is durable at commit and keeps foreign keys; transactions begin when we say so."""

    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        assert isinstance(connection, sqlite3.Connection)  # noqa: S101
        connection.isolation_level = None  # the driver's own rule would begin transactions late, after the first read
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("expunge_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", begin)
