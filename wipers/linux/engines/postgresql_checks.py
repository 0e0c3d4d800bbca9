"""The server's own check of its files: amcheck, made for one transaction that never commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_server import SCHEMA_OF_EXTENSION, one, quoted, rows, run

if TYPE_CHECKING:
    from psycopg import Connection

_TREES = (
    "SELECT i.indexrelid::int8 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
    " WHERE i.indrelid = ANY(%s::oid[]) AND a.amname = 'btree' AND i.indisvalid ORDER BY 1"
)
_CATALOGS = "SELECT oid::int8 FROM pg_class WHERE relname IN ('pg_statistic', 'pg_statistic_ext_data') AND oid < 16384"


def check_whole(session: Connection[Any], tables: tuple[int, ...]) -> tuple[str, bool]:
    """Return the check that was made of the tables that still are and of the catalogs of statistics, and whether it
    found them whole. Where the extension is not installed on the machine, every row is read."""
    import psycopg

    listed = [*tables, *(oid for (oid,) in rows(session, _CATALOGS))]
    there = [oid for (oid,) in rows(session, _THERE, (listed,))]
    has = one(session, "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'")
    run(session, "BEGIN")
    try:
        return ("amcheck", _amcheck(session, there)) if has else ("sequential read", _read(session, there))
    except psycopg.Error:
        return ("amcheck" if has else "sequential read", False)
    finally:
        run(session, "ROLLBACK")


def check_there(session: Connection[Any], tables: tuple[int, ...]) -> tuple[str, bool]:
    """Return the same where nothing can be made: the extension serves where the primary has it."""
    import psycopg

    there = [oid for (oid,) in rows(session, _THERE, (list(tables),))]
    has = one(session, SCHEMA_OF_EXTENSION, ("amcheck",)) is not None
    try:
        return ("amcheck", _amcheck(session, there)) if has else ("sequential read", _read(session, there))
    except psycopg.Error:
        return ("amcheck" if has else "sequential read", False)


_THERE = "SELECT oid::int8 FROM pg_class WHERE oid = ANY(%s::oid[]) AND relkind IN ('r', 'm') ORDER BY 1"


def _amcheck(session: Connection[Any], tables: list[int]) -> bool:
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
        run(session, f"SELECT {place}.bt_index_check(%s::regclass, true)", (index,))
    return not broken


def _read(session: Connection[Any], tables: list[int]) -> bool:
    for oid in tables:
        name = str(one(session, "SELECT %s::regclass::text", (oid,))).replace("%", "%%")
        run(session, f"SELECT count(expunge_row::text) FROM ONLY {name} expunge_row")
    return True
