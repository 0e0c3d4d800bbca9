"""The server's own check of its files: amcheck, made for one transaction that never commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_server import SCHEMA_OF_EXTENSION, one, quoted, rows, run

if TYPE_CHECKING:
    from psycopg import Connection

DAMAGED = "XX"
"""Class of the states by which the server, and amcheck, tell of pages that are not what they must be (appendix A)."""
_TREES = (
    "SELECT i.indexrelid::int8 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
    " WHERE i.indrelid = ANY(%s::oid[]) AND a.amname = 'btree' AND i.indisvalid ORDER BY 1"
)
_CATALOGS = "SELECT oid::int8 FROM pg_class WHERE relname IN ('pg_statistic', 'pg_statistic_ext_data') AND oid < 16384"


def check_whole(
    session: Connection[Any], tables: tuple[int, ...], compared: frozenset[int] = frozenset()
) -> tuple[str, bool]:
    """Return the check that was made of the tables that still are and of the catalogs of statistics, and whether it
    found them whole. Every index but those `compared` is compared with its table's rows: the server did that itself
    with one that it built beside its writers in this run (the last scan of CREATE INDEX CONCURRENTLY), and of such an
    index the tree is checked. Where the extension is not installed on the machine, every row is read."""
    listed = [*tables, *(oid for (oid,) in rows(session, _CATALOGS))]
    there = [oid for (oid,) in rows(session, _THERE, (listed,))]
    has = one(session, "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'")
    run(session, "BEGIN")
    try:
        return _checked(session, there, compared, has=bool(has))
    finally:
        if not session.closed:
            run(session, "ROLLBACK")


def check_there(session: Connection[Any], tables: tuple[int, ...]) -> tuple[str, bool]:
    """Return the same where nothing can be made: the extension serves where the primary has it."""
    there = [oid for (oid,) in rows(session, _THERE, (list(tables),))]
    return _checked(session, there, frozenset(), has=one(session, SCHEMA_OF_EXTENSION, ("amcheck",)) is not None)


def _checked(session: Connection[Any], there: list[int], compared: frozenset[int], *, has: bool) -> tuple[str, bool]:
    """Return the check and what it found; raises the driver's error where it could not be made: a lock that others
    hold, or a server that ends, is no damage."""
    import psycopg

    made = "amcheck" if has else "sequential read"
    try:
        return made, _amcheck(session, there, compared) if has else _read(session, there)
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(DAMAGED):
            raise
        return made, False


_THERE = "SELECT oid::int8 FROM pg_class WHERE oid = ANY(%s::oid[]) AND relkind IN ('r', 'm') ORDER BY 1"


def _amcheck(session: Connection[Any], tables: list[int], compared: frozenset[int]) -> bool:
    schema = one(session, SCHEMA_OF_EXTENSION, ("amcheck",))
    if schema is None:
        schema = "expunge_amcheck"
        run(session, f"CREATE SCHEMA {schema}")
        run(session, f"CREATE EXTENSION amcheck SCHEMA {schema}")
    place = quoted(str(schema))
    broken = sum(
        int(one(session, f"SELECT count(*) FROM {place}.verify_heapam(%s::regclass)", (oid,))) for oid in tables
    )
    for (index,) in rows(session, _TREES, (tables,)):
        run(session, f"SELECT {place}.bt_index_check(%s::regclass, %s)", (index, index not in compared))
    return not broken


def _read(session: Connection[Any], tables: list[int]) -> bool:
    for oid in tables:
        name = str(one(session, "SELECT %s::regclass::text", (oid,))).replace("%", "%%")
        run(session, f"SELECT count(expunge_row::text) FROM ONLY {name} expunge_row")
    return True
