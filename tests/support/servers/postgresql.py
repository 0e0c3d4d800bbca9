"""A PostgreSQL server of Debian in a folder of the test: a socket there and no port, run by the user `postgres`."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

PROGRAMS = os.environ.get("EXPUNGE_POSTGRESQL", "/usr/lib/postgresql/15/bin")
"""Directories of the server's programs, as in PATH: Debian's, or those of another version."""
USER = "postgres"
PATIENCE = 180
"""Seconds after which what was waited for will not come, however busy the machine is."""
PASSWORD = "of-a-test"
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "20",
    "shared_buffers": "16MB",
    "max_wal_size": "12MB",
    "min_wal_size": "5MB",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_prepared_transactions": "2",
    "wal_level": "logical",
    "logging_collector": "on",
    "log_directory": "'log'",
    "log_destination": "stderr",
}

_FOLLOWED = (
    "SELECT count(*), count(*) FILTER (WHERE state = 'streaming' AND replay_lsn IS NOT NULL),"
    " (SELECT count(*) FROM pg_replication_slots WHERE temporary) FROM pg_stat_replication"
)


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """A server: where its files are, and how to reach it."""

    data: Path
    socket: Path
    password_file: Path

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection[Any]:
        """A session that commits every statement by itself, as the superuser."""
        return psycopg.connect(
            host=str(self.socket),
            user=USER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            **options,
        )

    def query(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """What a statement answers in a session of its own."""
        with self.connect(database) as session:
            cursor = session.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """The server takes connections."""
        log = self.data.parent / "start.log"
        told = as_user(
            "pg_ctl", "-D", self.data, "-w", "-t", "180", "-l", log, "-o", f"-k {self.socket}", "start", check=False
        )
        assert self.is_running(), told + "".join(
            one.read_text()[-2000:] for one in sorted((self.data / "log").iterdir())
        )

    def stop(self, mode: str = "fast") -> None:
        """No process of the server is left."""
        as_user("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def start_anew(self) -> None:
        """It serves, whether it was at work, on its way down or gone: which of them could change while one asks, and a
        shutdown that meets a recovery may hang."""
        if self.is_running():
            self.kill()
        self.start()

    def kill(self) -> None:
        """The server died at once, all of it, as in a power cut that spared the kernel."""
        postmaster = self._postmaster()
        if postmaster is None:
            return
        # Whoever of them outlives another comes down in order: a session rolls back and removes its new files.
        _signal(postmaster, signal.SIGSTOP)
        # It stops a moment later, and a child that it began until then would outlive it and keep its memory.
        self._wait_until(lambda: _state(postmaster) in ("T", "t", "Z", "X", ""), "the server does not stop")
        children = _children(postmaster)
        for process in (*children, postmaster):
            _signal(process, signal.SIGKILL)
        self._wait_until(
            lambda: not any(_is_alive(process) for process in (postmaster, *children)), "the server did not die"
        )
        # Where nobody reaps orphans, the dead postmaster stays in the table of processes: its lock files would hold.
        for lock in (self.data / "postmaster.pid", self.socket / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)

    def wait_until_served(self, dead: int) -> None:
        """It takes sessions again after one of its processes ended badly, and has recovered from that.

        Until the postmaster reaps the dead it takes sessions and ends them a moment later; afterwards it takes none
        before it has recovered.
        """
        gone = Path(f"/proc/{dead}")
        self._wait_until(lambda: not gone.exists() and self._answers(), "the server does not serve again")

    def wait_until_followed(self, standbys: int = 1) -> None:
        """So many standbys receive its log and have said how far they are; whoever copied its files for them is gone.
        With none, whoever followed is gone."""
        self._wait_until(lambda: self.query(_FOLLOWED) == [(standbys, standbys, 0)], "nobody follows as is expected")

    def _wait_until(self, tells: Callable[[], bool], failing: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not tells():
            assert time.monotonic() < deadline, failing
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return self.query("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def is_running(self) -> bool:
        """Whether the postmaster of the data directory lives."""
        postmaster = self._postmaster()
        return postmaster is not None and _is_alive(postmaster)

    def _postmaster(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return None


def _children(process: int) -> tuple[int, ...]:
    try:
        listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(int(child) for child in listed)


def _signal(process: int, by: signal.Signals) -> None:
    try:
        os.kill(process, by)
    except ProcessLookupError:
        return


def _is_alive(process: int) -> bool:
    return _state(process) not in ("Z", "X", "")


def _state(process: int) -> str:
    """What a process does, as one letter (proc(5)); nothing where it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def as_user(program: str, *arguments: str | Path, check: bool = True) -> str:
    """What a program of the server printed; it runs as the server's user, and its failure is the test's."""
    with beginning(program, *arguments) as running:
        printed, _ = running.communicate()
    assert not check or running.returncode == 0, f"{program}: {printed}"
    return printed


