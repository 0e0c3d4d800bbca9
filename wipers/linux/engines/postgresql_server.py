"""Reaching a PostgreSQL server, and knowing that it is the one whose files are here."""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certificates.errors import Refused
from wipers.linux.engines import LOCK_SECONDS, Request, room_missing
from wipers.model import Lost

if TYPE_CHECKING:
    from psycopg import Connection, Cursor, Error

    from wipers.linux.held import Held

Values = tuple[Any, ...] | dict[str, Any]
CONTROL = Path("global/pg_control")
IDENTIFIER = struct.Struct("=Q")
"""`ControlFileData` begins with the system identifier (src/include/catalog/pg_control.h), in the server's own order."""
VERSIONS = range(150000, 180000)
"""Servers whose way with files is known: PostgreSQL 15, 16 and 17."""
QUIET = {
    "lock_timeout": str(int(LOCK_SECONDS * 1000)),
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "client_connection_check_interval": "0",
    "search_path": "pg_catalog",
    "session_replication_role": "origin",
    "row_security": "off",
    "synchronous_commit": "on",
    "log_statement": "none",
    "log_duration": "off",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_temp_files": "-1",
    "work_mem": "256MB",
    "pg_stat_statements.track": "none",
}
"""What our sessions ask for: nothing of what we look for gets into the server's log by our looking, and a backend that
was told to commit commits though we die."""
_AMPLE = (
    "SELECT set_config('maintenance_work_mem', '256MB', false) FROM pg_settings"
    " WHERE name = 'maintenance_work_mem' AND setting::int8 < 262144"
)
"""Keys of an index are sorted in memory, by as many processes as the server allows: of 64 MB only two get a share."""
LEAST_ROOM = 16 << 20
"""Bytes free below which a server at work has no room: those of one more segment of its log, as most are made."""
NAME = "expunge"
SESSION = f"{NAME} {secrets.token_hex(8)}"
"""What sessions of this process call themselves: nobody else does, and no old snapshot of others is taken for ours."""
SCHEMA_OF_EXTENSION = (
    "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = %s"
)


def has_cluster(where: Path) -> bool:
    """Tell whether the directory is a data directory of PostgreSQL."""
    return (where / "PG_VERSION").is_file() and (where / CONTROL).is_file()


def system_identifier(where: Path) -> str:
    """Return what a data directory calls itself, read from its control file; raises OSError."""
    descriptor = os.open(where / CONTROL, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return str(IDENTIFIER.unpack(os.read(descriptor, IDENTIFIER.size))[0])
    finally:
        os.close(descriptor)


@contextmanager
def connect(request: Request, database: str | None = None) -> Iterator[Connection[Any]]:
    """Hold a session of our own with the very server that uses the data directory; raises Refused."""
    import psycopg  # 60 ms: paid by those who have a server

    try:
        session = psycopg.connect(
            **_named(request),
            dbname=database or request.identity.database,
            autocommit=True,
            application_name=SESSION,
            connect_timeout=10,
            options=" ".join(f"-c {name}={value}" for name, value in QUIET.items()),
        )
    except psycopg.Error as error:
        raise Refused("engine-unreachable", where=request.where, detail=told(error)) from error
    with session:
        session.prepare_threshold = None
        check_same(session, request)
        session.execute(_AMPLE)
        yield session


def _named(request: Request) -> dict[str, Any]:
    """Return where and as whom; what is not named is libpq's own matter (environment, peer)."""
    named = request.connect
    found: dict[str, Any] = {"user": named.get("user")}
    found["host"] = named.get("socket", named.get("host"))
    found["port"] = named.get("port")
    found["passfile"] = request.selects.credentials
    found["sslmode"] = named.get("sslmode")
    return {name: value for name, value in found.items() if value is not None}


def check_same(session: Connection[Any], request: Request) -> None:
    """The server that answers works in this very directory, is of a known version, and lets us do all; raises Refused.

    A base backup has the system identifier of its origin, so the directory in which the server's processes stand
    decides.
    """
    where = request.where
    row = session.execute(
        "SELECT (SELECT system_identifier FROM pg_control_system()), pg_backend_pid(),"
        " current_setting('server_version_num')::int, current_setting('is_superuser')"
    ).fetchone()
    if row is None:
        raise Refused("engine-unreachable", where=where, detail="it does not answer")
    system, process, version, is_superuser = row
    if str(system) != system_identifier(where):
        raise Refused("engine-elsewhere", where=where, detail="another system identifier")
    if not stands_in(int(process), where, request.machine.proc):
        raise Refused("engine-elsewhere", where=where, detail="its processes stand in another directory")
    if version not in VERSIONS:
        least, most = VERSIONS.start // 10000, VERSIONS.stop // 10000 - 1
        known = f"{least} to {most} are known: order the files of the stopped server"
        detail = f"it is PostgreSQL {version // 10000}, and {known}"
        raise Refused("records-not-offered", where=where, detail=detail)
    if is_superuser != "on":
        raise Refused("engine-unreachable", where=where, detail="the user is no superuser")


def stands_in(process: int, where: Path, proc: Path) -> bool:
    """Tell whether a server process works in the directory."""
    try:
        found = os.stat(proc / str(process) / "cwd")
        wanted = os.stat(where)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)


