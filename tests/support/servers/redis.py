"""A Redis server of Debian in a folder of the test: a socket there and no port."""

from __future__ import annotations

import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers.foreground import LONGEST, Foreground
from wipers.linux.engines.redis_server import Reply, Server

PROGRAM = "/usr/bin/redis-check-rdb"
"""The one program of Debian's Redis, which is what it is called as; the package of the tools has no service."""
USER = "nobody"
TOLD = ("--appendonly", "yes", "--appendfsync", "no")
"""A log of which the kernel has what a command did before its answer comes, so that no SIGKILL loses it: with the
default (every second) a server answers up to two seconds before it writes, while the disk is slow."""


@dataclass(slots=True)
class Redis(Foreground):
    """A server, and its settings; it never saves when it is stopped."""

    settings: tuple[str, ...]

    @property
    def log(self) -> Path:
        return self.data.parent / "start.log"

    def do(self, *words: bytes | str | int, database: int = 0) -> Reply:
        """What a command answers, in a connection of its own."""
        (found,) = self.pipeline([words], database)
        return found

    def pipeline(self, commands: list[tuple[bytes | str | int, ...]], database: int = 0) -> list[Reply]:
        """What commands answer, one after the other in one connection."""
        found = socket.socket(socket.AF_UNIX)
        found.connect(str(self.socket))
        server = Server(found, self.data)
        try:
            server.do("SELECT", database)
            return [server.do(*words) for words in commands]
        finally:
            server.close()

    def start(self) -> None:
        """The server takes commands."""
        account = pwd.getpwnam(USER)
        where = ("--port", "0", "--unixsocket", self.socket, "--dir", self.data)
        by = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._started("redis-server", *where, *self.settings, executable=PROGRAM, **by)

    def wait_for(self, primary: Redis) -> None:
        """This replica holds what its primary held, and the primary has no process at work for it any more."""
        deadline = time.monotonic() + LONGEST
        while not (self._says("replication", b"master_link_status:up") and primary.is_idle()):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def is_idle(self) -> bool:
        """Whether it writes no snapshot beside its work."""
        return self._says("persistence", b"rdb_bgsave_in_progress:0")

    def _says(self, section: str, line: bytes) -> bool:
        told = self.do("INFO", section)
        return isinstance(told, bytes) and line in told

    def is_ready(self, trial: socket.socket) -> bool:
        """It answers while it still loads what it kept, and then not with this."""
        trial.sendall(b"PING\r\n")
        return trial.recv(64).startswith(b"+PONG")


@contextmanager
def reserved_port() -> Iterator[str]:
    """A port of the loopback that is given to nobody who does not ask for it, and which a server may take meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield str(held.getsockname()[1])


@contextmanager
def redis(folder: Path, *settings: str) -> Iterator[Redis]:
    """A running server whose data lies in the folder; stopped at the end, whatever happened."""
    work = folder / "redis"
    data = work / "data"
    data.mkdir(parents=True)
    account = pwd.getpwnam(USER)
    for path in (work, data):
        subprocess.run(["chown", f"{account.pw_uid}:{account.pw_gid}", str(path)], check=True)
    server = Redis(data, work / "socket", ("--save", "", *settings))
    try:
        server.start()
        yield server
    finally:
        server.kill()
