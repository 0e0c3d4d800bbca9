"""What stays in a SQLite database, written anew: into a file that takes the place of the old one, or, where others
have the old one open, into the very blocks of the old one."""

from __future__ import annotations

import ctypes
import fcntl
import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

from wipers.linux.engines.sqlite_catalog import connected, name_of, number, word
from wipers.linux.held import Held
from wipers.linux.manifest import sync_folder
from wipers.linux.sqlite_locks import LOCK, LOCK_BYTES

NEW = "new"
"""Name, in the held directory, of the file that is written; after the exchange the old file has it."""
RENAME_EXCHANGE = 2
SHRINKING, INCREMENTAL = 1, 2
"""How a database with pointer-map pages gives free pages back: at every commit, or when it is told to."""

_LIBC = ctypes.CDLL(None, use_errno=True)


def write_new(connection: sqlite3.Connection, new: Path) -> None:
    """What stays is in a new file, page by page as VACUUM lays it out, without a trace of what lay between; durable."""
    for end in ("", "-journal", "-wal", "-shm"):
        Path(f"{new}{end}").unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(new),))
    _sync(new)


def faults_of(connection: sqlite3.Connection) -> int:
    """How many faults SQLite finds in its file and its foreign keys."""
    found = [row[0] for row in connection.execute("PRAGMA integrity_check").fetchall()]
    return len([one for one in found if one != b"ok"])


def make_alike(path: Path, new: Path) -> None:
    """The new file has the old one's owner, mode and attributes, and is durable. Opens nothing of the old one: closing
    any descriptor of it would let go of this process's locks on it."""
    found = path.lstat()
    os.chown(new, found.st_uid, found.st_gid)
    new.chmod(stat.S_IMODE(found.st_mode))
    for name in os.listxattr(path, follow_symlinks=False):
        # An attribute that only the system itself may set is set by it again.
        with suppress(OSError):
            os.setxattr(new, name, os.getxattr(path, name))
    _sync(new)


def is_locked(path: Path, proc: Path) -> bool:
    """Tell whether this process still holds SQLite's locks on the file: any thread that closes any descriptor of it
    lets go of all of them, by the rules of POSIX."""
    inode, process = path.lstat().st_ino, os.getpid()
    # 1: POSIX  ADVISORY  WRITE 2914 08:01:262149 1073741826 1073742335
    locks = (line.split() for line in (proc / "locks").read_text(encoding="ascii").splitlines())
    return any(
        one[1] == "POSIX" and one[3:5] == ["WRITE", str(process)] and one[5].endswith(f":{inode}")
        for one in locks
        if len(one) == 8
    )


def exchange(path: Path, held: Held, new: Path) -> int:
    """The new file has the database's name, and the old one is in the held directory, in one step; return a descriptor
    that keeps everybody out of the new one until it is closed. Raises OSError."""
    descriptor = os.open(new, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        lock = LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, *LOCK_BYTES, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)
        held.manifest.write("exchange", old=path.lstat().st_ino, new=new.lstat().st_ino)
        swap(path, new)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def was_exchanged(held: Held, new: Path) -> bool:
    """Tell whether the old file is the one in the held directory. It goes only after it was written over, whatever its
    application has put in the database's place by now."""
    line = held.manifest.last("exchange")
    return line is not None and new.exists() and bool(new.stat().st_ino == line.facts["old"])


def swap(path: Path, new: Path) -> None:
    """Each of the two files has the other's name, in one step that is durable; raises OSError."""
    if _LIBC.renameat2(-100, os.fsencode(path), -100, os.fsencode(new), RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    sync_folder(path.parent)
    sync_folder(new.parent)


def fill_up(new: Path, pages: int) -> None:
    """The new file has at least so many pages, the further ones free and empty: written over the old one it leaves no
    block of the old one behind."""
    with connected(new, "rw") as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA secure_delete = ON")
        if number(connection, "PRAGMA auto_vacuum") == SHRINKING:
            # Else the pages that are added would be given back at once.
            connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
        size = number(connection, "PRAGMA page_size")
        missing = pages - number(connection, "PRAGMA page_count")
        if missing <= 0:
            return
        filler = name_of("expunge filler")
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {filler} (a)")
        # One row over many pages at a time, so that a gigabyte needs no gigabyte of memory.
        while missing > 0:
            length = min(missing, 1024) * size
            connection.execute(f"INSERT INTO {filler} VALUES (zeroblob(?))", (length,))
            missing = pages - number(connection, "PRAGMA page_count")
        connection.execute(f"DROP TABLE {filler}")
        connection.execute("COMMIT")
    _sync(new)


def write_over(connection: sqlite3.Connection, new: Path) -> None:
    """Every page of the database is the new file's, in one transaction of SQLite's own: a crash rolls back to what
    was there before, by the journal that is held."""
    with connected(new, "ro") as source:
        source.backup(connection)


def mode_of(connection: sqlite3.Connection) -> str:
    """The journal mode that the file itself asks for."""
    return word(connection, "PRAGMA journal_mode").lower()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