def is_served(where: Path, proc: Path) -> bool:
    """Tell whether a server runs on the data directory."""
    return postmaster_of(where, proc) is not None


def postmaster_of(where: Path, proc: Path) -> int | None:
    """Return the first process of the server that runs on the data directory; none where none does."""
    try:
        process = int((where / "postmaster.pid").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return process if stands_in(process, where, proc) else None


def is_standby(session: Connection[Any]) -> bool:
    """Tell whether the server replays what another does."""
    return bool(one(session, "SELECT pg_is_in_recovery()"))


def token_of(request: Request) -> str:
    """Return the name of what is held for this carrier: it tells nothing of what that is."""
    return hashlib.sha256(request.key + request.carrier.encode()).hexdigest()[:16]


def object_of(held: Held) -> str:
    """Return what the server calls the ordered table, as it was found before anything changed."""
    line = held.manifest.last("target")
    return str(dict(line.facts["facts"]).get("object", "-")) if line is not None else "-"


def told(error: Error) -> str:
    """Return what may be told of an error: its code and kind, for its text may hold a value."""
    return f"{error.sqlstate or 'no answer'} {type(error).__name__}"


@contextmanager
def translated(where: Path) -> Iterator[None]:
    """Errors of the driver are those of a run: a lock that was not to be had, or an engine that gave up."""
    import psycopg

    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise Lost("records-in-use", where=str(where), detail=f"waited {LOCK_SECONDS:g} s") from error
    except psycopg.Error as error:
        # A server whose log found no room ended, and says nothing any more.
        is_full = isinstance(error, psycopg.errors.DiskFull) or error.sqlstate is None
        if is_full and (missing := room_missing(where, LEAST_ROOM)) is not None:
            raise Lost(missing.reason, **dict(missing.facts)) from error
        raise Lost("engine-failed", where=str(where), detail=told(error)) from error


def run(session: Connection[Any], statement: str, values: Values = ()) -> Cursor[Any]:
    """Do a statement whose values are bound; a percent sign of its own is written twice."""
    return session.execute(statement.encode(), values)


def one(session: Connection[Any], statement: str, values: Values = ()) -> Any:
    """Return the first column of the first row of an answer; none where there is no row."""
    row = run(session, statement, values).fetchone()
    return row[0] if row is not None else None


def rows(session: Connection[Any], statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
    """Return all rows of an answer."""
    return run(session, statement, values).fetchall()


def quoted(*names: str) -> str:
    """Return a name as `run` takes it in a statement, schema first."""
    return ".".join('"' + name.replace('"', '""').replace("%", "%%") + '"' for name in names)
