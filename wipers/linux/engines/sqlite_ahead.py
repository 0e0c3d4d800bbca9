"""What stays in a SQLite database, written anew and proven while others go on reading: the lock that keeps everybody
out comes afterwards, for the exchange alone.

SQLite's reserved lock keeps out whoever would change the file, and nobody who reads it
(https://www.sqlite.org/lockingv3.html, 3.0). The rows are taken out of a copy in memory, so that the file on the disk
is whole until what stays is in the new one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from certificates.statements import Fact
from wipers.linux.beneath import open_beneath, open_root
from wipers.linux.engines import Request, Survivors, rows_outside
from wipers.linux.engines.sqlite_catalog import (
    Catalog,
    Table,
    connected,
    name_of,
    number,
    read_catalog,
    thing_of,
    thing_since,
    word,
)
from wipers.linux.engines.sqlite_reach import Reach, kept_in, reach_of, staying, survivors, value_of
from wipers.linux.engines.sqlite_rewrite import INCREMENTAL, SHRINKING, faults_in, sync, write_new
from wipers.linux.engines.sqlite_taking import take_out
from wipers.linux.machine import Machine, attribute
from wipers.linux.sqlite_locks import is_unfinished
from wipers.linux.streams import READING
from wipers.model import Lost

COPIES = 3
"""How many times a database must find room in memory for a copy of it: what SQLite keeps of both files is there too."""
PLAIN = ("INT", "CHAR", "CLOB", "TEXT", "REAL", "FLOA", "DOUB")
"""What a declared type names where a column never keeps a number both whole and with a point
(https://www.sqlite.org/datatype3.html, 3.1)."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A new file that holds what stays, as long as nobody has changed the old one since."""

    reach: Reach
    survivors: Survivors
    """What has to stay, and is in the new file."""
    version: int
    """Number of the new file's schema."""
    state: int
    """What SQLite calls the state of the old file: another number after any change of another connection."""

    def holds(self, connection: sqlite3.Connection) -> bool:
        """Tell whether nobody has changed the file since; by the same connection, under its lock."""
        return state_of(connection) == self.state


def state_of(connection: sqlite3.Connection) -> int:
    """What SQLite calls the state of a file: another number after any change of another connection."""
    return number(connection, "PRAGMA main.data_version")


def check_schema(request: Request, expected: tuple[Fact, ...], catalog: Catalog) -> int:
    """It is the schema that was planned for; return the inode of the file. Raises Lost."""
    now = thing_of(request.where, catalog.version)
    if thing_since(request.where, expected[-1].value, now) != now:
        raise Lost("records-changed", where="the database", detail="its schema is another than planned for")
    return int(now.partition(".")[2])


def check_count(request: Request, expected: tuple[Fact, ...], catalog: Catalog, rows: int) -> int:
    """The same, with as many rows as ordered."""
    inode = check_schema(request, expected, catalog)
    if rows_outside(request, rows) is not None:
        raise Lost("records-changed", where="the database", detail=f"{rows} rows under lock")
    return inode


def check_finished(path: Path) -> None:
    """Nobody has died amid a transaction since the database was looked at: SQLite would undo that for whoever connects
    next, or leave it half done where its journal names a super-journal that is gone. No connection of this process
    may have the file locked; raises Lost."""
    root = open_root(str(path.parent))
    try:
        main = open_beneath(root, path.name, READING)
        try:
            if not is_unfinished(root, path.name, main):
                return
        finally:
            os.close(main)
    finally:
        os.close(root)
    detail = "a transaction that nobody will finish: open and close it once with its own application"
    raise Lost("records-in-use", where="the database", detail=detail)


def free_memory(machine: Machine) -> int:
    """Bytes of memory that could be had without taking any from others; 0 where the system does not tell."""
    told = attribute(machine.proc / "meminfo")
    return next((int(line.split()[1]) << 10 for line in told.splitlines() if line.startswith("MemAvailable:")), 0)


def has_room(connection: sqlite3.Connection, machine: Machine) -> bool:
    """Tell whether memory has room for a copy of the database."""
    size = number(connection, "PRAGMA main.page_count") * number(connection, "PRAGMA main.page_size")
    return size * COPIES <= free_memory(machine)


def write_ahead(
    connection: sqlite3.Connection,
    request: Request,
    new: Path,
    *,
    with_keys: bool,
    is_as_ordered: Callable[[Reach], bool],
    kept: Callable[[], Ahead | None],
) -> Ahead | None:
    """What stays is in the new file, compared with the old one row by row; none where it has to be done under the lock:
    no memory for a copy, or rows that went already. Keeps writers out meanwhile, and changes nothing of the old
    file. `kept`: tells, once they are kept out, whether the file that samples were told apart by is as good. Raises
    sqlite3.Error, Lost."""
    is_logged = word(connection, "PRAGMA main.journal_mode") == "wal"
    connection.execute("BEGIN IMMEDIATE")
    if not is_logged:
        # Else whoever waits to write would come between this and the lock. Not before the lock for writing is held: a
        # connection that keeps its locks waits for a writer who waits for it to stop reading.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    state = state_of(connection)
    ahead = kept()
    if ahead is None and has_room(connection, request.machine):
        ahead = _written_now(connection, request, new, with_keys=with_keys, is_as_ordered=is_as_ordered)
    end(connection)
    return replace(ahead, state=state) if ahead is not None else None


def _written_now(
    connection: sqlite3.Connection,
    request: Request,
    new: Path,
    *,
    with_keys: bool,
    is_as_ordered: Callable[[Reach], bool],
) -> Ahead | None:
    catalog = read_catalog(connection)
    if (request.selects.table or "").lower() not in catalog.tables:
        return None
    reach = reach_of(connection, catalog, request, with_keys=with_keys)
    return prove(connection, request, new, reach, with_keys=with_keys) if is_as_ordered(reach) else None


def prove(
    connection: sqlite3.Connection,
    request: Request,
    new: Path,
    reach: Reach,
    *,
    with_keys: bool,
    look: Callable[[Path], object] = lambda _: None,
) -> Ahead | None:
    """What has to stay is in the new file, whole and durable; none where memory has no room for a copy. `look`: what
    else is to be done with the new file meanwhile. By a connection for which nobody changes the old one. Raises Lost
    where anything of it is not so."""
    with ThreadPoolExecutor(4) as beside:
        # SQLite works outside this interpreter, while rows are summed in it.
        written = beside.submit(_write, request, new, with_keys=with_keys)

        checked, synced, looked = (beside.submit(_once, written, act, new) for act in (faults_in, sync, look))
        before = survivors(connection, reach, request.key)
        try:
            left = reach.afterwards(written.result())
        except MemoryError:
            return None
        # By the connection that has the lock: the copy was made of whatever had the file's name.
        rows = _alike(connection, reach, new)
        looked.result()
        synced.result()
        if faults := checked.result():
            raise Lost("engine-failed", where="the new file", detail=f"{faults} faults by integrity_check")
    # Rows of a table that has no numbers, or that are numbered anew, are told by their sum alone.
    if rows != (before.rows, before.rows) or _named(left) != _named(reach):
        with connected(new, "ro") as fresh:
            if survivors(fresh, left, request.key) != before:
                raise Lost("engine-failed", where="the new file", detail="rows that stay are not as they were")
    return Ahead(reach, before, left.catalog.version, state_of(connection))


def _once(written: Future[Catalog], act: Callable[[Path], Any], new: Path) -> Any:
    """What is done with the new file as soon as it is written."""
    written.result()
    return act(new)


def end(connection: sqlite3.Connection) -> None:
    """The transaction in which something was proven is over, and nothing keeps the new file open. Idempotent."""
    if connection.in_transaction:
        connection.execute("COMMIT")
    if any(name == b"fresh" for _, name, _ in connection.execute("PRAGMA database_list").fetchall()):
        connection.execute("DETACH fresh")


def _named(reach: Reach) -> list[tuple[str, tuple[str, ...]]]:
    return [(table.name, columns) for table, columns in kept_in(reach)]


def _write(request: Request, new: Path, *, with_keys: bool) -> Catalog:
    """The rows are out of a copy in memory, and the rest of that is in the new file, whose schema is returned."""
    with connected(request.where, "ro") as found, copied(found, with_keys=with_keys) as copy:
        if number(copy, "PRAGMA main.auto_vacuum") == SHRINKING:
            # So it is written over the old one where that is to be, and made what it was afterwards.
            copy.execute(f"PRAGMA main.auto_vacuum = {INCREMENTAL}")
        copy.execute("BEGIN")
        reach = reach_of(copy, read_catalog(copy), request, with_keys=with_keys)
        take_out(copy, reach, request.identity.scope)
        copy.execute("COMMIT")
        # Made durable beside what is done with it next.
        copy.execute("PRAGMA synchronous = OFF")
        write_new(copy, new)
    with connected(new, "ro") as fresh:
        return read_catalog(fresh)


@contextmanager
def copied(connection: sqlite3.Connection, *, with_keys: bool) -> Iterator[sqlite3.Connection]:
    """A copy of a database in memory, which nothing of it leaves."""
    with closing(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)) as copy:
        copy.execute("PRAGMA temp_store = MEMORY")
        connection.backup(copy)
        copy.text_factory = bytes
        copy.execute(f"PRAGMA foreign_keys = {'ON' if with_keys else 'OFF'}")
        yield copy


