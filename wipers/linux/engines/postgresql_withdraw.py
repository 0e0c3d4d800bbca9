"""Taking records out of a PostgreSQL server step by step, each noted so that a crash finds its way on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from certificates.statements import Consequence, Id, Method
from wipers.acts import Given, Halted
from wipers.linux.engines import Request, Survivors, Withdrawn, rows_outside
from wipers.linux.engines.postgresql_database import drop_database, scope_of
from wipers.linux.engines.postgresql_files import paths_of
from wipers.linux.engines.postgresql_filling import pages_of
from wipers.linux.engines.postgresql_inplace import InPlace, search_of
from wipers.linux.engines.postgresql_log import MOST_READ, MOST_VALUES, ServerLog
from wipers.linux.engines.postgresql_obstacles import acting
from wipers.linux.engines.postgresql_rewrite import STATISTICS, Rewriting, survivors, wait_for_horizon
from wipers.linux.engines.postgresql_room import check_room
from wipers.linux.engines.postgresql_scope import Scope, Table, find_scope, with_parents
from wipers.linux.engines.postgresql_segments import Segments, mark_of
from wipers.linux.engines.postgresql_server import connect, object_of, one, rows, run, token_of
from wipers.linux.engines.postgresql_spills import hold_spills
from wipers.linux.engines.postgresql_swap import status_of
from wipers.linux.engines.postgresql_traces import forget_statements, forget_statistics, hold_orphans
from wipers.linux.engines.postgresql_values import Sampled, values_of
from wipers.linux.held import Held
from wipers.model import Lost
from wipers.searching import Search

if TYPE_CHECKING:
    from psycopg import Connection

MOST_SEARCHED = 20000
"""Values that are searched for in the files where pages are filled."""
ATTEMPTS = 5
"""Times that a deletion is begun anew which others' writes came in between of."""


