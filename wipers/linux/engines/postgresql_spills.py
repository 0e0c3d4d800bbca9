"""What backends spill as they sort, join and keep results: files that no catalog knows.

A backend removes its own at its end; one that is killed leaves them (remove_temp_files_after_crash), with blocks that
nobody writes again. After the rows are out and every older snapshot is gone, what a live backend still has of them is
the result of a cursor WITH HOLD, or a sort whose snapshot cannot be told: it is waited for.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_server import rows
from wipers.linux.held import Held

if TYPE_CHECKING:
    from psycopg import Connection

FOLDER = "pgsql_tmp"
WAIT_SECONDS = 5.0
"""Longest wait for live backends of the database to be done with their files."""
ROUNDS = 5
"""Times that the files are listed anew because some went meanwhile."""
_SPILLED = re.compile(r"pgsql_tmp(?P<process>[0-9]+)\.[0-9]+(?:\.(?:shared)?fileset)?", re.ASCII)
_LIVE = (
    "SELECT pid, coalesce(datname = %(database)s, true) FROM pg_stat_activity UNION ALL"
    " SELECT leader_pid, true FROM pg_stat_activity WHERE leader_pid IS NOT NULL"
)


def hold_spills(session: Connection[Any], where: Path, held: Held, database: str) -> tuple[int, bool]:
    """Files that dead backends left are held, and those of live ones in the database once these have let go of them;
    return how many, and whether none is left with a backend or on another file system."""
    for _ in range(ROUNDS):
        try:
            is_near = _take(session, where, held, database)
            break
        except FileNotFoundError:
            continue
    else:
        is_near = False
    if _ours(held):
        held.keep()
    kept = _wait(held)
    for name in kept:
        if held.path is not None:
            (held.path / name).unlink()
    return len(_ours(held)) - len(kept), is_near and not kept


def _take(session: Connection[Any], where: Path, held: Held, database: str) -> bool:
    """What is there now is held, or has a further name there; return whether all of it could be."""
    device, known = where.stat().st_dev, {taken.inode for taken in held.taken()}
    found = {file: process for file, process in _spilled(where).items() if file.stat().st_size}
    near = [file for file in found if file.stat().st_dev == device and file.stat().st_ino not in known]
    # Asked after they were listed: whoever is not alive any more removes none of them either.
    live = dict(rows(session, _LIVE, {"database": database}))
    if dead := [file for file in near if found[file] not in live and file.exists()]:
        held.move(dead)
    if used := [file for file in near if live.get(found[file])]:
        held.link(used)
    beyond = (file for file in found if file.exists() and file.stat().st_dev != device)
    return not any(live.get(found[file], True) for file in beyond)


def _spilled(where: Path) -> dict[Path, int]:
    """Return the files, and which process made each: by itself, or for several in a directory."""
    folders = (where / "base" / FOLDER, *sorted((where / "pg_tblspc").glob(f"*/PG_*/{FOLDER}")))
    found: dict[Path, int] = {}
    for top in (one for folder in folders if folder.is_dir() for one in sorted(folder.iterdir())):
        if (matched := _SPILLED.fullmatch(top.name)) is None or top.is_symlink():
            continue
        files = sorted(top.rglob("*")) if top.is_dir() else (top,)
        found |= {file: int(matched["process"]) for file in files if file.is_file() and not file.is_symlink()}
    return found


def _ours(held: Held) -> set[str]:
    """Return the names under which such files are held."""
    return {taken.name for taken in held.taken() if FOLDER in taken.path.parts}


def _wait(held: Held) -> set[str]:
    """Return those that backends still have after a while."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (kept := _ours(held) & set(held.linked_elsewhere())) and time.monotonic() < deadline:
        time.sleep(0.1)
    return kept
