"""Where a MariaDB server keeps rows besides their table and its storage engine's own files: statistics and logs, each
begun anew while the server is at work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from wipers.linux.engines.mariadb_scope import Table
from wipers.linux.engines.mariadb_server import Server, quoted
from wipers.linux.engines.mariadb_take import Taking
from wipers.model import Lost

ARIA_LOG = 8 << 20
"""Smallest size at which Aria begins another log file."""
LOG_FILES = {"general_log_file": "GENERAL", "slow_query_log_file": "SLOW", "log_error": "ERROR"}
ARIA_SECONDS = 30.0
"""Longest wait for Aria to remove a log file."""


def take_traces(taking: Taking) -> None:
    """Every log has a further name before anything changes: a server that dies and starts again may drop some."""
    server = taking.server
    paths = [server.path("innodb_log_group_home_dir", ".") / "ib_logfile0"]
    paths += files_like(server.path("aria_log_dir_path", "."), "aria_log.0*")
    for name in ("log_bin_basename", "relay_log_basename"):
        if base := server.variable(name):
            paths += files_like(Path(str(base)).parent, Path(str(base)).name + ".[0-9]*")
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
    taking.take(files_like(server.path("datadir") / "mysql", "column_stats.*"))
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
        taking.take(files_like(server.path("datadir") / "mysql", f"{name}.*"))
        server.run("DROP TABLE IF EXISTS mysql.expunge_new, mysql.expunge_old")
        server.run(f"CREATE TABLE mysql.expunge_new LIKE mysql.{name}")
        server.run(f"RENAME TABLE mysql.{name} TO mysql.expunge_old, mysql.expunge_new TO mysql.{name}")
        taking.take(files_like(server.path("datadir") / "mysql", "expunge_old.*"))
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
    old = files_like(Path(base).parent, Path(base).name + "*.[0-9]*")
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
    old = files_like(folder, "aria_log.0*")
    if taking.take(old):
        taking.left.add("write-ahead-log")
        yield
        return
    with _aria_settings(server):
        filler = filler_schema(taking) + ".`aria`"
        server.run(f"CREATE OR REPLACE TABLE {filler} (a MEDIUMBLOB) ENGINE = Aria TRANSACTIONAL = 1")
        deadline = time.monotonic() + ARIA_SECONDS
        server.run(f"INSERT INTO {filler} VALUES ('')")
        turns = count()
        while set(files_like(folder, "aria_log.0*")) <= set(old) and time.monotonic() < deadline:
            _write_aria(taking, filler, next(turns))
        _write_aria(taking, filler, next(turns))
        yield
        deadline = time.monotonic() + ARIA_SECONDS
        while any(path.exists() for path in old) and time.monotonic() < deadline:
            _write_aria(taking, filler, next(turns))
            time.sleep(0.25)
        server.run(f"DROP TABLE IF EXISTS {filler}")
    if any(path.exists() for path in old):
        taking.left.add("write-ahead-log")
    taking.count("log-segments-held", len(old))


def _write_aria(taking: Taking, filler: str, turn: int) -> None:
    """A megabyte more stands in the log, and none in the table."""
    taking.server.run(f"UPDATE {filler} SET a = REPEAT('{'xy'[turn % 2]}', 1000000)")
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


def drop_filler(taking: Taking) -> None:
    """Nothing of our own is left in the server."""
    taking.server.run(f"DROP SCHEMA IF EXISTS {_filler_name(taking)}")


def _filler_name(taking: Taking) -> str:
    return quoted("expunge_" + (taking.held.path or Path("filler")).name.strip(".").replace("expunge-", "")[:16])


def filler_schema(taking: Taking) -> str:
    """A schema of our own, by its quoted name."""
    taking.server.run(f"CREATE SCHEMA IF NOT EXISTS {_filler_name(taking)}")
    return _filler_name(taking)


def files_like(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Files of a folder by their names."""
    return tuple(sorted(folder.glob(pattern)))
