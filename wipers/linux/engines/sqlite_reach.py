"""How far a deletion of rows reaches in a SQLite database: by foreign keys, by triggers, into indexes of words; and
what stays, counted and summed. Reads only: what it notes stands in temporary tables in memory."""

from __future__ import annotations

import hashlib
import marshal
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from certificates.encoding import digest
from certificates.errors import Refused
from certificates.statements import Consequence
from wipers.conditions import Bound, bind
from wipers.linux.engines import Request, Survivors
from wipers.linux.engines.sqlite_catalog import HIDDEN_KEYS, Catalog, Reference, Table, is_damage, name_of, number
from wipers.searching import literal, search_for

BATCH = 512
"""Rows read at a time."""
DENIED = frozenset({"load_extension", "random", "randomblob", "changes", "total_changes", "last_insert_rowid"})
"""Functions that no condition may ask: one loads what it is told to, the others answer differently each time."""
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_VALUE = re.compile(r"NULL|[-+]?\d+(\.\d+)?|[xX]?'(?:[^']|'')*'", re.IGNORECASE)
"""A default that is the same whenever it is asked for, and no name."""
_CHANGES = {sqlite3.SQLITE_INSERT: "adds to", sqlite3.SQLITE_UPDATE: "changes", sqlite3.SQLITE_DELETE: "takes from"}


@dataclass(frozen=True, slots=True)
class Emptied:
    """What a foreign key empties: SET NULL, SET DEFAULT."""

    column: str
    place: str
    """The temporary table with the keys of the rows in which it does."""
    value: str
    """The expression of what they hold afterwards."""


@dataclass(slots=True)
class Reach:
    """What goes when the ordered rows go."""

    catalog: Catalog
    table: Table
    condition: str
    """What follows WHERE, with the driver's marks."""
    values: tuple[Bound, ...]
    doomed: dict[str, str] = field(default_factory=dict)
    """By table in lower case: the temporary table with the keys of its rows that go."""
    changed: dict[str, list[Emptied]] = field(default_factory=dict)
    """By table in lower case: what foreign keys empty in rows that stay."""
    left_out: dict[str, set[str]] = field(default_factory=dict)
    """By table in lower case: columns of which nobody can say beforehand what foreign keys will leave in them."""
    consequences: list[Consequence] = field(default_factory=list)
    rows: int = 0
    """Rows that the condition selects."""

    def of(self, table: Table) -> str | None:
        """The temporary table with the keys of a table's rows that go; none where none does."""
        return self.doomed.get(table.name.lower())

    def afterwards(self, catalog: Catalog) -> Reach:
        """The same of a database from which all that has gone."""
        return replace(self, catalog=catalog, doomed={}, changed={})


def reach_of(connection: sqlite3.Connection, catalog: Catalog, request: Request, *, with_keys: bool) -> Reach:
    """Everything that goes with the ordered rows; raises Refused where rows that stay refer to them, where a trigger
    would carry them elsewhere, or where the table is of a kind that keeps more than can be taken out.

    `with_keys`: foreign keys are followed, as a program does that has them switched on.
    """
    table = catalog.table(request.selects.table or "")
    _check_kind(request, catalog, table)
    condition: str = "1"
    values: tuple[Bound, ...] = ()
    if request.identity.scope == "rows":
        condition, values = bind(request.selects.condition or "", request.parameters, lambda _: "?")
        _check_values(values)
    reach = Reach(catalog, table, f"({condition})", values)
    _check_triggers(connection, reach)
    _select(connection, reach)
    if with_keys:
        _follow(connection, request, reach)
    return reach


def _check_values(values: tuple[Bound, ...]) -> None:
    """SQLite has room for every number; raises Refused."""
    for value in values:
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise Refused("condition-wrong", detail="a number of more than 64 bits")


