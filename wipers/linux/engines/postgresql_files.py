"""The files of a PostgreSQL data directory: which belong to a relation, to none, to the log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certificates.statements import Place
from wipers.linux.engines.postgresql_server import one, rows

if TYPE_CHECKING:
    from psycopg import Connection

PAGE = 8192
_FILE = re.compile(r"(?P<node>[0-9]+)(?:_(?:fsm|vm|init))?(?:\.[0-9]+)?")
_SEGMENT = re.compile(r"[0-9A-F]{24}")
LOG = "pg_wal"
COARSE = 1.0
"""Seconds by which a file system's clock may be behind the server's, with much to spare."""

_FAMILY = (
    "SELECT pg_relation_filepath(c.oid) FROM pg_class c WHERE c.oid = %(oid)s OR c.oid ="
    " (SELECT reltoastrelid FROM pg_class WHERE oid = %(oid)s) OR c.oid IN (SELECT indexrelid FROM pg_index WHERE"
    " indrelid = %(oid)s OR indrelid = (SELECT reltoastrelid FROM pg_class WHERE oid = %(oid)s AND reltoastrelid <> 0))"
)


def paths_of(session: Connection[Any], oids: Iterable[int]) -> tuple[str, ...]:
    """Return the paths of the relations as they are in this transaction, with their indexes and TOAST."""
    found: set[str] = set()
    for oid in oids:
        found |= {path for (path,) in rows(session, _FAMILY, {"oid": oid}) if path}
    return tuple(sorted(found))


def files_of(where: Path, paths: Iterable[str]) -> tuple[Path, ...]:
    """Return the files of relations by their paths: all forks, all segments, the first segment of each first."""
    folders: dict[Path, set[str]] = {}
    for path in paths:
        folders.setdefault((where / path).parent, set()).add(Path(path).name)
    found: list[Path] = []
    for folder, nodes in sorted(folders.items()):
        for file in sorted(folder.iterdir()):
            matched = _FILE.fullmatch(file.name)
            if matched and matched["node"] in nodes:
                found.append(file)
    return tuple(found)


def segments(where: Path) -> tuple[Path, ...]:
    """Return the segments of the write-ahead log, those that wait for being written among them."""
    return tuple(sorted(file for file in (where / LOG).iterdir() if _SEGMENT.fullmatch(file.name)))


def orphans(session: Connection[Any], where: Path) -> tuple[Path, ...]:
    """Return relation files of the database that no relation owns: what a crash left of tables never committed.

    Files that are younger than the transactions that run are left alone: their table may be about to be committed. The
    files are listed first, and their owners asked for last: whoever commits in between is seen by one or the other.
    """
    oid = one(session, "SELECT oid::int8 FROM pg_database WHERE datname = current_database()")
    folder = where / "base" / str(oid)
    if one(session, "SELECT dattablespace <> 1663 FROM pg_database WHERE datname = current_database()"):
        return ()
    changed = {file: found.st_ctime for file in sorted(folder.iterdir()) if (found := _status(file)).st_size}
    oldest = one(
        session, "SELECT extract(epoch FROM min(xact_start))::float8 FROM pg_stat_activity WHERE xact_start IS NOT NULL"
    )
    # A prepared transaction belongs to no process, and its tables to nobody yet.
    is_prepared = one(session, "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()")
    owned = {str(node) for (node,) in rows(session, "SELECT pg_relation_filenode(oid)::int8 FROM pg_class")}
    latest = float(oldest) - COARSE if oldest is not None and not is_prepared else 0.0
    return tuple(
        file
        for file, at in changed.items()
        if at < latest and (matched := _FILE.fullmatch(file.name)) is not None and matched["node"] not in owned
    )


def size_of(files: Iterable[Path]) -> int:
    """Return the bytes of files of a server at work, which may remove some in the meantime."""
    return sum(_status(file).st_size for file in files)


def _status(file: Path) -> os.stat_result:
    """Return what a file is; an empty one where it went in the meantime."""
    try:
        return file.lstat()
    except FileNotFoundError:
        return os.stat_result((0,) * 10)


def live_files(where: Path, logs: Iterable[Path] = ()) -> Iterator[tuple[Path, Place]]:
    """Yield the server's files with what each is to it; the files of its own log are told, which may lie elsewhere."""
    told = set(logs)
    yield from ((file, "engine-log") for file in sorted(told))
    for file in sorted(where.rglob("*")):
        if file.is_symlink() or not file.is_file() or file in told:
            continue
        first = file.relative_to(where).parts[0]
        if first in ("base", "global", "pg_tblspc"):
            yield file, "engine"
        elif first in (LOG, "log", "pg_stat", "pg_stat_tmp"):
            yield file, "engine-log"
