"""How much room a MariaDB server needs while rows are taken out: one whose disk is full waits for room, or ends."""

from __future__ import annotations

from pathlib import Path

from wipers.linux.engines import Request, room_missing
from wipers.linux.engines.mariadb_innodb import undo_room
from wipers.linux.engines.mariadb_redo import redo_room
from wipers.linux.engines.mariadb_rows import parts_of
from wipers.linux.engines.mariadb_scope import Table, files_of
from wipers.linux.engines.mariadb_server import Server
from wipers.linux.engines.mariadb_take import WATERMARK
from wipers.linux.engines.mariadb_traces import ARIA_LOG
from wipers.model import Lost

GROWN = 8 << 20
"""Bytes by which the server makes a file longer ahead of what it writes there, and a little more."""
OWN = 28 << 20
"""Bytes that tables of our own take: measured 25 MiB."""


def room_needed(server: Server, request: Request, redo: int | None = None) -> int:
    """Bytes that must be free before anything is changed: what is written anew beside the files that are held, new
    logs, tables of our own, and what is left alone. `redo` is the size that a run noted of the log."""
    if request.identity.scope == "cluster":
        return 0
    beside = 2 * ARIA_LOG + redo_room(server, redo) + undo_room(server) + OWN + WATERMARK
    if request.identity.scope != "rows":
        return beside
    found = {part.table.quoted: part.table for part in parts_of(server, request)}
    return beside + sum(_rewritten(files_of(server, request, table), table) for table in found.values())


def _rewritten(files: tuple[Path, ...], table: Table) -> int:
    """Bytes of a table's new files, and of the sorted keys that they are made from."""
    size = sum(path.stat().st_size for path in files)
    # Pages that give blocks back are first written whole, then shrunk; both while the first files are held.
    return GROWN + (2 * size if table.is_page_compressed else size) + table.indexed


def check_room(server: Server, request: Request, redo: int | None) -> None:
    """There is room now; raises Lost, with nothing changed since the last step."""
    missing = room_missing(request.where, room_needed(server, request, redo))
    if missing is not None:
        raise Lost(missing.reason, **dict(missing.facts))
