"""Few rows of a large table: their pages are filled where they lie, and only indexes change files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_files import PAGE, files_of
from wipers.linux.engines.postgresql_filling import (
    ON_PAGE,
    PAGES,
    Filling,
    column_for_filling,
    fills_no_index,
    pages_of,
)
from wipers.linux.engines.postgresql_packings import PACKED
from wipers.linux.engines.postgresql_rewrite import Rewriting, seed_of
from wipers.linux.engines.postgresql_room import never_vacuumed
from wipers.linux.engines.postgresql_scope import ORDINARY, Scope, Table
from wipers.linux.engines.postgresql_server import one, rows, run
from wipers.linux.engines.postgresql_twins import drop_twins, indexes_of, swap_twin, twin_of
from wipers.packings import Packing, anchors_of
from wipers.searching import Pattern, Search, literal, search_for

if TYPE_CHECKING:
    from psycopg import Connection

LEAST_BYTES = 16 << 20
"""Size of a table from which rewriting it whole is worth avoiding."""
FEW_PAGES = 256
"""Pages that are filled in any such table."""
MOST_PAGES = 4096
"""Pages that are filled in the largest."""
OF_SO_MANY = 64
"""Pages of the table and its indexes of which one may be filled: it takes 2.5 ms, and as many take 6 ms to rewrite, all
of it under a lock (1 GiB, two cores)."""
WIDEST = 2000
"""Bytes of a row up to which none of it is packed or stands outside."""
WIDEST_KEY = 400
"""Bytes of an indexed value up to which an index keeps it as it is."""
ROUNDS = 3
"""Times that a table's file is searched for what is left, and the pages found are filled."""
SEGMENT_PAGES = 131072
CHUNK = 1 << 22

_WIDTH = "SELECT max(pg_column_size(expunge_row.*)) FROM ONLY {name} expunge_row WHERE ({condition})"
_BEYOND = (
    "SELECT relpersistence <> 'p' OR EXISTS (SELECT 1 FROM pg_index WHERE indrelid = c.oid AND NOT indisvalid)"
    " FROM pg_class c WHERE oid = %s::oid"
)
"""An index that is not valid has no twin, and keeps what it holds; a rewrite makes it anew."""
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


