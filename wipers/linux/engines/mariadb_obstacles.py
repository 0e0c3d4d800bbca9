"""Why records of a MariaDB server must not be touched now, and which other copies the server knows of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from certificates.errors import Refused
from wipers.linux.engines import LOCK_SECONDS, CopyKnown, Request
from wipers.linux.engines.mariadb_innodb import system_files
from wipers.linux.engines.mariadb_logs import cut_off, log_files
from wipers.linux.engines.mariadb_places import files_of_server, places_of
from wipers.linux.engines.mariadb_rows import parts_of
from wipers.linux.engines.mariadb_scope import (
    ENGINES,
    Table,
    check_condition,
    files_of,
    forbidding,
    keys_to,
    ordered,
    table_of,
)
from wipers.linux.engines.mariadb_server import Server
from wipers.linux.usage import in_use
from wipers.model import Obstacle

LONG_SECONDS = 10
"""Age from which a transaction of somebody else stands in the way: old versions of rows last as long as it does."""
POLL = 0.02


def obstacles(server: Server, request: Request, tables: tuple[Table, ...]) -> Iterator[Obstacle]:
    """Yield what stands in the way, each by name."""
    where = str(request.where)
    if server.is_on("wsrep_on") or str(server.variable("wsrep_provider") or "none") != "none":
        yield _not_offered(where, "a Galera cluster")
    if any(request.where.glob(".expunge-*")):
        # What a log holds would be held there too, and stay when this run lets go of it.
        yield in_use(where, "another run that is not finished: expunge resume")
    yield from _snapshots(server, where)
    yield from _replication(server, where)
    for setting in cut_off(server):
        yield _not_offered(where, f"a log that is cut off, so that its blocks are free: set {setting} to 1 or more")
    yield from _apart(server, request, where)
    if request.identity.scope == "cluster":
        yield from _beyond(server, request, where)
        return
    for table in tables:
        yield from _of_table(server, request, table, where)
    if request.identity.scope == "rows":
        yield from _of_rows(server, request, tables[0], where)
    else:
        yield from _of_tables(server, tables, where)


def _snapshots(server: Server, where: str) -> Iterator[Obstacle]:
    found = server.rows(
        "SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.innodb_trx"
        " WHERE trx_mysql_thread_id <> CONNECTION_ID() AND trx_started < NOW() - INTERVAL %s SECOND",
        LONG_SECONDS,
    )
    for session, seconds in found:
        detail = f"session {session}, in a transaction for {seconds} s" if session else "a prepared XA transaction"
        yield _snapshot(where, detail)
    if server.rows("XA RECOVER"):
        yield _snapshot(where, "a prepared XA transaction")
    for session, state in server.rows(
        "SELECT id, LEFT(COALESCE(info, ''), 40) FROM information_schema.processlist WHERE info LIKE 'BACKUP %%'"
    ):
        yield _snapshot(where, f"a backup, session {session}: {state}")


def _snapshot(where: str, detail: str) -> Obstacle:
    return Obstacle("records-snapshot", (("detail", detail), ("where", where)))


def _not_offered(where: str, detail: str) -> Obstacle:
    return Obstacle("records-not-offered", (("detail", detail), ("where", where)))


def _replication(server: Server, where: str) -> Iterator[Obstacle]:
    for session in _behind(server):
        yield _snapshot(where, f"a replica that is behind, session {session}")
    for row in server.rows("SHOW ALL SLAVES STATUS"):
        # Columns as documented: 12 and 13 tell whether both threads run; the lag is null where one does not.
        if "No" in (str(row[12]), str(row[13])):
            yield _snapshot(where, "a relay log that is not being applied")


def _behind(server: Server) -> tuple[int, ...]:
    """Sessions to which the binary log is sent, and that were at its end at no moment in which they were looked at: a
    server at work has always something to send to somebody."""
    deadline = time.monotonic() + LOCK_SECONDS
    behind = _fetching(server)
    while behind and time.monotonic() < deadline:
        time.sleep(POLL)
        behind &= _fetching(server)
    return tuple(sorted(behind))


def _fetching(server: Server) -> set[int]:
    """Those sessions that have not been sent all."""
    found = server.rows(
        "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%%'"
        " AND COALESCE(state, '') NOT LIKE '%%has sent all%%'"
    )
    return {int(row[0]) for row in found}


def copies(server: Server) -> tuple[CopyKnown, ...]:
    """The replicas that are registered, by number and address, other sessions to which the binary log is sent, and the
    servers whose binary log this one applies, or would if it were told to go on: what goes here is there still."""
    registered = sorted({f"server {row[0]} {row[1]}".strip() for row in server.rows("SHOW SLAVE HOSTS")})
    dumps = server.rows(
        "SELECT host FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%%' ORDER BY id"
    )
    unnamed = [f"session from {row[0]}" for row in dumps][len(registered) :]
    # Columns as documented: the name of the connection, and where it leads.
    primaries = [f"{row[3]} port {row[5]} {row[0]}".strip() for row in server.rows("SHOW ALL SLAVES STATUS")]
    return (
        *(CopyKnown("replica", place) for place in (*registered, *unnamed)),
        *(CopyKnown("primary", place) for place in primaries),
    )


LOGS = {
    "log_bin_basename": "the binary log",
    "relay_log_basename": "the relay log",
    "innodb_log_group_home_dir": "the redo log",
    "innodb_undo_directory": "the undo log",
    "innodb_data_home_dir": "the system tablespace",
    "aria_log_dir_path": "the log of Aria",
}
"""Where a server writes every change of a row, by the variable that names the place, and what is there."""


def _apart(server: Server, request: Request, where: str) -> Iterator[Obstacle]:
    """Yield the logs that lie where nothing is held, written over or looked for."""
    device, found = request.where.stat().st_dev, []
    for name, what in LOGS.items():
        told = server.variable(name)
        place = request.where / str(told or ".")
        folder = place.parent if name.endswith("_basename") and told else place
        if folder.exists() and folder.stat().st_dev != device:
            found.append(what)
    if any(path.exists() and path.stat().st_dev != device for path in system_files(server)):
        found.append(LOGS["innodb_data_home_dir"])
    for what in dict.fromkeys(found):
        yield _not_offered(where, f"{what} lies on another file system")


def _beyond(server: Server, request: Request, where: str) -> Iterator[Obstacle]:
    """Yield what else of everything lies on another file system; a log of statements there is listed."""
    device, logs = request.where.stat().st_dev, set(log_files(server))
    found = set(files_of_server(request.where, places_of(server, request), Path()))
    if number := sum(path.stat().st_dev != device for path in found - logs):
        detail = f"{number} of its files lie on other file systems: stop it, and order its directories as files"
        yield _not_offered(where, detail)


def _of_table(server: Server, request: Request, table: Table, where: str) -> Iterator[Obstacle]:
    if table.engine not in ENGINES:
        yield _not_offered(where, f"a table of the engine {table.engine or 'unknown'}")
    if table.schema in ("mysql", "performance_schema", "information_schema", "sys"):
        yield _not_offered(where, "a table of the server itself")
    if "with system versioning" in table.options.lower() or _is_versioned(server, table):
        yield _not_offered(where, "a table that keeps every version of its rows")
    paths = files_of(server, request, table)
    if table.engine == "InnoDB" and not any(path.suffix == ".ibd" for path in paths):
        yield _not_offered(where, "a table in the system tablespace")
    device = request.where.stat().st_dev
    if any(path.stat().st_dev != device for path in paths):
        yield _not_offered(where, "a table whose files lie on another file system")


def _is_versioned(server: Server, table: Table) -> bool:
    question = (
        "SELECT COUNT(*) FROM information_schema.tables"
        " WHERE table_type = 'SYSTEM VERSIONED' AND table_schema = %s AND table_name = %s"
    )
    return bool(server.one(question, table.schema, table.name))


def _of_rows(server: Server, request: Request, table: Table, where: str) -> Iterator[Obstacle]:
    part = ordered(table, request)
    check_condition(server, part)
    try:
        parts = parts_of(server, request)
    except Refused as refused:
        yield Obstacle(refused.reason, tuple((name, str(value)) for name, value in refused.facts.items()))
        return
    for one in parts:
        if not one.forgetting and (number := forbidding(server, one)):
            yield Obstacle("records-referenced", (("detail", f"{number} rows of other tables"), ("where", where)))
        events = "('DELETE', 'UPDATE')" if one.forgetting else "('DELETE')"
        if not one.depth and server.one(
            "SELECT COUNT(*) FROM information_schema.triggers WHERE event_object_schema = %s"
            f" AND event_object_table = %s AND event_manipulation IN {events}",
            one.table.schema,
            one.table.name,
        ):
            yield _not_offered(where, "a trigger that acts when a row is deleted, and may write it elsewhere")
        if one.depth:
            yield from _of_table(server, request, one.table, where)


def _of_tables(server: Server, tables: tuple[Table, ...], where: str) -> Iterator[Obstacle]:
    names = {table.quoted for table in tables}
    for table in tables:
        for key in keys_to(server, table):
            child = table_of(server, key.schema, key.table)
            if child is not None and child.quoted not in names:
                yield Obstacle("records-referenced", (("detail", "a foreign key of another table"), ("where", where)))
