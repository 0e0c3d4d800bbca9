"""A standby: it replays what its primary does, and what its own disk keeps besides is taken out here.

Nothing can be sampled, nor its log held, once the rows are gone: a standby's run begins before its primary's and waits
for it. The primary's run ends with a mark in the log (`Segments.mark`); a standby that has replayed it has replayed
all of that run. What the replay gave back to its file system is nobody's: the free space is filled, or it is refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certificates.statements import Consequence, Fact, Id, Method, Place, Residual
from wipers.acts import Given, Halted
from wipers.linux.engines import Look, Request, Survivors, Withdrawn, rows_outside
from wipers.linux.engines.postgresql_checks import check_there
from wipers.linux.engines.postgresql_files import live_files, segments, size_of
from wipers.linux.engines.postgresql_log import MOST_READ, MOST_VALUES, ServerLog, files_of_log
from wipers.linux.engines.postgresql_obstacles import apart, snapshots
from wipers.linux.engines.postgresql_packings import PACKED
from wipers.linux.engines.postgresql_rewrite import sum_of, survivors
from wipers.linux.engines.postgresql_scope import PARTITIONED, Scope, find_scope
from wipers.linux.engines.postgresql_segments import UNHURRIED, Segments, mark_of, number_of, position_of
from wipers.linux.engines.postgresql_server import object_of, one, rows, run, token_of, translated
from wipers.linux.engines.postgresql_spills import hold_spills
from wipers.linux.engines.postgresql_traces import forget_statements
from wipers.linux.engines.postgresql_values import samples_of, values_of
from wipers.linux.held import Held
from wipers.model import Lost, Obstacle
from wipers.packings import Packing

if TYPE_CHECKING:
    from psycopg import Connection

SCOPES = ("rows", "table", "schema")
REPLAY_SECONDS = 900.0
"""Longest wait for the primary's run; a resume waits as long again."""
ASK_SECONDS = 0.2
"""Seconds between looks at the log: a segment that came and went between two would be lost to free blocks."""
REMOVAL_SECONDS = 60.0
"""Longest wait for the standby to let go of segments that it has replayed."""
ATTEMPTS = 5
"""Times that the survivors are read again because the replay cancelled the reading."""

_RECEIVER = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
_SLOTS = "SELECT count(*) FROM pg_replication_slots WHERE NOT temporary"
_KEPT = "SELECT setting::int8 FROM pg_settings WHERE name = 'wal_keep_size'"


def look_at_standby(session: Connection[Any], request: Request, facts: tuple[Fact, ...], scope: Scope) -> Look:
    """Return what a standby has of what is ordered. Reads only."""
    logged = size_of(segments(request.where))
    copies = _copies(session)
    return Look(
        facts=facts,
        rows=scope.rows,
        size=logged,
        preferred=Method.COPY_FORWARD,
        obstacles=(*scope.obstacles, *obstacles_of_standby(session, request, scope)),
        residual=(Residual("server-memory"), Residual("temporary-files"), Residual("free-blocks")),
        consequences=scope.consequences(),
        copies=copies,
        description=(
            Fact("way", "replayed"),
            Fact("order-of-runs", "begin here, then run the primary: this run waits for it"),
            Fact("lock-milliseconds", "0"),
            Fact("bytes-to-write", str(logged)),
            Fact("offline-phase", "none"),
        ),
    )


def _copies(session: Connection[Any]) -> tuple[Any, ...]:
    from wipers.linux.engines.postgresql_obstacles import archives, standbys

    return (*standbys(session), *archives(session))


def obstacles_of_standby(session: Connection[Any], request: Request, scope: Scope) -> Iterator[Obstacle]:
    """Yield why a standby cannot be done by replay now."""
    where = str(request.where)
    if request.identity.scope not in SCOPES:
        yield _not_offered(where, "a standby's database goes with its files: stop it, order them, seed it anew")
    if "history" not in request.destroy:
        detail = "a standby gives old blocks back as it replays: order its history too, or stop it and order its files"
        yield _not_offered(where, detail)
    if not one(session, _RECEIVER):
        yield _not_offered(where, "the standby receives nothing from its primary now")
    if one(session, _SLOTS) or one(session, _KEPT):
        yield Obstacle("records-snapshot", (("where", where), ("detail", "a slot or wal_keep_size keeps its log")))
    yield from snapshots(session)
    yield from apart(session, request, scope)


