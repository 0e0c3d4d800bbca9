"""Everything that a PostgreSQL server holds: the server ends at once, and every file of it is held.

Ended at once (SIGQUIT) it writes, truncates and removes nothing more, so that temporary files and the log are held as
they were. `PG_VERSION` goes first: without it no service manager starts the server anew in between.
"""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certificates.errors import Refused
from certificates.statements import Consequence, Fact, Method, Place, Residual
from wipers.acts import Given
from wipers.linux.engines import Look, Request, Withdrawn, rows_outside
from wipers.linux.engines.postgresql_files import live_files, size_of
from wipers.linux.engines.postgresql_log import files_of_log
from wipers.linux.engines.postgresql_obstacles import backups, find_copies
from wipers.linux.engines.postgresql_packings import PACKED
from wipers.linux.engines.postgresql_rewrite import survivors
from wipers.linux.engines.postgresql_scope import Scope, find_scope
from wipers.linux.engines.postgresql_server import (
    connect,
    has_cluster,
    is_served,
    one,
    postmaster_of,
    rows,
    stands_in,
    token_of,
    translated,
)
from wipers.linux.engines.postgresql_values import samples_of
from wipers.linux.held import Held
from wipers.model import Lost, Obstacle
from wipers.packings import Packing

if TYPE_CHECKING:
    from psycopg import Connection

END_SECONDS = 60.0
"""Longest wait for the server's processes to end."""
_OF_THE_LOG = re.compile(
    r"[0-9A-F]{24}(\.partial|\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history|xlogtemp\.[0-9]+|archive_status|summaries"
)
"""What a server has in the directory of its log."""
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"


def order_of_files(where: Path) -> str:
    """Return the order that destroys a server that is stopped."""
    beyond = sorted((where / "pg_tblspc").glob("*")) if (where / "pg_tblspc").is_dir() else []
    more = f", and for each of its {len(beyond)} tablespaces besides" if beyond else ""
    return (
        f'stop the server, then order kind = "files" with root = "{where.parent}", names = ["{where.name}"],'
        f' destroy = ["history"]{more}'
    )


def check_served(request: Request) -> None:
    """The server runs, and can be asked what it holds; raises Refused, naming the order for one that does not."""
    if not is_served(request.where, request.machine.proc):
        raise Refused("records-not-offered", where=request.where, detail=order_of_files(request.where))


def look_at_cluster(session: Connection[Any], request: Request, facts: tuple[Fact, ...]) -> Look:
    """Return what a server holds. Reads only."""
    scope, copies = scope_of_cluster(session, request), find_copies(session)
    size = size_of(_files(request.where, _folders(session, request.where)))
    kinds = {copy.what for copy in copies}
    logs = files_of_log(session, request.where, request.machine.proc)
    unlogged = (Residual("server-log"),) if logs is None else ()
    replicas = (Residual("replicas"),) if kinds & {"replica", "slot"} else ()
    archived = (Residual("archived-log"),) if "archive" in kinds else ()
    return Look(
        facts=facts,
        rows=scope.rows,
        size=size,
        preferred=Method.COPY_FORWARD,
        obstacles=tuple(scope.obstacles),
        residual=(*replicas, *archived, *unlogged),
        consequences=scope.consequences(),
        copies=copies,
        description=(
            Fact("way", "ended"),
            Fact("lock-milliseconds", "0"),
            Fact("bytes-to-write", str(size)),
            Fact("offline-phase", "yes"),
        ),
    )


def scope_of_cluster(session: Connection[Any], request: Request) -> Scope:
    """Return all rows of all databases, and what stands in the way."""
    scope = Scope(name="the server")
    for _, inside in _each(session, request):
        scope.rows += inside.rows
        scope.note("tables", len(inside.tables))
    scope.obstacles += _apart(request, _folders(session, request.where))
    scope.obstacles += backups(session)
    return scope


def _each(session: Connection[Any], request: Request) -> Iterator[tuple[Connection[Any], Scope]]:
    """Yield a session inside each database, and what that holds."""
    for (name,) in rows(session, _DATABASES):
        named = replace(request, identity=replace(request.identity, scope="database", database=str(name)))
        with connect(named) as inside:
            yield inside, find_scope(inside, named)


def _folders(session: Connection[Any], where: Path) -> tuple[Path, ...]:
    """Return the directories of the server: its own, its log's and its part of each tablespace that lie elsewhere."""
    version = int(one(session, "SELECT current_setting('server_version_num')::int")) // 10000
    log = where / "pg_wal"
    spaces = (space for space in sorted((where / "pg_tblspc").glob("*")) if space.is_symlink())
    parts = (part for space in spaces for part in sorted(space.resolve().glob(f"PG_{version}_*")))
    return (where, *([log.resolve()] if log.is_symlink() else []), *parts)


def _apart(request: Request, folders: tuple[Path, ...]) -> Iterator[Obstacle]:
    device = request.where.stat().st_dev
    if beyond := [folder for folder in folders if folder.stat().st_dev != device]:
        detail = f"{len(beyond)} of its directories lie on other file systems: {order_of_files(request.where)}"
        yield Obstacle("records-not-offered", (("where", str(request.where)), ("detail", detail)))
    log = request.where / "pg_wal"
    if log.is_symlink() and (others := [one for one in os.listdir(log) if not _OF_THE_LOG.fullmatch(one)]):
        detail = f"pg_wal leads to a directory in which {len(others)} other things are, which would go with it"
        yield Obstacle("records-not-offered", (("where", str(request.where)), ("detail", detail)))


