"""What is ordered leaves a SQLite database's tables, indexes of words and statistics, within one transaction."""

from __future__ import annotations

import sqlite3

from certificates.statements import Scope
from wipers.linux.engines.sqlite_catalog import name_of
from wipers.linux.engines.sqlite_reach import Reach, going
from wipers.model import Lost


def take_out(connection: sqlite3.Connection, reach: Reach, scope: Scope) -> None:
    """What is ordered is in no table and no index of words any more; within a transaction of the caller's."""
    table = name_of(reach.table.name)
    words = [one for one in reach.catalog.words if one.content is None or one.content]
    if scope == "table":
        over = [one for one in words if one.is_over(reach.table)]
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
