"""Where a MariaDB server keeps rows besides their table: statistics, logs, undo, doublewrite buffer, redo; each emptied
while the server is at work.

The doublewrite buffer is displaced by pages of a table of our own, and looked at: its pages say whose they are. Undo is
displaced by updates of that table, in rounds, until no sampled value is found in the files any more.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wipers.linux.engines.mariadb_scope import Table
from wipers.linux.engines.mariadb_server import Server, quoted
from wipers.linux.engines.mariadb_take import Taking
from wipers.model import Lost
from wipers.searching import Search, literal, search_for

ROUNDS = 5
"""Rounds of displacing, each with more traffic than the one before."""
SEGMENTS = 128
"""Rollback segments of InnoDB, which transactions are given in turn."""
FILLER_ROWS = 600
"""Rows of the filler; two a page make more pages than the doublewrite buffer has."""
ARIA_LOG = 8 << 20
"""Smallest size at which Aria begins another log file."""
LOG_FILES = {"general_log_file": "GENERAL", "slow_query_log_file": "SLOW", "log_error": "ERROR"}
ARIA_SECONDS = 30.0
"""Longest wait for Aria to remove a log file."""
REDO_STEP = 4 << 20
TRX_SYS = 5
"""Page of the system tablespace that says where the doublewrite buffer lies (storage/innobase/include/trx0sys.h)."""
DOUBLEWRITE = 200
DOUBLEWRITE_MAGIC = 536853855
WINDOW = 28
"""Bytes of a value that are looked for."""
CHUNK = 1 << 22
SPACE_ID = 34
"""Offset of the tablespace's number in a page (fil0fil.h FIL_PAGE_SPACE_ID)."""


def take_traces(taking: Taking) -> None:
    """Every log has a further name before anything changes: a server that dies and starts again may drop some."""
    server = taking.server
    paths = [server.path("innodb_log_group_home_dir", ".") / "ib_logfile0"]
    paths += _files(server.path("aria_log_dir_path", "."), "aria_log.0*")
    for name in ("log_bin_basename", "relay_log_basename"):
        if base := server.variable(name):
            paths += _files(Path(str(base)).parent, Path(str(base)).name + ".[0-9]*")
    paths += [server.path(name) for name in LOG_FILES if server.variable(name)]
    taking.take(paths)


def scrub_statistics(taking: Taking, tables: Iterable[Table]) -> None:
    """No statistics of the tables' values are left; those of tables that stay are made anew."""
    server = taking.server
    again = []
    for table in tables:
        named = "FROM mysql.column_stats WHERE db_name = %s AND table_name = %s"
        if server.one(f"SELECT COUNT(*) {named}", table.schema, table.name):
            server.run(f"DELETE {named}", table.schema, table.name)
            again.append(table)
    taking.take(_files(server.path("datadir") / "mysql", "column_stats.*"))
    server.run("ALTER TABLE mysql.column_stats FORCE")
    for table in again:
        server.rows(f"ANALYZE TABLE {table.quoted} PERSISTENT FOR ALL")
    taking.count("statistics-rewritten", len(again))


def scrub_logs(taking: Taking) -> None:
    """The general, slow and error logs begin anew; what they held is held."""
    server = taking.server
    for name, word in LOG_FILES.items():
        path = server.path(name) if server.variable(name) else None
        if path is None:
            continue
        if taking.take((path,)):
            taking.left.add("server-log")
            continue
        # Also where it has no name any more: a run that was cut may have come so far.
        path.unlink(missing_ok=True)
        server.run(f"FLUSH {word} LOGS")
        taking.count("server-logs-begun-anew", 1)
    _scrub_log_tables(taking)