def _not_offered(where: str, detail: str) -> Obstacle:
    return Obstacle("records-not-offered", (("where", where), ("detail", detail)))


@dataclass(slots=True)
class OpenedStandby:
    """Two sessions with a standby, of which one reads and one watches."""

    request: Request
    working: Connection[Any]
    watching: Connection[Any]
    scope: Scope
    expected: tuple[Fact, ...]
    read: Any
    """What tells the identity, by the object."""

    def facts(self) -> tuple[Fact, ...]:
        """Identity, read again; what the primary's run took out is told as it was."""
        found: tuple[Fact, ...] = self.read(self.request, self.scope.object)
        return (*found[:-1], self.expected[-1]) if self.scope.object == "-" else found

    def files(self) -> Iterable[tuple[Path, Place]]:
        """The standby's files, and what each is to it."""
        where = self.request.where
        return live_files(where, files_of_log(self.watching, where, self.request.machine.proc) or ())

    def values(self, most: int) -> Iterator[bytes]:
        """Values of what is ordered, as long as the primary has them too."""
        with translated(self.request.where):
            yield from samples_of(self.working, self.scope, most)

    def packings(self) -> tuple[Packing, ...]:
        """Forms in which the server packs values."""
        return PACKED

    def withdraw(self, held: Held, given: Given, method: Method) -> Withdrawn:
        """The primary's run is replayed here, and the log that brought it is held; raises Lost, Halted."""
        with translated(self.request.where):
            return Replayed(self.request, self.working, self.watching, held, given).run()

    def check(self) -> tuple[str, bool]:
        """Heap and indexes of what is left hold together."""
        with translated(self.request.where):
            return check_there(self.working, tuple(self.scope.tables))

    def cut_check(self) -> None:
        """The server is asked to end what it is at."""
        self.working.cancel()


