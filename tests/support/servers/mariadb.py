"""A MariaDB server of Debian in a folder of the test: a socket there and no port, run by the user `mysql`."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket as sockets
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from tests.support.servers.foreground import LONGEST, Foreground

ROOT = Path(__file__).resolve().parents[3]
USER = "nobody"
PLUGINS = (Path("/usr/lib/mysql/plugin"), ROOT / "build/mariadb-server/usr/lib/mysql/plugin")
"""Where the server's package puts them, and where `scripts/_environment.sh` unpacks it."""
SETTINGS = {
    "innodb-buffer-pool-size": "32M",
    "innodb-log-file-size": "8M",
    "innodb-log-buffer-size": "2M",
    "innodb-autoextend-increment": "8",
    "innodb-fast-shutdown": "1",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "server-id": "1",
    "general-log": "1",
    "general-log-file": "general.log",
    "slow-query-log": "1",
    "slow-query-log-file": "slow.log",
    "long-query-time": "0",
    "log-error": "error.log",
    "histogram-size": "32",
}


@dataclass(slots=True)
class MariaDB(Foreground):
    """A server, and its settings."""

    settings: dict[str, str]

    @property
    def log(self) -> Path:
        return self.data / "error.log"

    def is_ready(self, trial: sockets.socket) -> bool:
        """It greets: one that is told to end before it does so may never end."""
        trial.settimeout(LONGEST)
        try:
            return bool(trial.recv(1))
        except ConnectionError:
            return False

    def connect(self, database: str | None = None, **options: Any) -> pymysql.connections.Connection[Any]:
        """A session that commits every statement by itself, as the superuser whom the socket vouches for."""
        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, autocommit=True, charset="utf8mb4", **options
        )

    def query(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """What the last of the statements answers, all in one session."""
        with self.connect(database) as session, session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No thread of the server does anything, nor writes what it began before: a disk that is full meanwhile is none
        of its business."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            deadline = time.monotonic() + LONGEST
            while not _all_stopped(self.process.pid):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def start(self) -> None:
        """The server takes connections."""
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        where = [f"--datadir={self.data}", f"--socket={self.socket}", f"--pid-file={self.data / 'server.pid'}"]
        self._started("/usr/sbin/mariadbd", "--no-defaults", *self._reached(), *where, *options, **as_user())

    def _reached(self) -> tuple[str, ...]:
        """Beside the socket by nobody, or where a port is set by this machine alone."""
        return ("--bind-address=127.0.0.1",) if "port" in self.settings else ("--skip-networking",)


def _all_stopped(process: int) -> bool:
    """Whether every thread has come to rest: one that is within a write ends it first (proc_pid_stat(5), `state`)."""
    tasks = Path(f"/proc/{process}/task").glob("*/stat")
    return all(task.read_text(encoding="ascii").rpartition(") ")[2].startswith("T") for task in tasks)


def copy_plugins(names: Iterable[str], folder: Path) -> Path:
    """The plugins where the server's user can read them; their folder."""
    found = next((place for place in PLUGINS if place.is_dir()), None)
    assert found is not None, f"none of {PLUGINS} is there: run scripts/test, which unpacks mariadb-server"
    folder.mkdir()
    for name in names:
        shutil.copy(found / f"{name}.so", folder)
    return folder


@contextmanager
def reserved_port() -> Iterator[str]:
    """A port of this machine that a server may listen at, and that is given to nobody else meanwhile: the kernel looks
    for another one for whoever asks for any, as long as this one is bound, and lets two bind it that allow it both."""
    with sockets.socket() as holder:
        holder.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield str(holder.getsockname()[1])


def follow(replica: MariaDB, primary: MariaDB) -> None:
    """The replica does from now on whatever its primary's log holds, from the first statement on."""
    primary.query(
        "CREATE USER follows@'127.0.0.1' IDENTIFIED BY 'of-a-test'",
        "GRANT REPLICATION SLAVE ON *.* TO follows@'127.0.0.1'",
    )
    replica.query(
        f"CHANGE MASTER TO master_host = '127.0.0.1', master_port = {primary.settings['port']},"
        " master_user = 'follows', master_password = 'of-a-test', master_log_file = 'binlog.000001',"
        " master_log_pos = 4",
        "START SLAVE",
    )


def catch_up(replica: MariaDB, primary: MariaDB) -> None:
    """The replica has done all that its primary's log holds: a number of rows would say so of some of it."""
    ((file, position, *_),) = primary.query("SHOW MASTER STATUS")
    waited = replica.query(f"SELECT MASTER_POS_WAIT('{file}', {position}, {LONGEST})")
    assert waited[0][0] not in (None, -1), replica.query("SHOW ALL SLAVES STATUS")


def as_user() -> dict[str, Any]:
    """How a program is started as the server's user."""
    account = pwd.getpwnam(USER)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def own(path: Path) -> None:
    """The server's user owns the folder."""
    account = pwd.getpwnam(USER)
    os.chown(path, account.pw_uid, account.pw_gid)


@contextmanager
def mariadb(folder: Path, **settings: str) -> Iterator[MariaDB]:
    """A running server whose data directory lies in the folder; stopped at the end, whatever happened."""
    # One that starts removes what others have in the folder of temporary files, for its own of a former life.
    with tempfile.TemporaryDirectory(prefix="expunge-server-") as temporary:
        own(Path(temporary))
        server = _make(folder, {**settings, "tmpdir": temporary})
        try:
            server.start()
            yield server
        finally:
            server.kill()


def _make(folder: Path, settings: dict[str, str]) -> MariaDB:
    """A data directory that no server runs on yet; the socket lies beside it."""
    work = folder / "maria"
    work.mkdir()
    own(work)
    data = work / "data"
    chosen = {**SETTINGS, **{name.replace("_", "-"): value for name, value in settings.items()}}
    lasting = [f"--{name}={value}" for name, value in chosen.items() if name.startswith(("innodb-", "tmpdir"))]
    done = subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", "--skip-name-resolve", *lasting],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        **as_user(),
    )
    assert done.returncode == 0, done.stdout
    return MariaDB(data, work / "socket", chosen)
