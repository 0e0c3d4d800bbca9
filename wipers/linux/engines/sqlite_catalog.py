"""What a SQLite database is made of, as far as taking rows out of it must know: tables, keys, references, indexes of
words, triggers. Reads only."""

from __future__ import annotations

import errno
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from certificates.errors import Refused
from wipers.linux.direct import error_name
from wipers.linux.engines import LOCK_SECONDS
from wipers.model import Lost

_GUARDS: dict[Path, threading.RLock] = {}
_GUARDING = threading.Lock()
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What whoever keeps the run's journal tells apart from a fault."""
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""What SQLite says of pages that are not what they must be."""
OLDEST = (3, 37, 0)
"""First SQLite that tells virtual and shadow tables from others (PRAGMA table_list)."""
WORDS = ("fts3", "fts4", "fts5")
"""Modules whose indexes of words are rebuilt after rows went."""
_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\w$]+|.""",
    re.DOTALL,
)
"""What SQLite's own reader takes for one piece of a statement, as far as names, brackets and texts go."""
HIDDEN_KEYS = ("rowid", "_rowid_", "oid")
"""Names of a row's number, each unless a column has it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, virtual or not."""

    name: str
    kind: str
    """table, virtual, shadow, view."""
    columns: tuple[str, ...]
    """Columns that hold values."""
    key: tuple[str, ...]
    """Expressions that name a row."""
    module: str = ""
    """Module of a virtual table."""
    content: str | None = None
    """Index of words: the table whose words they are; empty where it keeps no contents; none where it keeps its own."""

    def is_over(self, other: Table) -> bool:
        """Tell whether this is an index of the words of the other, whose name SQLite takes in any case."""
        return bool(self.content) and str(self.content).lower() == other.name.lower()


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key."""

    child: str
    parent: str
    columns: tuple[tuple[str, str], ...]
    """Column of the child, column of the parent."""
    on_delete: str
    """CASCADE, SET NULL, SET DEFAULT, RESTRICT or NO ACTION."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """A database's schema."""

    tables: dict[str, Table]
    """By name in lower case."""
    references: tuple[Reference, ...]
    version: int
    """Number that every change of the schema raises."""

    def table(self, name: str) -> Table:
        """A table by its name; raises Refused."""
        try:
            return self.tables[name.lower()]
        except KeyError:
            raise Refused("condition-wrong", detail="the database has no such table") from None

    @property
    def kept(self) -> tuple[Table, ...]:
        """Tables whose rows are rows of people: neither shadows of others nor SQLite's own."""
        return tuple(
            one for one in self.tables.values() if one.kind == "table" and not one.name.lower().startswith("sqlite_")
        )

    @property
    def shadows(self) -> tuple[Table, ...]:
        """Tables in which virtual tables keep their rows, but for indexes of words, which are built anew."""
        words = tuple(f"{one.name.lower()}_" for one in self.words)
        found = (one for one in self.tables.values() if one.kind == "shadow")
        return tuple(one for one in found if not one.name.lower().startswith(words))

    @property
    def words(self) -> tuple[Table, ...]:
        """Indexes of words."""
        return tuple(one for one in self.tables.values() if one.module in WORDS)


def name_of(name: str) -> str:
    """A name as SQL takes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def guard(path: Path) -> threading.RLock:
    """What keeps the threads of this process from closing a descriptor of a file that another of them has locked."""
    with _GUARDING:
        return _GUARDS.setdefault(path, threading.RLock())


_LEFT: dict[tuple[Path, str], str] = {}
"""By database and what it was: what a withdrawal of this process made of it, so that another carrier of the same order
does not take it for somebody else's change."""


def thing_of(path: Path, version: int) -> str:
    """What tells a database file from another, and its schema from what it was: every change of the schema raises its
    number, and a file that took the name has an inode of its own."""
    return f"{version}.{path.lstat().st_ino}"


def thing_since(path: Path, before: str, now: str) -> str:
    """What a database is now where withdrawals of this process alone made it so of what it was; else what it was."""
    thing = before
    for _ in range(len(_LEFT) + 1):
        if thing == now:
            return now
        thing = _LEFT.get((path, thing), before)
    return before


def note_thing(path: Path, before: str, after: str) -> None:
    """A withdrawal of this process made the one of the other."""
    _LEFT[path, before] = after


@contextmanager
def connected(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """A connection to a database file that is there, which leaves nothing on disk but what it is told to; raises
    Refused where this SQLite is too old."""
    if sqlite3.sqlite_version_info < OLDEST:
        raise Refused("records-not-offered", where="SQLite", detail=f"{sqlite3.sqlite_version} is too old: 3.37")
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=LOCK_SECONDS,
        check_same_thread=False,
    )
    try:
        connection.text_factory = bytes
        connection.execute("PRAGMA temp_store = MEMORY")
        yield connection
    finally:
        connection.close()


@contextmanager
def as_lost() -> Iterator[None]:
    """Whatever SQLite, or what leads to its files, has against going on is a Lost: a lock of somebody else's, a damaged
    page, a directory that was renamed. A full disk stays what it is."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        is_locked = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
        reason = "records-in-use" if is_locked else "engine-failed"
        raise Lost(reason, where="the database", detail=said(error)) from error
    except OSError as error:
        if error.errno in FULL:
            raise
        raise Lost("engine-failed", where="the database", detail=error_name(error)) from error


def is_damage(error: Exception) -> bool:
    """Tell whether SQLite found pages that are not what they must be, rather than a wrong statement or a lock."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in DAMAGED