def _check_kind(request: Request, catalog: Catalog, table: Table) -> None:
    where = request.where
    if table.kind not in {"table", "virtual"} or (table.kind == "virtual" and table not in catalog.words):
        detail = f"a {table.kind} of this module" if table.kind == "virtual" else f"a {table.kind}"
        raise Refused("records-not-offered", where=where, detail=detail)
    if not table.key:
        raise Refused("records-not-offered", where=where, detail="a table whose columns hide the number of its rows")
    if table in catalog.words and table.content is not None:
        raise Refused("records-not-offered", where=where, detail="an index of words without contents of its own")
    older = [one for one in catalog.words if one.is_over(table) and one.module != "fts5"]
    if older and request.identity.scope == "table":
        raise Refused("records-not-offered", where=where, detail="an index of words of before FTS5 over the table")


def _check_triggers(connection: sqlite3.Connection, reach: Reach) -> None:
    """A trigger may keep an index of words up to date; one that does more would carry rows elsewhere, or take others
    along: an index that keeps its own contents has rows that nobody ordered."""
    found: list[str] = []
    words = {one.name.lower() for one in reach.catalog.words if one.content is not None}

    def note(action: int, thing: str | None, _other: str | None, _database: str | None, trigger: str | None) -> int:
        if action in _CHANGES and trigger and (thing or "").lower() not in words:
            found.append(_CHANGES[action])
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    try:
        table = name_of(reach.table.name)
        connection.execute(f"EXPLAIN DELETE FROM main.{table} WHERE {reach.condition}", reach.values)
    except sqlite3.Error as error:
        if is_damage(error):
            raise
        raise Refused("condition-wrong", detail=str(error)) from error
    finally:
        connection.set_authorizer(None)
    for does in found:
        raise Refused("records-not-offered", where="the table", detail=f"a trigger {does} another table")


def _select(connection: sqlite3.Connection, reach: Reach) -> None:
    """Note the keys of what the condition selects, which may do nothing but read."""
    place = _noted(connection, reach, reach.table)
    keys = ", ".join(reach.table.key)

    def only_reads(action: int, thing: str | None, name: str | None, database: str | None, _: str | None) -> int:
        is_note = action == sqlite3.SQLITE_INSERT and database == "temp" and thing == place.removeprefix("temp.")
        # An index of words asks for it before it answers.
        is_version = action == sqlite3.SQLITE_PRAGMA and thing == "data_version"
        is_fine = (action in _READS and name not in DENIED) or is_note or is_version
        return sqlite3.SQLITE_OK if is_fine else sqlite3.SQLITE_DENY

    connection.set_authorizer(only_reads)
    try:
        connection.execute(
            f"INSERT INTO {place} SELECT {keys} FROM main.{name_of(reach.table.name)} WHERE {reach.condition}",
            reach.values,
        )
    except sqlite3.Error as error:
        if "locked" in str(error) or is_damage(error):
            raise
        raise Refused("condition-wrong", detail=str(error)) from error
    finally:
        connection.set_authorizer(None)
    reach.rows = number(connection, f"SELECT count(*) FROM {place}")


def _noted(connection: sqlite3.Connection, reach: Reach, table: Table) -> str:
    """The temporary table for the keys of a table's rows, made when it is first asked for."""
    place = reach.of(table)
    if place is None:
        place = f"temp.expunge_{len(reach.doomed)}"
        _make_place(connection, place, table)
        reach.doomed[table.name.lower()] = place
    return place


def _make_place(connection: sqlite3.Connection, place: str, table: Table) -> None:
    columns = ", ".join(f"k{at}" for at in range(len(table.key)))
    connection.execute(f"DROP TABLE IF EXISTS {place}")
    connection.execute(f"CREATE TABLE {place} ({columns}, PRIMARY KEY ({columns})) WITHOUT ROWID")


def _follow(connection: sqlite3.Connection, request: Request, reach: Reach) -> None:
    """Follow foreign keys until nothing more goes, then see what would be left pointing at nothing."""
    before = -1
    counts: dict[str, int] = {}
    while before != sum(counts.values()):
        before = sum(counts.values())
        for one in reach.catalog.references:
            if one.on_delete == "CASCADE" and one.parent.lower() in reach.doomed:
                child = reach.catalog.table(one.child)
                place = _noted(connection, reach, child)
                connection.execute(
                    f"INSERT OR IGNORE INTO {place} SELECT {', '.join(child.key)} "
                    f"FROM main.{name_of(child.name)} AS child WHERE {_refers(reach, one)}"
                )
        counts = {name: number(connection, f"SELECT count(*) FROM {place}") for name, place in reach.doomed.items()}
    if more := sum(counts.values()) - reach.rows:
        reach.consequences.append(Consequence("rows-by-foreign-key", more))
    for one in reach.catalog.references:
        if one.parent.lower() in reach.doomed and one.on_delete != "CASCADE":
            _leave(connection, request, reach, one)


