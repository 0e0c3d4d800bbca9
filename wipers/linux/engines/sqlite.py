"""SQLite: rows, a table or a whole database, with its log, its journal, its indexes of words and its statistics."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from certificates.errors import Refused
from certificates.statements import Consequence, Fact, Method, Place, Residual
from wipers.acts import Given
from wipers.linux.beneath import open_beneath, open_root
from wipers.linux.direct import error_name
from wipers.linux.engines import Look, Request, Withdrawn, facts_of
from wipers.linux.engines.sqlite_catalog import Table, connected, guard, name_of, number, read_catalog, word
from wipers.linux.engines.sqlite_reach import reach_of, unshared
from wipers.linux.engines.sqlite_rewrite import NEW
from wipers.linux.engines.sqlite_withdrawal import Withdrawal, others_of, take_out
from wipers.linux.filesystems import file_system_of
from wipers.linux.held import Held
from wipers.linux.identity import check_unchanged
from wipers.linux.sqlite_pages import has_magic, is_hot
from wipers.linux.streams import READING
from wipers.linux.usage import in_use
from wipers.model import Lost, Obstacle
from wipers.needles import BLOCK, most_telling
from wipers.packings import Packing
from wipers.searching import literal, search_for

BESIDE = ("", "-wal", "-shm", "-journal")
"""What a database's files end in."""
SCOPES = ("rows", "table")
MOST_COPIED = 512 << 20
"""Largest database of which a copy is made in memory."""
RATE = 60 << 20
"""Bytes a second of the whole rewrite, measured at its slowest: for the time of the lock that a plan states."""
WAL_VERSION = b"\x02\x02"
"""Bytes 18 and 19 of a file whose changes go into a log (https://www.sqlite.org/fileformat2.html, 1.3.3)."""


def look(request: Request) -> Look | None:
    """What the condition selects now, and what goes with it; none where there is no file. Reads only."""
    path = request.where
    _check_offered(request)
    if not path.exists():
        return None
    obstacles = list(_content_obstacles(path))
    facts = _facts(request, "0")
    if obstacles:
        return Look(facts, 0, 0, Method.COPY_FORWARD, obstacles=tuple(obstacles))
    try:
        with _reading(path) as connection:
            return _look(request, connection)
    except sqlite3.OperationalError as error:
        busy = in_use(str(path), f"a connection ({error})")
        return Look(facts, 0, 0, Method.COPY_FORWARD, obstacles=(busy,))
    except sqlite3.DatabaseError as error:
        damaged = Obstacle("database-unreadable", (("detail", str(error)), ("where", str(path))))
        return Look(facts, 0, 0, Method.COPY_FORWARD, obstacles=(damaged,))