def said(error: Exception) -> str:
    """What SQLite says of a fault; where it repeats what a damaged schema holds, not even as letters."""
    return "a schema in no letters" if isinstance(error, UnicodeDecodeError) else str(error)


def number(connection: sqlite3.Connection, statement: str, values: tuple[object, ...] = ()) -> int:
    """The one number that a statement answers."""
    return int(connection.execute(statement, values).fetchone()[0])


def word(connection: sqlite3.Connection, statement: str, values: tuple[object, ...] = ()) -> str:
    """The one word that a statement answers."""
    return str(connection.execute(statement, values).fetchone()[0], "utf-8")


def read_catalog(connection: sqlite3.Connection) -> Catalog:
    """The schema of the database; raises Refused where it cannot be spelled in SQL."""
    _check_spelled(connection)
    tables = {}
    listed = connection.execute("PRAGMA main.table_list").fetchall()
    made = dict(connection.execute("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table'").fetchall())
    for _, name, kind, _, has_no_rowid, *_ in listed:
        sql = str(made.get(name) or b"", "utf-8")
        found = _table(connection, str(name, "utf-8"), str(kind, "utf-8"), has_no_rowid=bool(has_no_rowid), sql=sql)
        tables[found.name.lower()] = found
    references = tuple(
        one for table in tables.values() if table.kind == "table" for one in _references(connection, table, tables)
    )
    return Catalog(tables, references, number(connection, "PRAGMA main.schema_version"))


def _check_spelled(connection: sqlite3.Connection) -> None:
    """Every name in the schema is a text that a statement can repeat: SQLite itself never looks at the bytes of one,
    and keeps what an application wrote in the letters of its own system. Raises Refused."""
    rows = connection.execute("SELECT name, tbl_name, CAST(sql AS TEXT) FROM main.sqlite_schema").fetchall()
    for told in rows:
        try:
            is_text = all("\0" not in str(one or b"", "utf-8") for one in told)
        except (UnicodeDecodeError, TypeError):
            is_text = False
        if not is_text:
            detail = 'a schema with names that are not UTF-8: order the whole file, of kind "database"'
            raise Refused("records-not-offered", where="the database", detail=detail)


def _table(connection: sqlite3.Connection, name: str, kind: str, *, has_no_rowid: bool, sql: str) -> Table:
    info = connection.execute(f"PRAGMA main.table_xinfo({name_of(name)})").fetchall()
    # hidden: 1 a virtual table's own arguments, 2 and 3 computed from the others.
    columns = tuple(str(one[1], "utf-8") for one in info if one[6] == 0)
    if has_no_rowid:
        key = tuple(name_of(str(one[1], "utf-8")) for one in sorted(info, key=lambda one: one[5]) if one[5])
    else:
        taken = {str(one[1], "utf-8").lower() for one in info}
        key = tuple(name for name in HIDDEN_KEYS if name not in taken)[:1]
    module, content = _module(sql) if kind == "virtual" else ("", None)
    return Table(name, kind, columns, key, module, content)


def _module(sql: str) -> tuple[str, str | None]:
    """The module of CREATE VIRTUAL TABLE name USING module(arguments), and its option `content`."""
    pieces = [one for one in _TOKEN.finditer(sql) if one["blank"] is None]
    # The fifth piece is the word, whatever the name before it holds, and what follows is the module.
    if len(pieces) < len(_HEAD) or pieces[4][0].upper() != "USING":
        return "", None
    content = None
    for argument in _arguments(pieces[len(_HEAD) :]):
        option, equals, value = argument.partition("=")
        # Options of FTS5 may be cut short.
        if equals and option.strip() and "content".startswith(option.strip().lower()):
            content = _bare(value.strip())
    return _bare(pieces[5][0]).lower(), content


_HEAD = ("CREATE", "VIRTUAL", "TABLE", "name", "USING", "module")


def _arguments(pieces: list[re.Match[str]]) -> Iterator[str]:
    """Yield what stands between the commas of the outermost brackets."""
    depth, found = 0, ""
    for piece in pieces:
        depth -= piece[0] == ")"
        if depth and not (depth == 1 and piece[0] == ","):
            found += piece[0]
        elif found:
            yield found
            found = ""
        depth += piece[0] == "("


def _bare(text: str) -> str:
    """A name or text without its quotes."""
    quote = text[:1]
    if quote == "[":
        return text[1:-1]
    return text[1:-1].replace(quote * 2, quote) if quote and quote in "\"'`" else text


def _references(connection: sqlite3.Connection, table: Table, tables: dict[str, Table]) -> Iterator[Reference]:
    listed: dict[int, list[tuple[bytes, bytes | None]]] = {}
    facts: dict[int, tuple[str, str]] = {}
    for one, _, parent, own, other, _, on_delete, _ in connection.execute(
        f"PRAGMA main.foreign_key_list({name_of(table.name)})"
    ):
        listed.setdefault(one, []).append((own, other))
        facts[one] = (str(parent, "utf-8"), str(on_delete, "utf-8"))
    for one, pairs in listed.items():
        parent, on_delete = facts[one]
        primary = _primary(connection, parent) if parent.lower() in tables else ()
        columns = tuple(
            (str(own, "utf-8"), str(other, "utf-8") if other is not None else primary[at])
            for at, (own, other) in enumerate(pairs)
            if other is not None or at < len(primary)
        )
        yield Reference(table.name, parent, columns, on_delete)


def _primary(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    info = connection.execute(f"PRAGMA main.table_info({name_of(table)})").fetchall()
    return tuple(str(one[1], "utf-8") for one in sorted(info, key=lambda one: one[5]) if one[5])
