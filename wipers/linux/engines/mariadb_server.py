"""A MariaDB server as this program speaks to it: in a session that leaves no trace in the server's logs, and only with
the server whose files are held here."""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from certificates.errors import Refused
from wipers.conditions import Bound
from wipers.linux.engines import LOCK_SECONDS, Request
from wipers.linux.machine import Machine, entries
from wipers.model import Lost

NO_LOCK = frozenset({1205, 1213})
"""ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK."""
QUIET = (
    "SET SESSION sql_log_bin = 0",
    "SET SESSION sql_log_off = 1",
    "SET SESSION slow_query_log = 0",
    "SET SESSION sql_mode = 'STRICT_TRANS_TABLES'",
    "SET SESSION lc_messages = 'en_US'",
    "SET SESSION use_stat_tables = 'never'",
    "SET SESSION foreign_key_checks = 1",
    "SET SESSION max_statement_time = 0",
    "SET SESSION wait_timeout = 86400",
    "SET SESSION net_write_timeout = 86400",
    f"SET SESSION lock_wait_timeout = {LOCK_SECONDS:.0f}",
    f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS:.0f}",
)
"""What is said first: nothing of this session stands in the binary, general or slow log, and no lock is waited for
longer than agreed. Statistics, which a crash may have damaged, are not asked for. Replicas do not hear of it: each is a
carrier of its own."""

SOCKET = "/run/mysqld/mysqld.sock"
CONNECT_SECONDS = 10.0
PIECE = 1 << 20
"""Bytes of a long answer that are taken at once."""

Failure = Callable[[str, int], Exception]
"""Makes the error of a detail and the server's error number."""


