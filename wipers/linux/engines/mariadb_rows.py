"""Rows of a MariaDB server: sampled, summed, and taken out of their tables, which are written anew under one lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
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
    put_aside,
    table_of,
)
from wipers.linux.engines.mariadb_server import Server, quoted
from wipers.linux.engines.mariadb_take import Taking
from wipers.model import Lost


def parts_of(server: Server, request: Request) -> tuple[Part, ...]:
    """The rows that the order names, and behind them those that go or change with them; raises Refused."""
    table = table_of(server, request.identity.database, request.selects.table or "")
    if table is None:
        raise Refused("carrier-not-found", carrier=request.carrier)
    first = ordered(table, request)
    return (first, *followers(server, first))


def tally(
    server: Server, tables: tuple[Table, ...], key: bytes, counting: tuple[Callable[[], int], ...] = ()
) -> Survivors:
    """The tables' rows, counted and summed by the server, under a key; `counting`: what somebody else counts, each
    table, in a snapshot of the same moment."""
    rows = 0
    total = blake2b(key=key[:64], digest_size=32)
    for number, table in enumerate(tables):
        summed = server.rows(f"CHECKSUM TABLE {table.quoted} EXTENDED")[0][1]
        if summed is None:
            raise server.lost("the server gives no sum of a table", 0)
        counted = counting[number]() if counting else count(server, Part(table, "TRUE", ()))
        rows += counted
        total.update(f"{table.quoted}:{counted}:{summed};".encode())
    return Survivors(len(tables), rows, f"sha256:{total.hexdigest()}")


def untouched(server: Server, parts: tuple[Part, ...], *, without: bool) -> str:
    """What the tables' rows hold, summed by the server; `without` those that go. Columns in which rows that stay forget
    others are left out."""
    total = sha256()
    for part in parts:
        gone = f"({part.condition}) IS NOT TRUE" if without and not part.forgetting else "TRUE"
        values = part.values if without and not part.forgetting else ()
        kept = [name for name, _ in columns_of(server, part.table) if name not in part.forgetting]
        told = ", ".join(f"IFNULL(SHA1({quoted(name)}), 'n')" for name in kept)
        sums = ", ".join(
            f"COALESCE(SUM(CAST(CONV(SUBSTRING(h, {start}, 14), 16, 10) AS UNSIGNED)), 0)" for start in (1, 15, 29)
        )
        found = server.rows(
            f"SELECT COUNT(*), {sums} FROM (SELECT SHA2(CONCAT_WS(',', {told}), 256) AS h"
            f" FROM {part.table.quoted} WHERE {gone}) summed",
            *values,
        )[0]
        total.update(f"{part.table.quoted}:{':'.join(str(int(one)) for one in found)};".encode())
    return total.hexdigest()


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
    server, manifest = taking.server, taking.held.manifest
    parts = parts_of(server, request)
    tables = tuple({part.table.quoted: part.table for part in parts}.values())
    compressed = _compressed(taking, tables)
    if compressed and _is_freed(taking):
        taking.left.add("free-blocks")
    is_lasting = is_durable(server, tables)
    started = time.monotonic()
    with locked(server, tables):
        found, rows = _counted(taking, request, parts)
        if manifest.last("deleted") is None:
            _uncompress(taking, request, tuple(table for table, _ in compressed))
            _delete(taking, parts, found)
            # What is not durable yet is so with the first table that is rewritten.
            manifest.write("deleted" if is_lasting else "rewriting", rows=found)
        before = tally(server, tables, request.key)
        again = dict(compressed)
        for table in tables:
            _rewrite(taking, request, table, again.get(table, "FORCE"))
        if manifest.last("deleted") is None:
            manifest.write("deleted", rows=found)
        after = tally(server, tables, request.key)
    taking.count("tables-rewritten", len(tables))
    manifest.write("rewritten", rows=rows)
    return rows, round((time.monotonic() - started) * 1000), before, after, parts


def _counted(taking: Taking, request: Request, parts: tuple[Part, ...]) -> tuple[int, int]:
    """Rows that the order names now, and when the run began, noted before the first goes. What a run that was cut finds
    is all of its own rows, or none: others came since, and nobody ordered them gone. Raises Lost."""
    manifest = taking.held.manifest
    noted = manifest.last("deleting")
    found = count(taking.server, parts[0])
    if noted is not None:
        rows = int(noted.facts["rows"])
        if manifest.last("rewriting") is not None and not _is_known(taking, parts[0].table):
            manifest.write("deleted", rows=rows)
        if manifest.last("deleted") is None:
            check_same(taking, request, tuple(part.table for part in parts))
            if found not in (0, rows):
                raise _others_came(request, found, rows)
        return found, rows
    if rows_outside(request, found) is not None:
        raise Lost("records-changed", where=str(request.where), detail=f"{found} rows")
    for part in parts[1:]:
        code = "rows-forgetting" if part.forgetting else "rows-by-foreign-key"
        taking.count(code, count(taking.server, part))
    manifest.write("deleting", rows=found, tables=identities(part.table for part in parts))
    return found, found


def identities(tables: Iterable[Table]) -> list[list[str]]:
    """The tables by name, each with what the engine calls it for its lifetime."""
    return [[table.schema, table.name, table.identity] for table in tables]


def check_same(taking: Taking, request: Request, tables: Iterable[Table]) -> None:
    """The tables are those that were noted, or became so by what this run noted since; raises Lost where one was made
    anew under its name: its rows may be somebody else's."""
    compressed = taking.held.manifest.last("compressed")
    changing = {(one[0], one[1]) for one in (compressed.facts["tables"] if compressed is not None else ())}
    for table in tables:
        # Cut between the change of its pages and the note of it.
        is_changing = (table.schema, table.name) in changing and not table.is_page_compressed
        if not is_changing and not _is_known(taking, table):
            detail = "a table was made anew under its name since the run began"
            raise Lost("records-changed", where=str(request.where), detail=detail)