def _pages_that_suit(session: Connection[Any], scope: Scope, table: Table) -> list[int] | None:
    condition = scope.narrowed(table.oid)
    if table.kind != ORDINARY or table.why not in ("ordered", "deleted-with") or scope.places.get(table.oid) is None:
        return None
    if table.bytes < LEAST_BYTES or column_for_filling(session, table.oid) is None:
        return None
    if one(session, _BEYOND, (table.oid,)):
        return None
    if int(one(session, _WIDTH.format(name=table.name, condition=condition), scope.values) or 0) > WIDEST:
        return None
    for (column,) in rows(session, _KEYS, (table.oid,)):
        name = str(column).replace("%", "%%")
        widest = f"SELECT max(pg_column_size({name})) FROM ONLY {table.name} WHERE ({condition})"
        if int(one(session, widest, scope.values) or 0) > WIDEST_KEY:
            return None
    pages = pages_of(session, table.name, condition, scope.values)
    most = max(FEW_PAGES, min(MOST_PAGES, table.bytes // PAGE // OF_SO_MANY))
    if len(pages) > most or not _have_others(session, scope, table, pages):
        return None
    return pages


def _have_others(session: Connection[Any], scope: Scope, table: Table, pages: list[int]) -> bool:
    """Tell whether on each of the pages a row stands that stays."""
    stays = (
        f"SELECT true FROM ONLY {table.name} WHERE {ON_PAGE}"
        f" AND NOT coalesce(({scope.conditions[table.oid]}), false) LIMIT 1"
    )
    alone = f"SELECT count(*) FROM (SELECT ({stays}) AS stays FROM {PAGES}) expunge_asked WHERE stays IS NULL"
    return int(one(session, alone, (*scope.values, pages))) == 0


@dataclass(frozen=True, slots=True)
class Filled:
    """How one table was done."""

    milliseconds: int
    """The longest that it was locked against everybody."""
    before: tuple[int, int]
    """Rows that stand on the pages and nobody changed meanwhile, and their sum."""
    after: tuple[int, int]
    indexes: tuple[int, ...]
    """Indexes that changed files."""
    left: tuple[str, ...]
    """What was not reached, by residual code."""


@dataclass(slots=True)
class InPlace:
    """What filling needs: sessions and files, and what to search for where it is known."""

    rewriting: Rewriting
    wanted: Search | None
    is_vacuumed: bool = False
    """What is dead in the table, on any of its pages, has no place of its own any more."""

    def fill(self, table: Table, pages: list[int]) -> Filled:
        """No hole of the pages, nor any other place of the table's file, holds what went; raises Lost."""
        before = self._rows_on(table, pages)
        if not self._close(table, pages):
            self._vacuum(table)
            before = self._rows_on(table, pages)
        twins, is_missed, found = self._build_and_fill(table, pages)
        missed = self._fill_rest(table, found, is_missed=is_missed)
        after = self._rows_on(table, pages)
        same = before.keys() & after.keys()
        locks = [swap_twin(self.rewriting, table, index, twin) for index, twin in twins]
        left = ("older-page-slack",) if missed else ()
        return Filled(
            max(locks, default=0),
            (len(same), sum(before[row] for row in same)),
            (len(same), sum(after[row] for row in same)),
            tuple(index for index, _ in twins),
            left,
        )

    def statistics_hold(self, paths: tuple[str, ...]) -> bool:
        """Tell whether any of what went stands in those relations, packed or not; true where that is not known."""
        run(self.rewriting.watching, "CHECKPOINT")
        if self.wanted is None:
            return True
        files = files_of(self.rewriting.where, paths)
        return _is_held(self.wanted, [file.read_bytes() for file in files])

    def _build_and_fill(self, table: Table, pages: list[int]) -> tuple[list[tuple[int, str]], bool, set[int]]:
        """Every index has a twin, and every hole of the pages is full: return the twins, whether a page could not be
        filled, and the pages on which something of what went stands still."""
        from psycopg.errors import LockNotAvailable

        session = self.rewriting.working
        is_beside = not self.is_vacuumed and fills_no_index(session, table.oid)
        is_missed = False if is_beside else self._fill_pages(table, pages)
        # The server builds where we fill and search: neither waits for the other for long.
        with ThreadPoolExecutor(1, thread_name_prefix="fill") as beside:
            searching = beside.submit(self._fill_and_search, table, pages if is_beside else [])
            try:
                twins = self._twins(table)
            except LockNotAvailable:
                # On a machine with much else to do it may have waited for our own filling for too long.
                searching.result()
                twins = self._twins(table)
        return twins, is_missed or searching.result()[0], searching.result()[1]

    def _twins(self, table: Table) -> list[tuple[int, str]]:
        """Return every index with the name of a twin that was built now."""
        drop_twins(self.rewriting.working, table.oid)
        return [(index, twin_of(self.rewriting.working, index)) for index in self._indexes(table)]

    def _fill_and_search(self, table: Table, pages: list[int]) -> tuple[bool, set[int]]:
        """The pages' holes are full, on the disk, by the session that watches; return whether one could not be filled,
        and the pages on which something of what went stands still."""
        session, missed = self.rewriting.watching, False
        if pages:
            column = column_for_filling(session, table.oid)
            missed = column is None or bool(Filling(session, table, column).fill(pages))
            run(session, "CHECKPOINT")
        return missed, self._pages_with(self._path(table.oid))

    def _fill_pages(self, table: Table, pages: Iterable[int]) -> bool:
        """The pages' holes are full, on the disk; return whether one could not be filled."""
        column = column_for_filling(self.rewriting.working, table.oid)
        todo = tuple(pages)
        missed = Filling(self.rewriting.working, table, column).fill(todo) if column is not None else todo
        if self.is_vacuumed:
            self._vacuum(table)
        run(self.rewriting.watching, "CHECKPOINT")
        return bool(missed)

    def _fill_rest(self, table: Table, found: set[int], *, is_missed: bool) -> bool:
        """Fill the pages that were found to hold something still, and look again; return whether something is left."""
        if self.wanted is None:
            return is_missed
        path = self._path(table.oid)
        for _ in range(ROUNDS - 1):
            if not found:
                return False
            if not self.is_vacuumed:
                self._vacuum(table)
            self._fill_pages(table, found)
            found = self._pages_with(path)
        return bool(found)

    def _close(self, table: Table, pages: list[int]) -> bool:
        """Tell whether the ranks of the pages are closed. The server closes those of a page that is nearly full as it
        is read: a table that was never vacuumed is not vacuumed, all of it, for the sake of some pages."""
        session = self.rewriting.working
        column = column_for_filling(session, table.oid)
        if column is None:
            return False
        filling = Filling(session, table, column)
        left = filling.unclosed(pages)
        if left and len(left) * OF_SO_MANY * PAGE <= never_vacuumed(session, (table.oid,)):
            filling.fill(left)
            self._rows_on(table, left)
            left = filling.unclosed(left)
        return not left

    def _vacuum(self, table: Table) -> None:
        self.is_vacuumed = True
        run(self.rewriting.working, f"VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) {table.name}")

    def _path(self, oid: int) -> str:
        return str(one(self.rewriting.watching, "SELECT pg_relation_filepath(%s::oid)", (oid,)))

    def _pages_with(self, path: str) -> set[int]:
        """Return the pages of a relation's file on which something stands that went; nothing where that is not
        known."""
        found: set[int] = set()
        if self.wanted is None:
            return found
        for file in files_of(self.rewriting.where, (path,)):
            if "_" not in file.name:
                first = int(file.suffix[1:]) * SEGMENT_PAGES if file.suffix else 0
                found |= {first + at // PAGE for at in _positions(file, self.wanted)}
        return found

    def _indexes(self, table: Table) -> tuple[int, ...]:
        """Return the indexes that are written anew: all of them, since one keeps keys of rows that went in its inner
        pages and in holes, and a number cannot be searched for there."""
        return indexes_of(self.rewriting.working, table.oid)

    def _rows_on(self, table: Table, pages: list[int]) -> dict[tuple[str, str], int]:
        """Return the rows of the pages by place and writer, each with its sum under our key."""
        summed = (
            "SELECT ctid::text, xmin::text, hashtextextended(expunge_row::text, %s)"
            f" FROM ONLY {table.name} expunge_row WHERE {ON_PAGE} OFFSET 0"
        )
        statement = f"SELECT expunge_found.* FROM {PAGES} CROSS JOIN LATERAL ({summed}) expunge_found"
        found = rows(self.rewriting.watching, statement, (pages, seed_of(self.rewriting.key)))
        return {(place, writer): total for place, writer, total in found}


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


def _is_held(wanted: Search, files: list[bytes]) -> bool:
    """Tell whether something that is searched for stands in the files, or in what is packed there."""
    if any(wanted.scan(memoryview(data)) for data in files):
        return True
    for packing in PACKED:
        begins = search_for([Pattern(regex, packing.anchor_size) for regex in anchors_of(packing)])()
        if any(_is_packed(wanted, packing, begins, memoryview(data)) for data in files):
            return True
    return False


def _is_packed(wanted: Search, packing: Packing, begins: Search, view: memoryview) -> bool:
    for _, begin in begins.scan(view):
        if begin % packing.align:
            continue
        unpacked = packing.unpack(view[begin : begin + PAGE])
        if unpacked and wanted.scan(memoryview(unpacked)):
            return True
    return False
