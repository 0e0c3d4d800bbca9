"""Everything that a MariaDB server holds: the server ends, and every file of it is held."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from certificates.statements import Consequence
from wipers.acts import Given
from wipers.linux.engines import Request, Survivors, Withdrawn, rows_outside
from wipers.linux.engines.mariadb_scope import count, ordered, tables_of
from wipers.linux.engines.mariadb_server import Server
from wipers.linux.engines.mariadb_take import Taking
from wipers.linux.held import Held
from wipers.model import Lost

NONE = Survivors(0, 0, "sha256:" + hashlib.sha256(b"").hexdigest())
"""Nothing is to survive."""
ELSEWHERE = ("log_bin_basename", "relay_log_basename", "innodb_undo_directory", "innodb_log_group_home_dir")


class Stopped(Lost):
    """The server that was to be asked has ended."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("engine-failed", where="the server", detail="it has ended")


def withdraw_cluster(server: Server | None, held: Held, given: Given, request: Request) -> Withdrawn:
    """The server has ended and nothing of it has its place; its files are held."""
    folder = held.begin(request.where, given.entropy(8).hex())
    noted = held.manifest.last("deleting")
    rows = int(noted.facts["rows"]) if noted is not None else 0
    if server is not None:
        server.failure = server.lost
        if noted is None:
            rows = sum(count(server, ordered(table, request)) for table in tables_of(server, request))
            if rows_outside(request, rows) is not None:
                raise Lost("records-changed", where=str(request.where), detail=f"{rows} rows")
            held.manifest.write("deleting", rows=rows, left=_elsewhere(server, request))
        _end(Taking(server, held, given, request.machine))
    paths = tuple(_files(request.where, folder))
    held.move(paths)
    held.keep()
    noted = held.manifest.last("deleting")
    left = tuple(noted.facts["left"]) if noted is not None else ()
    return Withdrawn(rows, 0, NONE, NONE, (Consequence("server-ended", 1), Consequence("files", len(paths))), left)


def _elsewhere(server: Server, request: Request) -> list[str]:
    """What the server keeps outside its data directory, by residual code."""
    where = request.where.resolve()
    found = []
    for name in ELSEWHERE:
        told = server.variable(name)
        if told and not (where / str(told)).resolve().is_relative_to(where):
            found.append("write-ahead-log")
    for name in ("general_log_file", "slow_query_log_file", "log_error"):
        told = server.variable(name)
        if told and not (where / str(told)).resolve().is_relative_to(where):
            found.append("server-log")
    return sorted(set(found))


def _end(taking: Taking) -> None:
    """The server's process is gone."""
    process = taking.server.process()
    taking.server.run("SHUTDOWN")
    folder = taking.machine.proc / str(process)
    taking.wait(lambda: not folder.exists() or _is_zombie(folder), "the server does not end", 120.0)


def _is_zombie(folder: Path) -> bool:
    try:
        return (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True


def _files(where: Path, but: Path) -> Iterator[Path]:
    """Regular files below the data directory, but for those that are held already."""
    for folder, names, files in os.walk(where):
        names[:] = sorted(name for name in names if Path(folder) / name != but)
        for name in sorted(files):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path