def _look(request: Request, connection: sqlite3.Connection) -> Look:
    path = request.where
    catalog = read_catalog(connection)
    reach = reach_of(connection, catalog, request, with_keys=has_keys(request))
    size = number(connection, "PRAGMA page_count") * number(connection, "PRAGMA page_size")
    beside = sum(Path(f"{path}{end}").stat().st_size for end in BESIDE[1:] if Path(f"{path}{end}").exists())
    others = others_of(request)
    preferred = Method.HOLE_FILLING if others else Method.COPY_FORWARD
    journal = word(connection, "PRAGMA journal_mode")
    # A connection to a database with a log holds a lock for as long as it lives.
    busy = in_use(str(path), others[0]) if others and journal == "wal" else None
    words = sum(one.content != "" for one in catalog.words)
    views = sum(one.kind == "view" for one in catalog.tables.values())
    consequences = [*reach.consequences, Consequence("indexes-of-words-rebuilt", words)]
    consequences.append(Consequence("views-to-look-at", views if request.identity.scope == "table" else 0))
    empty = [one for one in catalog.words if one.content == ""]
    return Look(
        facts=_facts(request, str(catalog.version)),
        rows=reach.rows,
        size=size + beside,
        preferred=preferred,
        obstacles=(busy,) if busy is not None else (),
        residual=(Residual("values-not-sampled"), *([Residual("index-pivots", len(empty))] if empty else [])),
        consequences=tuple(one for one in consequences if one.count),
        description=(
            Fact("pages", str(number(connection, "PRAGMA page_count"))),
            Fact("journal", journal),
            Fact("lock-milliseconds", str(1000 * size // RATE + 100)),
            Fact("open-elsewhere", str(len(others))),
        ),
    )


def recover(request: Request, held: Held) -> None:
    """Every change here is one transaction of SQLite's own, or one exchange of names: a new file that never came into
    use is removed, and the rest goes on where it stopped. Nothing is put back: others may have gone on meanwhile."""
    folder, line = held.path, held.manifest.last("exchange")
    if folder is None:
        return
    was_exchanged = line is not None and request.where.exists() and request.where.stat().st_ino == line.facts["new"]
    if not was_exchanged:
        for end in BESIDE:
            Path(f"{folder / NEW}{end}").unlink(missing_ok=True)


@contextmanager
def open(request: Request, expected: tuple[Fact, ...], resuming: bool) -> Iterator[Session]:  # noqa: A001 - of the port
    """A session that has the file identified; its locks are taken when the rows are taken out, not before."""
    if not resuming:
        found = look(request)
        if found is None:
            raise Refused("open-failed", where=request.where, error="ENOENT")
        for obstacle in found.obstacles:
            raise Refused(obstacle.reason, **dict(obstacle.facts))
        check_unchanged(str(request.where), expected, found.facts)
    yield Session(request, expected)


class Session:
    """One database file, opened for as long as each question needs."""

    def __init__(self, request: Request, expected: tuple[Fact, ...]) -> None:
        """Open nothing yet."""
        self._request = request
        self._expected = expected

    def facts(self) -> tuple[Fact, ...]:
        if not self._request.where.exists():
            raise Lost("target-lost", where=str(self._request.where), detail="its file is gone")
        return _facts(self._request, self._expected[-1].value)

    def files(self) -> Iterable[tuple[Path, Place]]:
        path = self._request.where
        yield path, "engine"
        for end in BESIDE[1:]:
            yield Path(f"{path}{end}"), "engine-log"

    def packings(self) -> tuple[Packing, ...]:
        return ()

    def values(self, most: int) -> Iterator[bytes]:
        with _reading(self._request.where) as connection:
            reach = reach_of(connection, read_catalog(connection), self._request, with_keys=has_keys(self._request))
            each = most // len(reach.doomed)
            found = [
                part
                for name, place in reach.doomed.items()
                for value in _values(connection, reach.catalog.table(name), place, each)
                if (part := most_telling(value[:BLOCK])) is not None
            ]
            parts = unshared(connection, reach, dict.fromkeys(value for _, value in found))
            yield from _but(parts, _by_chance(connection, self._request, parts))

    def withdraw(self, held: Held, given: Given, method: Method) -> Withdrawn:
        held.begin(self._request.where.parent, given.entropy(8).hex())
        try:
            with_keys = has_keys(self._request)
            with guard(self._request.where):
                return Withdrawal(self._request, self._expected, held, given, method, with_keys=with_keys).go()
        except sqlite3.OperationalError as error:
            reason = "records-in-use" if "locked" in str(error) else "engine-failed"
            raise Lost(reason, where="the database", detail=str(error)) from error
        except sqlite3.Error as error:
            raise Lost("engine-failed", where="the database", detail=str(error)) from error

    def check(self) -> tuple[str, bool]:
        """PRAGMA quick_check: the whole integrity_check was made before the new file came into use."""
        try:
            with _reading(self._request.where) as connection:
                return "PRAGMA quick_check", word(connection, "PRAGMA quick_check") == "ok"
        except sqlite3.Error:
            return "PRAGMA quick_check", False


def has_keys(request: Request) -> bool:
    """Tell whether the application has foreign keys switched on; it has unless the order says `foreign_keys = "off"`,
    since SQLite keeps no note of it."""
    return request.connect.get("foreign_keys", "on") != "off"


def _check_offered(request: Request) -> None:
    where, selects = request.where, request.selects
    if request.identity.scope not in SCOPES:
        detail = f"a {request.identity.scope} of SQLite: order the file, as kind database"
        raise Refused("records-not-offered", where=where, detail=detail)
    if selects.schema not in (None, "main"):
        raise Refused("records-not-offered", where=where, detail="an attached database: order the file that it is")


def _content_obstacles(path: Path) -> Iterator[Obstacle]:
    """Yield why the file is no database that can be read now; takes no lock."""
    where = (("where", str(path)),)
    try:
        root = open_root(str(path.parent))
    except OSError as error:
        raise Refused("open-failed", where=path, error=error_name(error)) from error
    try:
        with guard(path):
            is_one = _holds(root, path.name, has_magic)
            is_unfinished = _holds(root, f"{path.name}-journal", is_hot)
    finally:
        os.close(root)
    if not is_one:
        yield Obstacle("not-a-database", where)
    elif is_unfinished:
        yield Obstacle("database-unfinished", where)


def _holds(root: int, name: str, is_so: object) -> bool:
    """Tell what a question about an open file answers; false where there is no such file."""
    try:
        descriptor = open_beneath(root, name, READING)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Refused("open-failed", where=name, error=error_name(error)) from error
    try:
        return bool(is_so(descriptor)) if callable(is_so) else False
    finally:
        os.close(descriptor)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads, and makes neither a log nor its index where nobody has made them."""
    with guard(path), path.open("rb") as file:
        is_logged = file.read(20)[18:20] == WAL_VERSION
    log = Path(f"{path}-wal")
    is_still = is_logged and not (log.exists() and log.stat().st_size)
    with guard(path), connected(path, "ro&immutable=1" if is_still else "ro") as connection:
        yield connection


def _facts(request: Request, version: str) -> tuple[Fact, ...]:
    root = open_root(str(request.where.parent))
    try:
        filesystem = file_system_of(root, request.machine).uuid or ""
        inode = os.fstat(root).st_ino
    finally:
        os.close(root)
    return facts_of("sqlite", system="-", filesystem=filesystem, inode=inode, database="main", thing=version)


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


def _but(parts: tuple[bytes, ...], dropped: set[bytes]) -> Iterator[bytes]:
    return (one for one in parts if one not in dropped)


def _by_chance(connection: sqlite3.Connection, request: Request, parts: tuple[bytes, ...]) -> set[bytes]:
    """Return the parts that what stays will hold where one value ends and something else begins, such as the number of
    a row behind its name in an index: found out in memory, on a copy without the rows that go."""
    size = number(connection, "PRAGMA page_count") * number(connection, "PRAGMA page_size")
    if size > MOST_COPIED:
        return set()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        connection.backup(copy)
        copy.text_factory = bytes
        with_keys = has_keys(request)
        copy.execute(f"PRAGMA foreign_keys = {'ON' if with_keys else 'OFF'}")
        copy.execute("PRAGMA secure_delete = ON")
        catalog = read_catalog(copy)
        take_out(copy, reach_of(copy, catalog, request, with_keys=with_keys), request.identity.scope)
        copy.execute("VACUUM")
        left = copy.serialize()
        found = search_for([literal(one) for one in parts])().scan(memoryview(left))
        held = {parts[at] for at, _ in found}
        # What an index of words or the like still holds as a value is no chance: the hunt is to find it.
        return held - {one for one in held if _is_value(copy, one)}


def _is_value(copy: sqlite3.Connection, part: bytes) -> bool:
    """Tell whether any table, also one that is another's shadow, holds the part inside one value."""
    for table in read_catalog(copy).tables.values():
        if table.kind in {"table", "shadow"} and table.columns:
            inside = " OR ".join(f"instr(CAST({name_of(one)} AS BLOB), ?)" for one in table.columns)
            asked = f"SELECT EXISTS (SELECT 1 FROM main.{name_of(table.name)} WHERE {inside})"
            if number(copy, asked, (part,) * len(table.columns)):
                return True
    return False
