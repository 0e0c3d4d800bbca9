"""Letting go of names, once what they led to was overwritten and read back."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from wipers.linux.attributes import remove_attributes
from wipers.linux.beneath import open_beneath
from wipers.linux.extents import map_extents, moved_ranges
from wipers.linux.filesystems import generation
from wipers.linux.rows import Row, Rows
from wipers.linux.spool import Names
from wipers.linux.streams import Streams
from wipers.linux.trees import AS_FOLDER, Folders

ELSEWHERE = frozenset({errno.ENOTDIR, errno.ELOOP})
"""What tells that a name leads elsewhere now: its directory was moved, and something else stands in its place."""
RENAME_NOREPLACE = 1
SHORTEST = 8
"""Bytes of a passing name at least: chance to others, however short the name was."""
LOOKING = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC

MOST_AT_ONCE = 4096
"""Directories that go after one barrier."""


@dataclass(frozen=True, slots=True)
class Scrub:
    """How directories are made to hold no name before they go."""

    folder: Callable[[int], bool]
    """Fills a directory's gaps, and tells whether none is left."""
    settle: Callable[[], bool]
    """Makes what was done to directories reach their own blocks, and tells whether it did: a block that is given back
    before that keeps what stood there before."""
    note: Callable[[], None]
    """Makes durable that directories go which are not clean: a resume finds them gone, and could not tell."""

    def all(self, cleaned: Iterable[bool]) -> int:
        """Settle what was cleaned; return how many directories are not clean on the storage."""
        found = list(cleaned)
        count = found.count(False) if self.settle() else len(found)
        if count:
            self.note()
        return count


_LIBC = ctypes.CDLL(None, use_errno=True)


