"""Opening a path without following a single link, so that what was ordered is what is opened.

`openat2` resolves the whole path inside one system call (Linux 5.6); where the kernel has none, the path is walked
component by component, which follows no link either.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from functools import cache

OPENAT2 = 437
"""Number of the system call; the same on every architecture that Debian 12 is made for."""
NO_XDEV = 0x01
NO_MAGICLINKS = 0x02
NO_SYMLINKS = 0x04
BENEATH = 0x08
NO_LINKS = NO_SYMLINKS | NO_MAGICLINKS | BENEATH

_LIBC = ctypes.CDLL(None, use_errno=True)


def open_root(path: str) -> int:
    """Return a descriptor of the directory at an absolute path, none of whose components is a link; raises OSError."""
    if not path.startswith("/"):
        raise OSError(errno.EINVAL, "not an absolute path", path)
    top = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _open(top, path.strip("/") or ".", os.O_RDONLY | os.O_DIRECTORY, NO_LINKS)
    finally:
        os.close(top)


def open_beneath(directory: int, name: str, flags: int) -> int:
    """Return a descriptor of what `name` is below the directory, on the same mount, reached through no link; raises
    OSError: ELOOP for a link, EXDEV for another mount or a way out."""
    return _open(directory, name, flags, NO_LINKS | NO_XDEV)


def _open(directory: int, name: str, flags: int, resolve: int) -> int:
    try:
        return open_by_call(directory, name, flags, resolve)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
    return open_by_steps(directory, name, flags, resolve)


def open_by_call(directory: int, name: str, flags: int, resolve: int) -> int:
    """Open by `openat2`, which resolves the whole path at once; raises OSError."""
    if flags & os.O_CREAT:
        raise OSError(errno.EINVAL, "this never creates", name)
    how = _how(flags, resolve)
    opened = int(_LIBC.syscall(OPENAT2, directory, os.fsencode(name), how, len(how)))
    if opened < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return opened


@cache
def _how(flags: int, resolve: int) -> bytes:
    """Return `struct open_how`; asked for once a file of a tree."""
    return struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, resolve)


def open_by_steps(directory: int, name: str, flags: int, resolve: int) -> int:
    """Open component by component, each without following links; raises OSError as `openat2` does."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts:
        raise OSError(errno.EXDEV, "leads out of the directory", name)
    if flags & os.O_CREAT:
        raise OSError(errno.EINVAL, "this never creates", name)
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    mount = mount_id(here)
    for part in parts[:-1]:
        here = _step(here, part, os.O_PATH | os.O_DIRECTORY)
    opened = _step(here, parts[-1] if parts else ".", flags)
    if resolve & NO_XDEV and mount_id(opened) != mount:
        os.close(opened)
        raise OSError(errno.EXDEV, "on another mount", name)
    return opened


def _step(directory: int, part: str, flags: int) -> int:
    try:
        opened = os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ENOTDIR and _is_link(directory, part):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part) from error
        raise
    finally:
        os.close(directory)
    return opened


def _is_link(directory: int, part: str) -> bool:
    return stat.S_ISLNK(os.stat(part, dir_fd=directory, follow_symlinks=False).st_mode)


def mount_id(descriptor: int) -> int:
    """Return the number of the mount that the descriptor was opened through."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("mnt_id:"))