@contextmanager
def beginning(program: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A program of the server that runs as the server's user, and has ended afterwards."""
    account = pwd.getpwnam(USER)
    found = shutil.which(program, path=PROGRAMS)
    assert found is not None, f"{program} is not in {PROGRAMS}"
    with subprocess.Popen(
        [found, *(str(one) for one in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PGPASSWORD": PASSWORD},
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.terminate()


def own(path: Path) -> None:
    """The server's user owns the folder."""
    account = pwd.getpwnam(USER)
    os.chown(path, account.pw_uid, account.pw_gid)


@contextmanager
def postgresql(folder: Path, *, checksums: bool = True, **settings: str) -> Iterator[PostgreSQL]:
    """A running server whose data directory lies in the folder; stopped at the end, whatever happened."""
    server = make(folder, checksums=checksums, **settings)
    try:
        server.start()
        yield server
    finally:
        if server.is_running():
            server.stop("immediate")


@contextmanager
def standby(primary: PostgreSQL, at: Path | None = None, **settings: str) -> Iterator[PostgreSQL]:
    """A server beside the primary, or in another folder, that replays what it does."""
    work = (at or primary.data.parent) / "standby"
    work.mkdir()
    own(work)
    server = PostgreSQL(work / "data", work, primary.password_file)
    others = len(primary.query("SELECT FROM pg_stat_replication"))
    as_user("pg_basebackup", *("-h", primary.socket, "-U", USER, "-D", server.data, "-X", "stream", "-c", "fast"))
    # Not by `-R`: a newer pg_basebackup writes options that an older server does not know.
    (server.data / "standby.signal").touch()
    own(server.data / "standby.signal")
    settings["primary_conninfo"] = f"'host={primary.socket} user={USER} password={PASSWORD}'"
    with (server.data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in settings.items())
    try:
        server.start()
        # It serves before it receives, and one that is made to pause before would never begin to.
        primary.wait_until_followed(others + 1)
        yield server
    finally:
        if server.is_running():
            server.stop("immediate")
        shutil.rmtree(work)
        if primary.is_running():
            primary.wait_until_followed(others)


def make(folder: Path, *, checksums: bool = True, **settings: str) -> PostgreSQL:
    """A data directory that no server runs on yet; the socket lies beside it."""
    work = folder / "pg"
    work.mkdir()
    own(work)
    server = PostgreSQL(work / "data", work, work / "passfile")
    first = work / "first-password"
    first.write_text(PASSWORD + "\n")
    own(first)
    options = ("--data-checksums",) if checksums else ()
    as_user(
        "initdb",
        *("-D", server.data, "-U", USER, "--auth=scram-sha-256", f"--pwfile={first}", "--wal-segsize=1"),
        *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync", *options),
    )
    first.unlink()
    with (server.data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in {**SETTINGS, **settings}.items())
    server.password_file.write_text(f"*:*:*:{USER}:{PASSWORD}\n")
    server.password_file.chmod(0o600)
    return server
