"""Why records of a PostgreSQL server must not be touched now: what still sees them, keeps their log, or copies them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wipers.linux.engines import CopyKnown, Request
from wipers.linux.engines.postgresql_files import paths_of
from wipers.linux.engines.postgresql_scope import Scope, with_parents
from wipers.linux.engines.postgresql_server import SESSION, one, rows
from wipers.model import Obstacle

if TYPE_CHECKING:
    from psycopg import Connection

LONG_SECONDS = 5
"""A transaction that is older holds its snapshot for longer than we wait for a lock."""

_SNAPSHOTS = (
    "SELECT pid, coalesce(extract(epoch FROM clock_timestamp() - xact_start)::int, 0), state FROM pg_stat_activity"
    " WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()"
    " AND application_name <> %s AND backend_type = 'client backend' AND xact_start IS NOT NULL"
    " AND (datname = current_database() OR datname IS NULL)"
    " AND clock_timestamp() - xact_start > make_interval(secs => %s)"
)
_PREPARED = "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"
_SLOTS = (
    "SELECT slot_name, slot_type, active_pid IN (SELECT pid FROM pg_stat_replication) IS TRUE,"
    " xmin IS NOT NULL OR catalog_xmin IS NOT NULL,"
    " pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::int8 FROM pg_replication_slots"
    " WHERE restart_lsn IS NOT NULL AND NOT coalesce(active_pid IN"
    " (SELECT pid FROM pg_stat_activity WHERE application_name = %s), false) ORDER BY 1"
)
_FEEDBACK = "SELECT count(*) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL"
BEHIND = 16 << 20
"""Bytes of the log by which a standby is behind that does not keep up."""
_BEHIND = (
    "SELECT application_name, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), coalesce(replay_lsn, '0/0'))::int8"
    " FROM pg_stat_replication WHERE state <> 'backup'"
    " AND pg_wal_lsn_diff(pg_current_wal_insert_lsn(), coalesce(replay_lsn, '0/0')) > %s ORDER BY 1"
)
_BACKUPS = "SELECT count(*) FROM pg_stat_progress_basebackup"
_ARCHIVER = (
    "SELECT current_setting('archive_mode') <> 'off' AND last_failed_time IS NOT NULL"
    " AND (last_archived_time IS NULL OR last_failed_time > last_archived_time) FROM pg_stat_archiver"
)
_LOCKS = (
    "SELECT l.pid, l.mode FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'relation'"
    " AND l.granted AND l.relation = ANY(%s::oid[]) AND l.database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database()) AND a.application_name <> %s"
    " AND clock_timestamp() - a.xact_start > make_interval(secs => %s)"
)


def find_obstacles(session: Connection[Any], request: Request, scope: Scope) -> tuple[Obstacle, ...]:
    """Return everything that would carry the records along, or that we should wait for in vain."""
    return (
        *snapshots(session),
        *_slots(session),
        *_behind(session),
        *_counted(session),
        *_locks(session, scope),
        *(acting(session, scope) if request.identity.scope == "rows" else ()),
        *(_dragged(session, scope) if request.identity.scope == "schema" and scope.object != "-" else ()),
        *apart(session, request, scope),
    )


_ACTING = (
    "WITH t AS (SELECT c.oid, EXISTS (SELECT 1 FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'"
    " AND f.confdeltype IN ('n', 'd') AND f.confrelid = ANY(%(all)s::oid[])) AS is_changed FROM pg_class c"
    " WHERE c.oid = ANY(%(all)s::oid[]))"
    " SELECT 'the trigger ' || quote_ident(g.tgname) FROM pg_trigger g JOIN t ON t.oid = g.tgrelid"
    " WHERE NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')"
    " AND (g.tgtype & 8 <> 0 OR (g.tgtype & 16 <> 0 AND t.is_changed))"
    " UNION ALL SELECT 'the rule ' || quote_ident(r.rulename) FROM pg_rewrite r JOIN t ON t.oid = r.ev_class"
    " WHERE r.ev_enabled IN ('O', 'A') AND (r.ev_type = '4' OR (r.ev_type = '2' AND t.is_changed)) ORDER BY 1"
)
"""What acts when rows go, or forget those that go: bits of `tgtype` are those of `catalog/pg_trigger.h`."""


def acting(session: Connection[Any], scope: Scope) -> tuple[Obstacle, ...]:
    """Return what acts when the rows are deleted: it may keep some, take others along or write them elsewhere, which
    nobody counted."""
    found = rows(session, _ACTING, {"all": with_parents(session, list(scope.tables))})
    return tuple(
        Obstacle("records-not-offered", (("where", scope.name), ("detail", f"{name} acts when rows are deleted")))
        for (name,) in found
    )


_DRAGGED = (
    "WITH RECURSIVE gone(classid, objid, objsubid) AS (SELECT classid, objid, objsubid FROM pg_depend"
    " WHERE refclassid = 'pg_namespace'::regclass AND refobjid = %(schema)s::oid"
    " UNION SELECT d.classid, d.objid, d.objsubid FROM gone g JOIN pg_depend d ON d.refclassid = g.classid"
    " AND d.refobjid = g.objid AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid))"
    " SELECT count(*) FROM gone g WHERE CASE g.classid"
    " WHEN 'pg_class'::regclass THEN (SELECT relnamespace FROM pg_class WHERE oid = g.objid)"
    " WHEN 'pg_type'::regclass THEN (SELECT typnamespace FROM pg_type WHERE oid = g.objid)"
    " WHEN 'pg_proc'::regclass THEN (SELECT pronamespace FROM pg_proc WHERE oid = g.objid)"
    " WHEN 'pg_constraint'::regclass THEN (SELECT connamespace FROM pg_constraint WHERE oid = g.objid)"
    " WHEN 'pg_statistic_ext'::regclass THEN (SELECT stxnamespace FROM pg_statistic_ext WHERE oid = g.objid)"
    " WHEN 'pg_attrdef'::regclass THEN"
    " (SELECT c.relnamespace FROM pg_attrdef a JOIN pg_class c ON c.oid = a.adrelid WHERE a.oid = g.objid)"
    " WHEN 'pg_trigger'::regclass THEN (SELECT c.relnamespace FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    "  WHERE t.oid = g.objid AND NOT t.tgisinternal)"
    " WHEN 'pg_rewrite'::regclass THEN"
    " (SELECT c.relnamespace FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.oid = g.objid)"
    " WHEN 'pg_policy'::regclass THEN"
    " (SELECT c.relnamespace FROM pg_policy y JOIN pg_class c ON c.oid = y.polrelid WHERE y.oid = g.objid)"
    " WHEN 'pg_extension'::regclass THEN 0 WHEN 'pg_event_trigger'::regclass THEN 0"
    " ELSE %(schema)s::oid END NOT IN (%(schema)s::oid, 'pg_toast'::regnamespace)"
)
"""What a schema drags along that is not in it: a column of a type, a default of a sequence, an extension."""


def _dragged(session: Connection[Any], scope: Scope) -> tuple[Obstacle, ...]:
    """Return that things of other schemas go with this one, and columns of tables that nobody ordered."""
    count = int(one(session, _DRAGGED, {"schema": int(scope.object)}) or 0)
    facts = (("where", scope.name), ("detail", f"{count} columns or other things outside of it"))
    return (Obstacle("records-referenced", facts),) if count else ()


def _seen_by(where: str, detail: str) -> Obstacle:
    return Obstacle("records-snapshot", (("where", where), ("detail", detail)))


def snapshots(session: Connection[Any]) -> tuple[Obstacle, ...]:
    """Return the transactions that have seen the rows for long."""
    found = rows(session, _SNAPSHOTS, (SESSION, LONG_SECONDS))
    return tuple(
        _seen_by("a transaction", f"process {process}, {state}, since {seconds} s") for process, seconds, state in found
    )


def _slots(session: Connection[Any]) -> tuple[Obstacle, ...]:
    """A slot that nobody reads keeps log segments and, where it has a horizon, dead rows too."""
    keeping = int(one(session, "SELECT pg_size_bytes(current_setting('wal_segment_size'))"))
    found = []
    for name, kind, is_active, has_horizon, behind in rows(session, _SLOTS, (SESSION,)):
        if not is_active or behind > 2 * keeping or (has_horizon and kind == "physical"):
            state = "in use" if is_active else "nobody reads it"
            found.append(_seen_by("a replication slot", f"{name} ({kind}, {state}, {behind} bytes behind)"))
    return tuple(found)


def _behind(session: Connection[Any]) -> tuple[Obstacle, ...]:
    """A standby that is behind needs the segments that are to go."""
    found = rows(session, _BEHIND, (BEHIND,))
    return tuple(_seen_by("a standby", f"{name or 'one'} is {behind} bytes behind") for name, behind in found)


def backups(session: Connection[Any]) -> tuple[Obstacle, ...]:
    """Return the base backups that carry every file along as it was."""
    return _number(session, _BACKUPS, "a base backup", "base backups running")


def _number(session: Connection[Any], statement: str, where: str, what: str) -> tuple[Obstacle, ...]:
    count = int(one(session, statement) or 0)
    return (_seen_by(where, f"{count} {what}"),) if count else ()


def _counted(session: Connection[Any]) -> tuple[Obstacle, ...]:
    found = [
        *_number(session, _PREPARED, "prepared transactions", "prepared"),
        *_number(session, _FEEDBACK, "a standby", "standbys with feedback that hold a horizon"),
        *backups(session),
    ]
    if one(session, _ARCHIVER):
        found.append(_seen_by("the archive of the log", "its command fails, so that segments are kept"))
    return tuple(found)


def _locks(session: Connection[Any], scope: Scope) -> tuple[Obstacle, ...]:
    found = rows(session, _LOCKS, (list(scope.tables), SESSION, LONG_SECONDS))
    return tuple(
        Obstacle("records-in-use", (("where", scope.name), ("detail", f"process {process} holds {mode}")))
        for process, mode in found
    )


def apart(session: Connection[Any], request: Request, scope: Scope) -> tuple[Obstacle, ...]:
    """Return that files which are to be held lie on other file systems than the data directory's."""
    device = request.where.stat().st_dev
    paths = paths_of(session, scope.tables)
    beyond = [path for path in (*paths, "pg_wal", "global") if path and _device(request, path) not in (device, None)]
    if not beyond:
        return ()
    detail = f"{len(beyond)} of its places (tablespaces, pg_wal) lie on other file systems"
    return (Obstacle("records-not-offered", (("where", str(request.where)), ("detail", detail))),)