@dataclass(slots=True)
class Replayed:
    """One wait for the primary's run, begun or taken up again."""

    request: Request
    working: Connection[Any]
    watching: Connection[Any]
    held: Held
    given: Given
    left: set[Id] = field(default_factory=set)

    def run(self) -> Withdrawn:
        """What was ordered is gone here, and what brought it and its end is held."""
        self.held.begin(self.request.where, token_of(self.request))
        log = Segments(self.watching, self.request.where, self.held)
        with log.not_recycled(UNHURRIED):
            if self._line("replayed") is None:
                self._begin(log)
                self._wait(log)
                self.held.manifest.write("replayed")
            if self._line("spills") is None:
                self._spills()
            before, after = self._removed(log)
        noted = self._line("waiting") or {"rows": 0, "lines": 0, "is_complete": False}
        if not noted["is_complete"]:
            self.left.add("server-log")
        spilled = self._line("spills") or {"count": 0, "is_complete": False}
        if not spilled["is_complete"]:
            self.left.add("temporary-files")
        if self._has_gap():
            self.left.add("free-blocks")
        counts = {"server-log-lines": int(noted["lines"]), "orphan-files": int(spilled["count"])}
        effects = tuple(Consequence(code, count) for code, count in counts.items() if count)
        return Withdrawn(int(noted["rows"]), 0, before, after, effects, tuple(sorted(self.left)))

    def _spills(self) -> None:
        """Nothing that readers sorted or kept before is left with them, or it is told."""
        where, database = self.request.where, self.request.identity.database
        count, is_complete = hold_spills(self.watching, where, self.held, database)
        self.held.manifest.write("spills", count=count, is_complete=is_complete)

    def _line(self, phase: str) -> dict[str, Any] | None:
        line = self.held.manifest.last(phase)
        return line.facts if line is not None else None

    def _begin(self, log: Segments) -> None:
        """The log is held as it is now, and the texts beside it tell nothing, while there is something to compare."""
        log.hold()
        log.give_up_spares()
        if self._line("waiting") is not None:
            return
        scope = find_scope(self.working, self.request)
        if rows_outside(self.request, scope.rows) is not None:
            detail = f"{scope.rows} rows here: this run begins before the primary's"
            raise Lost("records-changed", where=str(self.request.where), detail=detail)
        # From here on, so that no mark of an earlier order counts.
        since = str(one(self.watching, "SELECT pg_last_wal_receive_lsn()::text"))
        texts = ServerLog(self.watching, self.request.where, self.request.machine.proc, self.held)
        lines, is_complete = texts.redact(
            values_of(self.working, scope, MOST_VALUES if scope.rows <= MOST_READ else MOST_READ)
        )
        forget_statements(self.watching, self.request.where, self.held)
        tables = [[table.oid, table.name] for table in scope.tables.values() if table.kind != PARTITIONED]
        facts = {"rows": scope.rows, "lines": lines, "is_complete": is_complete}
        self.held.manifest.write("waiting", since=since, tables=tables, first=len(self.held.taken()), **facts)

    def _wait(self, log: Segments) -> None:
        """The primary's run has ended and is replayed here; every segment that came meanwhile is held."""
        noted = self._line("waiting") or {"since": "0/0"}
        mark = mark_of(self.request.identity.database, object_of(self.held))
        deadline = time.monotonic() + REPLAY_SECONDS
        while not self._is_replayed(log, mark, position_of(noted["since"])):
            if self.given.stop.is_set():
                raise Halted
            if time.monotonic() > deadline:
                detail = f"no end of the primary's run arrived in {REPLAY_SECONDS:g} s"
                raise Lost("records-replay", where=str(self.request.where), detail=detail)
            time.sleep(ASK_SECONDS)
        log.hold()

    def _is_replayed(self, log: Segments, mark: bytes, since: int) -> bool:
        log.hold()
        marked = log.marked(mark, since)
        if marked is None and not self._has_gap():
            return False
        replayed = position_of(one(self.watching, "SELECT pg_last_wal_replay_lsn()::text"))
        # A mark that was removed while nobody looked cannot be waited for: the rows themselves tell then.
        return replayed > marked if marked is not None else not self._remaining()

    def _remaining(self) -> int:
        return find_scope(self.working, self.request).rows

    def _removed(self, log: Segments) -> tuple[Survivors, Survivors]:
        """The server has none of the held segments any more; return the sums before and after, of one snapshot."""
        from psycopg.errors import OperationalError

        if not one(self.watching, "SELECT pg_is_in_recovery()"):
            detail = "it became a primary: order it as one"
            raise Lost("records-replay", where=str(self.request.where), detail=detail)
        if left := self._remaining():
            raise Lost("records-replay", where=str(self.request.where), detail=f"{left} of the rows are here still")
        for attempt in range(ATTEMPTS):
            try:
                return self._summed(log)
            except OperationalError:
                # The replay cancels a snapshot that is in its way (max_standby_streaming_delay).
                self.working.execute("ROLLBACK")
                if attempt + 1 == ATTEMPTS:
                    raise
        raise AssertionError

    def _summed(self, log: Segments) -> tuple[Survivors, Survivors]:
        self.working.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        before = self._sums()
        self._let_go(log)
        after = self._sums()
        self.working.execute("COMMIT")
        return before, after

    def _sums(self) -> Survivors:
        noted = self._line("waiting") or {"tables": []}
        there = {oid for (oid,) in rows(self.working, "SELECT oid::int8 FROM pg_class")}
        key = self.request.key
        found = {name: sum_of(self.working, key, name) for oid, name in noted["tables"] if oid in there}
        return survivors(key, found)

    def _let_go(self, log: Segments) -> None:
        """A restartpoint past the mark removes what is before it."""
        deadline = time.monotonic() + REMOVAL_SECONDS
        while left := self.held.linked_elsewhere():
            run(self.watching, "CHECKPOINT")
            log.give_up_spares()
            self._give_back_new(log)
            if time.monotonic() > deadline:
                detail = f"{len(left)} segments are kept: let the primary make a checkpoint"
                raise Lost("records-replay", where=str(self.request.where / "pg_wal"), detail=detail)
            if self.held.linked_elsewhere():
                time.sleep(ASK_SECONDS)

    def _give_back_new(self, log: Segments) -> None:
        """The segment that the mark came in, and those after it, are the server's alone where they are no older than
        this run: what is in them came after what went."""
        first = int((self._line("waiting") or {"first": 0})["first"])
        log.give_back(self.held.taken()[first:], log.since_mark)

    def _has_gap(self) -> bool:
        """Tell whether segments came and went that nobody held."""
        names = {taken.path.name for taken in self.held.taken()} | {file.name for file in segments(self.request.where)}
        size = int(one(self.watching, "SELECT pg_size_bytes(current_setting('wal_segment_size'))"))
        received = position_of(one(self.watching, "SELECT pg_last_wal_receive_lsn()::text")) // size
        first = position_of((self._line("waiting") or {"since": "0/0"})["since"]) // size
        there = {number_of(name, size) for name in names}
        return any(number not in there for number in range(first, received))
