"""Values of what is to leave a SQLite database, and which of them tell that from what stays."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from wipers.linux.engines import Request
from wipers.linux.engines.sqlite_ahead import copied, free_memory
from wipers.linux.engines.sqlite_catalog import Table, name_of, number, read_catalog, word
from wipers.linux.engines.sqlite_reach import Reach, reach_of, unshared
from wipers.linux.engines.sqlite_taking import take_out
from wipers.needles import BLOCK, most_telling
from wipers.searching import literal, search_for

ALWAYS_COPIED, MOST_COPIED, COPIES = 64 << 20, 1000 << 20, 6
"""Largest database of which two copies are made in memory without asking how much is free, largest of which they are
made at all (SQLite keeps a file of 1 GiB in memory), and how many times one between them must find room."""
A_LOOK = 8 << 20
"""Bytes of a file that are looked through at a time."""


def telling(values: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the part of each value that tells most; of one that tells too little nothing."""
    found = (most_telling(value[:BLOCK]) for value in values)
    return (part[1] for part in found if part is not None)


def parts_of(connection: sqlite3.Connection, reach: Reach, most: int) -> tuple[bytes, ...]:
    """Return about so many parts of values of all rows that go, each once."""
    each = most // len(reach.doomed)
    found = (
        part
        for name, place in reach.doomed.items()
        for part in telling(_values(connection, reach.catalog.table(name), place, each))
    )
    return tuple(dict.fromkeys(found))


def can_be_looked_for(connection: sqlite3.Connection) -> bool:
    """Tell whether a text stands in the file by the same bytes as it is handed out."""
    return word(connection, "PRAGMA encoding") == "UTF-8"


def parts_in(new: Path, parts: tuple[bytes, ...]) -> set[bytes]:
    """Return the parts that stand anywhere in a file, also where one value ends and another begins; raises OSError."""
    search = search_for([literal(one) for one in parts])()
    most = max(map(len, parts), default=1) - 1
    found: set[bytes] = set()
    buffer = memoryview(bytearray(most + A_LOOK))
    with new.open("rb", buffering=0) as file:
        while length := file.readinto(buffer[most:]):
            found.update(parts[at] for at, _ in search.scan(buffer[: most + length]))
            # A part may begin in one look and end in the next.
            buffer[:most] = bytes(buffer[length : length + most])
    return found


def told_apart(
    connection: sqlite3.Connection, reach: Reach, parts: tuple[bytes, ...], found: set[bytes], rest: sqlite3.Connection
) -> Iterator[bytes]:
    """Yield the parts that tell what goes from what stays. `found`: those that stand in `rest`, a database without the
    rows that go."""
    yield from (one for one in parts if one not in found)
    # Rows are looked through only where something of them reads like what goes.
    apart = unshared(connection, reach, [one for one in parts if one in found]) if found else ()
    yield from (one for one in apart if _is_value(rest, one))


def samples_of(
    connection: sqlite3.Connection, reach: Reach, request: Request, most: int, *, with_keys: bool
) -> Iterator[bytes]:
    """Yield the same where no file without the rows is there to look in: in memory, or row by row."""
    parts = parts_of(connection, reach, most)
    size = number(connection, "PRAGMA page_count") * number(connection, "PRAGMA page_size")
    if not _may_copy(request, size) or not can_be_looked_for(connection):
        yield from unshared(connection, reach, parts)
        return
    with _left_over(connection, request, with_keys=with_keys) as (copy, held):
        found = {parts[at] for at, _ in search_for([literal(one) for one in parts])().scan(held)}
        yield from told_apart(connection, reach, parts, found, copy)


def _may_copy(request: Request, size: int) -> bool:
    """Tell whether memory has room for the database several times over."""
    if size <= ALWAYS_COPIED or size > MOST_COPIED:
        return size <= ALWAYS_COPIED
    return size * COPIES <= free_memory(request.machine)


def _values(connection: sqlite3.Connection, table: Table, place: str, most: int) -> Iterator[bytes]:
    """Yield values of a table's rows that go, spread evenly over rows and columns."""
    rows = number(connection, f"SELECT count(*) FROM {place}")
    stride = max(rows * max(len(table.columns), 1) // max(most, 1), 1)
    noted = " AND ".join(f"noted.k{at} = own.{key}" for at, key in enumerate(table.key))
    for column in table.columns:
        quoted = name_of(column)
        found = connection.execute(
            f"SELECT own.{quoted} FROM (SELECT *, row_number() OVER () AS at FROM {place}) AS noted "
            f"JOIN main.{name_of(table.name)} AS own ON {noted} "
            f"WHERE noted.at % ? = 0 AND typeof(own.{quoted}) IN ('text', 'blob')",
            (stride,),
        )
        yield from (value for (value,) in found)


@contextmanager
def _left_over(
    connection: sqlite3.Connection, request: Request, *, with_keys: bool
) -> Iterator[tuple[sqlite3.Connection, memoryview]]:
    """A copy in memory without the rows that go, and the bytes of another, written anew as the file will be: there what
    stays may read like what goes where one value ends and something else begins, as the number of a row behind its
    name."""
    place = f"file:/expunge-{os.urandom(8).hex()}?vfs=memdb"
    with copied(connection, with_keys=with_keys) as copy, closing(_in_memory(place)) as anew:
        catalog = read_catalog(copy)
        take_out(copy, reach_of(copy, catalog, request, with_keys=with_keys), request.identity.scope)
        # Into a second place: VACUUM alone would write it there and back again.
        copy.execute("VACUUM INTO ?", (place,))
        yield copy, memoryview(anew.serialize())


def _in_memory(place: str) -> sqlite3.Connection:
    """A database that no file system has, nor anything that is noted beside it; connections to one place share it."""
    connection = sqlite3.connect(place, isolation_level=None, uri=True)
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _is_value(copy: sqlite3.Connection, part: bytes) -> bool:
    """Tell whether any table, also one that is another's shadow, holds the part inside one value."""
    for table in read_catalog(copy).tables.values():
        if table.kind in {"table", "shadow"} and table.columns:
            inside = " OR ".join(f"instr(CAST({name_of(one)} AS BLOB), ?)" for one in table.columns)
            asked = f"SELECT EXISTS (SELECT 1 FROM main.{name_of(table.name)} WHERE {inside})"
            if number(copy, asked, (part,) * len(table.columns)):
                return True
    return False
