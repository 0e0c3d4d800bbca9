"""PostgreSQL: what an order names, taken out of the server's live files, and the files that held it handed over."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certificates.errors import Refused
from certificates.statements import Fact, Method, Place, Residual
from wipers.acts import Given
from wipers.linux.engines import Look, Request, Withdrawn, facts_of, room_missing, rows_outside
from wipers.linux.engines.postgresql_checks import check_whole
from wipers.linux.engines.postgresql_cluster import (
    OpenedCluster,
    check_served,
    look_at_cluster,
    recover_cluster,
    scope_of_cluster,
)
from wipers.linux.engines.postgresql_database import place_of_work, reopen, scope_of
from wipers.linux.engines.postgresql_files import PAGE, live_files, segments, size_of
from wipers.linux.engines.postgresql_inplace import suits
from wipers.linux.engines.postgresql_log import files_of_log
from wipers.linux.engines.postgresql_obstacles import find_copies, find_obstacles
from wipers.linux.engines.postgresql_packings import PACKED
from wipers.linux.engines.postgresql_room import never_vacuumed, room_needed, size_of_indexes
from wipers.linux.engines.postgresql_scope import Scope, find_scope
from wipers.linux.engines.postgresql_segments import restore_setting
from wipers.linux.engines.postgresql_server import (
    connect,
    has_cluster,
    is_served,
    is_standby,
    system_identifier,
    translated,
)
from wipers.linux.engines.postgresql_standby import OpenedStandby, look_at_standby, obstacles_of_standby
from wipers.linux.engines.postgresql_swap import check_in_use, conclude, pending, settle
from wipers.linux.engines.postgresql_values import Sampled, samples_of
from wipers.linux.engines.postgresql_withdraw import Withdrawal
from wipers.linux.filesystems import file_system_of
from wipers.linux.held import Held
from wipers.model import Lost, Obstacle
from wipers.packings import Packing

if TYPE_CHECKING:
    from psycopg import Connection

ENGINE = "postgresql"
REWRITTEN_PER_SECOND = 40 << 20
"""Bytes of tables that a second of lock rewrites, for what is told beforehand."""
SHORT_LOCK = 100
"""Milliseconds in which an index changes files."""


def look(request: Request) -> Look | None:
    """Return what is there now; none where there is no data directory. Reads only; raises Refused."""
    if not has_cluster(request.where):
        return None
    is_cluster = request.identity.scope == "cluster"
    if is_cluster:
        check_served(request)
    with _reading(request) as session:
        if is_cluster:
            return look_at_cluster(session, request, facts(request, "-"))
        scope = find_scope(session, request)
        if is_standby(session):
            return look_at_standby(session, request, facts(request, scope.object), scope)
        obstacles = (*scope.obstacles, *find_obstacles(session, request, scope))
        return _look(session, request, scope, obstacles)


@contextmanager
def _reading(request: Request) -> Iterator[Connection[Any]]:
    """A session in which nothing can be changed; what the server says against the condition is a refusal."""
    import psycopg

    place = place_of_work(request) if request.identity.scope == "cluster" else None
    with connect(request, place) as session:
        session.execute("SET default_transaction_read_only = on")
        try:
            yield session
        except psycopg.OperationalError as error:
            raise Refused("engine-unreachable", where=request.where, detail=type(error).__name__) from error
        except psycopg.Error as error:
            detail = f"{error.sqlstate} {type(error).__name__}"
            raise Refused("condition-wrong", detail=detail) from error


def _look(session: Connection[Any], request: Request, scope: Scope, obstacles: tuple[Obstacle, ...]) -> Look:
    pages = suits(session, scope) if request.identity.scope == "rows" and not obstacles else None
    way = Method.COPY_FORWARD if pages is None else Method.HOLE_FILLING
    size = sum(table.bytes for table in scope.tables.values()) if pages is None else 0
    logged = size_of(segments(request.where))
    copies = find_copies(session)
    is_log_reached = files_of_log(session, request.where, request.machine.proc) is not None
    expected = 1000 * size // REWRITTEN_PER_SECOND if pages is None else SHORT_LOCK
    unseen = never_vacuumed(session, scope.tables) if pages is not None else 0
    indexes = size_of_indexes(session, scope.tables) if pages is not None else 0
    touched = sum(map(len, pages.values())) if pages is not None else size // PAGE
    return Look(
        facts=facts(request, scope.object),
        rows=scope.rows,
        size=size + indexes + logged,
        preferred=way,
        obstacles=obstacles,
        residual=_residual(copies, scope, is_log_reached=is_log_reached),
        consequences=scope.consequences(),
        copies=copies,
        room=room_needed(session, request, scope.tables, is_filling=pages is not None),
        description=(
            Fact("way", way.value),
            Fact("pages", str(touched)),
            Fact("lock-milliseconds", str(expected)),
            Fact(
                "bytes-to-write",
                str(2 * size + logged if pages is None else 4 * touched * PAGE + 2 * unseen + 3 * indexes + logged),
            ),
            Fact("offline-phase", "none"),
        ),
    )


def _residual(copies: tuple[Any, ...], scope: Scope, *, is_log_reached: bool) -> tuple[Residual, ...]:
    kinds = {copy.what for copy in copies}
    found = [Residual("server-memory")]
    if "replica" in kinds or "slot" in kinds:
        found.append(Residual("replicas"))
    if "archive" in kinds:
        found.append(Residual("archived-log"))
    if not is_log_reached:
        found.append(Residual("server-log"))
    if scope.effects.get("large-object-columns"):
        found.append(Residual("large-objects"))
    return tuple(found)


def facts(request: Request, thing: str) -> tuple[Fact, ...]:
    """Return the identity of what is ordered, read from the data directory; raises Lost where that is gone."""
    where = request.where
    try:
        inode, system = where.stat().st_ino, system_identifier(where)
        descriptor = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            filesystem = file_system_of(descriptor, request.machine).uuid or ""
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Lost("target-lost", where="the data directory", detail=type(error).__name__) from error
    database = request.identity.database
    return facts_of(ENGINE, system=system, filesystem=filesystem, inode=inode, database=database, thing=thing)


def recover(request: Request, held: Held) -> None:
    """A commit that was cut is concluded as the server's commit log tells, and its settings are as they were; raises
    Refused."""
    if request.identity.scope == "cluster":
        recover_cluster(held)
        return
    check_in_use(request.where, is_served(request.where, request.machine.proc))
    with connect(request, place_of_work(request)) as session, translated(request.where):
        xid = pending(held)
        if xid is not None:
            conclude(session, held, xid, request.where)
        else:
            settle(held)
        restore_setting(session, held)
        if request.identity.scope == "database":
            reopen(session, request, held)


@contextmanager
def open(  # noqa: A001 - the port's
    request: Request, expected: tuple[Fact, ...], resuming: bool
) -> Iterator[Opened | OpenedStandby | OpenedCluster]:
    """Hold two sessions with the server, identified and counted again; raises Refused."""
    place = place_of_work(request)
    if request.identity.scope == "cluster":
        with _cluster(request, expected, resuming=resuming) as whole:
            yield whole
        return
    with connect(request, place) as working, connect(request, place) as watching:
        scope = scope_of(request, working)
        if is_standby(working):
            yield _standby(OpenedStandby(request, working, watching, scope, expected, facts), resuming=resuming)
            return
        opened = Opened(request, working, watching, scope, expected)
        if not resuming:
            _check(opened)
        yield opened


@contextmanager
def _cluster(request: Request, expected: tuple[Fact, ...], *, resuming: bool) -> Iterator[OpenedCluster]:
    if resuming and not is_served(request.where, request.machine.proc):
        yield OpenedCluster(request, None, Scope(), expected, facts)
        return
    with connect(request, place_of_work(request)) as session:
        if resuming:
            yield OpenedCluster(request, session, Scope(), expected, facts)
            return
        opened = OpenedCluster(request, session, scope_of_cluster(session, request), expected, facts)
        _refuse(opened, ())
        yield opened


def _standby(opened: OpenedStandby, *, resuming: bool) -> OpenedStandby:
    if not resuming:
        with translated(opened.request.where):
            found = tuple(obstacles_of_standby(opened.watching, opened.request, opened.scope))
        _refuse(opened, found)
    return opened


def _check(opened: Opened) -> None:
    request, scope = opened.request, opened.scope
    # The least that any way takes: which way it goes is known later.
    room = room_missing(request.where, room_needed(opened.watching, request, scope.tables, is_filling=True))
    found = find_obstacles(opened.watching, request, scope)
    _refuse(opened, found if room is None else (*found, room))


def _refuse(opened: Opened | OpenedStandby | OpenedCluster, more: tuple[Obstacle, ...]) -> None:
    found = opened.facts()
    for fact, wanted in zip(found, opened.expected, strict=True):
        if fact != wanted:
            where, name = opened.request.where, fact.name
            raise Refused("identity-changed", where=where, fact=name, found=fact.value, expected=wanted.value)
    obstacles = [*opened.scope.obstacles, *more]
    outside = rows_outside(opened.request, opened.scope.rows)
    for obstacle in (*obstacles, *([outside] if outside is not None else [])):
        raise Refused(obstacle.reason, **dict(obstacle.facts))


@dataclass(slots=True)
class Opened:
    """Two sessions with the server: one works, one watches."""

    request: Request
    working: Connection[Any]
    watching: Connection[Any]
    scope: Scope
    expected: tuple[Fact, ...]
    is_out: bool = False
    sampled: Sampled = field(default_factory=Sampled)
    exchanged: frozenset[int] = frozenset()
    """Indexes that this run had the server build and compare with their tables."""

    def facts(self) -> tuple[Fact, ...]:
        """Identity, read again; what this run took out is told as it was."""
        found = facts(self.request, self.scope.object)
        is_gone = self.scope.object == "-" or self.is_out
        return (*found[:-1], self.expected[-1]) if is_gone else found

    def files(self) -> Iterable[tuple[Path, Place]]:
        """The server's files, and what each is to it."""
        where = self.request.where
        return live_files(where, files_of_log(self.watching, where, self.request.machine.proc) or ())

    def values(self, most: int) -> Iterator[bytes]:
        """Values of what is ordered, as the server stores them."""
        if self.request.identity.scope != "database":
            with translated(self.request.where):
                yield from self.sampled.of(self.working, self.scope, most)
            return
        with connect(self.request) as inside, translated(self.request.where):
            yield from samples_of(inside, self.scope, most)

    def packings(self) -> tuple[Packing, ...]:
        """Forms in which this server packs values."""
        return PACKED

    def withdraw(self, held: Held, given: Given, method: Method) -> Withdrawn:
        """What is ordered is out, and what held it is held; raises Lost, Halted."""
        with translated(self.request.where):
            sampled = self.sampled
            withdrawal = Withdrawal(self.request, self.working, self.watching, held, given, method, sampled)
            done = withdrawal.run()
        self.is_out, self.exchanged = True, frozenset(withdrawal.exchanged)
        return done

    def check(self) -> tuple[str, bool]:
        """Heap and indexes of what was written anew hold together, as the server's own extension sees it."""
        with translated(self.request.where):
            return check_whole(self.working, tuple(self.scope.tables), self.exchanged)

    def cut_check(self) -> None:
        """The server is asked to end what it is at."""
        self.working.cancel()
