"""SQLite: rows, a table or a whole database, with its log, its journal, its indexes of words and its statistics."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from certificates.errors import Refused
from certificates.statements import Consequence, Fact, Method, Place, Residual
from wipers.acts import Given
from wipers.linux.beneath import open_beneath, open_root
from wipers.linux.direct import error_name
from wipers.linux.engines import LOCK_SECONDS, Look, Request, Withdrawn, facts_of
from wipers.linux.engines.sqlite_ahead import check_finished
from wipers.linux.engines.sqlite_catalog import (
    as_lost,
    connected,
    guard,
    is_damage,
    number,
    read_catalog,
    said,
    thing_of,
    thing_since,
    word,
)
from wipers.linux.engines.sqlite_kept import Kept, close_others, let_go_of_log
from wipers.linux.engines.sqlite_logged import LoggedWithdrawal, keeps_log
from wipers.linux.engines.sqlite_reach import reach_of
from wipers.linux.engines.sqlite_rewrite import NEW, remove_new, was_exchanged
from wipers.linux.engines.sqlite_samples import samples_of, telling
from wipers.linux.engines.sqlite_whole import WholeWithdrawal, rows_of, values_of
from wipers.linux.engines.sqlite_withdrawal import Withdrawal, others_of
from wipers.linux.filesystems import file_system_of
from wipers.linux.held import Held
from wipers.linux.identity import check_unchanged
from wipers.linux.secluded import secluded
from wipers.linux.sqlite_locks import is_unfinished, lasting_change, told
from wipers.linux.sqlite_pages import has_magic, looks_encrypted
from wipers.linux.streams import READING
from wipers.linux.usage import in_use
from wipers.model import Lost, Obstacle
from wipers.packings import Packing

BESIDE = ("", "-wal", "-shm", "-journal")
"""What a database's files end in."""
SCOPES = ("rows", "table", "database")
RATE = 60 << 20
"""Bytes a second of the whole rewrite, measured at its slowest: for the time of the lock that a plan states."""
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
"""What SQLite answers when another connection is in the way, also one that has just left something to roll back."""
RESERVED = 20
"""Where the header says how many bytes of each page are an extension's (1.3.4 there)."""


def look(request: Request) -> Look | None:
    """What the condition selects now, and what goes with it; none where there is no file. Reads only."""
    return _looked(request, _look)


def _looked(request: Request, how: Callable[[Request, sqlite3.Connection], Look]) -> Look | None:
    path = request.where
    _check_offered(request)
    if not path.exists():
        return None
    obstacles = list(_content_obstacles(request))
    # What cannot be read cannot be told from what was ordered: what is in the way is to be said, not "not found".
    facts = _facts(request, request.identity.object or "0")
    if obstacles:
        return Look(facts, 0, 0, Method.COPY_FORWARD, obstacles=tuple(obstacles))
    try:
        with _reading(request) as connection:
            return how(request, connection)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        return Look(facts, 0, 0, Method.COPY_FORWARD, obstacles=(_told(error, path),))


def _told(error: sqlite3.DatabaseError | UnicodeDecodeError, path: Path) -> Obstacle:
    """Why a database that has been one so far cannot be read: somebody is in the way, or something in it."""
    if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in BUSY:
        return in_use(str(path), f"a connection ({error})")
    return Obstacle("database-unreadable", (("detail", said(error)), ("where", str(path))))


def _look(request: Request, connection: sqlite3.Connection) -> Look:
    catalog = read_catalog(connection)
    found = _glance(request, connection)
    if request.identity.scope == "database":
        return replace(found, rows=rows_of(connection, catalog))
    _check_writable(connection, request.where)
    reach = reach_of(connection, catalog, request, with_keys=has_keys(request))
    words = sum(one.content != "" for one in catalog.words)
    views = sum(one.kind == "view" for one in catalog.tables.values())
    consequences = [*reach.consequences, Consequence("indexes-of-words-rebuilt", words)]
    consequences.append(Consequence("views-to-look-at", views if request.identity.scope == "table" else 0))
    empty = [one for one in catalog.words if one.content == ""]
    return replace(
        found,
        rows=reach.rows,
        residual=(*found.residual, *([Residual("index-pivots", len(empty))] if empty else [])),
        consequences=tuple(one for one in consequences if one.count),
    )


def _check_writable(connection: sqlite3.Connection, where: Path) -> None:
    """Every table and index can be made anew by this SQLite: none asks for an application's own function or sorting;
    raises Refused, sqlite3.Error."""
    made = connection.execute(
        "SELECT CAST(sql AS TEXT) FROM main.sqlite_schema WHERE type IN ('table', 'index') AND rootpage > 0 "
        "AND sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type DESC"
    ).fetchall()
    with closing(sqlite3.connect(":memory:")) as empty:
        try:
            for (statement,) in made:
                empty.execute(str(statement, "utf-8"))
        except sqlite3.Error as error:
            raise Refused("records-not-offered", where=where, detail=str(error)) from error