def _files(where: Path, folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the regular files of a server, but for those that are held already."""
    for top in folders:
        for folder, names, files in os.walk(top):
            names[:] = sorted(name for name in names if not (folder == str(where) and name.startswith(".expunge-")))
            paths = (Path(folder) / name for name in sorted(files))
            yield from (path for path in paths if path.is_file() and not path.is_symlink())


def recover_cluster(held: Held) -> None:
    """What was noted to be held is held."""
    if held.pending():
        held.finish()
        held.keep()


@dataclass(slots=True)
class OpenedCluster:
    """A session with a server that is to end, or none where a run before this one ended it."""

    request: Request
    session: Connection[Any] | None
    scope: Scope
    expected: tuple[Fact, ...]
    read: Any
    """What tells the identity, by the object."""

    def facts(self) -> tuple[Fact, ...]:
        """Identity, read again; of a server that ended, its directory's."""
        if has_cluster(self.request.where):
            found: tuple[Fact, ...] = self.read(self.request, "-")
            return found
        try:
            inode = str(self.request.where.stat().st_ino)
        except OSError as error:
            raise Lost("target-lost", where="the data directory", detail=type(error).__name__) from error
        return tuple(Fact(one.name, inode) if one.name == "inode" else one for one in self.expected)

    def files(self) -> Iterable[tuple[Path, Place]]:
        """What is left of the server's files, and what each was to it."""
        return live_files(self.request.where)

    def values(self, most: int) -> Iterator[bytes]:
        """Values of all databases."""
        if self.session is None:
            return
        with translated(self.request.where):
            filled = [name for (name,) in rows(self.session, _DATABASES)]
            for inside, scope in _each(self.session, self.request):
                if scope.tables:
                    yield from samples_of(inside, scope, max(most // len(filled), 1))

    def packings(self) -> tuple[Packing, ...]:
        """Forms in which the server packs values."""
        return PACKED

    def withdraw(self, held: Held, given: Given, method: Method) -> Withdrawn:
        """The server has ended, nothing of it has its place, and its files are held; raises Lost."""
        where = self.request.where
        held.begin(where, token_of(self.request))
        if self.session is not None and held.manifest.last("deleting") is None:
            with translated(where):
                self._note(held, self.session)
        noted = held.manifest.last("deleting")
        if noted is None:
            raise Lost("engine-failed", where=str(where), detail="the server ended before it was counted: start it")
        self._end(held)
        known = {taken.inode for taken in held.taken()}
        files = (*_files(where, map(Path, noted.facts["folders"])), *map(Path, noted.facts["logs"]))
        left = {file.stat().st_ino: file for file in files if file.is_file()}
        held.move([file for inode, file in left.items() if inode not in known])
        held.keep()
        counts = (Consequence("files", len(held.taken())), Consequence("server-ended", 1))
        none = survivors(self.request.key, {})
        return Withdrawn(int(noted.facts["rows"]), 0, none, none, counts, tuple(noted.facts["left"]))

    def check(self) -> tuple[str, bool]:
        """Nothing is left to be checked."""
        return "none: the server is gone", True

    def cut_check(self) -> None:
        """Nothing is under way."""

    def _note(self, held: Held, session: Connection[Any]) -> None:
        """What there is, counted for the last time, and where, is noted before anything changes; raises Lost."""
        scope, where = scope_of_cluster(session, self.request), self.request.where
        if rows_outside(self.request, scope.rows) is not None:
            raise Lost("records-changed", where=str(where), detail=f"{scope.rows} rows")
        folders = [str(folder) for folder in _folders(session, where)]
        logs = files_of_log(session, where, self.request.machine.proc)
        facts = {"logs": [str(file) for file in logs or ()], "left": _elsewhere(session, logs)}
        held.manifest.write("deleting", rows=scope.rows, folders=folders, **facts)

    def _end(self, held: Held) -> None:
        """No process of the server is left, and none begins."""
        where, proc = self.request.where, self.request.machine.proc
        version = where / "PG_VERSION"
        if version.is_file():
            held.move((version,))
            held.keep()
        process = postmaster_of(where, proc)
        if process is not None:
            _quit(process, where, proc)
        deadline = time.monotonic() + END_SECONDS
        while any(stands_in(int(one.name), where, proc) for one in proc.iterdir() if one.name.isdigit()):
            if time.monotonic() > deadline:
                raise Lost("engine-failed", where=str(where), detail="the server does not end")
            time.sleep(0.05)


def _quit(process: int, where: Path, proc: Path) -> None:
    """The server's first process has ended; it is held by more than its number, which another may come to have."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        if stands_in(process, where, proc):
            signal.pidfd_send_signal(descriptor, signal.SIGQUIT)
            select.select([descriptor], [], [], END_SECONDS)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _elsewhere(session: Connection[Any], files: tuple[Path, ...] | None) -> list[str]:
    """Return what of the server is in no place that is held, by residual code."""
    is_archived = bool(one(session, "SELECT current_setting('archive_mode') <> 'off'"))
    return [*(["archived-log"] if is_archived else []), *(["server-log"] if files is None else [])]
