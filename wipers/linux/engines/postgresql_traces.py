"""What a PostgreSQL server keeps of rows beside the rows: statistics, the texts of statements, orphans."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_files import orphans
from wipers.linux.engines.postgresql_server import SCHEMA_OF_EXTENSION, one, quoted, rows, run
from wipers.linux.held import Held

if TYPE_CHECKING:
    from psycopg import Connection


def forget_statistics(session: Connection[Any], oids: Iterable[int]) -> int:
    """The statistics of the tables are made from what they hold now; return how many rows of them went. The old rows
    are dead, and their catalogs are to be written anew."""
    listed = list(oids)
    indexes = rows(session, "SELECT indexrelid::int8 FROM pg_index WHERE indrelid = ANY(%s::oid[])", (listed,))
    every = [*listed, *(oid for (oid,) in indexes)]
    gone = run(session, "DELETE FROM pg_statistic WHERE starelid = ANY(%s::oid[])", (every,)).rowcount
    gone += run(
        session,
        "DELETE FROM pg_statistic_ext_data WHERE stxoid IN"
        " (SELECT oid FROM pg_statistic_ext WHERE stxrelid = ANY(%s::oid[]))",
        (listed,),
    ).rowcount
    for schema, name in rows(session, _NAMES, (listed,)):
        run(session, f"ANALYZE {quoted(schema, name)}")
    return gone


_NAMES = (
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = ANY(%s::oid[]) AND c.relkind IN ('r', 'm', 'p') ORDER BY c.oid"
)


def forget_statements(session: Connection[Any], where: Path, held: Held) -> bool:
    """The texts of statements that pg_stat_statements keeps are gone, and the file that held them is held; return
    whether there were any."""
    schema = one(session, SCHEMA_OF_EXTENSION, ("pg_stat_statements",))
    file = where / "pg_stat_tmp" / "pgss_query_texts.stat"
    if schema is None:
        return False
    if file.is_file():
        held.swap((file,))
    run(session, f"SELECT {quoted(str(schema))}.pg_stat_statements_reset()")
    held.keep()
    return True


def hold_orphans(session: Connection[Any], where: Path, held: Held) -> int:
    """Files of tables that were never committed are held; return how many."""
    found = orphans(session, where)
    if not found:
        return 0
    taken = held.move(found)
    held.keep()
    return len(taken)