def _scrub_log_tables(taking: Taking) -> None:
    """Logs that are kept in tables are emptied too, by taking the tables away."""
    server = taking.server
    for name in ("general_log", "slow_log"):
        if not server.one(f"SELECT COUNT(*) FROM mysql.{name}"):
            continue
        taking.take(_files(server.path("datadir") / "mysql", f"{name}.*"))
        server.run("DROP TABLE IF EXISTS mysql.expunge_new, mysql.expunge_old")
        server.run(f"CREATE TABLE mysql.expunge_new LIKE mysql.{name}")
        server.run(f"RENAME TABLE mysql.{name} TO mysql.expunge_old, mysql.expunge_new TO mysql.{name}")
        taking.take(_files(server.path("datadir") / "mysql", "expunge_old.*"))
        server.run("DROP TABLE mysql.expunge_old")
        taking.count("server-logs-begun-anew", 1)


def scrub_binary_log(taking: Taking) -> None:
    """Binary and relay logs begin anew; raises Lost where a replica has not read them."""
    server = taking.server
    if server.is_on("log_bin"):
        server.run("FLUSH BINARY LOGS")
        names = [str(row[0]) for row in server.rows("SHOW BINARY LOGS")]
        folder = Path(str(server.variable("log_bin_basename"))).parent
        if taking.take(folder / name for name in names[:-1]):
            taking.left.add("write-ahead-log")
        taking.wait(lambda: _is_purged(server, names[-1]), "a replica has not read the binary log")
        taking.count("log-segments-held", len(names) - 1)
    _scrub_relay_logs(taking)


def _is_purged(server: Server, last: str) -> bool:
    server.run("PURGE BINARY LOGS TO %s", last)
    return str(server.rows("SHOW BINARY LOGS")[0][0]) == last


def _scrub_relay_logs(taking: Taking) -> None:
    """Relay logs of every connection to a primary begin anew, once they are applied."""
    server = taking.server
    base = str(server.variable("relay_log_basename") or "")
    if not base or not server.rows("SHOW ALL SLAVES STATUS"):
        return
    old = _files(Path(base).parent, Path(base).name + "*.[0-9]*")
    if taking.take(old):
        taking.left.add("write-ahead-log")
    kept = server.variable("relay_log_purge")
    server.run("SET GLOBAL relay_log_purge = 1")
    try:
        for _ in range(2):
            server.run("FLUSH RELAY LOGS")
        taking.wait(lambda: not any(path.exists() for path in old), "the relay log is not applied")
    finally:
        with suppress(Lost):
            server.run("SET GLOBAL relay_log_purge = %s", 1 if kept == "ON" else 0)
    taking.count("log-segments-held", len(old))


@contextmanager
def aria_log_begun_anew(taking: Taking) -> Iterator[None]:
    """Aria's log has begun a new file, which takes as much traffic as the smallest file has; what is done meanwhile
    spares the wait for the checkpoint that lets the old ones go. They are held."""
    server = taking.server
    folder = server.path("aria_log_dir_path", ".")
    old = _files(folder, "aria_log.0*")
    if taking.take(old):
        taking.left.add("write-ahead-log")
        yield
        return
    with _aria_settings(server):
        filler = _filler_schema(taking) + ".`aria`"
        server.run(f"CREATE OR REPLACE TABLE {filler} (a MEDIUMBLOB) ENGINE = Aria TRANSACTIONAL = 1")
        deadline = time.monotonic() + ARIA_SECONDS
        while set(_files(folder, "aria_log.0*")) <= set(old) and time.monotonic() < deadline:
            _write_aria(taking, filler)
        _write_aria(taking, filler)
        yield
        deadline = time.monotonic() + ARIA_SECONDS
        while any(path.exists() for path in old) and time.monotonic() < deadline:
            _write_aria(taking, filler)
            time.sleep(0.25)
        server.run(f"DROP TABLE IF EXISTS {filler}")
    if any(path.exists() for path in old):
        taking.left.add("write-ahead-log")
    taking.count("log-segments-held", len(old))


def _write_aria(taking: Taking, filler: str) -> None:
    taking.server.run(f"INSERT INTO {filler} VALUES (REPEAT('x', 1000000))")
    taking.rest()


