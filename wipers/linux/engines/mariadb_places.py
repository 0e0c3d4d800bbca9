"""Where a MariaDB server has files: its data directory, and what its settings and its tables' links lead to outside."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path

from wipers.linux.engines import Request
from wipers.linux.engines.mariadb_innodb import system_files, temporary_files
from wipers.linux.engines.mariadb_logs import places_of_logs
from wipers.linux.engines.mariadb_server import Server

LINKED = frozenset({".ibd", ".MYD", ".MYI", ".MAD", ".MAI"})
"""What the files of tables end in to which a link may lead."""
Places = tuple[tuple[Path, str], ...]
"""Directories, and patterns of the names in each that are the server's."""


def places_of(server: Server, request: Request) -> Places:
    """Return where the server keeps anything outside its data directory."""
    where = request.where.resolve()
    every = {
        *_engine(server),
        *places_of_logs(server),
        *((path.parent, escape(path.name)) for path in _tablespaces(server, where)),
        *((path.parent, escape(path.name)) for path in _led(where) if path.is_file()),
        *((path, "*") for path in _led(where) if path.is_dir()),
    }
    outside = {(place, name) for place, name in every if place.is_dir() and not place.is_relative_to(where)}
    return tuple(sorted(outside))


def _engine(server: Server) -> Iterator[tuple[Path, str]]:
    """Yield where logs, undo and the system tablespace lie."""
    yield server.path("innodb_log_group_home_dir", ".").resolve(), "ib_logfile*"
    yield server.path("innodb_undo_directory", ".").resolve(), "undo[0-9]*"
    yield server.path("aria_log_dir_path", ".").resolve(), "aria_log*"
    for name in ("log_bin_basename", "relay_log_basename"):
        if base := server.variable(name):
            path = Path(str(base))
            # Numbered files, the list of them, and what a connection to a primary adds to the name.
            yield path.parent.resolve(), escape(path.name) + "*.[0-9is]*"
    for path in (*system_files(server), *temporary_files(server)):
        yield path.resolve().parent, escape(path.name)


def _tablespaces(server: Server, where: Path) -> Iterator[Path]:
    """Yield the files of tables and partitions that were made in a directory of their own."""
    for (path,) in server.rows("SELECT filename FROM information_schema.innodb_sys_tablespaces"):
        if path is not None:
            yield (where / str(path)).resolve()


def _led(where: Path) -> Iterator[Path]:
    """Yield where symbolic links of databases and of tables' files lead."""
    for path in links_of(where):
        yield path.resolve()


def links_of(where: Path) -> tuple[Path, ...]:
    """Return the links of databases in the data directory, and those of tables' files in databases."""
    folders = [path for path in sorted(where.iterdir()) if path.is_dir()]
    databases = [path for path in folders if path.is_symlink()]
    tables = (path for folder in folders for path in sorted(folder.iterdir()) if path.suffix in LINKED)
    return (*databases, *(path for path in tables if path.is_symlink()))


def files_of_server(where: Path, places: Iterable[tuple[Path, str]], but: Path) -> Iterator[Path]:
    """Yield the regular files below the data directory and in those places, but for those that are held already."""
    for folder, names, files in os.walk(where):
        names[:] = sorted(name for name in names if Path(folder) / name != but)
        yield from _regular(Path(folder) / name for name in sorted(files))
    for place, pattern in places:
        yield from _regular(sorted(place.glob(pattern)))


def _regular(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in paths if path.is_file() and not path.is_symlink())