def passing_name(seed: str, which: str, name: str) -> str:
    """Return the name that something takes before it goes: as long as its own, known again after a crash."""
    length = max(len(os.fsencode(name)), SHORTEST)
    hashed = _begun_with(seed)()
    hashed.update(which.encode())
    drawn: str = hashed.hexdigest(-(-length // 2))
    return drawn[:length]


@lru_cache(maxsize=1)
def _begun_with(seed: str) -> Callable[[], Any]:
    """Return what copies a hash of what all names of a run begin with: to begin one costs more than to go on."""
    return hashlib.shake_128(f"{seed}:".encode()).copy


class _Name(NamedTuple):
    """A name that goes."""

    folder: int
    """Descriptor of its directory."""
    now: str
    """The name as it is."""
    passing: str
    """The name that it takes before it goes."""


def remove_names(root: int, streams: Streams, seed: str, scrub: Scrub | None = None) -> tuple[int, int]:
    """Truncate every file and remove its names, then what stood beside them, then the ordered directories; return how
    many names are left because something else has them now, and how many directories went with names in their gaps.
    Not durable before the next barrier; raises OSError."""
    tree = streams.tree
    folders = Folders(root)
    left = unclean = 0
    try:
        has_further = len(tree.further) > 0
        for stream, row in enumerate(Rows(streams)):
            left += not _remove_file(folders, row, row.path, (seed, f"{stream}:0"))
            for number, name in enumerate(tree.further.of(stream) if has_further else (), start=1):
                left += not _remove_file(folders, row, name, (seed, f"{stream}:{number}"))
        for number, name in enumerate(tree.others):
            left += not _remove_other(folders, name, (seed, f"other:{number}"))
    finally:
        folders.close()
    for level in _levels(tree.folders):
        if scrub is not None:
            unclean += scrub.all(_scrubbed(root, name, scrub.folder) for _, name in level)
        left += sum(not _remove_folder(root, name, (seed, f"folder:{number}")) for number, name in level)
    return left, unclean


def _levels(folders: Names) -> Iterator[list[tuple[int, str]]]:
    """Yield the directories with their numbers, those that hold none of the others first, level by level."""
    level: list[tuple[int, str]] = []
    for number, name in zip(range(len(folders) - 1, -1, -1), reversed(folders), strict=True):
        if level and (name.count("/") != level[0][1].count("/") or len(level) >= MOST_AT_ONCE):
            yield level
            level = []
        level.append((number, name))
    if level:
        yield level


def _remove_file(folders: Folders, row: Row, path: str, mark: tuple[str, str]) -> bool:
    """Remove one name of a file; tell false if another file has the name.

    It is renamed first and looked at again under the name that nobody else knows: between a look and an unlink
    somebody could give the old name to something else.
    """
    inode = row.inode
    try:
        folder, last = folders.of(path)
        name = _Name(folder, last, passing_name(*mark, last))
        descriptor = _opened(folder, last)
        try:
            if descriptor is not None and os.fstat(descriptor).st_ino == inode:
                return _empty(descriptor, row) and _remove_known(name, inode)
        finally:
            if descriptor is not None:
                os.close(descriptor)
        if _inode(folder, name.passing) != inode:
            return _inode(folder, last) is None
        os.unlink(name.passing, dir_fd=folder)
    except OSError as error:
        return _is_gone(error)
    return True


def _opened(folder: int, name: str) -> int | None:
    """Return a descriptor of what has the name; none where nothing has it, or what cannot be opened so; raises
    OSError."""
    try:
        return os.open(name, LOOKING, dir_fd=folder)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise
    return None


def _remove_known(name: _Name, inode: int) -> bool:
    """Remove the name that led to the file; tell false if it leads to something else by now."""
    os.rename(name.now, name.passing, src_dir_fd=name.folder, dst_dir_fd=name.folder)
    if _inode(name.folder, name.passing) != inode:
        _give_back(name.folder, name.passing, name.now)
        return False
    os.unlink(name.passing, dir_fd=name.folder)
    return True


def _empty(descriptor: int, row: Row) -> bool:
    """Cut the file to nothing, take its attributes and times; tell false if it is a new file that was given the inode
    of the one that was ordered, or if it has blocks by now that no pass wrote to: given back, nobody could name them
    again."""
    if generation(descriptor) != row.generation:
        return False
    spans = map_extents(descriptor).spans
    if spans and spans != row.spans and moved_ranges(spans, row.spans):
        return False
    remove_attributes(descriptor)
    # Before the times: blocks that the last name takes with it would set them once more.
    os.ftruncate(descriptor, 0)
    os.utime(descriptor, ns=(0, 0))
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


def _is_other(folder: int, name: str) -> bool | None:
    """Tell whether the name is a link's, socket's, pipe's or device node's; none where there is no such name."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _remove_other(folders: Folders, name: str, mark: tuple[str, str]) -> bool:
    """Remove a link, socket, pipe or device node; tell false if a file or directory has the name now."""
    try:
        folder, last = folders.of(name)
        passing = passing_name(*mark, last)
        is_other = _is_other(folder, last)
        if is_other:
            os.rename(last, passing, src_dir_fd=folder, dst_dir_fd=folder)
        if _is_other(folder, passing):
            os.unlink(passing, dir_fd=folder)
        elif is_other:
            _give_back(folder, passing, last)
            return False
    except OSError as error:
        return _is_gone(error)
    return is_other is not False


def _remove_folder(root: int, name: str, mark: tuple[str, str]) -> bool:
    """Remove an emptied directory; tell false if something new lies in it."""
    path, _, last = name.rpartition("/")
    passing = passing_name(*mark, last)
    try:
        above = open_beneath(root, path or ".", AS_FOLDER)
        try:
            _rename_folder(above, last, passing)
            try:
                os.rmdir(passing, dir_fd=above)
            except OSError:
                _give_back(above, passing, last)
                raise
        finally:
            os.close(above)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        return _is_gone(error)
    return True


def _rename_folder(above: int, name: str, passing: str) -> None:
    """Give the directory its passing name, unless a run before this one did; raises OSError."""
    if not stat.S_ISDIR(_mode(above, name, passing)):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    try:
        os.rename(name, passing, src_dir_fd=above, dst_dir_fd=above)
    except FileNotFoundError:
        return


def _mode(above: int, name: str, passing: str) -> int:
    for one in (name, passing):
        try:
            return os.stat(one, dir_fd=above, follow_symlinks=False).st_mode
        except FileNotFoundError:
            continue
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _scrubbed(root: int, name: str, fill: Callable[[int], bool]) -> bool:
    """Fill the gaps of an emptied directory, and tell whether none is left; one that a run before this one renamed was
    filled by that; raises OSError."""
    try:
        folder = open_beneath(root, name, AS_FOLDER)
    except OSError as error:
        return _is_gone(error)
    try:
        return fill(folder)
    finally:
        os.close(folder)