def _is_known(taking: Taking, table: Table) -> bool:
    """Whether the table is one that was noted: it was neither made anew nor rewritten since."""
    lines = [line for line in taking.held.manifest.lines if line.phase in ("deleting", "uncompressed")]
    return [table.schema, table.name, table.identity] in [one for line in lines for one in line.facts.get("tables", ())]


def check_no_more(request: Request, found: int, noted: int) -> None:
    """A run that was cut finds no more rows than it noted; raises Lost."""
    if found > noted:
        raise _others_came(request, found, noted)


def _others_came(request: Request, found: int, noted: int) -> Lost:
    detail = f"{found} rows, where {noted} were noted when the run began"
    return Lost("records-changed", where=str(request.where), detail=detail)


def _delete(taking: Taking, parts: tuple[Part, ...], rows: int) -> None:
    """So many rows are gone, what hangs on them as it was told, and nothing else is. Raises Lost with everything as it
    was otherwise."""
    server, first = taking.server, parts[0]
    # A statement says itself how many rows it took; only what goes by the rules of others is to be summed.
    staying = untouched(server, parts, without=True) if len(parts) > 1 else None
    gone = server.run(f"DELETE FROM {first.table.quoted} WHERE {first.condition}", *first.values)
    if gone != rows or (staying is not None and untouched(server, parts, without=False) != staying):
        server.run("ROLLBACK")
        raise Lost("records-changed", where=first.table.name, detail="other rows would have gone too")
    server.run("COMMIT")


def is_durable(server: Server, tables: tuple[Table, ...]) -> bool:
    """Whether a deletion outlives the server once it is committed. Aria commits nothing while tables are locked, but
    with the rewriting (storage/maria/ha_maria.cc maria_commit), and a crash before undoes it; InnoDB may be told to
    write its log later."""
    is_synced = str(server.variable("innodb_flush_log_at_trx_commit")) in {"1", "3"}
    return is_synced and all(table.engine == "InnoDB" for table in tables)


def _uncompress(taking: Taking, request: Request, tables: tuple[Table, ...]) -> None:
    """No page of the tables gives blocks back any more."""
    for table in tables:
        _rewrite(taking, request, table, "PAGE_COMPRESSED = 0")
        taking.rest()
    now = (table_of(taking.server, table.schema, table.name) for table in tables)
    taking.held.manifest.write("uncompressed", tables=identities(table for table in now if table is not None))


def _is_freed(taking: Taking) -> bool:
    """Whether a run before this one was cut while tables were uncompressed, rows that go among them: the server removed
    what it had written, before anything of ours could hold it."""
    manifest = taking.held.manifest
    if manifest.last("deleting") is not None and manifest.last("uncompressed") is None:
        manifest.write("freed")
    return manifest.last("freed") is not None


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
    take_files(taking, request, table)
    taking.server.run(f"ALTER TABLE {table.quoted} {how}")


def take_files(taking: Taking, request: Request, table: Table) -> None:
    """The files that the table is in now are held, and whole copies of its data have no other name; raises Lost."""
    paths: tuple[Path, ...] = files_of(taking.server, request, table)
    aside = put_aside(taking.server, request, table)
    if taking.take((*paths, *aside)):
        raise Lost("records-in-use", where=table.name, detail="a file of the table lies on another file system")
    taking.drop(aside)
