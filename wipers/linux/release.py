"""Letting go of names, once what they led to was overwritten and read back."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat

from wipers.linux.beneath import open_beneath
from wipers.linux.extents import map_extents, moved_ranges
from wipers.linux.filesystems import generation
from wipers.linux.streams import Streams
from wipers.linux.trees import AS_FOLDER, Folders

ELSEWHERE = frozenset({errno.ENOTDIR, errno.ELOOP})
"""What tells that a name leads elsewhere now: its directory was moved, and something else stands in its place."""
RENAME_NOREPLACE = 1

_LIBC = ctypes.CDLL(None, use_errno=True)


def passing_name(seed: str, stream: int, number: int) -> str:
    """Return the short name that a file takes before it goes: chance to others, known again after a crash."""
    return hashlib.sha256(f"{seed}:{stream}:{number}".encode()).hexdigest()[:12]


def remove_names(root: int, streams: Streams, seed: str) -> int:
    """Truncate every file and remove its names, then what stood beside them, then the ordered directories; return how
    many names are left because something else has them now. Not durable before the next barrier; raises OSError."""
    tree = streams.tree
    folders = Folders(root)
    left = 0
    try:
        for stream, number, name in tree.all_names():
            left += not _remove_file(folders, streams, stream, name, passing_name(seed, stream, number))
        for name in tree.others:
            left += not _remove_other(folders, name)
    finally:
        folders.close()
    return left + sum(not _remove_folder(root, name) for name in reversed(tree.folders))


def _remove_file(folders: Folders, streams: Streams, stream: int, name: str, passing: str) -> bool:
    """Remove one name of a file; tell false if another file has the name.

    It is renamed first and looked at again under the name that nobody else knows: between a look and an unlink
    somebody could give the old name to something else.
    """
    inode = streams.tree.inodes[stream]
    try:
        folder, last = folders.of(name)
        found = _inode(folder, last)
        if found == inode:
            if not _truncate(folder, last, streams, stream):
                return False
            os.rename(last, passing, src_dir_fd=folder, dst_dir_fd=folder)
        elif _inode(folder, passing) != inode:
            return found is None
        if _inode(folder, passing) != inode:
            _give_back(folder, passing, last)
            return False
        os.unlink(passing, dir_fd=folder)
    except OSError as error:
        return _is_gone(error)
    return True


def _is_gone(error: OSError) -> bool:
    """Tell whether a name that could not be removed is no longer there, or false if it only leads elsewhere now; any
    other error, such as a mount over it, is raised again, since another run may come through."""
    if error.errno != errno.ENOENT and error.errno not in ELSEWHERE:
        raise error
    return error.errno == errno.ENOENT


def _give_back(folder: int, passing: str, name: str) -> None:
    """Let what was renamed by mistake have its name again, unless something new has it already; raises OSError."""
    source, target = os.fsencode(passing), os.fsencode(name)
    if _LIBC.renameat2(folder, source, folder, target, RENAME_NOREPLACE) != 0 and ctypes.get_errno() != errno.EEXIST:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _inode(folder: int, name: str) -> int | None:
    """Return the inode of a regular file, 0 for anything else, none where there is no such name; raises OSError."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found.st_ino if stat.S_ISREG(found.st_mode) else 0


def _truncate(folder: int, name: str, streams: Streams, stream: int) -> bool:
    """Cut the file to nothing; tell false if it is a new file that was given the inode of the one that was ordered, or
    if it has blocks by now that no pass wrote to: given back, nobody could name them again."""
    descriptor = open_beneath(folder, name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if os.fstat(descriptor).st_ino != streams.tree.inodes[stream]:
            return False
        if generation(descriptor) != streams.generations[stream]:
            return False
        if moved_ranges(map_extents(descriptor).spans, streams.spans(stream)):
            return False
        os.ftruncate(descriptor, 0)
        return True
    finally:
        os.close(descriptor)


def _remove_other(folders: Folders, name: str) -> bool:
    """Remove a link, socket, pipe or device node; tell false if a file or directory has the name now."""
    try:
        folder, last = folders.of(name)
        mode = os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            return False
        os.unlink(last, dir_fd=folder)
    except OSError as error:
        return _is_gone(error)
    return True


def _remove_folder(root: int, name: str) -> bool:
    """Remove an emptied directory; tell false if something new lies in it."""
    path, _, last = name.rpartition("/")
    try:
        above = open_beneath(root, path or ".", AS_FOLDER)
        try:
            os.rmdir(last, dir_fd=above)
        finally:
            os.close(above)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        return _is_gone(error)
    return True
