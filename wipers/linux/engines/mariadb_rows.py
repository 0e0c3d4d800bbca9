"""Rows of a MariaDB server: sampled, summed, and taken out of their tables, which are written anew under one lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b, sha256
from pathlib import Path

from certificates.errors import Refused
from wipers.linux.engines import Request, Survivors, rows_outside
from wipers.linux.engines.mariadb_scope import (
    Part,
    Table,
    columns_of,
    count,
    files_of,
    followers,
    ordered,
    table_of,
)
from wipers.linux.engines.mariadb_server import Server, quoted
from wipers.linux.engines.mariadb_take import Taking
from wipers.linux.engines.telling import telling_apart
from wipers.model import Lost

TEXTUAL = frozenset(
    {
        *("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json", "enum", "set"),
        *("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "inet6", "uuid"),
    }
)
"""Types whose values are stored as they are told."""
LONGEST = 256
"""Bytes of a value that are sampled, half of them from its begin and half from its end."""
COMPARED = 2000
"""Surviving rows of a table whose every byte is compared with the samples."""


def parts_of(server: Server, request: Request) -> tuple[Part, ...]:
    """The rows that the order names, and behind them those that go or change with them; raises Refused."""
    table = table_of(server, request.identity.database, request.selects.table or "")
    if table is None:
        raise Refused("carrier-not-found", carrier=request.carrier)
    first = ordered(table, request)
    return (first, *followers(server, first))


def values_of(server: Server, part: Part, most: int) -> Iterator[bytes]:
    """At most so many parts of the rows' values, as they are stored, spread over rows and columns; none that a row
    which stays was seen to have too, since it would be found for ever."""
    columns = [name for name, kind in columns_of(server, part.table) if kind in TEXTUAL]
    share = min(1.0, 2 * most / max(count(server, part) * len(columns), 1))
    for name in columns:
        column = f"CAST({quoted(name)} AS BINARY)"
        taken = f"IF(LENGTH({column}) > {LONGEST}, CONCAT(LEFT({column}, {LONGEST // 2}), RIGHT({column},"
        taken += f" {LONGEST // 2})), {column})"
        sampled = f"SELECT DISTINCT {taken} FROM {part.table.quoted} WHERE {part.condition} AND RAND() < {share:.9f}"
        rows = server.rows(f"{sampled} LIMIT {max(most // len(columns), 1)}", *part.values)
        found = {_bytes(value) for (value,) in rows if value}
        yield from telling_apart(sorted(found - _kept(server, part, taken, found)), _staying(server, part, taken))


def _kept(server: Server, part: Part, taken: str, found: set[bytes]) -> set[bytes]:
    """Which of the values rows that stay have too."""
    if not found:
        return set()
    marks = ", ".join(["%s"] * len(found))
    kept = f"SELECT DISTINCT {taken} FROM {part.table.quoted} WHERE ({part.condition}) IS NOT TRUE"
    return {_bytes(value) for (value,) in server.rows(f"{kept} AND {taken} IN ({marks})", *part.values, *found)}


def _staying(server: Server, part: Part, taken: str) -> Iterator[bytes]:
    """What some of the rows that stay hold in that column."""
    kept = f"SELECT {taken} FROM {part.table.quoted} WHERE ({part.condition}) IS NOT TRUE LIMIT {COMPARED}"
    yield from (_bytes(value) for (value,) in server.rows(kept, *part.values) if value)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def tally(server: Server, parts: tuple[Part, ...], key: bytes, *, without: bool) -> Survivors:
    """The tables' rows, counted and summed by the server under a key; `without` those that go. Columns in which rows
    that stay forget others are left out."""
    rows = 0
    total = sha256()
    for part in parts:
        gone = f"({part.condition}) IS NOT TRUE" if without and not part.forgetting else "TRUE"
        values = part.values if without and not part.forgetting else ()
        kept = [name for name, _ in columns_of(server, part.table) if name not in part.forgetting]
        told = ", ".join(f"IFNULL(SHA1({quoted(name)}), 'n')" for name in kept)
        of_table = blake2b(part.table.quoted.encode(), key=key[:64], digest_size=16).hexdigest()
        sums = ", ".join(
            f"COALESCE(SUM(CAST(CONV(SUBSTRING(h, {start}, 14), 16, 10) AS UNSIGNED)), 0)" for start in (1, 15, 29)
        )
        found = server.rows(
            f"SELECT COUNT(*), {sums} FROM (SELECT SHA2(CONCAT_WS(',', %s, {told}), 256) AS h"
            f" FROM {part.table.quoted} WHERE {gone}) summed",
            of_table,
            *values,
        )[0]
        rows += int(found[0])
        total.update(f"{of_table}:{':'.join(str(int(one)) for one in found)};".encode())
    keyed = blake2b(total.digest(), key=key[:64], digest_size=32).hexdigest()
    return Survivors(len(parts), rows, f"sha256:{keyed}")


@contextmanager
def locked(server: Server, tables: tuple[Table, ...]) -> Iterator[None]:
    """Nobody else reads or writes the tables; raises Lost where a lock is not to be had in time."""
    server.run("SET SESSION autocommit = 0")
    try:
        server.run("LOCK TABLES " + ", ".join(f"{table.quoted} WRITE" for table in tables))
        yield
        server.run("COMMIT")
    finally:
        server.run("UNLOCK TABLES")
        server.run("SET SESSION autocommit = 1")


def withdraw_rows(taking: Taking, request: Request) -> tuple[int, int, Survivors, Survivors, tuple[Part, ...]]:
    """The rows are in no live file of their tables; return how many went, milliseconds locked, what had to survive and
    what did, and the parts."""
    server = taking.server
    parts = parts_of(server, request)
    tables = tuple({part.table.quoted: part.table for part in parts}.values())
    compressed = _compressed(taking, tables)
    started = time.monotonic()
    with locked(server, tables):
        rows = _counted(taking, request, parts)
        for table, _ in compressed:
            _rewrite(taking, request, table, "PAGE_COMPRESSED = 0")
            taking.rest()
        before = _deleted(taking, parts, request.key)
        again = dict(compressed)
        for table in tables:
            _rewrite(taking, request, table, again.get(table, "FORCE"))
        after = tally(server, parts, request.key, without=False)
    taking.count("tables-rewritten", len(tables))
    taking.held.manifest.write("rewritten", rows=rows)
    return rows, round((time.monotonic() - started) * 1000), before, after, parts


def _counted(taking: Taking, request: Request, parts: tuple[Part, ...]) -> int:
    """Rows that the order names, as it allows them, and noted before the first goes; of a run that was cut, its own:
    more than those came since, and nobody ordered them gone. Raises Lost."""
    noted = taking.held.manifest.last("deleting")
    found = count(taking.server, parts[0])
    if noted is not None:
        check_no_more(request, found, int(noted.facts["rows"]))
        return int(noted.facts["rows"])
    if rows_outside(request, found) is not None:
        raise Lost("records-changed", where=str(request.where), detail=f"{found} rows")
    for part in parts[1:]:
        code = "rows-forgetting" if part.forgetting else "rows-by-foreign-key"
        taking.count(code, count(taking.server, part))
    taking.held.manifest.write("deleting", rows=found)
    return found


def check_no_more(request: Request, found: int, noted: int) -> None:
    """A run that was cut finds no more rows than it noted; raises Lost."""
    if found > noted:
        detail = f"{found} rows, where {noted} were noted when the run began"
        raise Lost("records-changed", where=str(request.where), detail=detail)


def _deleted(taking: Taking, parts: tuple[Part, ...], key: bytes) -> Survivors:
    """The rows are gone and nothing else is; what had to survive. Raises Lost with everything as it was otherwise."""
    server, first = taking.server, parts[0]
    before = tally(server, parts, key, without=True)
    server.run(f"DELETE FROM {first.table.quoted} WHERE {first.condition}", *first.values)
    if tally(server, parts, key, without=False) != before:
        server.run("ROLLBACK")
        raise Lost("records-changed", where=first.table.name, detail="other rows would have gone too")
    server.run("COMMIT")
    return before


def _compressed(taking: Taking, tables: tuple[Table, ...]) -> tuple[tuple[Table, str], ...]:
    """Tables whose pages give blocks back as they shrink, and how each becomes so again: noted before it is changed,
    because a run that was cut finds it changed."""
    noted = taking.held.manifest.last("compressed")
    if noted is None:
        found = [[table.schema, table.name, _compression(table)] for table in tables if table.is_page_compressed]
        taking.held.manifest.write("compressed", tables=found)
        noted = taking.held.manifest.lines[-1]
    how = {(schema, name): option for schema, name, option in noted.facts["tables"]}
    return tuple((table, how[table.schema, table.name]) for table in tables if (table.schema, table.name) in how)


def _compression(table: Table) -> str:
    """The table's own words on its compression; the server's default where it has none."""
    words = [word for word in table.options.replace("`", "").split() if word.lower().startswith("page_compress")]
    return " ".join(words) if words else "PAGE_COMPRESSED = DEFAULT"


def _rewrite(taking: Taking, request: Request, table: Table, how: str) -> None:
    """The table is in new files, and its old ones are held."""
    paths: tuple[Path, ...] = files_of(taking.server, request, table)
    if taking.take(paths):
        raise Lost("records-in-use", where=table.name, detail="a file of the table lies on another file system")
    taking.server.run(f"ALTER TABLE {table.quoted} {how}")
