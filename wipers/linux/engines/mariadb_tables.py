"""Whole tables and databases of a MariaDB server: dropped while their files have a further name."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import nullcontext
from hashlib import blake2b
from pathlib import Path

from wipers.linux.engines import Request, Survivors, rows_outside
from wipers.linux.engines.mariadb_rows import (
    check_no_more,
    check_same,
    identities,
    locked,
    parts_of,
    take_files,
)
from wipers.linux.engines.mariadb_scope import Table, count, folder_of, ordered, tables_of
from wipers.linux.engines.mariadb_server import Server, quoted
from wipers.linux.engines.mariadb_take import Taking
from wipers.linux.engines.mariadb_traces import STATISTICS, is_bad, mend_statistics
from wipers.model import Lost

UNDONE = ("Query execution was interrupted", "Lock wait timeout exceeded", "Deadlock found")
"""How errors begin that say nothing of a table (ER_QUERY_INTERRUPTED, ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK)."""
MOST_CHECKED = 32
"""Tables beside a dropped one that the server is asked to check."""


def withdraw_tables(taking: Taking, request: Request) -> tuple[int, int, Survivors, Survivors, tuple[Table, ...]]:
    """The tables, or the database, are not there any more; return how many rows went, milliseconds locked, which tables
    had to survive and which did, and the tables that went."""
    server = taking.server
    tables = tables_of(server, request)
    before = _names(server, request, tables)
    started = time.monotonic()
    # Nobody adds a row between the count and the drop.
    with locked(server, tables) if tables else nullcontext():
        rows = _counted(taking, request, tables)
        if tables:
            _drop(taking, request, tables)
    locked_for = round((time.monotonic() - started) * 1000)
    if request.identity.scope in ("database", "schema"):
        if tables_of(server, request):
            raise Lost("records-changed", where=str(request.where), detail="a table came since they were counted")
        taking.take(path for path in _folder(server, request).glob("*"))
        server.run(f"DROP SCHEMA IF EXISTS {quoted(request.identity.database)}")
    noted = taking.held.manifest.last("deleting")
    gone = noted.facts["tables"] if noted is not None else []
    taking.count("tables-dropped", len(gone))
    after = _names(server, request, ())
    return rows, locked_for, before, after, tuple(Table(schema, name, "", "", "", "", 0) for schema, name, *_ in gone)


def _folder(server: Server, request: Request) -> Path:
    return folder_of(server, request, request.identity.database)


def _counted(taking: Taking, request: Request, tables: tuple[Table, ...]) -> int:
    """Rows in the tables, as the order allows them, noted before anything goes; of a run that was cut, its own: more
    than those came since, and nobody ordered them gone. Raises Lost."""
    noted = taking.held.manifest.last("deleting")
    rows = sum(count(taking.server, ordered(table, request)) for table in tables)
    if noted is not None:
        check_same(taking, request, tables)
        check_no_more(request, rows, int(noted.facts["rows"]))
        return int(noted.facts["rows"])
    if rows_outside(request, rows) is not None:
        raise Lost("records-changed", where=str(request.where), detail=f"{rows} rows")
    taking.held.manifest.write("deleting", rows=rows, tables=identities(tables))
    return rows


def _drop(taking: Taking, request: Request, tables: tuple[Table, ...]) -> None:
    server = taking.server
    for table in tables:
        take_files(taking, request, table)
    server.run("DROP TABLE " + ", ".join(table.quoted for table in tables))


def _names(server: Server, request: Request, going: tuple[Table, ...]) -> Survivors:
    """The tables of the server that no order names, counted, and summed by their definitions under the key. Their rows
    are not: nothing of this touches them, and others go on writing."""
    gone = {(table.schema, table.name) for table in going}
    # What else a database has goes with it; a view of what is gone has no columns that anybody could read.
    whole = request.identity.database if request.identity.scope in ("database", "schema") else ""
    found = server.rows(
        "SELECT c.table_schema, c.table_name, c.column_name, c.column_type FROM information_schema.columns c"
        " JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
        " WHERE c.table_schema NOT IN ('information_schema', 'performance_schema', 'sys', %s)"
        " AND c.table_schema NOT LIKE 'expunge\\_%%' AND t.table_type <> 'VIEW'"
        " ORDER BY c.table_schema, c.table_name, c.ordinal_position",
        whole,
    )
    kept = [row for row in found if (row[0], row[1]) not in gone]
    summed = blake2b(repr(kept).encode(), key=request.key[:64], digest_size=32).hexdigest()
    return Survivors(len({row[:2] for row in kept}), 0, f"sha256:{summed}")


def checked(server: Server, request: Request) -> tuple[str, bool]:
    """The server's own check of the tables that were written anew, or that stand beside what was dropped; raises Lost
    where it was kept from it."""
    if request.identity.scope == "rows":
        names = dict.fromkeys(part.table.quoted for part in parts_of(server, request))
    else:
        found = server.rows(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('information_schema', 'performance_schema', 'sys')"
            " ORDER BY table_schema = %s DESC, table_schema = 'mysql' LIMIT %s",
            request.identity.database,
            MOST_CHECKED,
        )
        names = dict.fromkeys(f"{quoted(schema)}.{quoted(name)}" for schema, name in found)
    names["`mysql`.`column_stats`"] = None
    bad = _damaged(server, names)
    if bad and bad <= set(STATISTICS):
        mend_statistics(server)
        bad = _damaged(server, names)
    return f"CHECK TABLE MEDIUM, {len(names)} tables", not bad


def _damaged(server: Server, names: Iterable[str]) -> set[str]:
    # Indexes were made from the rows a moment ago: to look up every key of theirs would tell nothing more.
    answers = server.rows(f"CHECK TABLE {', '.join(names)} MEDIUM")
    if any(str(row[2]).lower() == "error" and str(row[3]).startswith(UNDONE) for row in answers):
        # The server calls a table corrupt of which it was kept from seeing all.
        raise server.lost("CHECK TABLE was kept from its end", 1205)
    return {str(row[0]) for row in answers if is_bad(row)}