def _alike(connection: sqlite3.Connection, reach: Reach, new: Path) -> tuple[int, int]:
    """How many rows that stay are in the new file with the same values, and how many rows that has; less than none
    where they cannot be told by their keys."""
    connection.execute("ATTACH ? AS fresh", (f"file:{quote(str(new))}?mode=ro",))
    same, rows = 0, 0
    try:
        for table, columns in kept_in(reach):
            if not table.key:
                return -1, -1
            same += number(connection, _same(connection, reach, table, columns))
            rows += number(connection, f"SELECT count(*) FROM fresh.{name_of(table.name)}")
    except sqlite3.Error:
        return -1, -1
    return same, rows


def _same(connection: sqlite3.Connection, reach: Reach, table: Table, columns: tuple[str, ...]) -> str:
    """Return the statement that counts the rows of a table that stay and are in the new file with the same values."""
    listed = connection.execute(f"PRAGMA main.table_xinfo({name_of(table.name)})").fetchall()
    types = {str(one[1], "utf-8"): str(one[2] or b"", "utf-8", "replace").upper() for one in listed}
    name = name_of(table.name)
    keys = " AND ".join(f"now.{key} = own.{key}" for key in table.key)
    same = ""
    for one in columns:
        own = value_of(reach, table, one, "own")
        is_plain = table.kind != "virtual" and any(part in types.get(one, "") for part in PLAIN)
        # What a foreign key leaves in a column is compared without the column's own rules.
        is_plain = is_plain and own == f"own.{name_of(one)}"
        same += f" AND {_same_value(own, name_of(one), is_plain=is_plain)}"
    return (
        f"SELECT count(*) FROM main.{name} AS own CROSS JOIN fresh.{name} AS now ON {keys} "
        f"WHERE {staying(reach, table, 'own')}{same}"
    )


def _same_value(own: str, column: str, *, is_plain: bool) -> str:
    same = f"{own} IS now.{column} COLLATE BINARY"
    if is_plain:
        return same
    # A number without a point equals one with it.
    return f"{same} AND typeof({own}) = typeof(now.{column})"