def _glance(request: Request, connection: sqlite3.Connection) -> Look:
    """What is there, and who is in the way, whatever of it was ordered."""
    path, others = request.where, others_of(request)
    size = number(connection, "PRAGMA page_count") * number(connection, "PRAGMA page_size")
    beside = sum(Path(f"{path}{end}").stat().st_size for end in BESIDE[1:] if Path(f"{path}{end}").exists())
    journal = word(connection, "PRAGMA journal_mode")
    # Who has the file open keeps its blocks.
    is_whole = request.identity.scope == "database"
    return Look(
        facts=_facts(request, thing_of(path, number(connection, "PRAGMA main.schema_version"))),
        rows=0,
        size=size + beside,
        preferred=Method.HOLE_FILLING if others and not is_whole else Method.COPY_FORWARD,
        obstacles=(in_use(str(path), others[0]),) if others and is_whole else (),
        residual=(Residual("values-not-sampled"),),
        # The new file, and in place the journal beside it.
        room=0 if is_whole else 2 * size,
        description=(
            Fact("pages", str(number(connection, "PRAGMA page_count"))),
            Fact("journal", journal),
            # With a log nobody is kept from reading.
            Fact("lock-milliseconds", "0" if others and journal == "wal" else str(1000 * size // RATE + 100)),
            Fact("open-elsewhere", str(len(others))),
        ),
    )


def recover(request: Request, held: Held) -> None:
    """Every change here is one transaction of SQLite's own, or one exchange of names: a new file that never came into
    use is removed, and the rest goes on where it stopped. Nothing is put back: others may have gone on meanwhile."""
    if held.path is None or was_exchanged(held, held.path / NEW):
        return
    remove_new(held.path / NEW)


@contextmanager
def open(request: Request, expected: tuple[Fact, ...], resuming: bool) -> Iterator[Session]:  # noqa: A001 - of the port
    """A session that has the file identified; its locks are taken when the rows are taken out, not before."""
    if not resuming:
        # How many rows there are is counted again under the lock.
        found = _looked(request, _glance)
        if found is None:
            raise Refused("open-failed", where=request.where, error="ENOENT")
        for obstacle in found.obstacles:
            raise Refused(obstacle.reason, **dict(obstacle.facts))
        thing = thing_since(request.where, expected[-1].value, found.facts[-1].value)
        check_unchanged(str(request.where), (*expected[:-1], replace(expected[-1], value=thing)), found.facts)
    session = Session(request, expected)
    try:
        yield session
    finally:
        session.close()


class Session:
    """One database file, opened for as long as each question needs."""

    def __init__(self, request: Request, expected: tuple[Fact, ...]) -> None:
        """Open nothing yet."""
        self._request = request
        self._expected = expected
        self._is_whole = request.identity.scope == "database"
        self._foreseen: tuple[Held, Given] | None = None
        self._kept: Kept | None = None

    def facts(self) -> tuple[Fact, ...]:
        if not self._request.where.exists() and not self._is_whole:
            raise Lost("target-lost", where=str(self._request.where), detail="its file is gone")
        return _facts(self._request, self._expected[-1].value)

    def files(self) -> Iterable[tuple[Path, Place]]:
        path = self._request.where
        yield path, "engine"
        for end in BESIDE[1:]:
            yield Path(f"{path}{end}"), "engine-log"

    def packings(self) -> tuple[Packing, ...]:
        return ()

    def foresee(self, held: Held, given: Given) -> None:
        """Nothing happens yet; what stays is written there when samples are asked for."""
        self._foreseen = held, given

    def values(self, most: int) -> Iterator[bytes]:
        with as_lost():
            found = self._values_ahead(most)
            yield from self._values_now(most) if found is None else found

    def _values_now(self, most: int) -> Iterator[bytes]:
        with _reading(self._request) as connection:
            if self._is_whole:
                yield from telling(values_of(connection, most))
                return
            with_keys = has_keys(self._request)
            reach = reach_of(connection, read_catalog(connection), self._request, with_keys=with_keys)
            yield from samples_of(connection, reach, self._request, most, with_keys=with_keys)

    def _values_ahead(self, most: int) -> tuple[bytes, ...] | None:
        """The same told apart by the new file of the withdrawal to come; none where that is not to be written yet."""
        if self._foreseen is None or self._is_whole or self._foreseen[0].manifest.last("counted") is not None:
            return None
        (held, given), self._foreseen = self._foreseen, None
        with guard(self._request.where):
            let_go_of_log(self._request.where)
            is_logged = keeps_log(self._request.where)
            if is_logged and others_of(self._request):
                # Written anew where it is, by transactions of its own.
                return None
            check_finished(self._request.where)
            self._kept = Kept(self._request, is_logged=is_logged, with_keys=has_keys(self._request))
            found = None
            try:
                with self._kept.reading() as connection:
                    begin = partial(self._begin, held, given)
                    found = self._kept.samples(connection, self._expected, most, begin)
            finally:
                if found is None:
                    self.close()
        return found

    def _begin(self, held: Held, given: Given) -> Path:
        """The held directory is there; return what the new file is called in it."""
        return held.begin(secluded(self._request.where.parent), given.entropy(8).hex()) / NEW

    def close(self) -> None:
        """Nothing is kept that was written for a withdrawal; what took the database's place is not touched."""
        if self._kept is not None:
            with guard(self._request.where):
                self._kept.close()
            self._kept = None

    def withdraw(self, held: Held, given: Given, method: Method) -> Withdrawn:
        with as_lost():
            self._begin(held, given)
            with_keys = has_keys(self._request)
            with guard(self._request.where):
                close_others(self._request.where, self._kept)
                way, kept = self._way(), self._kept
                try:
                    return way(self._request, self._expected, held, given, method, with_keys=with_keys, kept=kept).go()
                finally:
                    self.close()

    def _way(self) -> type[Withdrawal]:
        if self._is_whole:
            return WholeWithdrawal
        is_logged = self._kept is not None and self._kept.is_logged
        return LoggedWithdrawal if is_logged or keeps_log(self._request.where) else Withdrawal

    def check(self) -> tuple[str, bool]:
        """PRAGMA quick_check: the whole integrity_check was made before the new file came into use."""
        if self._is_whole:
            return "none: the database is gone", True
        with as_lost():
            try:
                with _reading(self._request) as connection:
                    return "PRAGMA quick_check", word(connection, "PRAGMA quick_check") == "ok"
            except sqlite3.Error as error:
                if not is_damage(error):
                    # Somebody's lock is no damage: a resume checks again.
                    raise
            except UnicodeDecodeError:
                # What its schema holds is in no letters.
                pass
            return "PRAGMA quick_check", False

    def cut_check(self) -> None:
        """It takes a second a gibibyte."""


def has_keys(request: Request) -> bool:
    """Tell whether the application has foreign keys switched on; it has unless the order says `foreign_keys = "off"`,
    since SQLite keeps no note of it."""
    return request.connect.get("foreign_keys", "on") != "off"


def _check_offered(request: Request) -> None:
    where, selects = request.where, request.selects
    if request.identity.scope not in SCOPES:
        detail = f'a {request.identity.scope} of SQLite: order each of its files, with scope = "database"'
        raise Refused("records-not-offered", where=where, detail=detail)
    if selects.schema not in (None, "main"):
        detail = "an attached database: order the file that it is, as the database itself"
        raise Refused("records-not-offered", where=where, detail=detail)


def _content_obstacles(request: Request) -> Iterator[Obstacle]:
    """Yield why the file is no database that can be read now; takes no lock, but waits for who is changing it."""
    path, where = request.where, (("where", str(request.where)),)
    with guard(path), _opened(path) as (root, main):
        let_go_of_log(path)
        if looks_encrypted(main):
            yield Obstacle("database-encrypted", where)
        elif not has_magic(main):
            yield Obstacle("not-a-database", where)
        elif (process := lasting_change(main, LOCK_SECONDS)) is not None:
            yield in_use(str(path), told(process, request.machine))
        elif is_unfinished(root, path.name, main):
            yield Obstacle("database-unfinished", where)
        elif others := os.fstat(main).st_nlink - 1:
            yield Obstacle("hard-links-outside", (("count", str(others)),))
        elif reserved := os.pread(main, 1, RESERVED):
            detail = ("detail", f"{reserved[0]} bytes of each page that an extension keeps for itself")
            yield from [Obstacle("records-not-offered", (detail, *where))] if reserved[0] else []


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, int]]:
    """Descriptors of the directory and of the file in it, reached through no link; raises Refused."""
    with ExitStack() as left:
        try:
            root = open_root(str(path.parent))
            left.callback(os.close, root)
            main = open_beneath(root, path.name, READING)
            left.callback(os.close, main)
        except OSError as error:
            raise Refused("open-failed", where=path, error=error_name(error)) from error
        yield root, main


@contextmanager
def _reading(request: Request) -> Iterator[sqlite3.Connection]:
    """A connection that reads, and makes neither a log nor its index where nobody has made them."""
    path = request.where
    with guard(path):
        let_go_of_log(path)
        is_logged = keeps_log(path)
    log = Path(f"{path}-wal")
    is_still = is_logged and not (log.exists() and log.stat().st_size)
    with guard(path), connected(path, "ro&immutable=1" if is_still else "ro") as connection:
        # With them on, what a deletion would do says what their actions and the triggers behind those would.
        connection.execute(f"PRAGMA foreign_keys = {'ON' if has_keys(request) else 'OFF'}")
        yield connection


def _facts(request: Request, version: str) -> tuple[Fact, ...]:
    root = open_root(str(request.where.parent))
    try:
        filesystem = file_system_of(root, request.machine).uuid or ""
        inode = os.fstat(root).st_ino
    finally:
        os.close(root)
    return facts_of("sqlite", system="-", filesystem=filesystem, inode=inode, database="main", thing=version)
