"""A whole database: every file of it gets a further name before the server drops it. DROP DATABASE unlinks its files
without truncating them (`rmtree`), unlike DROP TABLE."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines import Request
from wipers.linux.engines.postgresql_scope import Scope, find_scope
from wipers.linux.engines.postgresql_server import connect, one, quoted, run
from wipers.linux.held import Held
from wipers.model import Lost

if TYPE_CHECKING:
    from psycopg import Connection

BESIDE = ("postgres", "template1")
"""Databases from which another one is dropped."""


def place_of_work(request: Request) -> str:
    """Return the database in which a session that does what is ordered stands."""
    if request.identity.scope != "database":
        return request.identity.database
    return next(name for name in BESIDE if name != request.identity.database)


def scope_of(request: Request, session: Connection[Any]) -> Scope:
    """Return what the order names now, looked at from inside; of a database that is gone, nothing."""
    if request.identity.scope != "database":
        return find_scope(session, request)
    if oid_of(session, request) is None:
        return Scope()
    with connect(request) as inside:
        return find_scope(inside, request)


def oid_of(session: Connection[Any], request: Request) -> int | None:
    """Return the ordered database's oid; none where it is gone."""
    found = one(session, "SELECT oid::int8 FROM pg_database WHERE datname = %s", (request.identity.database,))
    return int(found) if found is not None else None


def drop_database(session: Connection[Any], request: Request, held: Held, ordered: str) -> int:
    """The database with that oid is gone, and every file that it had is held; return how many milliseconds it was
    locked. One that was made anew under its name is not it, and stays. Raises Lost where others are connected to it:
    they can connect again then."""
    from psycopg.errors import ObjectInUse

    oid = oid_of(session, request)
    if oid is None or str(oid) != ordered:
        return 0
    name = quoted(request.identity.database)
    since = time.monotonic()
    run(session, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    try:
        run(session, "CHECKPOINT")
        _hold(request.where / "base" / str(oid), held)
        run(session, f"DROP DATABASE {name}")
    except ObjectInUse as error:
        run(session, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
        raise Lost("records-in-use", where=str(request.where), detail="others are connected to it") from error
    return int((time.monotonic() - since) * 1000) + 1


def _hold(folder: Path, held: Held) -> None:
    known = {taken.inode for taken in held.taken()}
    found = sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    new = [file for file in found if file.stat().st_size and file.stat().st_ino not in known]
    if new:
        held.link(new)
        held.keep()
