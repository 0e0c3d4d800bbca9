"""What a PostgreSQL server keeps of rows beside the rows: statistics, its log, the texts of statements, orphans."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_files import orphans
from wipers.linux.engines.postgresql_server import SCHEMA_OF_EXTENSION, one, quoted, rows, run
from wipers.linux.held import Held
from wipers.searching import Search, literal, search_for

if TYPE_CHECKING:
    from psycopg import Connection

SHORTEST = 8
"""Bytes of a value from which a line of the log that holds it is taken out."""
LONGEST = 64
"""Bytes of a value that are looked for."""
MOST_VALUES = 100_000
MOST_READ = 5000
"""Rows whose values are all looked for in the server's log; of more, a part is."""
CHUNK = 1 << 22
AT_ONCE = 1 << 34
"""Bytes of the log times values up to which each value is looked for by itself: a few seconds at most."""
COLLECTED = 0.3
"""Seconds in which the collector of the log opens a file of its own and writes what it had."""
REMOVED = b"[line removed on order]\n"


def forget_statistics(session: Connection[Any], oids: Iterable[int]) -> int:
    """The statistics of the tables are made from what they hold now; return how many rows of them went. The old rows
    are dead, and their catalogs are to be written anew."""
    listed = list(oids)
    indexes = rows(session, "SELECT indexrelid::int8 FROM pg_index WHERE indrelid = ANY(%s::oid[])", (listed,))
    every = [*listed, *(oid for (oid,) in indexes)]
    gone = run(session, "DELETE FROM pg_statistic WHERE starelid = ANY(%s::oid[])", (every,)).rowcount
    gone += run(
        session,
        "DELETE FROM pg_statistic_ext_data WHERE stxoid IN"
        " (SELECT oid FROM pg_statistic_ext WHERE stxrelid = ANY(%s::oid[]))",
        (listed,),
    ).rowcount
    for schema, name in rows(session, _NAMES, (listed,)):
        run(session, f"ANALYZE {quoted(schema, name)}")
    return gone


_NAMES = (
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = ANY(%s::oid[]) AND c.relkind IN ('r', 'm', 'p') ORDER BY c.oid"
)


@dataclass(slots=True)
class ServerLog:
    """The server's own log files, where it collects them itself."""

    session: Connection[Any]
    where: Path
    held: Held

    def redact(self, values: Iterable[bytes]) -> tuple[int, bool]:
        """No log file holds a line with one of the values; the files that did are held. Return how many lines went,
        and whether every file was looked through."""
        if one(self.session, "SELECT current_setting('logging_collector')") != "on":
            return 0, False
        wanted = _wanted(values)
        if wanted is None:
            return 0, False
        files = self._files()
        search = _search(_narrowed(wanted, files))
        return sum(self._redact(file, search) for file in files), True

    def _files(self) -> list[Path]:
        folder = Path(str(one(self.session, "SELECT current_setting('log_directory')")))
        folder = folder if folder.is_absolute() else self.where / folder
        if not folder.is_dir() or folder.stat().st_dev != self.where.stat().st_dev:
            return []
        return sorted(file for file in folder.iterdir() if file.is_file() and not file.is_symlink())

    def _redact(self, file: Path, search: Search) -> int:
        if not any(search.scan(memoryview(chunk)) for chunk in _chunks(file)):
            return 0
        found = file.stat()
        (taken,) = self.held.move((file,))
        self.session.execute("SELECT pg_rotate_logfile()")
        time.sleep(COLLECTED)
        place = file if not file.exists() else file.with_name(f"{file.name}.before-{int(time.time())}")
        source = (self.held.path or self.where) / taken.name
        count = _copy_without(source, place, found, search)
        self.held.keep()
        return count


def _wanted(values: Iterable[bytes]) -> set[bytes] | None:
    """Return what of each value would stand in a line; none where there are too many."""
    wanted: set[bytes] = set()
    for value in values:
        line = value.split(b"\n", 1)[0][:LONGEST]
        if len(line) >= SHORTEST:
            wanted.add(line)
        if len(wanted) > MOST_VALUES:
            return None
    return wanted


def _narrowed(wanted: set[bytes], files: list[Path]) -> set[bytes]:
    """Return those that a small log holds at all: to make a search of all of them takes longer than to read it."""
    size = sum(file.stat().st_size for file in files)
    if size * len(wanted) > AT_ONCE or size > CHUNK:
        return wanted
    told = b"\n".join(file.read_bytes() for file in files)
    return {one for one in wanted if one in told}


def _search(wanted: set[bytes]) -> Search:
    """Return what finds any of the texts."""
    return search_for([literal(one) for one in sorted(wanted)])()


def _chunks(file: Path) -> Iterator[bytes]:
    """Yield whole lines of a file, many at once."""
    with file.open("rb") as source:
        while lines := source.readlines(CHUNK):
            yield b"".join(lines)


def _copy_without(source: Path, place: Path, found: os.stat_result, search: Search) -> int:
    """Every line without a value is in the new file, and a mark in place of the others; return how many those were."""
    count = 0
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as kept:
        os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, found.st_mode & 0o777)
        for chunk in _chunks(source):
            if not search.scan(memoryview(chunk)):
                kept.write(chunk)
                continue
            for line in chunk.splitlines(keepends=True):
                is_telling = bool(search.scan(memoryview(line)))
                count += is_telling
                kept.write(REMOVED if is_telling else line)
        kept.flush()
        os.fsync(descriptor)
    return count


def forget_statements(session: Connection[Any], where: Path, held: Held) -> bool:
    """The texts of statements that pg_stat_statements keeps are gone, and the file that held them is held; return
    whether there were any."""
    schema = one(session, SCHEMA_OF_EXTENSION, ("pg_stat_statements",))
    file = where / "pg_stat_tmp" / "pgss_query_texts.stat"
    if schema is None:
        return False
    if file.is_file():
        held.swap((file,))
    run(session, f"SELECT {quoted(str(schema))}.pg_stat_statements_reset()")
    held.keep()
    return True


def hold_orphans(session: Connection[Any], where: Path, held: Held) -> int:
    """Files of tables that were never committed are held; return how many."""
    found = orphans(session, where)
    if not found:
        return 0
    taken = held.move(found)
    held.keep()
    return len(taken)
