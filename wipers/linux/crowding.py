"""Taking the room in which removed names stand in xfs's directories, until its log has gone round.

A name that is removed from a block leaves all but its first bytes standing there, and one that is removed from an inode
what stood behind it; whatever fits is put there again (linux/fs/xfs/libxfs/xfs_dir2_data.c, xfs_dir2_sf.c). Since a log
that goes round has everything written to its own place, names of chance that stay until then replace them there.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import SystemRandom
from typing import Protocol

from wipers.linux.beneath import open_beneath
from wipers.linux.directories import MARK, take_out
from wipers.linux.trees import AS_FOLDER

NAMES = 1 << 16
"""Names of four digits, each of which makes the shortest entry that there is."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMLINK})
PARENTS = 1 << 7
"""Bit of sb_features_incompat: each inode keeps the names that lead to it, as attributes (xfs_format.h)."""


class Peeked(Protocol):
    """A storage, as far as a superblock is read from it."""

    def peek(self, offset: int, length: int, /) -> bytes: ...


def keeps_parents(storage: Peeked) -> bool:
    """Tell whether an xfs keeps names in other shapes than those of directories' entries; raises MediumError, Lost."""
    return bool(struct.unpack_from(">I", storage.peek(0, 512), 216)[0] & PARENTS)


@contextmanager
def crowded(root: int, folders: tuple[str, ...], block_size: int) -> Iterator[None]:
    """Every gap of these directories is taken meanwhile, as far as there is room; what a crash leaves, the next call
    takes out. Raises OSError."""
    with ExitStack() as held:
        for name in folders:
            folder = open_beneath(root, name, AS_FOLDER)
            held.callback(os.close, folder)
            take_out(folder)
            held.callback(take_out, folder)
            _crowd(folder, block_size)
        yield


def _crowd(folder: int, block_size: int) -> None:
    """Add names until the directory would grow by a block; raises OSError."""
    try:
        file = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in NO_ROOM:
            return
        raise
    try:
        os.setxattr(file, MARK, b"")
        most = max(os.fstat(folder).st_size, block_size - 1)
        for number in SystemRandom().sample(range(NAMES), NAMES):
            name = f"{number:04x}"
            with suppress(FileExistsError):
                os.link(f"/proc/self/fd/{file}", name, dst_dir_fd=folder, follow_symlinks=True)
                if os.fstat(folder).st_size > most:
                    os.unlink(name, dir_fd=folder)
                    return
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
    finally:
        os.close(file)
