"""Whether files of a file system have blocks that they never wrote: what stood there before is out of everybody's reach
but that of whoever reads the storage below."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable, Iterator

from wipers.linux.beneath import mount_id, open_beneath
from wipers.linux.extents import map_extents
from wipers.linux.machine import Machine

MOST = 200_000
"""Names looked at; of a file system with more it is not known."""
SHARE = 1024
"""Names between two looks at whether the run is to stop."""
OPEN_TREE = 428
"""Number of the system call (Linux 5.2), the same on every architecture."""
OPEN_TREE_CLONE = 1
FOLDER = os.O_RDONLY | os.O_DIRECTORY
FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY

_LIBC = ctypes.CDLL(None, use_errno=True)


def has_unwritten(root: int, machine: Machine, pause: Callable[[int, int], None]) -> bool | None:
    """Tell whether a file of the file system has such blocks; none where that cannot be told: not all of it is mounted
    here, it has too many names, one cannot be looked at, or lies below another mount. Raises what `pause` raises."""
    place = _mounted_at(root, machine)
    if place is None:
        return None
    top = _opened(place)
    try:
        if os.fstat(top).st_dev != os.fstat(root).st_dev:
            return None
        for number, name in enumerate(_files(top)):
            if number % SHARE == 0:
                pause(0, 0)
            if number >= MOST:
                return None
            if _is_unwritten(top, name):
                return True
    except OSError:
        return None
    finally:
        os.close(top)
    return False


def _opened(place: str) -> int:
    """Return a descriptor of what is mounted there, with nothing mounted within it where the kernel lets us have that;
    raises OSError."""
    cloned = int(_LIBC.syscall(OPEN_TREE, -100, os.fsencode(place), OPEN_TREE_CLONE | os.O_CLOEXEC))
    return cloned if cloned >= 0 else os.open(place, FOLDER | os.O_CLOEXEC)


def _mounted_at(root: int, machine: Machine) -> str | None:
    """Return where all of the directory's file system is mounted, by the mount that it was opened through."""
    wanted = str(mount_id(root))
    with open(machine.proc / "self" / "mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields = line.split(" ")
            if fields[0] == wanted:
                return _plain(fields[4]) if fields[3] == "/" else None
    return None


def _plain(path: str) -> str:
    """Return a path with the kernel's octal escapes undone."""
    for code in ("040", "011", "012", "134"):
        path = path.replace(f"\\{code}", chr(int(code, 8)))
    return path


def _files(top: int) -> Iterator[str]:
    """Yield the names of all regular files below; raises OSError: EXDEV where something is mounted over some."""
    waiting = ["."]
    while waiting:
        folder = waiting.pop()
        opened = open_beneath(top, folder, FOLDER)
        try:
            with os.scandir(opened) as entries:
                for entry in entries:
                    mode = entry.stat(follow_symlinks=False).st_mode
                    if stat.S_ISDIR(mode):
                        waiting.append(f"{folder}/{entry.name}")
                    elif stat.S_ISREG(mode):
                        yield f"{folder}/{entry.name}"
        finally:
            os.close(opened)


def _is_unwritten(top: int, name: str) -> bool:
    try:
        descriptor = open_beneath(top, name, FILE)
    except FileNotFoundError:
        return False
    try:
        return map_extents(descriptor).is_preallocated
    finally:
        os.close(descriptor)
