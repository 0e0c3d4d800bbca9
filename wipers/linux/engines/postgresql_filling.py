"""Filling the holes that deleted rows left in their pages: with copies of rows that stay there, in a transaction that
never commits.

VACUUM closes the ranks of a page and leaves what stood there in the hole (`PageRepairFragmentation`). An UPDATE puts
the new version of a row on the row's own page as long as it fits (`heap_update`), so a row that stays, updated again
and again with a column made as long as is needed, fills the hole to its last eight bytes; ROLLBACK leaves the bytes.
Nobody ever sees these versions, no trigger fires, and no lock is held but that of one row.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_scope import Table
from wipers.linux.engines.postgresql_server import SCHEMA_OF_EXTENSION, one, quoted, rows, run

if TYPE_CHECKING:
    from psycopg import Connection

INSPECTOR = "pageinspect"
LONGEST = 1800
"""Bytes of one filling version: a row above 2,032 would be packed or put outside."""
POINTER = 4
"""Bytes that a version's line pointer takes at the other end of the hole."""
AT_ONCE = 100
"""Pages of one transaction: whoever builds an index beside waits for it."""
TRIES = 200
"""Updates of one page after which it is given up."""

PAGES = "unnest(%s::int8[]) expunge_page(expunge_number)"
ON_PAGE = (
    "ctid >= format('(%%s,0)', expunge_page.expunge_number)::tid"
    " AND ctid < format('(%%s,0)', expunge_page.expunge_number + 1)::tid"
)
"""In a subquery with a limit or an offset, which is asked for each page by its bounds: no join that reads the table."""

_FILLABLE = (
    "SELECT a.attname, EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND (a.attnum = ANY(i.indkey)"
    " OR EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid"
    " AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))) AS is_indexed"
    " FROM pg_attribute a WHERE a.attrelid = %(oid)s::oid AND a.attnum > 0 AND NOT a.attisdropped"
    " AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bytea'::regtype) AND a.atttypmod = -1"
    " AND a.attgenerated = '' AND a.attidentity = ''"
    " AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conrelid = a.attrelid AND a.attnum = ANY(c.conkey))"
    " AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid"
    " AND (i.indisunique OR i.indisexclusion) AND a.attnum = ANY(i.indkey))"
    " AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conrelid = a.attrelid AND c.contype IN ('c', 'x')"
    " AND c.conkey IS NULL)"
    " ORDER BY is_indexed, a.attnum LIMIT 1"
)
_STUBBORN = "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::oid AND tgenabled IN ('A', 'R')"


def column_for_filling(session: Connection[Any], oid: int) -> str | None:
    """Return the column, quoted, by which a row of the table can be made as long as is needed; none where there is no
    such column, where a trigger would fire all the same, or where the server cannot show its pages."""
    has = one(session, "SELECT count(*) FROM pg_available_extensions WHERE name = %s", (INSPECTOR,))
    if not has or one(session, _STUBBORN, (oid,)):
        return None
    found = one(session, _FILLABLE, {"oid": oid})
    return quoted(str(found)) if found is not None else None


def fills_no_index(session: Connection[Any], oid: int) -> bool:
    """Tell whether filling leaves the table's indexes alone: the column is in no key, nor in what one is computed
    from or chosen by."""
    return bool(one(session, f"SELECT count(*) FROM ({_FILLABLE}) expunge_found WHERE NOT is_indexed", {"oid": oid}))


