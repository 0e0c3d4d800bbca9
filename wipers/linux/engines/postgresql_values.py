"""Values of what is ordered, as the server stores them: what to look for afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from wipers.linux.engines.postgresql_scope import VIEW, Scope, Table
from wipers.linux.engines.postgresql_server import one, quoted, rows, run
from wipers.linux.engines.telling import AT_ONCE, telling_apart

if TYPE_CHECKING:
    from psycopg import Connection

_COLUMNS = (
    "SELECT a.attname, a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'bytea'::regtype,"
    " 'uuid'::regtype) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
    " WHERE a.attrelid = %s::oid AND a.attnum > 0 AND NOT a.attisdropped"
    " AND (t.typcategory IN ('S', 'A') OR t.typname IN ('bytea', 'json', 'jsonb', 'uuid', 'xml', 'citext', 'hstore'))"
    " ORDER BY a.attnum"
)
FETCHED = 500
COMPARED = 32 << 20
"""Bytes of a table whose surviving rows are all compared with the samples; of a larger one, about as much is."""


def values_of(session: Connection[Any], scope: Scope, most: int) -> Iterator[bytes]:
    """Yield about so many values of the rows, column by column of rows drawn from all over each table."""
    tables = [table for table in scope.tables.values() if table.kind != VIEW]
    each = max(most // max(len(tables), 1), 1)
    for table in tables:
        for column in _columns(session, scope, table, each):
            yield from column.found()


def samples_of(session: Connection[Any], scope: Scope, most: int) -> Iterator[bytes]:
    """Yield parts of values that tell the rows from those that stay: a value that survivors have too, whole or as part
    of another, would be found again for a good reason."""
    tables = [table for table in scope.tables.values() if table.kind != VIEW]
    each = max(most // max(len(tables), 1), 1)
    for table in tables:
        columns = tuple(_columns(session, scope, table, each))
        values = [value for column in columns for value in column.going()]
        for begin in range(0, len(values), AT_ONCE):
            yield from telling_apart(values[begin : begin + AT_ONCE], _staying(session, scope, table, columns))


@dataclass(slots=True)
class Sampled:
    """The parts that were drawn last, and of which rows: they are not drawn again while the same rows stand there."""

    places: dict[int, frozenset[str] | None] = field(default_factory=dict)
    parts: tuple[bytes, ...] = ()
    is_all: bool = False
    """Every row that goes had its share in them: asking for more would not find more."""

    def of(self, session: Connection[Any], scope: Scope, most: int) -> Iterator[bytes]:
        """Yield the parts, drawn as `samples_of` does where they are not known."""
        if not self.is_all or self.places != scope.places:
            self.parts = tuple(samples_of(session, scope, most))
            self.places = dict(scope.places)
            self.is_all = None not in self.places.values() and _is_drawn_whole(session, scope, most)
        yield from self.parts


def _is_drawn_whole(session: Connection[Any], scope: Scope, most: int) -> bool:
    """Tell whether so many values are all that the tables' rows have."""
    tables = [table for table in scope.tables.values() if table.kind != VIEW]
    each = max(most // max(len(tables), 1), 1)
    return all(table.rows * len(rows(session, _COLUMNS, (table.oid,))) <= each for table in tables)


def _staying(session: Connection[Any], scope: Scope, table: Table, columns: tuple[_Column, ...]) -> Iterator[bytes]:
    """Yield what the rows of a table that stay hold in those columns: all of them, or of a large table a part."""
    condition = scope.conditions.get(table.oid, "true")
    if condition == "true" or not columns:
        return
    size = max(float(one(session, "SELECT pg_table_size(%s::oid)", (table.oid,))), 1.0)
    sample = f" TABLESAMPLE SYSTEM ({100 * COMPARED / size:.6f})" if size > COMPARED else ""
    listed = ", ".join(column.name for column in columns)
    statement = f"SELECT {listed} FROM ONLY {table.name}{sample} WHERE NOT coalesce(({condition}), false)"
    with session.transaction(), session.cursor("expunge_staying") as cursor:
        cursor.execute(statement.encode(), scope.values)
        while batch := cursor.fetchmany(FETCHED):
            yield b"\x00".join(leaf for row in batch for value in row for leaf in _leaves(value))


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of what is ordered in one table."""

    session: Connection[Any]
    table: Table
    name: str
    is_plain: bool
    """Its values can be compared with `=`, as they are stored."""
    condition: str
    narrowed: str
    """The same, finding the rows by their places where these are known."""
    values: tuple[Any, ...]
    most: int

    def found(self) -> Iterator[bytes]:
        """Values that go."""
        for (value,) in self._rows(f"({self.narrowed})", f" ORDER BY md5(ctid::text) LIMIT {self.most}"):
            yield from _leaves(value)

    def going(self) -> Iterator[bytes]:
        """Values that go and are not the whole value of a row that stays."""
        found = list(self.found())
        kept = self._shared(found) if self.is_plain else frozenset()
        yield from (value for value in found if value not in kept)

    def _shared(self, found: list[bytes]) -> frozenset[bytes]:
        """Which of the values stay too: one pass over the table, and nothing that would need a temporary file."""
        if self.condition == "true" or not found:
            return frozenset()
        plain = self.name.replace("%%", "%")
        kind = str(one(self.session, _KIND, (self.table.oid, plain, plain.strip('"'))))
        told = [value.hex() if kind == "bytea" else _as_text(kind, value) for value in found]
        array = "(SELECT array_agg(decode(v, 'hex')) FROM unnest(%s::text[]) v)" if kind == "bytea" else f"%s::{kind}[]"
        stay = run(
            self.session,
            f"SELECT DISTINCT {self.name} FROM ONLY {self.table.name} WHERE {self.name} = ANY({array})"
            f" AND NOT coalesce(({self.condition}), false)",
            (told, *self.values),
        )
        return frozenset(part for (value,) in stay for part in _leaves(value))

    def _rows(self, condition: str, rest: str) -> Iterator[tuple[Any, ...]]:
        values = self.values if self.condition != "true" else ()
        found = run(self.session, f"SELECT {self.name} FROM ONLY {self.table.name} WHERE {condition}{rest}", values)
        while batch := found.fetchmany(FETCHED):
            yield from batch


def _columns(session: Connection[Any], scope: Scope, table: Table, most: int) -> Iterator[_Column]:
    names = rows(session, _COLUMNS, (table.oid,))
    condition, narrowed = scope.conditions.get(table.oid, "true"), scope.narrowed(table.oid)
    for name, is_plain in names:
        each = max(most // len(names), 1)
        yield _Column(session, table, quoted(name), is_plain, condition, narrowed, scope.values, each)


_KIND = (
    "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::oid AND quote_ident(attname) IN (%s, %s)"
)


def _as_text(kind: str, value: bytes) -> str:
    """Return a value as its type reads it."""
    return str(UUID(bytes=value)) if kind == "uuid" else value.decode("utf-8", "surrogatepass")


def _leaves(value: object) -> Iterator[bytes]:
    """Yield the strings in a value: those of a document or an array lie one by one in the file."""
    match value:
        case str():
            yield value.encode("utf-8", "surrogatepass")
        case bytes():
            yield value
        case UUID():
            yield value.bytes
        case list() | tuple():
            for one in value:
                yield from _leaves(one)
        case dict():
            # Keys are the same in every row: they tell nothing apart.
            for one in value.values():
                yield from _leaves(one)
