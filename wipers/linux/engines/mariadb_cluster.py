"""Everything that a MariaDB server holds: the server ends, and every file of it is held."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from certificates.statements import Consequence
from wipers.acts import Given, Halted
from wipers.linux.engines import Request, Survivors, Withdrawn, rows_outside
from wipers.linux.engines.mariadb_innodb import system_files, temporary_files
from wipers.linux.engines.mariadb_logs import is_logged_elsewhere
from wipers.linux.engines.mariadb_places import files_of_server, links_of, places_of
from wipers.linux.engines.mariadb_scope import count, ordered, tables_of
from wipers.linux.engines.mariadb_server import Server, files_in, files_open
from wipers.linux.engines.mariadb_take import Taking
from wipers.linux.engines.mariadb_traces import take_traces
from wipers.linux.held import Held
from wipers.linux.machine import entries
from wipers.model import Lost

NONE = Survivors(0, 0, "sha256:" + hashlib.sha256(b"").hexdigest())
"""Nothing is to survive."""
END_SECONDS = 120.0
"""Longest wait for the server to end."""


class Stopped(Lost):
    """The server that was to be asked has ended."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("engine-failed", where="the server", detail="it has ended")


def withdraw_cluster(server: Server | None, held: Held, given: Given, request: Request) -> Withdrawn:
    """The server has ended and nothing of it has its place; its files are held, those elsewhere too. Raises Lost."""
    folder = held.begin(request.where, given.entropy(8).hex())
    if server is not None:
        server.failure = server.lost
        if held.manifest.last("deleting") is None:
            _note(server, held, request)
        _end(Taking(server, held, given, request.machine))
    noted = held.manifest.last("deleting")
    if noted is None:
        raise Lost("engine-failed", where=str(request.where), detail="the server ended before it was counted: start it")
    _wait_for_end(given, request)
    places = tuple((Path(place), pattern) for place, pattern in noted.facts["places"])
    _take_all(held, lambda: files_of_server(request.where, places, folder))
    for link in links_of(request.where):
        if not link.exists():
            link.unlink()
    if any(files_of_server(request.where, places, folder)):
        raise Lost("engine-failed", where=str(request.where), detail="the server was started anew: stop it for good")
    counts = (Consequence("server-ended", 1), Consequence("files", len({one.inode for one in held.taken()})))
    return Withdrawn(int(noted.facts["rows"]), 0, NONE, NONE, counts, tuple(noted.facts["left"]))


def _note(server: Server, held: Held, request: Request) -> None:
    """What there is, counted for the last time, and where, is noted before anything changes; raises Lost."""
    rows = sum(count(server, ordered(table, request)) for table in tables_of(server, request))
    if rows_outside(request, rows) is not None:
        raise Lost("records-changed", where=str(request.where), detail=f"{rows} rows")
    left = ["server-log"] if is_logged_elsewhere(server, request.where, request.machine) else []
    near = [place for place in places_of(server, request) if place[0].stat().st_dev == request.where.stat().st_dev]
    places = [[str(place), pattern] for place, pattern in near]
    held.manifest.write("deleting", rows=rows, left=left, places=places)


def _take_all(held: Held, found: Callable[[], Iterator[Path]]) -> None:
    """Every file is held, and has no name but ours."""
    known = {one.inode for one in held.taken()}
    for path in found():
        if path.lstat().st_ino in known:
            path.unlink()
    held.move(tuple(found()))
    held.keep()


def _end(taking: Taking) -> None:
    """The server's process is gone, and what it removed in the end has a name of ours."""
    server = taking.server
    take_traces(taking)
    taking.take((*system_files(server), *temporary_files(server)))
    # Nothing is to survive, so nothing need be written that was changed.
    server.run("SET GLOBAL innodb_fast_shutdown = 2")
    server.run("SHUTDOWN")


def _wait_for_end(given: Given, request: Request) -> None:
    """No process has a file of the data directory open: one that takes no connections any more may still write. Raises
    Lost, Halted."""
    deadline = time.monotonic() + END_SECONDS
    while _is_open(request):
        if given.stop.is_set():
            raise Halted
        if time.monotonic() > deadline:
            raise Lost("engine-failed", where=str(request.where), detail="the server does not end")
        time.sleep(0.05)


def _is_open(request: Request) -> bool:
    files, machine = files_in(request.where), request.machine
    return any(files & files_open(machine, int(name)) for name in entries(machine.proc) if name.isdigit())
