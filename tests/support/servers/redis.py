"""A Redis server of Debian in a folder of the test: a socket there and no port."""

from __future__ import annotations

import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wipers.linux.engines.redis_server import Reply, Server

PROGRAM = "/usr/bin/redis-check-rdb"
"""The one program of Debian's Redis, which is what it is called as; the package of the tools has no service."""
USER = "nobody"


@dataclass(slots=True)
class Redis:
    """A server: where its files are, and how to reach it."""

    data: Path
    socket: Path
    settings: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

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
        with (self.data.parent / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    "redis-server",
                    "--port",
                    "0",
                    "--unixsocket",
                    str(self.socket),
                    "--dir",
                    str(self.data),
                    *self.settings,
                ],
                executable=PROGRAM,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=account.pw_uid,
                group=account.pw_gid,
                extra_groups=[],
                cwd="/",
            )
        self._wait()

    def stop(self) -> None:
        """No process of the server is left; it saved nothing more."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """The server died at once."""
        self._end(signal.SIGKILL)

    def _end(self, by: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(by)
            self.process.wait(30)
            self.process = None

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            assert self.process is not None
            assert self.process.poll() is None, (self.data.parent / "redis.log").read_text()
            assert time.monotonic() < deadline, "the server takes no commands"
            with socket.socket(socket.AF_UNIX) as trial:
                if not trial.connect_ex(str(self.socket)):
                    trial.sendall(b"PING\r\n")
                    if trial.recv(64).startswith(b"+PONG"):
                        return
            time.sleep(0.02)


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
