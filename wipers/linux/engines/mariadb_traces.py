"""Where a MariaDB server keeps rows besides their table and its storage engine's own files: statistics, the binary, the
relay and Aria's log, each begun anew while the server is at work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any

from wipers.linux.engines.mariadb_logs import log_files
from wipers.linux.engines.mariadb_scope import Table
from wipers.linux.engines.mariadb_server import Server, quoted
from wipers.linux.engines.mariadb_take import Taking
from wipers.model import Lost

ARIA_LOG = 8 << 20
"""Smallest size at which Aria begins another log file."""
STATISTICS = ("mysql.table_stats", "mysql.index_stats", "mysql.column_stats")
"""Where the server keeps what it knows of tables' values."""
GALERA = ("galera.cache", "gcache.page.*")
"""Rings of row changes that a Galera cluster keeps for nodes which were away."""
ARIA_SECONDS = 30.0
"""Longest wait for Aria to remove a log file."""


def take_traces(taking: Taking) -> None:
    """Every log has a further name before anything changes: a server that dies and starts again may drop some."""
    server = taking.server
    paths = [server.path("innodb_log_group_home_dir", ".") / "ib_logfile0"]
    paths += files_like(server.path("aria_log_dir_path", "."), "aria_log.0*")
    taking.take((*paths, *binary_logs(server), *log_files(server)))


def binary_logs(server: Server) -> tuple[Path, ...]:
    """Files of the binary and the relay log that are there."""
    bases = (Path(str(base)) for name in ("log_bin_basename", "relay_log_basename") if (base := server.variable(name)))
    return tuple(path for base in bases for path in files_like(base.parent, escape(base.name) + "*.[0-9]*"))


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


def take_statistics(taking: Taking) -> None:
    """The server's statistics are held, and whole: no row is taken out of a table whose statistics cannot be."""
    folder = taking.server.path("datadir") / "mysql"
    # What the server put aside where it mended the table by itself (aria_recover_options).
    aside = files_like(folder, "column_stats.*.BAK")
    taking.take((*files_like(folder, "column_stats.*"), *aside))
    taking.drop(aside)
    taking.count("statistics-rewritten", mend_statistics(taking.server))


def mend_statistics(server: Server) -> int:
    """The server's tables of statistics are whole; return how many were not. A server that dies while it changes one
    leaves it damaged: they are the only ones of its own that are not made to outlive that (Aria, TRANSACTIONAL = 0)."""
    damaged = {str(row[0]) for row in server.rows(f"CHECK TABLE {', '.join(STATISTICS)} MEDIUM") if is_bad(row)}
    for name in sorted(damaged & set(STATISTICS)):
        server.rows(f"REPAIR NO_WRITE_TO_BINLOG TABLE {name}")
    return len(damaged)


def is_bad(row: tuple[Any, ...]) -> bool:
    """Whether a line of what CHECK TABLE answers tells of damage: what cannot be checked, as a log in a table, says so
    in a note and is none."""
    _, _, kind, text = row
    return (kind in ("error", "warning") or (kind == "status" and text != "OK")) and "support" not in str(text)


def scrub_binary_log(taking: Taking) -> None:
    """Binary and relay logs begin anew, and what a cluster kept of them is gone that this server belongs to no more.
    Raises Lost where a replica has not read them."""
    server = taking.server
    former = [path for pattern in GALERA for path in files_like(taking.where, pattern)]
    taking.take(former)
    taking.drop(former)
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
    old = files_like(Path(base).parent, escape(Path(base).name) + "*.[0-9]*")
    if taking.take(old):
        taking.left.add("write-ahead-log")
    kept = noted_settings(taking, ("relay_log_purge",))["relay_log_purge"]
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
    with _aria_settings(taking):
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
def _aria_settings(taking: Taking) -> Iterator[None]:
    """Aria begins a new log file early and removes old ones at once; its settings are what they were afterwards, as a
    run that was cut noted them first."""
    server = taking.server
    wanted: dict[str, int | str] = {
        "aria_log_file_size": ARIA_LOG,
        "aria_log_purge_type": "immediate",
        "aria_checkpoint_interval": 1,
    }
    before = noted_settings(taking, tuple(wanted))
    try:
        for name, value in wanted.items():
            server.run(f"SET GLOBAL {name} = %s", value)
        yield
    finally:
        with suppress(Lost):
            for name, value in before.items():
                server.run(f"SET GLOBAL {name} = %s", int(value) if value.isdigit() else value)


def noted_settings(taking: Taking, names: tuple[str, ...]) -> dict[str, str]:
    """What the server's settings were when the run began, noted before the first of them is changed."""
    lines = [line for line in taking.held.manifest.lines if line.phase == "settings"]
    noted = {name: str(value) for line in lines for name, value in line.facts.items()}
    found = {name: str(taking.server.variable(name)) for name in names if name not in noted}
    if found:
        taking.held.manifest.write("settings", **found)
    return {name: value for name, value in {**noted, **found}.items() if name in names}


def drop_filler(taking: Taking) -> None:
    """Nothing of our own is left in the server, nor a file of a table that it died over: that file would keep the table
    from being made again, and the schema from being dropped."""
    server, schema = taking.server, _filler_name(taking)
    for path in files_like(taking.where / schema.strip("`"), "*.ibd"):
        if not server.one(
            "SELECT COUNT(*) FROM information_schema.innodb_sys_tables WHERE name = %s",
            f"{path.parent.name}/{path.stem}",
        ):
            path.unlink()
    server.run(f"DROP SCHEMA IF EXISTS {schema}")


def _filler_name(taking: Taking) -> str:
    return quoted("expunge_" + (taking.held.path or Path("filler")).name.strip(".").replace("expunge-", "")[:16])


def filler_schema(taking: Taking) -> str:
    """A schema of our own, by its quoted name."""
    taking.server.run(f"CREATE SCHEMA IF NOT EXISTS {_filler_name(taking)}")
    return _filler_name(taking)


def files_like(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Files of a folder by their names."""
    return tuple(sorted(folder.glob(pattern)))