def _device(request: Request, path: str) -> int | None:
    try:
        return (request.where / path).stat().st_dev
    except OSError:
        return None


_STANDBYS = (
    "SELECT coalesce(client_addr::text, 'this host'), application_name, state FROM pg_stat_replication ORDER BY 1"
)


_NOTED = (
    "SELECT name, modification::date FROM pg_ls_waldir()"
    " WHERE name ~ '^[0-9A-F]{24}[.][0-9A-F]{8}[.]backup$' ORDER BY 1"
)


def find_copies(session: Connection[Any]) -> tuple[CopyKnown, ...]:
    """Return the census: standbys, slots, subscriptions and archives that this server feeds, and the last base backup
    that it noted for its archive."""
    slots = rows(session, "SELECT slot_name FROM pg_replication_slots WHERE NOT temporary AND NOT active ORDER BY 1")
    taken = (CopyKnown("backup", f"{name} of {day}") for name, day in rows(session, _NOTED))
    return (*standbys(session), *(CopyKnown("slot", str(name)) for (name,) in slots), *archives(session), *taken)


def standbys(session: Connection[Any]) -> tuple[CopyKnown, ...]:
    """Return the standbys and subscribers that the server feeds."""
    return tuple(CopyKnown("replica", f"{host} {name} {state}") for host, name, state in rows(session, _STANDBYS))


def archives(session: Connection[Any]) -> tuple[CopyKnown, ...]:
    """Return the archive that the server writes its log to."""
    if not one(session, _ARCHIVES):
        return ()
    return (CopyKnown("archive", program_of(str(one(session, _ARCHIVED_BY)))),)


def program_of(command: str) -> str:
    """Return the name of the program that a command begins with, and nothing of the rest: an archive's may hold a
    password or a key."""
    matched = _PROGRAM.match(command.strip())
    return matched["name"] if matched else "a command"


_PROGRAM = re.compile(r"[A-Za-z0-9_.+/-]*?(?P<name>[A-Za-z0-9_.+-]{1,64})(?:\s|$)", re.ASCII)
_ARCHIVED_BY = "SELECT coalesce(nullif(current_setting('archive_library'), ''), current_setting('archive_command'))"


_ARCHIVES = (
    "SELECT current_setting('archive_mode') = 'always'"
    " OR (current_setting('archive_mode') = 'on' AND NOT pg_is_in_recovery())"
)
