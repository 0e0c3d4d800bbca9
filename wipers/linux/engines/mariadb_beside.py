"""Few rows of a large InnoDB table: others read on while it is written anew, and are shut out for a moment only.

The deletion locks its rows. The server rewrites the table itself, under a lock that shuts out who writes; what it
copies is summed beside it, in a snapshot whose hold on the table keeps the rewriting from its end. So that it cannot
end before that, it is kept from its begin until the snapshot stands in line behind it. Then a lock is asked
for that comes before everybody else who waits; in the moment in which it is had, a second snapshot is taken of what is
there now, and summed when all are back, while logs begin anew.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from threading import Thread

from certificates.errors import Refused
from wipers.linux.engines import Request, Survivors, rows_outside
from wipers.linux.engines.mariadb_innodb import transactions
from wipers.linux.engines.mariadb_rows import identities, is_durable, take_files, tally
from wipers.linux.engines.mariadb_scope import Part, Table, count, folder_of
from wipers.linux.engines.mariadb_server import Server, end_query
from wipers.linux.engines.mariadb_take import Taking
from wipers.linux.machine import entries
from wipers.model import Lost

LEAST = 32 << 20
"""Bytes of a table from which this way is taken: a smaller one is written anew in a moment."""
WAITING = "Waiting for table metadata lock"
"""State of a session that waits for others who have a table open."""
POLL = 0.01
SHORT_POLL = 0.002
"""Seconds between looks while readers are kept waiting."""
REPEATABLE = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"


class Unfit(Exception):
    """This way did not come to its end; what it did is what the other one begins with."""


def is_fit(server: Server, parts: tuple[Part, ...]) -> bool:
    """Whether rows of these are taken out so: one table of InnoDB that is worth it, with plain indexes, in one part."""
    table = parts[0].table
    if len(parts) > 1 or table.size < LEAST or table.is_page_compressed or not is_durable(server, (table,)):
        return False
    odd = server.one(
        "SELECT COUNT(*) FROM information_schema.statistics WHERE index_type NOT IN ('BTREE', 'HASH')"
        " AND table_schema = %s AND table_name = %s",
        table.schema,
        table.name,
    )
    return not odd and "partitioned" not in table.options.lower()


def withdraw_beside(taking: Taking, request: Request, part: Part) -> tuple[int, int, Survivors, Summing]:
    """The rows are in no live file of their table; return how many went, milliseconds for which readers were shut out,
    what had to survive and what is being summed. Raises Lost, with nothing done; Unfit, once the rows are gone."""
    rows = _delete(taking, request, part)
    gone_by = transactions(taking.server)
    take_files(taking, request, part.table)
    try:
        locked, before, summing = _rewrite(taking, request, part.table)
    except (Lost, Refused) as error:
        raise Unfit from error
    taking.open.callback(summing.close)
    taking.awaited, taking.gone_by = summing.result, gone_by
    taking.held.manifest.write("rewritten", rows=rows)
    return rows, locked, before, summing


class Summing:
    """What a snapshot holds, counted and summed while other work goes on."""

    def __init__(self, server: Server, counting: Server, table: Table, request: Request, left: ExitStack) -> None:
        """It has begun in two sessions that see the same, and closes both at its end."""
        self._servers = (server, counting)
        self._request = request
        self._left = left
        pool = left.enter_context(ThreadPoolExecutor(2, thread_name_prefix="sums"))
        counted = pool.submit(count, counting, Part(table, "TRUE", ()))
        self._result = pool.submit(tally, server, (table,), request.key, (counted.result,))

    def result(self) -> Survivors:
        """What it came to, and the snapshot keeps no old version of any row any more; raises Lost."""
        wait((self._result,))
        self._left.close()
        return self._result.result()

    def close(self) -> None:
        """It is over, also where nobody waits for it."""
        if not self._result.done():
            for server in self._servers:
                end_query(server, self._request)
        self._left.close()


def _delete(taking: Taking, request: Request, part: Part) -> int:
    """The rows are gone, as many as the order allows, noted before it is for good; raises Lost, with all as it was."""
    server, manifest = taking.server, taking.held.manifest
    server.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    server.run("SET SESSION autocommit = 0")
    try:
        rows = server.run(f"DELETE FROM {part.table.quoted} WHERE {part.condition}", *part.values)
        if rows_outside(request, rows) is not None:
            raise Lost("records-changed", where=str(request.where), detail=f"{rows} rows")
        manifest.write("deleting", rows=rows, tables=identities([part.table]))
        server.run("COMMIT")
    finally:
        server.run("ROLLBACK")
        server.run("SET SESSION autocommit = 1")
    manifest.write("deleted", rows=rows)
    return rows


def _rewrite(taking: Taking, request: Request, table: Table) -> tuple[int, Survivors, Summing]:
    """The table is in new files; return milliseconds of the exclusive lock, what was summed before, and what is being
    summed in the snapshot of that moment."""
    alike = taking.server.alike
    change = f"ALTER TABLE {table.quoted} FORCE, ALGORITHM = INPLACE, LOCK = SHARED"
    with closing(alike()) as watching, closing(alike()) as asking, ExitStack() as left:
        last, counting = (left.enter_context(closing(alike())) for _ in range(2))
        for session in (last, counting):
            session.run(REPEATABLE)
        begun: list[_Doing] = []
        try:
            with closing(alike()) as first, closing(alike()) as gate:
                gate.run("START TRANSACTION")
                gate.rows(f"SELECT 1 FROM {table.quoted} LIMIT 1")
                new = _NewFile(taking.server, request, table)
                begun.append(_Doing(taking.server, change, watching))
                kept = _open_at_work(first, gate, begun[0], table, new)
                before, started = _summed_at_work(first, begun[0], table, request)
                begun.append(_Doing(asking, f"LOCK TABLES {table.quoted} WRITE", watching))
                begun[1].waits(SHORT_POLL)
        finally:
            # The first session is closed, and keeps neither of them any more.
            for one in begun:
                one.end()
        for one in begun:
            one.check()
        for session in (last, counting):
            session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        is_untouched = _changes(watching, table) == 0
        asking.run("UNLOCK TABLES")
        locked = round(max(time.monotonic() - started, kept) * 1000)
        if not is_untouched:
            raise Lost("records-changed", where=table.name, detail="somebody was before the lock")
        return locked, before, Summing(last, counting, table, request, left.pop_all())


def _open_at_work(first: Server, gate: Server, rewriting: _Doing, table: Table, new: _NewFile) -> float:
    """A snapshot of the table as it is being rewritten is there, and the rewriting cannot end; return the seconds for
    which readers were kept waiting. The rewriting was kept waiting by the gate, which is open now; raises Lost where it
    ended all the same."""
    first.run(REPEATABLE)
    while rewriting.is_going_on():
        started = time.monotonic()
        first.run("START TRANSACTION")
        # The snapshot is taken by the first row that is read, so after a wait for the table.
        opening = _Doing(first, f"SELECT 1 FROM {table.quoted} LIMIT 1", rewriting.watching)
        if opening.waits(SHORT_POLL):
            # It stands in line. Where it does not, the rewriting itself waits for somebody who changed rows.
            gate.run("ROLLBACK")
        opening.end()
        opening.check()
        if new.is_there():
            return time.monotonic() - started
        first.run("ROLLBACK")
        time.sleep(POLL)
    raise first.lost("it ended before it was seen", 0)


class _NewFile:
    """The file that a session writes a table to anew. The server makes it in a moment in which nobody else has the
    table open, and lets nobody change a row from there on: who has the table open and finds that file has it from after
    that moment."""

    def __init__(self, server: Server, request: Request, table: Table) -> None:
        """It is not there yet; what is, a server left that died."""
        self._folder = folder_of(server, request, table.schema)
        # By process and session (sql/sql_table.cc); the process may have another number in its container.
        self._names = re.compile(rf"#sql-alter-[0-9a-f]+-{server.session:x}\.(ibd|isl)")
        self._older = self._found()

    def is_there(self) -> bool:
        """Whether it was made."""
        return bool(self._found() - self._older)

    def _found(self) -> set[str]:
        return {name for name in entries(self._folder) if self._names.fullmatch(name)}


def _summed_at_work(first: Server, rewriting: _Doing, table: Table, request: Request) -> tuple[Survivors, float]:
    """The table's rows as they are rewritten, counted and summed, and when the rewriting came to wait for its end, from
    which others wait too; raises Lost."""
    with ThreadPoolExecutor(1, thread_name_prefix="sums") as pool:
        summing = pool.submit(tally, first, (table,), request.key)
        is_ahead = rewriting.waits(POLL)
        started = time.monotonic()
        if not is_ahead:
            end_query(first, request)
            raise first.lost("it ended before it was summed", 0)
        return summing.result(), started


def _changes(server: Server, table: Table) -> int | None:
    """Rows that were changed in the table since it was made, as the storage engine counts."""
    found = server.one(
        "SELECT modified_counter FROM information_schema.innodb_sys_tablestats WHERE name = CONCAT("
        " CAST(CONVERT(%s USING filename) AS BINARY), '/', CAST(CONVERT(%s USING filename) AS BINARY))",
        table.schema,
        table.name,
    )
    return None if found is None else int(found)


class _Doing:
    """A statement that a session is at, seen from another one."""

    def __init__(self, server: Server, statement: str, watching: Server) -> None:
        """It has begun."""
        self.session = server.session
        self.watching = watching
        self._failed: Lost | None = None
        self._thread = Thread(target=self._do, args=(server.run, statement), daemon=True)
        self._thread.start()

    def _do(self, run: Callable[[str], int], statement: str) -> None:
        try:
            run(statement)
        except Lost as error:
            self._failed = error

    def is_going_on(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def waits(self, poll: float) -> bool:
        """Return true as soon as it waits for others who have the table open; false where it ended without."""
        while self._state() != WAITING:
            if not self.is_going_on():
                return False
            time.sleep(poll)
        return True

    def _state(self) -> str | None:
        """What the server says that it is at."""
        found = self.watching.one("SELECT state FROM information_schema.processlist WHERE id = %s", self.session)
        return None if found is None else str(found)

    def end(self) -> None:
        """It is over, well or not."""
        self._thread.join()

    def check(self) -> None:
        """It went well; raises Lost."""
        if self._failed is not None:
            raise self._failed
