"""What an order's names lead to: regular files each once, what stands beside them, and why some may not be touched."""

from __future__ import annotations

import errno
import os
import stat
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from wipers.linux.beneath import open_beneath
from wipers.linux.filesystems import forbidding_flags

KEEPS_NAMES = frozenset({"file-immutable", "file-append-only"})
"""Inode flags under which no name can be taken out of a directory."""
AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY


@dataclass(slots=True)
class Tree:
    """The files that names lead to, numbered in a fixed order. Names never leave the host; counts may."""

    paths: list[str] = field(default_factory=list)
    """First name of each regular file, relative to the root: its position is the number of its stream."""
    inodes: array[int] = field(default_factory=lambda: array("Q"))
    """Inode of each."""
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    """Bytes of each by st_size."""
    further: dict[int, list[str]] = field(default_factory=dict)
    """Other ordered names of a file, by its number."""
    others: list[str] = field(default_factory=list)
    """Links, sockets, pipes and device nodes below an ordered directory: never opened, removed with it."""
    folders: list[str] = field(default_factory=list)
    """Ordered directories, a parent before what it holds."""
    problems: dict[str, int] = field(default_factory=dict)
    """Reason codes of what must not be touched, and how often each was met."""
    links: dict[int, list[int]] = field(default_factory=dict)
    """Of inodes with more than one name: number of the file, st_nlink, ordered names."""

    @property
    def size(self) -> int:
        """Bytes by st_size."""
        return sum(self.sizes)

    @property
    def names(self) -> int:
        """Names that go when the files are released."""
        return len(self.paths) + sum(map(len, self.further.values())) + len(self.others) + len(self.folders)

    def note(self, reason: str, count: int = 1) -> None:
        """Count something that must not be touched."""
        self.problems[reason] = self.problems.get(reason, 0) + count


def survey(root: int, names: tuple[str, ...]) -> Tree:
    """Return what the names lead to below the root directory's descriptor; reads only; raises OSError for the root.

    The order is that of the names' bytes, level by level, so that the same tree is always numbered the same.
    """
    tree = Tree()
    device = os.fstat(root).st_dev
    ordered = plain_names(names, tree)
    for name in ordered:
        _visit_named(root, device, name, tree)
    outside = sum(1 for _, links, seen in tree.links.values() if links > seen)
    if outside:
        tree.note("hard-links-outside", outside)
    return tree


def plain_names(names: tuple[str, ...], tree: Tree) -> list[str]:
    """Return the names in the order of their bytes, without one that lies below another; ways out are problems."""
    kept: set[str] = set()
    for name in names:
        parts = [part for part in name.split("/") if part]
        if not parts or "." in parts or ".." in parts:
            tree.note("name-not-plain")
            continue
        kept.add("/".join(parts))
    return sorted((name for name in kept if not any(above in kept for above in _above(name))), key=os.fsencode)


def _above(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _visit_named(root: int, device: int, name: str, tree: Tree) -> None:
    """Take up a name of the order itself; a link or a special file so named is a problem."""
    folder, _, last = name.rpartition("/")
    try:
        above = open_beneath(root, folder or ".", AS_FOLDER)
        try:
            found = os.stat(last, dir_fd=above, follow_symlinks=False)
            _check_folder(above, tree)
        finally:
            os.close(above)
    except OSError as error:
        tree.note(_problem_of(error))
        return
    if stat.S_ISDIR(found.st_mode):
        _visit_folder(root, device, name, tree)
    elif stat.S_ISREG(found.st_mode):
        _take(name, found, device, tree)
    else:
        tree.note("not-regular-file")


def _visit_folder(root: int, device: int, top: str, tree: Tree) -> None:
    """Take up everything below a directory, without recursion: a tree may be deeper than the interpreter's stack."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        tree.folders.append(folder)
        try:
            found = _entries(root, folder, tree)
        except OSError as error:
            tree.note(_problem_of(error))
            continue
        below = [name for name, about in found if _take_or_descend(name, about, device, tree)]
        waiting.extend(reversed(below))


def _entries(root: int, folder: str, tree: Tree) -> list[tuple[str, os.stat_result]]:
    opened = open_beneath(root, folder, AS_FOLDER)
    try:
        _check_folder(opened, tree)
        with os.scandir(opened) as entries:
            found = [(f"{folder}/{entry.name}", entry.stat(follow_symlinks=False)) for entry in entries]
    finally:
        os.close(opened)
    return sorted(found, key=lambda one: os.fsencode(one[0]))


def _check_folder(descriptor: int, tree: Tree) -> None:
    """Note what keeps names from being removed out of a directory."""
    if not may_write(descriptor):
        tree.note("files-not-accessible")
    try:
        flags = forbidding_flags(descriptor)
    except OSError:
        # A file system without inode flags; it is refused for what it is.
        return
    for reason in KEEPS_NAMES.intersection(flags):
        tree.note(reason)


def may_write(descriptor: int) -> bool:
    """Tell whether this process could open what the descriptor holds for writing; the superuser always could."""
    return os.geteuid() == 0 or os.access(f"/proc/self/fd/{descriptor}", os.W_OK)


def _take_or_descend(name: str, found: os.stat_result, device: int, tree: Tree) -> bool:
    """Take up one entry; tell whether it is a directory to go down into."""
    if stat.S_ISDIR(found.st_mode):
        if found.st_dev != device:
            tree.note("mount-below")
            return False
        return True
    if stat.S_ISREG(found.st_mode):
        _take(name, found, device, tree)
    else:
        tree.others.append(name)
    return False


def _take(name: str, found: os.stat_result, device: int, tree: Tree) -> None:
    """Number a regular file, or count a further name of one that has its number."""
    if found.st_dev != device:
        tree.note("mount-below")
        return
    known = tree.links.get(found.st_ino) if found.st_nlink > 1 else None
    if known is not None:
        known[2] += 1
        tree.further.setdefault(known[0], []).append(name)
        return
    if found.st_nlink > 1:
        tree.links[found.st_ino] = [len(tree.paths), found.st_nlink, 1]
    tree.paths.append(name)
    tree.inodes.append(found.st_ino)
    tree.sizes.append(found.st_size)


def _problem_of(error: OSError) -> str:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return "files-missing"
    if error.errno == errno.ELOOP:
        return "link-in-path"
    return "mount-below" if error.errno == errno.EXDEV else "files-not-accessible"
