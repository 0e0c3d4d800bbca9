"""A MariaDB server's logs of statements and of errors, its plugins' too: the files that they are in, older ones beside
them, and how each begins anew while the server is at work."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from wipers.linux.engines.mariadb_server import Server
from wipers.linux.engines.mariadb_take import Taking
from wipers.linux.machine import Machine

FLUSHED = {"general_log_file": "GENERAL", "slow_query_log_file": "SLOW", "log_error": "ERROR"}
"""Logs of the server itself: the variable that names the file, and the word by which it is opened anew."""
OLDER = (".[0-9]*", "-[0-9]*", ".old", "-old")
"""What becomes of a log's name where it is put aside, by the server, by logrotate or by hand."""
NOWHERE = os.makedev(1, 3)
"""The device that keeps nothing."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that writes down what sessions said."""

    path: str
    """Variable that names its file; a server that has not got the plugin has no such variable."""
    rotate: str
    """Switch that puts the file aside and begins a new one."""
    rotations: str
    """How many are put aside; with none of them the file is cut off, and its blocks are free."""
    name: str
    """Name of its file where nothing else is said."""


PLUGINS = (
    Plugin("server_audit_file_path", "server_audit_file_rotate_now", "server_audit_file_rotations", "server_audit.log"),
    Plugin("sql_error_log_filename", "sql_error_log_rotate", "sql_error_log_rotations", "sql_errors.log"),
)


def log_files(server: Server) -> tuple[Path, ...]:
    """Every file of these logs that is there, older ones too."""
    return tuple(one for path in _paths(server) for one in _with_older(path))


def places_of_logs(server: Server) -> tuple[tuple[Path, str], ...]:
    """Where these logs are, as directories and patterns of names."""
    return tuple((path.parent, escape(path.name) + end) for path in _paths(server) for end in ("", *OLDER))


def _paths(server: Server) -> Iterator[Path]:
    for name in FLUSHED:
        if (path := _flushed(server, name)) is not None:
            yield path
    for plugin in PLUGINS:
        if (path := _written(server, plugin)) is not None:
            yield path


def is_logged_elsewhere(server: Server, where: Path, machine: Machine) -> bool:
    """Whether some of it goes where nothing is held: to the system's log, another process, another file system."""
    device = where.stat().st_dev
    if any(_is_beyond(path, device) for path in log_files(server)):
        return True
    if server.is_on("server_audit_logging") and str(server.variable("server_audit_output_type")).lower() == "syslog":
        return True
    return not server.variable("log_error") and not _is_nowhere(machine.proc / str(server.process()) / "fd" / "2")


def cut_off(server: Server) -> Iterator[str]:
    """Yield what logs are cut off where they become too long, each by the setting that makes it so."""
    for plugin in PLUGINS:
        if server.variable(plugin.path) is not None and int(server.variable(plugin.rotations) or 0) == 0:
            yield plugin.rotations


def scrub_logs(taking: Taking) -> None:
    """The logs begin anew, those of plugins too; what they held is held, older files too."""
    server = taking.server
    for name, word in FLUSHED.items():
        path = _flushed(server, name)
        if path is not None and _take(taking, path):
            taking.drop(_with_older(path))
            # Also where it had no name any more: a run that was cut may have come so far.
            server.run(f"FLUSH {word} LOGS")
            taking.count("server-logs-begun-anew", 1)
    for plugin in PLUGINS:
        path = _written(server, plugin)
        if path is not None and _take(taking, path):
            _rotate(taking, plugin, path)
    if is_logged_elsewhere(server, taking.where, taking.machine):
        taking.left.add("server-log")
    _scrub_tables(taking)


def _take(taking: Taking, path: Path) -> bool:
    """The log and its older files are held; false where one of them lies where it cannot be."""
    return not taking.take(_with_older(path))


def _rotate(taking: Taking, plugin: Plugin, path: Path) -> None:
    """The plugin writes to a new file, and what it wrote before has no name but ours."""
    taking.server.run(f"SET GLOBAL {plugin.rotate} = 1")
    # It may have put one more aside by itself since the others were taken. One that does not log has nothing open.
    taking.take(older_of(path))
    taking.drop(_with_older(path))
    taking.count("server-logs-begun-anew", 1)


def _scrub_tables(taking: Taking) -> None:
    """Logs that are kept in tables are emptied too, by taking the tables away."""
    server = taking.server
    for name in ("general_log", "slow_log"):
        if not server.one(f"SELECT COUNT(*) FROM mysql.{name}"):
            continue
        taking.take((server.path("datadir") / "mysql").glob(f"{name}.*"))
        server.run("DROP TABLE IF EXISTS mysql.expunge_new, mysql.expunge_old")
        server.run(f"CREATE TABLE mysql.expunge_new LIKE mysql.{name}")
        server.run(f"RENAME TABLE mysql.{name} TO mysql.expunge_old, mysql.expunge_new TO mysql.{name}")
        taking.take((server.path("datadir") / "mysql").glob("expunge_old.*"))
        server.run("DROP TABLE mysql.expunge_old")
        taking.count("server-logs-begun-anew", 1)


def _flushed(server: Server, name: str) -> Path | None:
    """The file, where links lead to; none where the log goes elsewhere."""
    return server.path(name).resolve() if server.variable(name) else None


def _written(server: Server, plugin: Plugin) -> Path | None:
    """The file of a plugin, where links lead to; none where the server has not got it."""
    if server.variable(plugin.path) is None:
        return None
    path = server.path(plugin.path, plugin.name).resolve()
    return path / plugin.name if path.is_dir() else path


def older_of(path: Path) -> tuple[Path, ...]:
    """Files beside a log that were once that log, by their names."""
    return tuple(sorted(one for end in OLDER for one in path.parent.glob(escape(path.name) + end)))


def _with_older(path: Path) -> tuple[Path, ...]:
    return (*([path] if os.path.lexists(path) else []), *older_of(path))


def _is_beyond(path: Path, device: int) -> bool:
    """Whether what is written there cannot be held."""
    try:
        found = path.stat()
    except OSError:
        return False
    if stat.S_ISREG(found.st_mode):
        return path.is_symlink() or found.st_dev != device
    return not _is_nowhere(path)


def _is_nowhere(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == NOWHERE