def _leave(connection: sqlite3.Connection, request: Request, reach: Reach, one: Reference) -> None:
    child = reach.catalog.table(one.child)
    which = f"FROM main.{name_of(child.name)} AS child WHERE {_refers(reach, one)} AND {staying(reach, child, 'child')}"
    count = number(connection, f"SELECT count(*) {which}")
    if not count:
        return
    if one.on_delete not in {"SET NULL", "SET DEFAULT"}:
        raise Refused("records-referenced", where=request.where, detail=f"{count} rows by a foreign key")
    emptied = {own.lower() for own, _ in one.columns}
    for other in reach.catalog.references:
        if other.parent.lower() == child.name.lower() and emptied & {column.lower() for _, column in other.columns}:
            # What refers to the column that is emptied would change too, and what refers to that.
            raise Refused("records-referenced", where=request.where, detail=f"{count} rows that others refer to")
    _note_emptied(connection, reach, one, which)
    reach.consequences.append(Consequence("references-emptied", count))


def _note_emptied(connection: sqlite3.Connection, reach: Reach, one: Reference, which: str) -> None:
    """Note what the rows of the child hold afterwards, or leave the column out where that cannot be told."""
    child = reach.catalog.table(one.child)
    before = reach.changed.setdefault(child.name.lower(), [])
    place = f"temp.expunge_emptied_{sum(map(len, reach.changed.values()))}"
    if child.key:
        _make_place(connection, place, child)
        connection.execute(f"INSERT INTO {place} SELECT {', '.join(f'child.{key}' for key in child.key)} {which}")
    for own, _ in one.columns:
        value = "NULL" if one.on_delete == "SET NULL" else _default(connection, child, own)
        is_other = any(noted.column == own and noted.value != value for noted in before)
        if not child.key or value is None or is_other:
            reach.left_out.setdefault(child.name.lower(), set()).add(own)
        else:
            before.append(Emptied(own, place, value))


def _default(connection: sqlite3.Connection, table: Table, column: str) -> str | None:
    """Return the expression of what a column holds by default, as it is kept; none where it is not plainly a value."""
    for _, name, kind, _, told, *_ in connection.execute(f"PRAGMA main.table_xinfo({name_of(table.name)})").fetchall():
        if str(name, "utf-8") == column:
            value = str(told or b"NULL", "utf-8")
            if not _VALUE.fullmatch(value):
                return None
            return _as_kept(connection, str(kind or b"", "utf-8", "replace"), value)
    return None


def _as_kept(connection: sqlite3.Connection, kind: str, value: str) -> str:
    """Return the expression of a value as a column of that declared type keeps it."""
    connection.execute("DROP TABLE IF EXISTS temp.expunge_kept")
    connection.execute(f"CREATE TABLE temp.expunge_kept (a {name_of(kind) if kind else ''})")
    connection.execute(f"INSERT INTO temp.expunge_kept VALUES ({value})")
    (kept,) = connection.execute("SELECT quote(a) FROM temp.expunge_kept").fetchone()
    return str(kept, "utf-8")


def _refers(reach: Reach, one: Reference) -> str:
    """The condition that a row of the child refers to a row that goes."""
    parent = reach.catalog.table(one.parent)
    same = " AND ".join(f"parent.{name_of(other)} = child.{name_of(own)}" for own, other in one.columns)
    noted = " AND ".join(f"noted.k{at} = +parent.{key}" for at, key in enumerate(parent.key))
    joined = f"main.{name_of(parent.name)} AS parent JOIN {reach.doomed[parent.name.lower()]} AS noted"
    return f"EXISTS (SELECT 1 FROM {joined} ON {noted} WHERE {same})"


