"""How much of a file system is free, whatever the quota of a project lets its directories say.

A directory whose files are a project's own tells what the project may still have (ext4_statfs_project, xfs_fs_statfs):
a limit that is used up looks like a disk that is full. A file tells the whole.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from contextlib import suppress

FS_IOC_FSGETXATTR = 0x801C581F
FS_IOC_FSSETXATTR = 0x401C5820
PROJECT_INHERITED = 0x00000200
"""Flag of a directory whose new files are its project's (FS_XFLAG_PROJINHERIT)."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_ATTRIBUTES = struct.Struct("=5I8x")
"""struct fsxattr: flags, extent size, extents, project, copy-on-write extent size (linux/fs.h)."""


class Room:
    """What is free on the file system of a directory."""

    def __init__(self, root: int) -> None:
        """Ask a file without a name, as long as there is an inode for one; raises OSError."""
        try:
            self._asked = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=root)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self._asked = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)

    @property
    def size(self) -> int:
        """Bytes that are in no file."""
        about = os.fstatvfs(self._asked)
        return about.f_bfree * about.f_frsize

    @property
    def inodes(self) -> int:
        """Inodes that no file has."""
        return os.fstatvfs(self._asked).f_ffree

    def close(self) -> None:
        """Give the file back."""
        os.close(self._asked)


def project_of(descriptor: int) -> int:
    """Return the project that a file or directory counts towards; 0 where it counts towards none."""
    found = bytearray(_ATTRIBUTES.size)
    with suppress(OSError):
        fcntl.ioctl(descriptor, FS_IOC_FSGETXATTR, found)
    return int(_ATTRIBUTES.unpack(found)[3])


def leave_project(descriptor: int) -> None:
    """A new file or directory of our own, and what is made in it, counts towards no project's quota, where that can be
    had."""
    with suppress(OSError):
        found = bytearray(_ATTRIBUTES.size)
        fcntl.ioctl(descriptor, FS_IOC_FSGETXATTR, found)
        flags, extent, extents, project, copied = _ATTRIBUTES.unpack(found)
        if project or flags & PROJECT_INHERITED:
            _ATTRIBUTES.pack_into(found, 0, flags & ~PROJECT_INHERITED, extent, extents, 0, copied)
            fcntl.ioctl(descriptor, FS_IOC_FSSETXATTR, found)
