"""MariaDB: rows, tables, databases or everything that a server holds, out of every place where it keeps copies.

Tables are written anew or dropped while their old files have a further name; logs begin anew in the same way; undo and
doublewrite buffer are displaced. The server stays at work, but for the scope `cluster`, whose end is its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from certificates.errors import Refused
from certificates.statements import Consequence, Fact, Method, Place, Residual
from wipers.acts import Given
from wipers.linux.beneath import open_root
from wipers.linux.engines import Look, Request, Survivors, Withdrawn, facts_of, room_missing, rows_outside
from wipers.linux.engines.mariadb_beside import Summing, Unfit, is_fit, withdraw_beside
from wipers.linux.engines.mariadb_cluster import Stopped, withdraw_cluster
from wipers.linux.engines.mariadb_innodb import scrub_innodb, system_files, undo_files
from wipers.linux.engines.mariadb_logs import is_logged_elsewhere, log_files, scrub_logs
from wipers.linux.engines.mariadb_obstacles import copies, obstacles
from wipers.linux.engines.mariadb_redo import redo_noted, widen_redo
from wipers.linux.engines.mariadb_room import check_room, room_needed
from wipers.linux.engines.mariadb_rows import parts_of, withdraw_rows
from wipers.linux.engines.mariadb_scope import Part, Table, count, files_of, is_encrypted, ordered, tables_of
from wipers.linux.engines.mariadb_server import Server, connect, end_query
from wipers.linux.engines.mariadb_tables import withdraw_tables
from wipers.linux.engines.mariadb_take import Taking
from wipers.linux.engines.mariadb_traces import (
    aria_log_begun_anew,
    binary_logs,
    drop_filler,
    scrub_binary_log,
    scrub_statistics,
    take_statistics,
    take_traces,
)
from wipers.linux.engines.mariadb_values import spread
from wipers.linux.filesystems import file_system_of
from wipers.linux.held import Held
from wipers.packings import Packing

SAMPLED = 4000
"""Values by which undo and redo are looked through within a withdrawal, where none were taken for the hunt."""
LOGS = ("aria_log.0*", "ib_logfile*")
CIPHERTEXT = Residual("ciphertext-not-hunted")
SERVER_LOG = Residual("server-log")
RESIDUAL = (Residual("server-memory"), Residual("temporary-files"), Residual("values-not-sampled"))


def look(request: Request) -> Look | None:
    """What is there now; reads only."""
    server = connect(request)
    try:
        return _look(server, request)
    finally:
        server.close()


def _look(server: Server, request: Request) -> Look | None:
    tables = tables_of(server, request)
    if not tables:
        return None
    found = _counts(server, request, tables)
    return Look(
        facts=_facts(server, request, tables),
        rows=found[0],
        size=_size(server, request, tables),
        preferred=Method.COPY_FORWARD,
        obstacles=tuple(obstacles(server, request, tables)),
        residual=_residual(server, request, tables),
        consequences=tuple(Consequence(code, number) for code, number in found[1].items() if number),
        copies=copies(server),
        room=room_needed(server, request),
        description=tuple(_description(server, request, tables)),
    )


def _residual(server: Server, request: Request, tables: tuple[Table, ...]) -> tuple[Residual, ...]:
    """What this way does not reach."""
    unseen = [CIPHERTEXT] if is_encrypted(server, tables) else []
    unlogged = [SERVER_LOG] if is_logged_elsewhere(server, request.where, request.machine) else []
    return (*RESIDUAL, *unseen, *unlogged)


def _counts(server: Server, request: Request, tables: tuple[Table, ...]) -> tuple[int, dict[str, int]]:
    """Rows that the order names, and what goes or changes with them, by code."""
    if request.identity.scope != "rows":
        rows = sum(count(server, ordered(table, request)) for table in tables)
        return rows, _beside(server, tables, len(tables))
    parts = parts_of(server, request)
    told = _beside(server, tuple({part.table.quoted: part.table for part in parts}.values()), len(parts))
    for part in parts[1:]:
        code = "rows-forgetting" if part.forgetting else "rows-by-foreign-key"
        told[code] = told.get(code, 0) + count(server, part)
    return count(server, parts[0]), told


def _beside(server: Server, tables: tuple[Table, ...], number: int) -> dict[str, int]:
    """What hangs on the tables: partitions, triggers, views, full-text indexes."""
    told = {"tables": number}
    questions = {
        "partitions": "partitions WHERE partition_name IS NOT NULL AND table_schema = %s AND table_name = %s",
        "triggers": "triggers WHERE event_object_schema = %s AND event_object_table = %s",
        "full-text-indexes": "statistics WHERE index_type = 'FULLTEXT' AND table_schema = %s AND table_name = %s",
    }
    for table in tables:
        for code, question in questions.items():
            told[code] = told.get(code, 0) + int(
                server.one(f"SELECT COUNT(*) FROM information_schema.{question}", table.schema, table.name)
            )
        told["views"] = told.get("views", 0) + int(
            server.one(
                "SELECT COUNT(*) FROM information_schema.views WHERE INSTR(view_definition, %s)", _plain(table.quoted)
            )
        )
    return told


def _plain(name: str) -> str:
    return name.replace("%%", "%")


def _size(server: Server, request: Request, tables: tuple[Table, ...]) -> int:
    """Bytes of the files that are going to be held."""
    paths = [path for table in tables for path in files_of(server, request, table)]
    paths += [path for pattern in LOGS for path in request.where.glob(pattern)]
    if server.is_on("log_bin"):
        base = Path(str(server.variable("log_bin_basename")))
        paths += base.parent.glob(escape(base.name) + ".[0-9]*")
    return sum(path.lstat().st_blocks * 512 for path in paths)


def _description(server: Server, request: Request, tables: tuple[Table, ...]) -> Iterator[Fact]:
    size = sum(table.size for table in tables)
    if request.identity.scope == "rows" and is_fit(server, parts_of(server, request)):
        yield Fact("lock-milliseconds", "100")
    elif request.identity.scope == "rows":
        # A rebuild writes about 50 MB a second where nothing else is known.
        yield Fact("lock-milliseconds", str(200 + size // 50_000))
    else:
        yield Fact("lock-milliseconds", "200")
    yield Fact("offline-phase", "yes" if request.identity.scope == "cluster" else "no")


def _facts(server: Server, request: Request, tables: tuple[Table, ...]) -> tuple[Fact, ...]:
    thing = tables[0].identity if request.identity.scope in ("rows", "table") and tables else "-"
    return _identity(request, str(server.variable("server_uid") or "-"), thing)


def _identity(request: Request, system: str, thing: str) -> tuple[Fact, ...]:
    root = open_root(str(request.where))
    try:
        filesystem = file_system_of(root, request.machine).uuid or ""
        inode = os.fstat(root).st_ino
    finally:
        os.close(root)
    return facts_of(
        "mariadb",
        system=system,
        filesystem=filesystem,
        inode=inode,
        database=request.identity.database,
        thing=thing,
    )


def recover(request: Request, held: Held) -> None:
    """Nothing is to be undone: the server undoes what it did not commit, and a further name of a file that it still
    uses is given up when the withdrawal comes to its end."""
    held.finish()
    held.keep()


@contextmanager
def open(request: Request, expected: tuple[Fact, ...], resuming: bool) -> Iterator[Session]:  # noqa: A001 - the port's
    """A session with the server, identified and counted; raises Refused."""
    try:
        server = connect(request)
    except Refused:
        if request.identity.scope == "cluster" and resuming:
            yield Session(None, request, expected, resuming=True)
            return
        raise
    try:
        session = Session(server, request, expected, resuming=resuming)
        if not resuming:
            session.check_rows()
        yield session
    finally:
        server.close()


class Session:
    """A server that was opened for one order."""

    def __init__(self, server: Server | None, request: Request, expected: tuple[Fact, ...], *, resuming: bool) -> None:
        """Change nothing yet."""
        self._server = server
        self._request = request
        self._expected = expected
        self._is_changed = resuming
        self._sampled: tuple[bytes, ...] | None = None

    @property
    def _here(self) -> Server:
        if self._server is None:
            raise Stopped
        return self._server

    def check_rows(self) -> None:
        """As many rows as ordered are there, and nothing stands in the way; raises Refused."""
        found = _look(self._here, self._request)
        if found is None:
            raise Refused("carrier-not-found", carrier=self._request.carrier)
        more = (rows_outside(self._request, found.rows), room_missing(self._request.where, found.room))
        for one in (*(one for one in more if one is not None), *found.obstacles):
            raise Refused(one.reason, **dict(one.facts))

    def facts(self) -> tuple[Fact, ...]:
        if self._server is None:
            told = {fact.name: fact.value for fact in self._expected}
            return _identity(self._request, told["system"], told["object"])
        if self._is_changed:
            system = str(self._here.variable("server_uid") or "-")
            return _identity(self._request, system, {fact.name: fact.value for fact in self._expected}["object"])
        return _facts(self._here, self._request, tables_of(self._here, self._request))

    def files(self) -> Iterator[tuple[Path, Place]]:
        where = self._request.where
        logs = {path for pattern in LOGS for path in where.glob(pattern)}
        if self._server is not None:
            logs |= {*undo_files(self._server), *binary_logs(self._server), *log_files(self._server)}
            for path in system_files(self._server):
                yield path, "engine"
        for path in logs:
            yield path, "engine-log"
        for pattern in ("*/*.ibd", "*/*.MAD", "*/*.MAI", "*/*.MYD", "*/*.MYI"):
            for path in where.glob(pattern):
                yield path, "engine"

    def values(self, most: int) -> Iterator[bytes]:
        self._sampled = spread(self._here, self._parts(), most)
        yield from self._sampled

    def _parts(self) -> tuple[Part, ...]:
        if self._request.identity.scope == "rows":
            return parts_of(self._here, self._request)
        return tuple(ordered(table, self._request) for table in tables_of(self._here, self._request))

    def withdraw(self, held: Held, given: Given, method: Method) -> Withdrawn:
        if self._request.identity.scope == "cluster":
            done = withdraw_cluster(self._server, held, given, self._request)
            self._server = None
            return done
        server = self._here
        sampled = self._sampled if self._sampled is not None else spread(server, self._parts(), SAMPLED)
        server.failure = server.lost
        self._is_changed = True
        held.begin(self._request.where, given.entropy(8).hex())
        if held.manifest.last("rewritten") is None:
            check_room(server, self._request, redo_noted(held))
        taking = Taking(server, held, given, self._request.machine)
        with taking.open:
            return self._taken_out(taking, sampled)

    def _taken_out(self, taking: Taking, sampled: tuple[bytes, ...]) -> Withdrawn:
        drop_filler(taking)
        take_traces(taking)
        take_statistics(taking)
        taking.given.note("the rows are taken out of their tables")
        if self._request.identity.scope == "rows":
            rows, locked, before, after, tables = _withdraw_rows(taking, self._request)
        else:
            rows, locked, before, after, tables = withdraw_tables(taking, self._request)
        taking.given.note("the server's statistics and logs are begun anew")
        self._scrub(taking, tables, sampled)
        os.sync()
        return _withdrawn(rows, locked, before, after if isinstance(after, Survivors) else after.result(), taking)

    def _scrub(self, taking: Taking, tables: tuple[Table, ...], sampled: tuple[bytes, ...]) -> None:
        taking.rest()
        scrub_statistics(taking, tables)
        scrub_logs(taking)
        scrub_binary_log(taking)
        taking.rest()
        with aria_log_begun_anew(taking):
            scrub_innodb(taking, sampled, is_blind=is_encrypted(taking.server, tables))
        drop_filler(taking)
        taking.let_go()

    def check(self) -> tuple[str, bool]:
        if self._server is None or self._request.identity.scope == "cluster":
            return "none: the server is gone", True
        from wipers.linux.engines.mariadb_tables import checked

        return checked(self._here, self._request)

    def cut_check(self) -> None:
        if self._server is not None:
            end_query(self._server, self._request)

    def packings(self) -> tuple[Packing, ...]:
        return ()


def _withdraw_rows(
    taking: Taking, request: Request
) -> tuple[int, int, Survivors, Survivors | Summing, tuple[Table, ...]]:
    """The rows are in no live file: taken out beside their readers where that suits a run's begin, or under a lock."""
    parts = parts_of(taking.server, request)
    tables = tuple(part.table for part in parts)
    widen_redo(taking, max(table.size for table in tables), room_needed(taking.server, request))
    if taking.held.manifest.last("deleting") is None and is_fit(taking.server, parts):
        try:
            rows, locked, before, summing = withdraw_beside(taking, request, parts[0])
        except Unfit:
            taking.rest()
        else:
            taking.count("tables-rewritten", 1)
            return rows, locked, before, summing, tables
    rows, locked, before, after, _ = withdraw_rows(taking, request)
    return rows, locked, before, after, tables


def _withdrawn(rows: int, locked: int, before: Survivors, after: Survivors, taking: Taking) -> Withdrawn:
    return Withdrawn(
        rows=rows,
        locked_milliseconds=locked,
        before=before,
        after=after,
        consequences=tuple(Consequence(code, number) for code, number in sorted(taking.counts.items())),
        left=tuple(sorted(taking.left)),
    )