def going(reach: Reach) -> str:
    """The condition that a row of the ordered table is among those that were noted."""
    table = reach.table
    place = reach.doomed[table.name.lower()]
    if table.key[0] in HIDDEN_KEYS:
        return f"{table.key[0]} IN (SELECT k0 FROM {place})"
    return f"NOT ({staying(reach, table, name_of(table.name))})"


def staying(reach: Reach, table: Table, alias: str) -> str:
    """The condition that a row of a table stays."""
    place = reach.of(table)
    if place is None:
        return "1"
    # The plus takes the column's affinity away: with it, the index over what was noted would not be used.
    noted = " AND ".join(f"noted.k{at} = +{alias}.{key}" for at, key in enumerate(table.key))
    return f"NOT EXISTS (SELECT 1 FROM {place} AS noted WHERE {noted})"


def kept_in(reach: Reach) -> Iterator[tuple[Table, tuple[str, ...]]]:
    """Yield every table of which rows stay, with its columns of which is known what they hold afterwards, by name."""
    is_dropped = reach.condition == DROPPED
    own_words = (one for one in reach.catalog.words if one.content is None)
    for table in sorted((*reach.catalog.kept, *reach.catalog.shadows, *own_words), key=lambda one: one.name):
        if not (is_dropped and table == reach.table):
            left_out = reach.left_out.get(table.name.lower(), set())
            yield table, tuple(one for one in table.columns if one not in left_out)


def value_of(reach: Reach, table: Table, column: str, alias: str) -> str:
    """The expression of what a column of a row that stays holds afterwards."""
    found = f"{alias}.{name_of(column)}"
    for one in reach.changed.get(table.name.lower(), ()):
        if one.column == column:
            noted = " AND ".join(f"noted.k{at} = +{alias}.{key}" for at, key in enumerate(table.key))
            found = (
                f"CASE WHEN EXISTS (SELECT 1 FROM {one.place} AS noted WHERE {noted}) THEN {one.value} ELSE {found} END"
            )
    return found


def _kept_of(connection: sqlite3.Connection, reach: Reach) -> Iterator[tuple[Table, sqlite3.Cursor]]:
    """Yield every table with its rows that stay, as they are afterwards, in the order of their keys."""
    for table, kept in kept_in(reach):
        columns = ", ".join(value_of(reach, table, one, "own") for one in kept) or "1"
        order = ", ".join(f"own.{one}" for one in table.key) or "1"
        statement = f"SELECT {columns} FROM main.{name_of(table.name)} AS own WHERE {staying(reach, table, 'own')}"
        yield table, connection.execute(f"{statement} ORDER BY {order}")


def survivors(connection: sqlite3.Connection, reach: Reach, key: bytes) -> Survivors:
    """Every row that stays, counted and summed in the order of its key."""
    tables, rows = 0, 0
    total = hashlib.blake2b(digest_size=32, key=key)
    for table, found in _kept_of(connection, reach):
        total.update(table.name.encode() + b"\0")
        tables += 1
        for batch in _batches(found):
            # Version 2 writes a value the same way wherever else it stands: no references.
            total.update(marshal.dumps(batch, 2))
            rows += len(batch)
    return Survivors(tables, rows, digest(total.digest()))


def unshared(connection: sqlite3.Connection, reach: Reach, parts: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the parts of values that no row which stays holds anywhere: only those tell the one from the other."""
    wanted = tuple(parts)
    search = search_for([literal(one) for one in wanted])()
    shared: set[int] = set()
    for _, found in _kept_of(connection, reach):
        for batch in _batches(found):
            shared.update(number for number, _ in search.scan(memoryview(marshal.dumps(batch, 2))))
    return tuple(one for at, one in enumerate(wanted) if at not in shared)


DROPPED = "(1)"
"""The condition of a whole table, which is dropped and not emptied."""


def _batches(found: sqlite3.Cursor) -> Iterator[list[tuple[object, ...]]]:
    while batch := found.fetchmany(BATCH):
        yield batch