@contextmanager
def _aria_settings(server: Server) -> Iterator[None]:
    """Aria begins a new log file early and removes old ones at once; its settings are what they were afterwards."""
    wanted: dict[str, int | str] = {
        "aria_log_file_size": ARIA_LOG,
        "aria_log_purge_type": "immediate",
        "aria_checkpoint_interval": 1,
    }
    before = {name: server.variable(name) for name in wanted}
    try:
        for name, value in wanted.items():
            server.run(f"SET GLOBAL {name} = %s", value)
        yield
    finally:
        with suppress(Lost):
            for name, value in before.items():
                server.run(f"SET GLOBAL {name} = %s", int(value) if str(value).isdigit() else value)


def scrub_innodb(taking: Taking, values: tuple[bytes, ...]) -> None:
    """Undo, doublewrite buffer and redo hold nothing of what was taken out: in rounds, until the values that were
    sampled are in none of these files."""
    server = taking.server
    filler = _filler_schema(taking) + ".`filler`"
    size = min(int(server.variable("innodb_page_size")) * 3 // 7, 7900)
    number = _make_filler(server, filler, size)
    found: set[str] = set()
    for turn in range(ROUNDS):
        taking.rest()
        _displace_undo(taking, filler, size, turn)
        _begin_redo(taking)
        _displace_doublewrite(taking, filler, size, number)
        found = codes_found(taking, values)
        if not found and (values or turn > 0):
            break
    else:
        taking.left |= found
    server.run(f"DROP TABLE {filler}")


def drop_filler(taking: Taking) -> None:
    """Nothing of our own is left in the server."""
    taking.server.run(f"DROP SCHEMA IF EXISTS {_filler_name(taking)}")


def _filler_name(taking: Taking) -> str:
    return quoted("expunge_" + (taking.held.path or Path("filler")).name.strip(".").replace("expunge-", "")[:16])


def _filler_schema(taking: Taking) -> str:
    taking.server.run(f"CREATE SCHEMA IF NOT EXISTS {_filler_name(taking)}")
    return _filler_name(taking)


def _make_filler(server: Server, filler: str, size: int) -> int:
    """A table whose pages are on disk, since the doublewrite buffer takes no page that was never written; return the
    number of its tablespace."""
    server.run(
        f"CREATE OR REPLACE TABLE {filler} (id INT PRIMARY KEY, a VARBINARY(8000))"
        " ENGINE = InnoDB ROW_FORMAT = DYNAMIC STATS_PERSISTENT = 0 CHARSET = latin1"
    )
    server.run("SET SESSION autocommit = 0")
    for row in range(FILLER_ROWS):
        server.run(f"INSERT INTO {filler} VALUES (%s, REPEAT('a', {size}))", row)
    server.run("COMMIT")
    server.run("SET SESSION autocommit = 1")
    _flush_table(server, filler)
    name = filler.replace("`", "").replace(".", "/")
    return int(server.one("SELECT space FROM information_schema.innodb_sys_tablespaces WHERE name = %s", name))


def _flush_table(server: Server, filler: str) -> None:
    server.run(f"FLUSH TABLES {filler} FOR EXPORT")
    server.run("UNLOCK TABLES")


def _displace_undo(taking: Taking, filler: str, size: int, turn: int) -> None:
    """Every rollback segment was used for more than a page, and one transaction in each undo tablespace for much."""
    server = taking.server
    letters = "bcdefghijk"
    for number in range(SEGMENTS * 2):
        letter = letters[(number + turn) % len(letters)]
        server.run(f"UPDATE {filler} SET a = REPEAT('{letter}', {size}) WHERE id < 6")
    spaces = max(int(server.variable("innodb_undo_tablespaces") or 0), 1)
    for _ in range(spaces if turn else 0):
        server.run("SET SESSION autocommit = 0")
        for number in range(2 << turn):
            server.run(f"UPDATE {filler} SET a = REPEAT('{letters[number % len(letters)]}', {size})")
        server.run("COMMIT")
        server.run("SET SESSION autocommit = 1")
    wait_for_purge(taking)


def wait_for_purge(taking: Taking) -> None:
    """What transactions that ended before now deleted is cleared away; raises Lost where a reader still sees it."""
    server = taking.server
    server.run("SET SESSION autocommit = 0")
    goal = _status_number(server, "Trx id counter")
    server.run("COMMIT")
    server.run("SET SESSION autocommit = 1")
    taking.wait(
        lambda: _is_idle(server) or _status_number(server, "Purge done for trx's n:o <") >= goal,
        "a session still sees old versions of the rows",
    )


def _is_idle(server: Server) -> bool:
    found = server.rows("SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'")
    return bool(found) and int(found[0][1]) == 0


def _status_number(server: Server, mark: str) -> int:
    """A number of the storage engine's report, the first one behind a mark."""
    text = str(server.rows("SHOW ENGINE INNODB STATUS")[0][2])
    _, found, rest = text.partition(mark)
    word = rest.split()[0].rstrip(",") if found else "0"
    return int(word) if word.isdigit() else 0


def _begin_redo(taking: Taking) -> None:
    """InnoDB's log is a new file, and every page that was changed before is in its table's file: a change of size
    makes both so. The size is what it was afterwards."""
    server = taking.server
    path = server.path("innodb_log_group_home_dir", ".") / "ib_logfile0"
    before = int(server.variable("innodb_log_file_size"))
    least = int(server.variable("innodb_log_buffer_size"))
    sizes = [max(before, least) + REDO_STEP] + ([before] if before >= least else [])
    for size in sizes:
        if taking.take((path,)):
            taking.left.add("write-ahead-log")
        try:
            server.run(f"SET GLOBAL innodb_log_file_size = {size}")
        except Lost as error:
            if "1238" not in error.facts.get("detail", ""):
                raise
            taking.left.add("write-ahead-log")
            return
        taking.count("log-segments-held", 1)


def _displace_doublewrite(taking: Taking, filler: str, size: int, number: int) -> None:
    """Every page of the doublewrite buffer is one of the filler, as those pages themselves say."""
    server = taking.server
    if not server.is_on("innodb_doublewrite"):
        return
    for letter in "lmnopqrs":
        server.run(f"UPDATE {filler} SET a = REPEAT('{letter}', {size})")
        _flush_table(server, filler)
        if set(_doublewrite_spaces(server)) <= {number}:
            return
    taking.left.add("doublewrite-buffer")


def _doublewrite_spaces(server: Server) -> list[int]:
    """Which tablespaces the pages in the doublewrite buffer belong to."""
    page = int(server.variable("innodb_page_size"))
    extent = max(1 << 20, page * 64) // page
    with system_files(server)[0].open("rb") as file:
        file.seek((TRX_SYS + 1) * page - DOUBLEWRITE + 10)
        magic, *blocks = struct.unpack(">III", file.read(12))
        if magic != DOUBLEWRITE_MAGIC:
            return []
        found = []
        for first in blocks:
            for one in range(first, first + extent):
                file.seek(one * page + SPACE_ID)
                found.append(struct.unpack(">I", file.read(4))[0])
    return found


def system_files(server: Server) -> tuple[Path, ...]:
    """Files of the system tablespace, the first first."""
    folder = server.path("innodb_data_home_dir", ".")
    return tuple(folder / one.split(":")[0] for one in str(server.variable("innodb_data_file_path")).split(";"))


def undo_files(server: Server) -> tuple[Path, ...]:
    """Files of the undo tablespaces."""
    return _files(server.path("innodb_undo_directory", "."), "undo[0-9]*")


def codes_found(taking: Taking, values: tuple[bytes, ...]) -> set[str]:
    """In which of the engine's own files a sampled value is found, by residual code."""
    server = taking.server
    search = search_for(tuple(literal(value[:WINDOW]) for value in values))()
    places = (
        ("undo-log", (*system_files(server), *undo_files(server))),
        ("write-ahead-log", _files(server.path("innodb_log_group_home_dir", "."), "ib_logfile*")),
    )
    return {code for code, paths in places if any(_has_any(path, search) for path in paths)}


def _has_any(path: Path, search: Search) -> bool:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for begin in range(0, size, CHUNK):
            # What lies across the seam is read twice.
            file.seek(begin)
            if search.scan(memoryview(file.read(CHUNK + WINDOW))):
                return True
    return False


def _files(folder: Path, pattern: str) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob(pattern)))
