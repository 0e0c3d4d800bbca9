"""Few rows of a large table: their pages are filled where they lie, and only indexes change files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_files import PAGE, files_of
from wipers.linux.engines.postgresql_filling import Filling, column_for_filling, pages_of
from wipers.linux.engines.postgresql_packings import PACKED
from wipers.linux.engines.postgresql_rewrite import Rewriting, seed_of
from wipers.linux.engines.postgresql_scope import ORDINARY, Scope, Table
from wipers.linux.engines.postgresql_server import one, rows, run
from wipers.linux.engines.postgresql_twins import drop_twins, indexes_of, swap_twin, twin_of
from wipers.packings import anchors_of
from wipers.searching import Pattern, Search, literal, search_for

if TYPE_CHECKING:
    from psycopg import Connection

LEAST_BYTES = 16 << 20
"""Size of a table from which rewriting it whole is worth avoiding."""
MOST_PAGES = 256
"""Pages that are filled; more are a rewrite."""
WIDEST = 2000
"""Bytes of a row up to which none of it is packed or stands outside."""
WIDEST_KEY = 400
"""Bytes of an indexed value up to which an index keeps it as it is."""
ROUNDS = 3
"""Times that a table's file is searched for what is left, and the pages found are filled."""
SEGMENT_PAGES = 131072
CHUNK = 1 << 22

_WIDTH = "SELECT max(pg_column_size(expunge_row.*)) FROM ONLY {name} expunge_row WHERE ({condition})"
_KEYS = (
    "SELECT DISTINCT quote_ident(a.attname) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
    " AND a.attnum = ANY(i.indkey) WHERE i.indrelid = %s::oid AND a.attlen < 0"
)


def suits(session: Connection[Any], scope: Scope) -> dict[int, list[int]] | None:
    """Return the pages on which the rows stand, by table, where filling them in place serves better than a rewrite;
    none where it does not, or cannot be done."""
    found: dict[int, list[int]] = {}
    if not scope.tables:
        return None
    for table in scope.tables.values():
        pages = _pages_that_suit(session, scope, table)
        if pages is None:
            return None
        found[table.oid] = pages
    return found


_UNSEEN = (
    "SELECT coalesce(sum(greatest(pg_relation_size(oid) - relallvisible::int8 * %s, 0)), 0)::int8 FROM pg_class"
    " WHERE oid = ANY(%s::oid[])"
)


def never_vacuumed(session: Connection[Any], scope: Scope) -> int:
    """Return the bytes of pages that a vacuum has yet to look at: it writes each of them, and to the log as well."""
    return int(one(session, _UNSEEN, (PAGE, list(scope.tables))))


def size_of_indexes(session: Connection[Any], scope: Scope) -> int:
    """Return the bytes of the tables' indexes, which are written anew beside the old ones, and to the log."""
    statement = "SELECT coalesce(sum(pg_indexes_size(oid)), 0)::int8 FROM pg_class WHERE oid = ANY(%s::oid[])"
    return int(one(session, statement, (list(scope.tables),)))


def _pages_that_suit(session: Connection[Any], scope: Scope, table: Table) -> list[int] | None:
    condition = scope.conditions.get(table.oid, "")
    if table.kind != ORDINARY or table.why not in ("ordered", "deleted-with") or not condition:
        return None
    if table.bytes < LEAST_BYTES or column_for_filling(session, table.oid) is None:
        return None
    if one(session, "SELECT relpersistence <> 'p' FROM pg_class WHERE oid = %s::oid", (table.oid,)):
        return None
    if int(one(session, _WIDTH.format(name=table.name, condition=condition), scope.values) or 0) > WIDEST:
        return None
    for (column,) in rows(session, _KEYS, (table.oid,)):
        name = str(column).replace("%", "%%")
        widest = f"SELECT max(pg_column_size({name})) FROM ONLY {table.name} WHERE ({condition})"
        if int(one(session, widest, scope.values) or 0) > WIDEST_KEY:
            return None
    pages = pages_of(session, table.name, condition, scope.values)
    if len(pages) > MOST_PAGES or not all(_has_others(session, scope, table, page) for page in pages):
        return None
    return pages


def _has_others(session: Connection[Any], scope: Scope, table: Table, page: int) -> bool:
    """Tell whether a row stands on the page that stays."""
    condition = scope.conditions[table.oid]
    bounds = f"ctid >= '({page},0)'::tid AND ctid < '({page + 1},0)'::tid"
    statement = f"SELECT count(*) FROM ONLY {table.name} WHERE {bounds} AND NOT coalesce(({condition}), false)"
    return int(one(session, statement, scope.values)) > 0


@dataclass(frozen=True, slots=True)
class Filled:
    """How one table was done."""

    milliseconds: int
    """The longest that it was locked against everybody."""
    before: tuple[int, int]
    """Rows that stand on the pages and nobody changed meanwhile, and their sum."""
    after: tuple[int, int]
    indexes: int
    """Indexes that changed files."""
    left: tuple[str, ...]
    """What was not reached, by residual code."""