class Server:
    """One session with a server."""

    def __init__(self, connection: Any, request: Request) -> None:
        """Take over the connection; an error means at first that nothing was touched."""
        self._connection = connection
        self._request = request
        self._where = request.where
        self.failure: Failure = self.refused

    @property
    def where(self) -> Path:
        """Its data directory."""
        return self._where

    def rows(self, statement: str, *values: Bound) -> list[tuple[Any, ...]]:
        """What a statement answers; a percent sign of its own is written twice."""
        with self._told(), self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def run(self, statement: str, *values: Bound) -> int:
        """Do a statement, and return how many rows it changed."""
        with self._told(), self._connection.cursor() as cursor:
            return int(cursor.execute(statement, values))

    def one(self, statement: str, *values: Bound) -> Any:
        """The first value of the first row; none where there is no row."""
        found = self.rows(statement, *values)
        return found[0][0] if found else None

    def variable(self, name: str) -> Any:
        """A global variable; none where this server has no such."""
        found = self.rows("SHOW GLOBAL VARIABLES LIKE %s", name.replace("_", "\\_"))
        return found[0][1] if found else None

    def is_on(self, name: str) -> bool:
        """Whether a global switch is on."""
        return str(self.variable(name)).upper() in {"ON", "1"}

    def path(self, name: str, default: str = "") -> Path:
        """The file or directory that a global variable names."""
        return self._where / (self.variable(name) or default)

    def stream(self, statement: str, columns: int, *values: Bound) -> Iterator[bytes]:
        """What a SELECT of so many columns answers, in large pieces as the server sends it, heads of rows between the
        values: a loop over millions of rows would take longer than the server does."""
        with self._told():
            yield from answered(self._connection, statement, columns, values)

    @property
    def session(self) -> int:
        """Its number with the server."""
        return int(self._connection.thread_id())

    def process(self) -> int | None:
        """Id of the server's process, as the kernel says of the socket, or the server's own file of its id."""
        found = getattr(self._connection, "_sock", None)
        if found is not None and found.family == socket.AF_UNIX:
            told = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return int(struct.unpack("3i", told)[0]) or None
        try:
            return int(self.path("pid_file").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def alike(self) -> Server:
        """Another session with the same server, whose errors mean what they mean in this one; raises Refused."""
        other = connect(self._request)
        other.failure = other.refused if self.failure == self.refused else other.lost
        return other

    def close(self) -> None:
        """End the session; locks and what was not committed go with it."""
        self._connection.close()

    def refused(self, detail: str, number: int) -> Exception:
        """Nothing was touched."""
        reason = "records-in-use" if number in NO_LOCK else "engine-unreachable"
        return Refused(reason, where=self._where, detail=detail)

    def lost(self, detail: str, number: int) -> Exception:
        """Part of it may be done; a resume goes on."""
        reason = "records-in-use" if number in NO_LOCK else "engine-failed"
        return Lost(reason, where=str(self._where), detail=detail)

    @contextmanager
    def _told(self) -> Iterator[None]:
        import pymysql

        try:
            yield
        except (pymysql.err.Error, OSError) as error:
            number = number_of(error)
            raise self.failure(detail_of(error), number) from error


def answered(connection: Any, statement: str, columns: int, values: tuple[Bound, ...]) -> Iterator[bytes]:
    """Yield an answer piece by piece; a row of our own at its end, which nobody can foresee, tells where that is.
    Raises OSError."""
    from pymysql.constants import COMMAND
    from pymysql.err import raise_mysql_exception

    last = os.urandom(16).hex()
    ending = ", ".join([f"'{last}'"] * columns)
    asked = connection.cursor().mogrify(f"{statement} UNION ALL SELECT {ending}", values)
    connection._execute_command(COMMAND.COM_QUERY, asked)
    reading, tail = connection._rfile, b""
    # An end-of-file packet of five bytes comes behind the last row (client/server protocol, EOF_Packet).
    while not (tail[:-9].endswith(last.encode()) and tail[-5:-4] == b"\xfe"):
        piece = reading.read1(PIECE)
        if not piece:
            raise ConnectionResetError
        if not tail and piece[4:5] == b"\xff":
            size = int.from_bytes(piece[:3], "little")
            raise_mysql_exception((piece + reading.read(max(size + 4 - len(piece), 0)))[4 : size + 4])
        yield piece
        tail = (tail + piece)[-64:]


def number_of(error: BaseException) -> int:
    """The server's number of an error; 0 where it has none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def detail_of(error: BaseException) -> str:
    """What an error may say outside: its number and name, since the server's sentence may quote values."""
    from pymysql.constants import ER

    number = number_of(error)
    name = next((name for name, value in vars(ER).items() if value == number and name.isupper()), "")
    return f"error {number} {name}".strip() if number else type(error).__name__


def quoted(name: str) -> str:
    """A name as statements have it."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def connect(request: Request) -> Server:
    """A quiet session with the server; raises Refused where there is none, or it holds other files than those named."""
    import pymysql

    given = request.connect
    options: dict[str, Any] = {"user": given.get("user", "root"), "password": os.environ.get("MYSQL_PWD", "")}
    if request.selects.credentials is not None:
        options["read_default_file"] = str(_private(Path(request.selects.credentials)))
        options["read_default_group"] = "client"
    found = pymysql.Connection(**options, charset="utf8mb4", autocommit=True, local_infile=False, defer_connect=True)
    try:
        found.connect(_reached(given))
    except (pymysql.err.Error, OSError) as error:
        raise Refused("engine-unreachable", where=request.where, detail=detail_of(error)) from error
    server = Server(found, request)
    try:
        _check_ours(server, request)
        for statement in QUIET:
            server.run(statement)
    except BaseException:
        server.close()
        raise
    return server


def end_query(server: Server, request: Request) -> None:
    """What a session is at in another thread ends, as soon as the server sees it."""
    with suppress(Refused), closing(connect(request)) as other:
        other.run("KILL QUERY %s", server.session)


def _reached(given: dict[str, str]) -> socket.socket:
    """A connection to the server's socket or port; raises OSError."""
    if "host" in given:
        return socket.create_connection((given["host"], int(given.get("port", "3306"))), CONNECT_SECONDS)
    found = socket.socket(socket.AF_UNIX)
    try:
        found.connect(given.get("socket", SOCKET))
    except OSError:
        found.close()
        raise
    return found


def _private(path: Path) -> Path:
    """The file of credentials, if nobody else may read it; raises Refused."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise Refused("engine-unreachable", where=path, detail=f"credentials: {type(error).__name__}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Refused("engine-unreachable", where=path, detail="credentials that others may read")
    return path


def _check_ours(server: Server, request: Request) -> None:
    """The process that answers has files of the data directory open; raises Refused."""
    process = server.process()
    if process is None:
        raise Refused("engine-elsewhere", where=request.where, detail="which process answers cannot be told")
    if not files_open(request.machine, process) & files_in(request.where):
        raise Refused("engine-elsewhere", where=request.where, detail=f"process {process} has none of them open")


def files_open(machine: Machine, process: int) -> set[tuple[int, int]]:
    """Device and inode of everything that a process has open; empty where that may not be seen."""
    folder = machine.proc / str(process) / "fd"
    return {number for name in entries(folder) if (number := _number(folder / name)) is not None}


def files_in(where: Path) -> set[tuple[int, int]]:
    """Device and inode of the files that lie in a directory itself."""
    return {number for name in entries(where) if (number := _number(where / name)) is not None}


def _number(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
