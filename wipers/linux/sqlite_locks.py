"""Who is in the middle of changing a SQLite database, told by the bytes that its connections lock; takes none.

A rollback journal alone says nothing: every transaction has one until it ends. SQLite takes it for one that was never
finished where it has a header and nobody holds the reserved lock (https://www.sqlite.org/lockingv3.html, 4.1).
"""

from __future__ import annotations

import fcntl
import os
import struct
import time

from wipers.linux.beneath import open_beneath
from wipers.linux.machine import Machine, attribute
from wipers.linux.openers import Opener
from wipers.linux.sqlite_pages import HOT_JOURNAL
from wipers.linux.streams import READING

LOCK_BYTES = (0x40000000, 512)
"""Where connections lock the main file: pending, reserved, shared (https://www.sqlite.org/src/file/src/os.h)."""
LOCK = struct.Struct("hhqqi4x")
"""Kind, whence, start, length and process, as Linux has them on 64 bits."""
HEAD = 28
"""Bytes of a journal's header, a number drawn anew for each transaction among them
(https://www.sqlite.org/fileformat2.html, 3)."""
PAUSE = 0.02
"""Seconds between two looks at the locks."""


def process_changing(main: int) -> int | None:
    """Return the process that holds a lock for changing the database: reserved, pending or exclusive; 0 or less where
    the system does not tell which, none where nobody holds one. Locks of those who read do not count."""
    asked = LOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, *LOCK_BYTES, 0)
    kind, _, _, _, process = LOCK.unpack(fcntl.fcntl(main, fcntl.F_OFD_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else process


def lasting_change(main: int, seconds: float) -> int | None:
    """Return who is still changing the database after so many seconds without a moment of rest; none after one."""
    until = time.monotonic() + seconds
    while (process := process_changing(main)) is not None and time.monotonic() < until:
        time.sleep(PAUSE)
    return process


def told(process: int, machine: Machine) -> str:
    """Return a process that holds a lock, in words."""
    if process <= 0:
        return "a transaction of a process that cannot be seen from here"
    return f"a transaction of {Opener(process, attribute(machine.proc / str(process) / 'comm', '?'), is_writer=True)}"


def is_unfinished(root: int, base: str, main: int | None) -> bool:
    """Tell whether a transaction was begun that nobody will finish: the same journal stands there before and after a
    moment in which nobody held a lock for changing the database. `main`: none where this process holds them all."""
    before = _journal_head(root, base)
    if not before.startswith(HOT_JOURNAL):
        return False
    return main is None or (process_changing(main) is None and _journal_head(root, base) == before)


def _journal_head(root: int, base: str) -> bytes:
    """Return how the journal begins that has the name now; nothing where there is none. Raises OSError."""
    try:
        descriptor = open_beneath(root, f"{base}-journal", READING)
    except FileNotFoundError:
        return b""
    try:
        return os.pread(descriptor, HEAD, 0)
    finally:
        os.close(descriptor)