@dataclass(slots=True)
class InPlace:
    """What filling needs: sessions and files, and what to search for where it is known."""

    rewriting: Rewriting
    wanted: Search | None

    def fill(self, table: Table, pages: list[int]) -> Filled:
        """No hole of the pages, nor any other place of the table's file, holds what went; raises Lost."""
        session = self.rewriting.working
        self._vacuum(table)
        before = self._rows_on(table, pages)
        column = column_for_filling(session, table.oid)
        missed = self._fill_rounds(table, set(pages), column)
        after = self._rows_on(table, pages)
        same = before.keys() & after.keys()
        milliseconds, rebuilt = self._indexes(table)
        left = ("older-page-slack",) if missed else ()
        return Filled(
            milliseconds,
            (len(same), sum(before[row] for row in same)),
            (len(same), sum(after[row] for row in same)),
            rebuilt,
            left,
        )

    def statistics_hold(self, paths: tuple[str, ...]) -> bool:
        """Tell whether any of what went stands in those relations, packed or not; true where that is not known."""
        run(self.rewriting.watching, "CHECKPOINT")
        if self.wanted is None:
            return True
        return any(_holds(file.read_bytes(), self.wanted) for file in files_of(self.rewriting.where, paths))

    def _fill_rounds(self, table: Table, pages: set[int], column: str | None) -> bool:
        """Fill, look, and fill what is found on other pages too; return whether something is left."""
        todo = pages
        for _ in range(ROUNDS):
            missed = Filling(self.rewriting.working, table, column).fill(todo) if column is not None else tuple(todo)
            self._vacuum(table)
            run(self.rewriting.watching, "CHECKPOINT")
            if self.wanted is None:
                return bool(missed)
            todo = set(self._pages_with(self._path(table.oid)))
            if not todo:
                return False
        return True

    def _vacuum(self, table: Table) -> None:
        run(self.rewriting.working, f"VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) {table.name}")

    def _path(self, oid: int) -> str:
        return str(one(self.rewriting.watching, "SELECT pg_relation_filepath(%s::oid)", (oid,)))

    def _pages_with(self, path: str) -> Iterator[int]:
        """Yield the pages of a relation's file on which something stands that went."""
        if self.wanted is None:
            return
        for file in files_of(self.rewriting.where, (path,)):
            if "_" in file.name:
                continue
            first = int(file.suffix[1:]) * SEGMENT_PAGES if file.suffix else 0
            for at in _positions(file, self.wanted):
                yield first + at // PAGE

    def _indexes(self, table: Table) -> tuple[int, int]:
        """Return the longest lock, and how many indexes were written anew: all of them, since one keeps keys of rows
        that went in its inner pages and in holes, and a number cannot be searched for there."""
        longest = 0
        drop_twins(self.rewriting.working, table.oid)
        indexes = indexes_of(self.rewriting.working, table.oid)
        for index in indexes:
            twin = twin_of(self.rewriting.working, index)
            longest = max(longest, swap_twin(self.rewriting, table, index, twin))
        return longest, len(indexes)

    def _rows_on(self, table: Table, pages: list[int]) -> dict[tuple[str, str], int]:
        """Return the rows of the pages by place and writer, each with its sum under our key."""
        seed = seed_of(self.rewriting.key)
        found = {}
        for page in pages:
            for place, writer, total in rows(
                self.rewriting.watching,
                "SELECT ctid::text, xmin::text, hashtextextended(expunge_row::text, %s)"
                f" FROM ONLY {table.name} expunge_row WHERE ctid >= %s::tid AND ctid < %s::tid",
                (seed, f"({page},0)", f"({page + 1},0)"),
            ):
                found[(place, writer)] = total
        return found


def search_of(values: list[bytes]) -> Search:
    """Return what finds any of the values."""
    patterns: list[Pattern] = [literal(value) for value in sorted(set(values))]
    return search_for(patterns)()


def _positions(file: Path, wanted: Search) -> Iterator[int]:
    """Yield where in a file something begins that is searched for; none goes from one page to the next."""
    with file.open("rb") as source:
        at = 0
        while chunk := source.read(CHUNK):
            for _, begin in wanted.scan(memoryview(chunk)):
                yield at + begin
            at += len(chunk)


def _holds(data: bytes, wanted: Search) -> bool:
    """Tell whether something that is searched for stands in the bytes, or in what is packed there."""
    view = memoryview(data)
    if wanted.scan(view):
        return True
    for packing in PACKED:
        anchors = [Pattern(regex, packing.anchor_size) for regex in anchors_of(packing)]
        for _, begin in search_for(anchors)().scan(view):
            if begin % packing.align:
                continue
            unpacked = packing.unpack(view[begin : begin + PAGE])
            if unpacked and wanted.scan(memoryview(unpacked)):
                return True
    return False
