"""A Redis server as this program speaks to it: its protocol by hand, and only with the server whose files are held."""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from certificates.errors import Refused
from wipers.linux.engines import Request
from wipers.model import Lost

SOCKET = "/run/redis/redis-server.sock"
CONNECT_SECONDS = 10.0
SCRIPT_SECONDS = 600.0
"""Longest wait for an answer."""

Reply = bytes | int | list["Reply"] | None
Argument = bytes | str | int


class Said(Exception):
    """An error that the server answered with; its first word alone is told outside, since the rest may quote keys."""


class Server:
    """One connection, in RESP (https://redis.io/docs/latest/develop/reference/protocol-spec/)."""

    def __init__(self, connection: socket.socket, where: Path) -> None:
        """Take over the connection; an error means at first that nothing was touched."""
        connection.settimeout(SCRIPT_SECONDS)
        self._connection = connection
        self._file: BinaryIO = connection.makefile("rb")
        self._where = where
        self.failure: Callable[[str], Exception] = self.refused

    def do(self, *words: Argument) -> Reply:
        """What the server answers."""
        try:
            return self._ask(*words)
        except Said as error:
            raise self.failure(f"{words[0]!s}: {str(error.args[0]).split(' ', 1)[0]}") from error
        except (OSError, EOFError) as error:
            raise self.failure(type(error).__name__) from error

    def forbidden(self, *commands: str) -> tuple[str, ...]:
        """Those of the commands that this connection may not give, or that the server knows by no such name."""
        user = self.do("ACL", "WHOAMI")
        return tuple(dict.fromkeys(one.split()[0] for one in commands if not self._may(user, one)))

    def _may(self, user: Reply, command: str) -> bool:
        try:
            return self._ask("ACL", "DRYRUN", user if isinstance(user, bytes) else "", *command.split()) == b"OK"
        except Said:
            return False

    def all(self, *words: Argument) -> list[Reply]:
        """What the server answers, which is a list."""
        found = self.do(*words)
        return found if isinstance(found, list) else []

    def texts(self, *words: Argument) -> list[bytes]:
        """What the server answers, which is a list of byte strings."""
        return [one for one in self.all(*words) if isinstance(one, bytes)]

    def number(self, *words: Argument) -> int:
        """What the server answers, which is a number."""
        found = self.do(*words)
        return found if isinstance(found, int) else int(found or 0) if isinstance(found, bytes) else 0

    def info(self, section: str) -> dict[str, str]:
        """A section of what the server says of itself."""
        told = self.do("INFO", section)
        lines = (told if isinstance(told, bytes) else b"").decode("utf-8", "replace").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def setting(self, name: str) -> str:
        """A setting; empty where this server has no such."""
        found = self.texts("CONFIG", "GET", name)
        return os.fsdecode(found[1]) if len(found) > 1 else ""

    def process(self) -> int:
        """Id of the server's process, as the kernel says of the socket, or the server of itself."""
        if self._connection.family == socket.AF_UNIX:
            told = self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            if found := int(struct.unpack("3i", told)[0]):
                return found
        return int(self.info("server").get("process_id", "0"))

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self._connection.close()

    def refused(self, detail: str) -> Exception:
        """Nothing was touched."""
        return Refused("engine-unreachable", where=self._where, detail=detail)

    def lost(self, detail: str) -> Exception:
        """Part of it may be done; a resume goes on."""
        return Lost("engine-failed", where=str(self._where), detail=detail)

    def _ask(self, *words: Argument) -> Reply:
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        packed = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        self._connection.sendall(b"*%d\r\n%b" % (len(parts), packed))
        return self._reply()

    def _reply(self) -> Reply:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Said(rest.decode("utf-8", "replace"))
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"*":
            return [self._reply() for _ in range(size)]
        found = self._file.read(size + 2)
        if len(found) != size + 2:
            raise EOFError
        return found[:-2]


def database_of(request: Request) -> str:
    """Number of the database, the first where none is named; raises Refused where it is no number."""
    named = request.identity.database
    if named != "-" and not (named.isascii() and named.isdigit()):
        raise Refused("condition-wrong", detail="databases of Redis have numbers, from 0")
    return "0" if named == "-" else named


def databases_of(server: Server) -> dict[str, int]:
    """Databases that hold keys, with how many."""
    told = server.info("keyspace").items()
    return {name[2:]: int(text.split(",")[0].partition("=")[2]) for name, text in told if name.startswith("db")}


def connect(request: Request) -> Server:
    """A connection to the server; raises Refused where there is none, or it holds other files than those named."""
    given = request.connect
    try:
        if "host" in given:
            found = socket.create_connection((given["host"], int(given.get("port", "6379"))), CONNECT_SECONDS)
        else:
            found = _reached(given.get("socket", SOCKET))
    except OSError as error:
        raise Refused("engine-unreachable", where=request.where, detail=type(error).__name__) from error
    server = Server(found, request.where)
    try:
        password = _password(request)
        if password:
            server.do("AUTH", *((given["user"],) if "user" in given else ()), password)
        elif "user" in given and server.do("ACL", "WHOAMI") != given["user"].encode():
            detail = "a user, and neither credentials nor REDISCLI_AUTH"
            raise Refused("connect-wrong", carrier=request.carrier, detail=detail)
        server.do("PING")
        _check_ours(server, request)
        server.do("SELECT", database_of(request))
    except BaseException:
        server.close()
        raise
    return server


def _reached(path: str) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    try:
        found.connect(path)
    except OSError:
        found.close()
        raise
    return found


def _password(request: Request) -> bytes:
    """The first line of the file of credentials, which nobody else may read; else the environment's, if any."""
    if request.selects.credentials is None:
        return os.environ.get("REDISCLI_AUTH", "").encode()
    path = Path(request.selects.credentials)
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Refused("engine-unreachable", where=path, detail="credentials that others may read")
        found = path.read_bytes().split(b"\n", 1)[0].strip()
    except OSError as error:
        raise Refused("engine-unreachable", where=path, detail=f"credentials: {type(error).__name__}") from error
    if not found:
        raise Refused("engine-unreachable", where=path, detail="credentials without a password in their first line")
    return found


def _check_ours(server: Server, request: Request) -> None:
    """The process that answers works in the data directory, as this server always does; raises Refused."""
    process = server.process()
    try:
        theirs = (request.machine.proc / str(process) / "cwd").stat()
    except OSError as error:
        raise Refused("engine-elsewhere", where=request.where, detail=f"process {process} is not seen") from error
    ours = request.where.stat()
    if (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino):
        raise Refused("engine-elsewhere", where=request.where, detail=f"process {process} works elsewhere")
