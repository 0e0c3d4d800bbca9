"""Writing a table anew without its dead rows, or dropping it, so that its old files come to be held."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines import LOCK_SECONDS, Survivors
from wipers.linux.engines.postgresql_files import paths_of
from wipers.linux.engines.postgresql_scope import VIEW, Table
from wipers.linux.engines.postgresql_server import SESSION, one, quoted, rows, run
from wipers.linux.engines.postgresql_swap import Commit
from wipers.linux.held import Held
from wipers.model import Lost

if TYPE_CHECKING:
    from psycopg import Connection

STATISTICS = ("pg_statistic", "pg_statistic_ext_data")
ASK_MILLISECONDS = 150
HORIZON_SECONDS = 10.0
"""Longest wait for transactions that still see the rows; those that were long were refused before."""
ASIDE = 0.1
"""Seconds in which others have their turn between two attempts at a lock."""
ORDERING = "expunge_order"
"""Name of an index that exists only inside the transaction which rewrites a table that has none."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """How one table was written anew."""

    milliseconds: int
    """How long it was locked against everybody."""
    before: tuple[int, int]
    """Rows and their sum, under the lock, in the old files."""
    after: tuple[int, int]
    """The same in the new ones."""


@dataclass(slots=True)
class Rewriting:
    """Two sessions and what is held: all that a rewrite needs."""

    working: Connection[Any]
    watching: Connection[Any]
    where: Path
    held: Held
    key: bytes

    def commit(self, locked: _Locked, paths: tuple[str, ...], *, is_flushed: bool = False) -> None:
        """Commit the open transaction, holding the files of those paths; its locks end with it."""
        ending = Commit(self.working, self.watching, self.where, self.held)
        locked.until = ending.run(paths, is_flushed=is_flushed)

    def rewrite(self, table: Table) -> Rewritten:
        """The table stands in new files that hold none of its dead rows; raises Lost."""
        # A materialised view takes no LOCK; refreshing it takes the same lock by itself.
        with self.locked(*([] if table.kind == VIEW else [table.name])) as locked:
            before = sum_of(self.working, self.key, table.name)
            old = paths_of(self.working, (table.oid,))
            self._anew(table)
            after = before if table.kind == VIEW else sum_of(self.working, self.key, table.name)
            if before != after:
                raise Lost("records-changed", where=table.name, detail="the rewrite would lose rows")
            gone = tuple(sorted(set(old) - set(paths_of(self.working, (table.oid,)))))
            self.commit(locked, gone)
        return Rewritten(locked.milliseconds, before, after)

    def rewrite_statistics(self) -> int:
        """The catalogs of statistics stand in new files without dead rows; return the milliseconds of the lock."""
        longest = 0
        # Most of what is to be written is written before the lock.
        run(self.watching, "CHECKPOINT")
        for name in STATISTICS:
            with self.locked(f"pg_catalog.{name}") as locked:
                oid = int(one(self.working, "SELECT %s::regclass::oid::int8", (f"pg_catalog.{name}",)))
                old = paths_of(self.working, (oid,))
                index = one(
                    self.working,
                    "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::oid AND indisunique",
                    (oid,),
                )
                run(self.working, f"CLUSTER pg_catalog.{name} USING {index}")
                self.commit(locked, tuple(sorted(set(old) - set(paths_of(self.working, (oid,))))))
            longest = max(longest, locked.milliseconds)
        return longest

    def drop(self, tables: tuple[Table, ...], statement: str, check: Callable[[], None]) -> int:
        """The statement dropped the tables, and their files are held; `check` counts under the lock; return the
        milliseconds of the lock."""
        with self.locked(*(table.name for table in tables if table.kind in "rp")) as locked:
            check()
            old = paths_of(self.working, (table.oid for table in tables))
            run(self.working, statement)
            self.commit(locked, old)
        return locked.milliseconds

    def _anew(self, table: Table) -> None:
        if table.kind == VIEW:
            run(self.working, f"REFRESH MATERIALIZED VIEW {table.name}")
            return
        index, clustered = ordering_index(self.working, table.oid)
        made = index is None
        if made:
            run(self.working, f"CREATE INDEX {ORDERING} ON {table.name} ((0))")
        run(self.working, f"CLUSTER {table.name} USING {ORDERING if made else index}")
        if made:
            run(self.working, f"DROP INDEX {quoted(*self._schema_of(table.oid), ORDERING)}")
        if clustered is not None and clustered != index:
            run(self.working, f"ALTER TABLE {table.name} CLUSTER ON {clustered}")
        elif clustered is None and not made:
            run(self.working, f"ALTER TABLE {table.name} SET WITHOUT CLUSTER")

    def _schema_of(self, oid: int) -> tuple[str]:
        schema = one(
            self.working,
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s::oid",
            (oid,),
        )
        return (str(schema),)

    def locked(self, *names: str) -> _Locked:
        """A transaction that holds the relations against everybody."""
        return _Locked(self.working, names)

    def locked_after_flush(self, name: str) -> _Locked:
        """The same, with everything written before while only writers wait."""
        return _Locked(self.working, (name,), lambda: run(self.watching, "CHECKPOINT"))


class _Locked:
    """A transaction that holds relations against everybody, for so many milliseconds."""

    def __init__(
        self, session: Connection[Any], names: tuple[str, ...], flush: Callable[[], object] | None = None
    ) -> None:
        self._session = session
        self._names = names
        self._flush = flush
        self._since = 0.0
        self.until: float | None = None
        self.milliseconds = 0

    def __enter__(self) -> _Locked:
        from psycopg.errors import LockNotAvailable

        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                self._lock()
            except LockNotAvailable:
                run(self._session, "ROLLBACK")
                if time.monotonic() > deadline:
                    raise
                time.sleep(ASIDE)
                continue
            return self

    def _lock(self) -> None:
        """Ask for the lock, for a short while only: whoever comes later queues up behind one that is waited for."""
        run(self._session, "BEGIN")
        run(self._session, f"SET LOCAL lock_timeout = {ASK_MILLISECONDS}")
        if self._flush is not None:
            run(self._session, f"LOCK TABLE {', '.join(self._names)} IN SHARE MODE")
            self._flush()
        if self._names:
            run(self._session, f"LOCK TABLE {', '.join(self._names)} IN ACCESS EXCLUSIVE MODE")
        self._since = time.monotonic()
        run(self._session, "SET LOCAL lock_timeout TO DEFAULT")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        until = self.until if self.until is not None else time.monotonic()
        self.milliseconds = int((until - self._since) * 1000) + 1
        if kind is not None and not self._session.closed:
            run(self._session, "ROLLBACK")


_INDEXES = (
    "SELECT i.indexrelid::int8, c.relname, i.indisclustered, i.indisprimary FROM pg_index i"
    " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
    " WHERE i.indrelid = %s::oid AND i.indisvalid AND i.indpred IS NULL AND a.amname = 'btree'"
    " ORDER BY i.indisclustered DESC, i.indisprimary DESC, pg_relation_size(c.oid), i.indexrelid"
)


def ordering_index(session: Connection[Any], oid: int) -> tuple[str | None, str | None]:
    """Return the index to rewrite a table by, quoted, and the one that it is marked to be clustered by."""
    found = rows(session, _INDEXES, (oid,))
    first = quoted(found[0][1]) if found else None
    clustered = next((quoted(name) for _, name, is_clustered, _ in found if is_clustered), None)
    return first, clustered


def wait_for_horizon(session: Connection[Any], where: Path, xid: int, *, catalogs: bool = False) -> None:
    """Nothing sees rows that a transaction deleted any more, so that no rewrite carries them along; raises Lost."""
    deadline = time.monotonic() + HORIZON_SECONDS
    while holders := rows(session, _HOLDERS, {"xid": str(xid), "catalogs": catalogs, "ours": SESSION}):
        if time.monotonic() > deadline:
            detail = ", ".join(f"{what} {name}" for what, name in holders[:4])
            raise Lost("records-in-use", where=str(where), detail=f"their old versions are still seen by {detail}")
        time.sleep(0.02)


_HOLDERS = (
    "WITH x AS (SELECT age(%(xid)s::text::xid) AS age) SELECT 'process', pid::text FROM pg_stat_activity, x"
    " WHERE pid <> pg_backend_pid() AND greatest(age(backend_xmin), age(backend_xid)) >= x.age"
    " AND (datname IS NULL OR datname = current_database()) AND application_name <> %(ours)s"
    " UNION ALL SELECT 'prepared transaction', transaction::text FROM pg_prepared_xacts, x"
    " WHERE age(transaction) >= x.age"
    " UNION ALL SELECT 'slot', slot_name FROM pg_replication_slots, x"
    " WHERE (age(xmin) >= x.age OR (%(catalogs)s AND age(catalog_xmin) >= x.age))"
)


def sum_of(session: Connection[Any], key: bytes, name: str) -> tuple[int, int]:
    """Return how many rows a relation has now, and their sum under our key; the server adds, several processes at once
    where it likes."""
    told = rows(session, _TOLD, (name.replace("%%", "%"),))
    every = ", ".join(
        f"expunge_row.{quoted(column)}" + ("" if is_exact else "::text") for column, is_exact in told[:WIDEST_RECORD]
    )
    is_narrow = 0 < len(told) <= WIDEST_RECORD
    hashed = f"hash_record_extended(ROW({every}), %s)" if is_narrow else "hashtextextended(expunge_row::text, %s)"
    row = run(
        session,
        f"SELECT count(*), coalesce(sum({hashed}), 0)::text FROM ONLY {name} expunge_row",
        (seed_of(key),),
    ).fetchone()
    return (int(row[0]), int(row[1])) if row is not None else (0, 0)


WIDEST_RECORD = 500
"""Columns up to which a row is summed as a record, a third of the time that its text would take."""
_TOLD = (
    "SELECT a.attname, a.atttypid = ANY('{bool,bytea,name,int2,int4,int8,text,varchar,oid,uuid,date,time,timestamp,"
    "timestamptz}'::regtype[]) AND coalesce(c.collisdeterministic, true) FROM pg_attribute a"
    " LEFT JOIN pg_collation c ON c.oid = a.attcollation"
    " WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
"""Columns, and whether two values of one have the same hash only where they are the same bytes: of 1.0 and 1.00 the
text is summed."""


def seed_of(key: bytes) -> int:
    """Return the seed of the server's hashes, which nobody knows who has not the key."""
    return int.from_bytes(hmac.new(key, b"survivors", hashlib.sha256).digest()[:8], "big", signed=True)


def survivors(key: bytes, found: dict[str, tuple[int, int]]) -> Survivors:
    """Return the tables' rows and sums as one digest."""
    from certificates.encoding import digest

    told = b"".join(f"{name} {count} {total}\n".encode() for name, (count, total) in sorted(found.items()))
    made = hmac.new(key, told, hashlib.sha256).digest()
    return Survivors(len(found), sum(count for count, _ in found.values()), digest(made))
