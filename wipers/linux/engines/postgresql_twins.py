"""An index written anew while others use it: a twin is built beside it, and they change files under a short lock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_rewrite import Rewriting
from wipers.linux.engines.postgresql_scope import Table
from wipers.linux.engines.postgresql_server import one, quoted, rows, run

if TYPE_CHECKING:
    from psycopg import Connection

_INDEXES = "SELECT indexrelid::int8 FROM pg_index WHERE indrelid = %s::oid AND indisvalid ORDER BY 1"
_TWINS = (
    "SELECT n.nspname, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.indrelid = %s::oid AND c.relname ~ '^expunge_twin_[0-9]+$'"
)
_SWAP = (
    "UPDATE pg_class c SET relfilenode = o.relfilenode FROM pg_class o"
    " WHERE (c.oid, o.oid) IN ((%(one)s::oid, %(other)s::oid), (%(other)s::oid, %(one)s::oid))"
)
_SCHEMA = "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s::oid"
_HEAD = re.compile(r"CREATE (UNIQUE )?INDEX ", re.ASCII)


def indexes_of(session: Connection[Any], oid: int) -> tuple[int, ...]:
    """Return the indexes of a table."""
    return tuple(index for (index,) in rows(session, _INDEXES, (oid,)))


def twin_of(session: Connection[Any], index: int) -> str:
    """A valid index like that one exists beside it; return its name, quoted with its schema. Nobody waits for it."""
    name = f"expunge_twin_{index}"
    schema = one(session, _SCHEMA, (index,))
    made = one(session, "SELECT pg_get_indexdef(%s::oid)", (index,))
    old = one(session, "SELECT quote_ident(relname) FROM pg_class WHERE oid = %s::oid", (index,))
    head = _HEAD.match(str(made))
    rest = str(made)[head.end() + len(str(old)) :] if head is not None else ""
    unique = "UNIQUE " if head is not None and head[1] else ""
    run(session, f"CREATE {unique}INDEX CONCURRENTLY {name}{rest.replace('%', '%%')}")
    return quoted(str(schema), name)


def drop_twins(session: Connection[Any], oid: int) -> None:
    """No twin that a cut run left is there."""
    for schema, name in rows(session, _TWINS, (oid,)):
        run(session, f"DROP INDEX {quoted(schema, name)}")


def swap_twin(rewriting: Rewriting, table: Table, index: int, twin: str) -> int:
    """The index stands in the files of its twin, which is gone, and its old files are held; return the milliseconds of
    the lock."""
    session = rewriting.working
    other = int(one(session, "SELECT %s::regclass::oid::int8", (twin.replace("%%", "%"),)))
    run(rewriting.watching, "CHECKPOINT")
    with rewriting.locked_after_flush(table.name) as locked:
        old = str(one(session, "SELECT pg_relation_filepath(%s::oid)", (index,)))
        run(session, _SWAP, {"one": index, "other": other})
        run(session, f"DROP INDEX {twin}")
        rewriting.commit(locked, (old,), is_flushed=True)
    return locked.milliseconds
