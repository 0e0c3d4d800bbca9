"""Files of lines that survive a power cut: append, fsync, and drop a last line that was torn."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from agent.files import unreadable
from certificates.errors import Refused

_TURNS: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
_TURNS_LOCK = threading.Lock()
_MARKED: set[str] = set()


def _turn(path: Path) -> threading.Lock:
    """Return the lock that threads of this process take around a file.

    The system's record locks belong to a process: they hold no thread of it back, and whichever thread closes the file
    first would let go of them for all.
    """
    name = os.path.abspath(path)
    with _TURNS_LOCK:
        return _TURNS.setdefault(name, threading.Lock())


def read_lines(path: Path) -> list[bytes]:
    """Return the complete lines of a file, without their ends; an absent file has none. Raises Refused."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(path, error) from error
    return data.split(b"\n")[:-1]


def append_line(path: Path, line: bytes) -> None:
    """Append a line and return when it is on the disk; a torn line before it is cut off first."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _cut_torn_line(descriptor)
        _write_all(descriptor, line + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_directory(path.parent)


def write_durably(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Make `path` hold all parts of `data` or none: written beside, fsynced, renamed; one writer after the other."""
    beside = path.with_name(path.name + ".new")
    with _turn(beside):
        descriptor = _open_alone(beside)
        try:
            os.ftruncate(descriptor, 0)
            for part in (data,) if isinstance(data, bytes) else data:
                _write_all(descriptor, part)
            os.fsync(descriptor)
            os.replace(beside, path)
        finally:
            os.close(descriptor)
    sync_directory(path.parent)


def _open_alone(path: Path) -> int:
    """Return a locked descriptor of the file that has this name now: while waiting, another may have renamed it."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.lockf(descriptor, os.F_LOCK, 0)
        try:
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every other thread and process that asks for the same lock waiting; however this process ends, it is lifted.

    Not to be nested: a thread would wait for itself. Raises Refused where the lock cannot be had at all: the file
    system is full, read-only or gone, or something else lies there.
    """
    with _turn(path):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Refused("journal-not-writable", detail=f"{path}: {os.strerror(error.errno or 0)}") from error
        try:
            os.lockf(descriptor, os.F_LOCK, 0)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def marked(path: Path) -> Iterator[None]:
    """Show, by `is_marked`, that this process is at it; the system takes the mark away however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    name = os.path.abspath(path)
    try:
        # Two processes may both think of resuming a run; whoever holds its target goes on, and one mark is enough.
        with suppress(OSError):
            os.lockf(descriptor, os.F_TLOCK, 0)
        _MARKED.add(name)
        yield
    finally:
        _MARKED.discard(name)
        os.close(descriptor)


def is_marked(path: Path) -> bool:
    """Tell whether this or another process is at it."""
    if os.path.abspath(path) in _MARKED:
        # Opening and closing the file here would take the mark away: a record lock belongs to the process.
        return True
    try:
        # To look is no write: also where the file system was taken away from writers.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        os.lockf(descriptor, os.F_TEST, 0)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def sync_directory(path: Path) -> None:
    """Return when the directory's names are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cut_torn_line(descriptor: int) -> None:
    """Leave the descriptor behind the last complete line."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    position = end
    while position > 0:
        start = max(0, position - 65536)
        found = os.pread(descriptor, position - start, start).rfind(b"\n")
        if found >= 0:
            position = start + found + 1
            break
        position = start
    if position != end:
        os.ftruncate(descriptor, position)
    os.lseek(descriptor, position, os.SEEK_SET)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
