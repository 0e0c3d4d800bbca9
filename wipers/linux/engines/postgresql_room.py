"""How much room a PostgreSQL server needs while records are taken out: one whose log finds none ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from wipers.linux.engines import Request, room_missing
from wipers.linux.engines.postgresql_files import PAGE, segments, size_of
from wipers.linux.engines.postgresql_server import one
from wipers.model import Lost

if TYPE_CHECKING:
    from psycopg import Connection

SPARES = 4
"""Segments of the log that are begun anew, at most."""
_UNSEEN = (
    "SELECT coalesce(sum(greatest(pg_relation_size(oid) - relallvisible::int8 * %s, 0)), 0)::int8 FROM pg_class"
    " WHERE oid = ANY(%s::oid[])"
)
_INDEXES = "SELECT coalesce(sum(pg_indexes_size(oid)), 0)::int8 FROM pg_class WHERE oid = ANY(%s::oid[])"
_WHOLE = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::int8 FROM pg_class WHERE oid = ANY(%s::oid[])"


def never_vacuumed(session: Connection[Any], oids: Iterable[int]) -> int:
    """Return the bytes of pages that a vacuum has yet to look at: it writes each of them, and to the log as well."""
    return int(one(session, _UNSEEN, (PAGE, list(oids))))


def size_of_indexes(session: Connection[Any], oids: Iterable[int]) -> int:
    """Return the bytes of the tables' indexes, which are written anew beside the old ones, and to the log."""
    return int(one(session, _INDEXES, (list(oids),)))


def room_needed(session: Connection[Any], request: Request, oids: Iterable[int], *, is_filling: bool) -> int:
    """Return what a rewrite takes beside the files that it replaces: the new ones, and as much of the log, which is
    kept meanwhile; of pages that are vacuumed only the log."""
    spare = size_of(segments(request.where)[:SPARES])
    if request.identity.scope != "rows":
        return spare
    listed = list(oids)
    if is_filling:
        return spare + 2 * size_of_indexes(session, listed) + never_vacuumed(session, listed)
    return spare + 2 * int(one(session, _WHOLE, (listed,)))


def check_room(session: Connection[Any], request: Request, oids: Iterable[int], *, is_filling: bool) -> None:
    """There is room now; raises Lost, with nothing changed since the last step."""
    missing = room_missing(request.where, room_needed(session, request, oids, is_filling=is_filling))
    if missing is not None:
        raise Lost(missing.reason, **dict(missing.facts))