@dataclass(slots=True)
class Withdrawal:
    """One withdrawal from a server, begun or taken up again."""

    request: Request
    working: Connection[Any]
    watching: Connection[Any]
    held: Held
    given: Given
    method: Method
    sampled: Sampled = field(default_factory=Sampled)
    left: set[Id] = field(default_factory=set)
    wanted: Search | None = None
    """What finds the values that go; none where they went in a run before this one."""
    exchanged: list[int] = field(default_factory=list)
    """Indexes that changed files with a twin in this very run."""

    def run(self) -> Withdrawn:
        """What is ordered is out, and what held it is held; raises Lost, Halted."""
        log = Segments(self.watching, self.request.where, self.held)
        log.begin()
        self.held.begin(self.request.where, token_of(self.request))
        # A segment that is held after the server gave up those of this run would have to be given up anew.
        if self._line("switched") is None:
            self._take_out(log)
        log.mark(mark_of(self.request.identity.database, object_of(self.held)))
        return self._result()

    def _take_out(self, log: Segments) -> None:
        with log.kept():
            if self._line("removed") is None:
                self._texts()
                self._remove()
            self._pause()
            self._statistics()
            self._once("orphans", lambda: hold_orphans(self.watching, self.request.where, self.held))
            self._spills()
        self._pause()
        self._once("switched", log.let_go)

    def _line(self, phase: str) -> dict[str, Any] | None:
        line = self.held.manifest.last(phase)
        return line.facts if line is not None else None

    def _once(self, phase: str, act: Any) -> None:
        """Do what a run before this one did not come to the end of."""
        if self._line(phase) is None:
            self.held.manifest.write(phase, count=int(act()))

    def _spills(self) -> None:
        """Nothing that backends sorted or kept before is left with them, or it is told."""
        if self._line("spills") is None:
            where, database = self.request.where, self.request.identity.database
            count, is_complete = hold_spills(self.watching, where, self.held, database)
            self.held.manifest.write("spills", count=count, is_complete=is_complete)

    def _pause(self) -> None:
        if self.given.stop.is_set():
            raise Halted

    @property
    def _rewriting(self) -> Rewriting:
        return Rewriting(self.working, self.watching, self.request.where, self.held, self.request.key)

    def _texts(self) -> None:
        """The server's log and the texts of statements tell nothing of what is ordered; it is still there to be
        compared with."""
        scope = scope_of(self.request, self.working)
        if self.method is Method.HOLE_FILLING:
            # Rows that went in a run before this one cannot be asked any more: nothing may be taken for clean then.
            samples = list(self.sampled.of(self.working, scope, MOST_SEARCHED))
            self.wanted = search_of(samples) if samples else None
        log = ServerLog(self.watching, self.request.where, self.request.machine.proc, self.held)
        lines, is_complete = log.redact(self._values(scope, MOST_VALUES if scope.rows <= MOST_READ else MOST_READ))
        texts = forget_statements(self.working, self.request.where, self.held)
        self.held.manifest.write("texts", lines=lines, is_complete=is_complete, statements=int(texts))

    def _remove(self) -> None:
        if self.request.identity.scope == "database":
            self._drop_database()
        elif self.request.identity.scope == "rows":
            self._delete()
            self._fill() if self.method is Method.HOLE_FILLING else self._rewrite()
        else:
            self._drop()
        self.held.manifest.write("removed")

    def _check_room(self, oids: Iterable[int]) -> None:
        """The file system has not filled up since it was looked at; raises Lost, having changed nothing."""
        check_room(self.watching, self.request, oids, is_filling=self.method is Method.HOLE_FILLING)

    def _delete(self) -> None:
        """The rows are dead, durably; which tables held them is noted before."""
        noted = self._line("deleting")
        if noted is not None and self._status(noted["xid"]) == "committed":
            return
        from psycopg.errors import SerializationFailure

        for attempt in range(ATTEMPTS):
            try:
                self._delete_once()
                return
            except SerializationFailure:
                self.working.execute("ROLLBACK")
                if attempt + 1 == ATTEMPTS:
                    raise

    def _delete_once(self) -> None:
        self.working.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        scope = find_scope(self.working, self.request)
        pages = self._pages(scope)
        self._check_room(scope.tables)
        # The same snapshot: what was counted stands where it was found, or the deletion fails.
        deleted = run(self.working, f"DELETE FROM {scope.name} WHERE ({scope.narrowed()})", scope.values).rowcount
        self._check_count(deleted)
        self._check_alone(scope, deleted)
        xid = int(one(self.working, "SELECT pg_current_xact_id()::text::int8"))
        # Durable with all before it: else a server that dies now gives the same number to another transaction.
        run(self.watching, "SELECT pg_logical_emit_message(true, 'expunge', '')")
        tables = [[table.oid, table.name, table.kind, table.why, table.rows] for table in scope.tables.values()]
        effects = [[effect.code, effect.count] for effect in scope.consequences()]
        self.held.manifest.write("deleting", xid=xid, rows=deleted, tables=tables, effects=effects, pages=pages)
        self.working.execute("COMMIT")

    def _pages(self, scope: Scope) -> list[list[Any]]:
        """Return the pages that are to be filled, by table; none where tables are rewritten."""
        if self.method is not Method.HOLE_FILLING:
            return []
        return [
            [table.oid, pages_of(self.working, table.name, scope.narrowed(table.oid), scope.values)]
            for table in scope.tables.values()
        ]

    def _check_count(self, found: int) -> None:
        """Under lock there are as many as ordered; raises Lost, having changed nothing."""
        if rows_outside(self.request, found) is None:
            return
        self.working.execute("ROLLBACK")
        identity = self.request.identity
        detail = f"{found} rows, ordered {identity.least_rows} to {identity.most_rows}"
        raise Lost("records-changed", where=str(self.request.where), detail=detail)

    def _check_alone(self, scope: Scope, deleted: int) -> None:
        """The rows that were counted went, and nothing acted on it; raises Lost, having changed nothing. Nobody makes a
        trigger while the rows are being deleted: the other session sees all there are."""
        acted = [dict(one.facts)["detail"] for one in acting(self.watching, scope)]
        if deleted == scope.rows and not acted:
            return
        self.working.execute("ROLLBACK")
        detail = acted[0] if acted else f"{deleted} rows went, {scope.rows} were counted"
        raise Lost("records-changed", where=str(self.request.where), detail=detail)

    def _status(self, xid: int) -> str | None:
        return status_of(self.watching, xid)

    def _tables(self) -> list[Table]:
        noted = self._line("deleting") or {"tables": []}
        return [Table(oid, name, kind, why, count, 0) for oid, name, kind, why, count in noted["tables"]]

    def _rewrite(self) -> None:
        """Every table that held the rows stands in new files."""
        noted = self._line("deleting") or {"xid": 0}
        done = {line.facts["oid"] for line in self.held.manifest.lines if line.phase == "rewritten"}
        for table in self._tables():
            if table.oid in done:
                continue
            self._pause()
            wait_for_horizon(self.watching, self.request.where, noted["xid"])
            self._check_room((table.oid,))
            made = self._rewriting.rewrite(table)
            self.held.manifest.write(
                "rewritten",
                oid=table.oid,
                name=table.name,
                milliseconds=made.milliseconds,
                before=[str(number) for number in made.before],
                after=[str(number) for number in made.after],
            )

    def _fill(self) -> None:
        """Every page that held the rows is full of what stays."""
        noted = self._line("deleting") or {"xid": 0, "pages": []}
        done = {line.facts["oid"] for line in self.held.manifest.lines if line.phase == "filled"}
        pages = dict(noted["pages"])
        for table in self._tables():
            if table.oid in done:
                continue
            self._pause()
            wait_for_horizon(self.watching, self.request.where, noted["xid"])
            self._check_room((table.oid,))
            made = InPlace(self._rewriting, self.wanted).fill(table, pages.get(table.oid, []))
            self.exchanged += made.indexes
            self.held.manifest.write(
                "filled",
                oid=table.oid,
                name=table.name,
                milliseconds=made.milliseconds,
                before=[str(number) for number in made.before],
                after=[str(number) for number in made.after],
                indexes=len(made.indexes),
                pages=len(pages.get(table.oid, [])),
                left=list(made.left),
            )

    def _drop(self) -> None:
        noted = self._line("dropping")
        if noted is not None and self._is_committed_since("dropping"):
            return
        scope = find_scope(self.working, self.request)
        tables = tuple(table for table in scope.tables.values() if table.kind in "rpm")
        before = self._remaining(tables)

        def check() -> None:
            again = find_scope(self.working, self.request)
            self._check_count(again.rows)
            effects = [[effect.code, effect.count] for effect in again.consequences()]
            oids = [table.oid for table in tables]
            self.held.manifest.write("dropping", rows=again.rows, oids=oids, before=before, effects=effects)

        milliseconds = self._rewriting.drop(tables, _dropping(scope, self.request), check)
        self.held.manifest.write("dropped", milliseconds=milliseconds)

    def _drop_database(self) -> None:
        def check(scope: Scope) -> None:
            self._check_count(scope.rows)
            effects = [[effect.code, effect.count] for effect in scope.consequences()]
            noted = {"rows": scope.rows, "database": scope.object, "effects": effects}
            self.held.manifest.write("dropping", oids=[], before=[], **noted)

        milliseconds = drop_database(self.working, self.request, self.held, object_of(self.held), check)
        self.held.manifest.write("dropped", milliseconds=milliseconds)

    def _values(self, scope: Scope, most: int) -> Iterator[bytes]:
        if self.request.identity.scope != "database":
            yield from values_of(self.working, scope, most)
        elif scope.tables:
            with connect(self.request) as inside:
                yield from values_of(inside, scope, most)

    def _is_committed_since(self, phase: str) -> bool:
        """Tell whether files were given up for good after a phase was noted."""
        for line in reversed(self.held.manifest.lines):
            if line.phase in ("committed", phase):
                return line.phase == "committed"
        return False

    def _remaining(self, tables: tuple[Table, ...]) -> list[list[Any]]:
        """Return the tables besides, with the files they stand in: a drop leaves each where it was."""
        oids = [table.oid for table in tables]
        return [list(row) for row in rows(self.working, _REMAINING, (oids, self.request.selects.schema or ""))]

    def _statistics(self) -> None:
        """The catalogs of statistics hold nothing of what went, not even in dead rows."""
        # Those of a database went with it.
        if self._line("statistics") is not None or self.request.identity.scope == "database":
            return
        tables = self._tables()
        dropped = (self._line("dropping") or {"oids": []})["oids"]
        # A table with partitions or children has statistics over all of them, and no rows of its own.
        oids = with_parents(self.working, [*(table.oid for table in tables), *dropped])
        gone = forget_statistics(self.working, oids)
        xid = int(one(self.working, "SELECT pg_current_xact_id()::text::int8"))
        wait_for_horizon(self.watching, self.request.where, xid, catalogs=True)
        milliseconds = 0
        if self._is_in_statistics():
            milliseconds = self._rewriting.rewrite_statistics()
        self.held.manifest.write("statistics", count=gone, milliseconds=milliseconds)

    def _is_in_statistics(self) -> bool:
        """Tell whether the catalogs of statistics have to be written anew: their dead rows may hold what went."""
        if self.method is not Method.HOLE_FILLING:
            return True
        oids = [int(one(self.watching, "SELECT %s::regclass::oid::int8", (name,))) for name in STATISTICS]
        return InPlace(self._rewriting, self.wanted).statistics_hold(paths_of(self.watching, oids))

    def _result(self) -> Withdrawn:
        lines = self.held.manifest.lines
        locked = [int(line.facts["milliseconds"]) for line in lines if "milliseconds" in line.facts]
        before, after = self._survivors()
        texts = self._line("texts") or {"is_complete": False}
        if not texts["is_complete"]:
            self.left.add("server-log")
        if not (self._line("spills") or {"is_complete": True})["is_complete"]:
            self.left.add("temporary-files")
        if one(self.watching, "SELECT current_setting('archive_mode') <> 'off'"):
            self.left.add("archived-log")
        self.left |= {code for line in lines if line.phase == "filled" for code in line.facts["left"]}
        names = set(self.held.names())
        if any(line.phase == "freed" for line in lines) or any(one.name not in names for one in self.held.taken()):
            self.left.add("free-blocks")
        noted = self._line("deleting") or self._line("dropping") or {"rows": 0, "effects": []}
        return Withdrawn(
            int(noted["rows"]),
            max(locked, default=0),
            before,
            after,
            self._consequences(noted["effects"]),
            tuple(sorted(self.left)),
        )

    def _consequences(self, effects: list[list[Any]]) -> tuple[Consequence, ...]:
        counts = {str(code): int(count) for code, count in effects}
        if self.method is Method.HOLE_FILLING:
            filled = [line.facts for line in self.held.manifest.lines if line.phase == "filled"]
            counts["indexes-rewritten"] = sum(facts["indexes"] for facts in filled)
            counts["pages-filled"] = sum(facts["pages"] for facts in filled)
            counts.pop("toast-tables-rewritten", None)
        counts["statistics-rewritten"] = int((self._line("statistics") or {"count": 0})["count"])
        counts["server-log-lines"] = int((self._line("texts") or {"lines": 0})["lines"])
        orphans = (self._line(phase) or {"count": 0} for phase in ("orphans", "spills"))
        counts["orphan-files"] = sum(int(facts["count"]) for facts in orphans)
        counts["log-segments-switched"] = int((self._line("switched") or {"count": 0})["count"])
        return tuple(Consequence(code, count) for code, count in sorted(counts.items()) if count)

    def _survivors(self) -> tuple[Survivors, Survivors]:
        dropping = self._line("dropping")
        if dropping is not None:
            now = [list(row) for row in rows(self.working, _REMAINING, (dropping["oids"], self._schema()))]
            before = {str(row[0]): (0, int(row[1])) for row in dropping["before"]}
            after = {str(row[0]): (0, int(row[1])) for row in now if str(row[0]) in before}
            return survivors(self.request.key, before), survivors(self.request.key, after)
        counted: dict[str, dict[str, tuple[int, int]]] = {"before": {}, "after": {}}
        for line in self.held.manifest.lines:
            if line.phase in ("rewritten", "filled"):
                for when, found in counted.items():
                    count, total = line.facts[when]
                    found[line.facts["name"]] = (int(count), int(total))
        return survivors(self.request.key, counted["before"]), survivors(self.request.key, counted["after"])

    def _schema(self) -> str:
        return self.request.selects.schema or ""


_REMAINING = (
    "SELECT c.oid::int8, pg_relation_filenode(c.oid)::int8 FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384 AND c.relpersistence = 'p' AND NOT c.oid = ANY(%s::oid[])"
    " AND n.nspname = %s ORDER BY 1 LIMIT 1000"
)


def _dropping(scope: Scope, request: Request) -> str:
    """Return the statement that drops what is ordered whole."""
    if request.identity.scope == "schema":
        return f"DROP SCHEMA {scope.name} CASCADE"
    return "DROP TABLE " + ", ".join(table.name for table in scope.tables.values())
