"""A PostgreSQL server's own log: the files that it is in, and what is taken out of them.

The server collects it in files of its own, or writes it to where whoever started it sent it: Debian's scripts name a
file.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_files import size_of
from wipers.linux.engines.postgresql_server import one, postmaster_of
from wipers.linux.held import Held
from wipers.searching import Search, literal, search_for

if TYPE_CHECKING:
    from psycopg import Connection

SHORTEST = 8
"""Bytes of a value from which a line of the log that holds it is taken out."""
LONGEST = 64
"""Bytes of a value that are looked for."""
MOST_VALUES = 100_000
"""Values that are looked for; what more there are is left to the hunt and its samples."""
MOST_READ = 5000
"""Rows whose values are all looked for; of more, a part is."""
CHUNK = 1 << 22
AT_ONCE = 1 << 34
"""Bytes of the log times values up to which each value is looked for by itself: a few seconds at most."""
COLLECTED = 0.3
"""Seconds in which the collector of the log opens a file of its own and writes what it had."""
REMOVED = b"[line removed on order]\n"
IN_FILES = {"stderr", "csvlog", "jsonlog"}
"""Kinds of log that end in files; the others go to the system's log."""
NOWHERE = os.makedev(1, 3)
"""The device that keeps nothing."""


def files_of_log(session: Connection[Any], where: Path, proc: Path) -> tuple[Path, ...] | None:
    """Return the files that the server's log is in, older ones too; none where some of it goes where nothing is held or
    looked for: to the system's log, to another process, to another file system."""
    kinds = str(one(session, "SELECT current_setting('log_destination')"))
    if not {kind.strip() for kind in kinds.split(",")} <= IN_FILES:
        return None
    folder = _collected(session, where)
    return _inherited(where, proc) if folder is None else _in(folder, where)


def _collected(session: Connection[Any], where: Path) -> Path | None:
    """Return where the server collects its log; none where it does not."""
    if one(session, "SELECT current_setting('logging_collector')") != "on":
        return None
    return where / str(one(session, "SELECT current_setting('log_directory')"))


def _in(folder: Path, where: Path, begun_with: str = "") -> tuple[Path, ...] | None:
    if not folder.is_dir() or folder.stat().st_dev != where.stat().st_dev:
        return None
    regular = (file for file in folder.iterdir() if file.is_file() and not file.is_symlink())
    return tuple(sorted(file for file in regular if file.name.startswith(begun_with)))


def _inherited(where: Path, proc: Path) -> tuple[Path, ...] | None:
    """Return the file into which the server's errors go, and those that were once that file, by its name."""
    process = postmaster_of(where, proc)
    link = proc / str(process) / "fd" / "2"
    try:
        found, file = link.stat(), link.readlink()
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == NOWHERE:
            return ()
        is_there = stat.S_ISREG(found.st_mode) and os.path.samestat(found, file.lstat())
    except OSError:
        return None
    return _in(file.parent, where, file.name) if is_there else None


@dataclass(slots=True)
class ServerLog:
    """The server's own log."""

    session: Connection[Any]
    where: Path
    proc: Path
    held: Held

    def redact(self, values: Iterable[bytes]) -> tuple[int, bool]:
        """No file of the log holds a line with one of the values. Files that the server collects are written anew
        without them, and the old ones held; in another program's the lines are written over where they stand. Return
        how many lines went, and whether all of the log is in reach."""
        files = files_of_log(self.session, self.where, self.proc)
        if files is None:
            return 0, False
        search = _search(_narrowed(_wanted(values), files))
        redact = self._without if _collected(self.session, self.where) is not None else _blot
        return sum(redact(file, search) for file in files if _is_telling(file, search)), True

    def _without(self, file: Path, search: Search) -> int:
        found = file.stat()
        (taken,) = self.held.move((file,))
        self.session.execute("SELECT pg_rotate_logfile()")
        time.sleep(COLLECTED)
        place = file if not file.exists() else file.with_name(f"{file.name}.before-{int(time.time())}")
        source = (self.held.path or self.where) / taken.name
        count = _copy_without(source, place, found, search)
        self.held.keep()
        return count


def _wanted(values: Iterable[bytes]) -> set[bytes]:
    """Return what of each value would stand in a line."""
    lines = (value.split(b"\n", 1)[0][:LONGEST] for value in values)
    return set(islice((line for line in lines if len(line) >= SHORTEST), MOST_VALUES))


def _narrowed(wanted: set[bytes], files: tuple[Path, ...]) -> set[bytes]:
    """Return those that a small log holds at all: to make a search of all of them takes longer than to read it."""
    size = size_of(files)
    if size * len(wanted) > AT_ONCE or size > CHUNK:
        return wanted
    told = b"\n".join(file.read_bytes() for file in files)
    return {one for one in wanted if one in told}


def _search(wanted: set[bytes]) -> Search:
    """Return what finds any of the texts."""
    return search_for([literal(one) for one in sorted(wanted)])()


def _chunks(file: Path) -> Iterator[bytes]:
    """Yield whole lines of a file, many at once."""
    with file.open("rb") as source:
        while lines := source.readlines(CHUNK):
            yield b"".join(lines)


def _is_telling(file: Path, search: Search) -> bool:
    return any(search.scan(memoryview(chunk)) for chunk in _chunks(file))


def _blot(file: Path, search: Search) -> int:
    """Every line with a value is dashes; return how many those were. Whoever writes the file goes on at its end."""
    count = position = 0
    descriptor = os.open(file, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for chunk in _chunks(file):
            for line in chunk.splitlines(keepends=True) if search.scan(memoryview(chunk)) else (chunk,):
                if search.scan(memoryview(line)):
                    os.pwrite(descriptor, b"-" * len(line.rstrip(b"\r\n")), position)
                    count += 1
                position += len(line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return count


def _copy_without(source: Path, place: Path, found: os.stat_result, search: Search) -> int:
    """Every line without a value is in the new file, and a mark in place of the others; return how many those were."""
    count = 0
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as kept:
        os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, found.st_mode & 0o777)
        for chunk in _chunks(source):
            if not search.scan(memoryview(chunk)):
                kept.write(chunk)
                continue
            for line in chunk.splitlines(keepends=True):
                is_telling = bool(search.scan(memoryview(line)))
                count += is_telling
                kept.write(REMOVED if is_telling else line)
        kept.flush()
        os.fsync(descriptor)
    return count