@dataclass(slots=True)
class Filling:
    """The pages of one table, filled in transactions that are taken back."""

    session: Connection[Any]
    table: Table
    column: str

    def fill(self, pages: Iterable[int]) -> tuple[int, ...]:
        """Every hole is full of copies of what stays; return the pages on which nothing stays that could be copied."""
        todo, missed = sorted(pages), []
        for begin in range(0, len(todo), AT_ONCE):
            with self._undone() as place:
                missed += [page for page in todo[begin : begin + AT_ONCE] if not self._fill(place, page)]
        return tuple(missed)

    def unclosed(self, pages: list[int]) -> list[int]:
        """Return the pages on which more rows have a place than anybody sees there: dead ones have theirs still."""
        with self._undone() as place:
            items = f"{place}.heap_page_items({place}.get_raw_page(%s, expunge_page.expunge_number))"
            seen = f"SELECT count(*) FROM ONLY {self.table.name} WHERE {ON_PAGE}"
            placed = f"SELECT count(*) FROM {items} WHERE lp_flags = 1"
            statement = f"SELECT expunge_number FROM {PAGES} WHERE ({placed}) <> ({seen}) ORDER BY 1"
            return [page for (page,) in rows(self.session, statement, (pages, self.table.name.replace("%%", "%")))]

    @contextmanager
    def _undone(self) -> Iterator[str]:
        """A transaction without triggers that shows pages, and is taken back; yields the schema that shows them."""
        schema = one(self.session, SCHEMA_OF_EXTENSION, (INSPECTOR,))
        run(self.session, "BEGIN")
        try:
            run(self.session, "SET LOCAL session_replication_role = replica")
            run(self.session, "SET LOCAL lock_timeout = 200")
            if schema is None:
                schema = "expunge_pages"
                run(self.session, f"CREATE SCHEMA {schema}")
                run(self.session, f"CREATE EXTENSION {INSPECTOR} SCHEMA {schema}")
            yield quoted(str(schema))
        finally:
            run(self.session, "ROLLBACK")

    def _fill(self, place: str, page: int) -> bool:
        """One page's hole is full; false where no row of it can be updated."""
        free = self._free(place, page)
        row = self._row_on(page)
        if row is None:
            return free <= 0
        shortest, row = self._shortest(place, page, row)
        if shortest is None:
            return False
        for _ in range(TRIES):
            free = self._free(place, page)
            if free < shortest + POINTER:
                return True
            length = _next_length(free - POINTER, shortest)
            row = self._put(page, row, length - shortest)
        return False

    def _shortest(self, place: str, page: int, row: str) -> tuple[int | None, str]:
        """Return how many bytes a version with an empty column takes, and where the row is now."""
        before = self._free(place, page)
        moved = self._put(page, row, 0)
        after = self._free(place, page)
        taken = before - after
        return (taken - POINTER if taken % 8 == POINTER else taken) if taken > 0 else None, moved

    def _put(self, page: int, row: str, more: int) -> str:
        """A version that is so many bytes longer than the shortest stands on the page; one that did not fit there is
        taken back and made shorter. Return where the row is now."""
        for length in (more - 1, more - 4, more - 8, more - 12, 0):
            if length < 0:
                continue
            run(self.session, "SAVEPOINT piece")
            value = secrets.token_hex(length // 2 + 1)[:length]
            moved = one(
                self.session,
                f"UPDATE ONLY {self.table.name} SET {self.column} = %s WHERE ctid = %s::tid RETURNING ctid::text",
                (value, row),
            )
            if moved is not None and int(str(moved)[1:].split(",")[0]) == page:
                run(self.session, "RELEASE SAVEPOINT piece")
                return str(moved)
            run(self.session, "ROLLBACK TO SAVEPOINT piece")
        return row

    def _free(self, place: str, page: int) -> int:
        statement = f"SELECT upper - lower FROM {place}.page_header({place}.get_raw_page(%s, %s))"
        return int(one(self.session, statement, (self.table.name.replace("%%", "%"), page)) or 0)

    def _row_on(self, page: int) -> str | None:
        """Return a row of the page that nobody else is changing; none where there is none."""
        found = rows(
            self.session,
            f"SELECT ctid::text FROM ONLY {self.table.name} WHERE ctid >= %s::tid AND ctid < %s::tid"
            " LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
            (f"({page},0)", f"({page + 1},0)"),
        )
        return str(found[0][0]) if found else None


def _next_length(free: int, shortest: int) -> int:
    """Return the length of the next version: as long as may be, and so that what is left is nothing or enough."""
    if free <= LONGEST:
        return free
    rest = free - LONGEST - POINTER
    return LONGEST if rest >= shortest + POINTER or rest <= 0 else LONGEST - shortest - 2 * POINTER


def pages_of(session: Connection[Any], name: str, condition: str, values: tuple[Any, ...]) -> list[int]:
    """Return the pages of a table on which rows stand that a condition selects."""
    found = rows(
        session,
        f"SELECT DISTINCT (ctid::text::point)[0]::int8 FROM ONLY {name} WHERE ({condition}) ORDER BY 1",
        values,
    )
    return [page for (page,) in found]
