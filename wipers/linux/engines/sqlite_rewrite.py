"""What stays in a SQLite database, written anew: into a file that takes the place of the old one, or, where others
have the old one open, into the very blocks of the old one."""

from __future__ import annotations

import ctypes
import fcntl
import os
import sqlite3
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from wipers.linux.beneath import open_beneath, open_root
from wipers.linux.engines.sqlite_catalog import connected, name_of, number, word
from wipers.linux.held import Held
from wipers.linux.sqlite_locks import LOCK, LOCK_BYTES
from wipers.model import Lost

NEW = "new"
"""Name, in the held directory, of the file that is written; after the exchange the old file has it."""
RENAME_EXCHANGE = 2
SHRINKING, INCREMENTAL = 1, 2
"""How a database with pointer-map pages gives free pages back: at every commit, or when it is told to."""

_LIBC = ctypes.CDLL(None, use_errno=True)


def write_new(connection: sqlite3.Connection, new: Path) -> None:
    """What stays is in a new file, page by page as VACUUM lays it out, without a trace of what lay between; not durable
    yet, and only this user's."""
    remove_new(new)
    # SQLite takes an empty file for a new one, and leaves its mode.
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    connection.execute("VACUUM INTO ?", (str(new),))


def remove_new(new: Path) -> None:
    """A new file that never came into use is gone, with what SQLite keeps beside one. Idempotent."""
    for end in ("", "-journal", "-wal", "-shm"):
        Path(f"{new}{end}").unlink(missing_ok=True)


def faults_in(path: Path) -> int:
    """How many faults SQLite finds in a file and its foreign keys."""
    with connected(path, "ro") as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check").fetchall()]
    return len([one for one in found if one != b"ok"])


def make_alike(path: Path, new: Path) -> None:
    """The new file has the old one's owner, mode and attributes, and is durable. Opens nothing of the old one: closing
    any descriptor of it would let go of this process's locks on it. Raises OSError: the new one is a link, too."""
    found = path.lstat()
    root = open_root(str(new.parent))
    try:
        descriptor = open_beneath(root, new.name, os.O_RDONLY)
    finally:
        os.close(root)
    try:
        os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
        for name in os.listxattr(path, follow_symlinks=False):
            # An attribute that only the system itself may set is set by it again.
            with suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(path, name, follow_symlinks=False))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_locked(inode: int, proc: Path, kinds: tuple[str, ...] = ("WRITE",)) -> bool:
    """Tell whether this process still holds SQLite's locks on the file: any thread that closes any descriptor of it
    lets go of all of them, by the rules of POSIX. So the file, too, is told that its connection has open, whatever had
    its name at that moment."""
    process = str(os.getpid())
    # 1: POSIX  ADVISORY  WRITE 2914 08:01:262149 1073741826 1073742335
    locks = (line.split() for line in (proc / "locks").read_text(encoding="ascii").splitlines())
    return any(
        one[1] == "POSIX" and one[3] in kinds and one[4] == process and one[5].endswith(f":{inode}")
        for one in locks
        if len(one) == 8
    )


def exchange(path: Path, inode: int, held: Held, new: Path) -> int:
    """The new file has the database's name, and the old one is in the held directory, in one step; return a descriptor
    that keeps everybody out of the new one until it is closed. Raises Lost where another file had the database's name
    just then, OSError."""
    with held.opened() as folder:
        descriptor = os.open(new.name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=folder)
    try:
        lock = LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, *LOCK_BYTES, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)
        held.manifest.write("exchange", old=inode, new=os.fstat(descriptor).st_ino)
        swap(path, new)
        if new.lstat().st_ino != inode:
            swap(path, new)
            raise Lost("records-in-use", where="the database", detail="another file has its name")
    except (OSError, Lost):
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
    with ExitStack() as left:
        folders = []
        for parent in (path.parent, new.parent):
            folders.append(open_root(str(parent)))
            left.callback(os.close, folders[-1])
        one, other = os.fsencode(path.name), os.fsencode(new.name)
        if _LIBC.renameat2(folders[0], one, folders[1], other, RENAME_EXCHANGE) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
        for folder in folders:
            os.fsync(folder)


def fill_up(new: Path, pages: int) -> None:
    """The new file has at least so many pages, the further ones free and empty: written over the old one it leaves no
    block of the old one behind."""
    with connected(new, "rw") as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA secure_delete = ON")
        if number(connection, "PRAGMA auto_vacuum") == SHRINKING:
            # Else the pages that are added would be given back at once.
            connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
        add_empty_pages(connection, pages)
    sync(new)


def add_empty_pages(connection: sqlite3.Connection, pages: int) -> None:
    """The database has at least so many pages; those that it had not are free and nought."""
    size = number(connection, "PRAGMA main.page_size")
    filler = name_of("expunge filler")
    connection.execute("BEGIN IMMEDIATE")
    missing = pages - number(connection, "PRAGMA main.page_count")
    if missing > 0:
        connection.execute(f"CREATE TABLE main.{filler} (a)")
        # One row over many pages at a time, so that a gigabyte needs no gigabyte of memory.
        while missing > 0:
            length = min(missing, 1024) * size
            connection.execute(f"INSERT INTO main.{filler} VALUES (zeroblob(?))", (length,))
            missing = pages - number(connection, "PRAGMA main.page_count")
        connection.execute(f"DROP TABLE main.{filler}")
    connection.execute("COMMIT")


def write_over(connection: sqlite3.Connection, new: Path) -> None:
    """Every page of the database is the new file's, in one transaction of SQLite's own: a crash rolls back to what
    was there before, by the journal that is held."""
    with connected(new, "ro") as source:
        source.backup(connection)


def mode_of(connection: sqlite3.Connection) -> str:
    """The journal mode that the file itself asks for."""
    return word(connection, "PRAGMA journal_mode").lower()


def sync(path: Path) -> None:
    """What was written into a file is durable; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
