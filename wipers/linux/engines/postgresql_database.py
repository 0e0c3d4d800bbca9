"""A whole database: every file of it gets a further name before the server drops it. DROP DATABASE unlinks its files
without truncating them (`rmtree`), unlike DROP TABLE."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines import LOCK_SECONDS, Request
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
    if request.identity.scope == "cluster":
        return BESIDE[0]
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


def is_ordered(session: Connection[Any], request: Request, ordered: str) -> bool:
    """Tell whether the database that has the name now is the one that was ordered."""
    oid = oid_of(session, request)
    return oid is not None and str(oid) == ordered


def drop_database(
    session: Connection[Any], request: Request, held: Held, ordered: str, check: Callable[[Scope], None]
) -> int:
    """The database with that oid is gone, and every file that it had is held; return how many milliseconds it was
    locked. One that was made anew under its name is not it, and stays. `check` counts, and notes what goes, while
    nobody can connect any more; raises Lost, and others can connect again then."""
    if not is_ordered(session, request, ordered):
        return 0
    since = time.monotonic()
    held.manifest.write("closing")
    try:
        _drop(session, request, held, check)
    except BaseException:
        if not session.closed:
            reopen(session, request, held)
        raise
    return int((time.monotonic() - since) * 1000) + 1


def _drop(session: Connection[Any], request: Request, held: Held, check: Callable[[Scope], None]) -> None:
    from psycopg.errors import ObjectInUse

    name = quoted(request.identity.database)
    with connect(request) as inside:
        run(session, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        if others := int(one(inside, _OTHERS)):
            raise Lost("records-in-use", where=str(request.where), detail=f"{others} others are connected to it")
        check(find_scope(inside, request))
        # What it writes to the statistics it writes at its end: no file of the database changes afterwards.
        oid = one(inside, "SELECT oid::int8 FROM pg_database WHERE datname = current_database()")
    _wait_until_gone(session, request)
    run(session, "CHECKPOINT")
    _hold(request.where / "base" / str(oid), held)
    try:
        run(session, f"DROP DATABASE {name}")
    except ObjectInUse as error:
        raise Lost("records-in-use", where=str(request.where), detail="others are connected to it") from error


_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
_LEFT = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"


def _wait_until_gone(session: Connection[Any], request: Request) -> None:
    """Our own session inside has ended."""
    deadline = time.monotonic() + LOCK_SECONDS
    while one(session, _LEFT, (request.identity.database,)) and time.monotonic() < deadline:
        time.sleep(0.02)


def reopen(session: Connection[Any], request: Request, held: Held) -> None:
    """Others can connect to the database again, where we kept them out and it is still there. Idempotent."""
    for line in reversed(held.manifest.lines):
        if line.phase in ("reopened", "dropped"):
            return
        if line.phase == "closing":
            break
    else:
        return
    if oid_of(session, request) is not None:
        run(session, f"ALTER DATABASE {quoted(request.identity.database)} WITH ALLOW_CONNECTIONS true")
    held.manifest.write("reopened")


def _hold(folder: Path, held: Held) -> None:
    known = {taken.inode for taken in held.taken()}
    found = sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    new = [file for file in found if file.stat().st_size and file.stat().st_ino not in known]
    if new:
        held.link(new)
        held.keep()
