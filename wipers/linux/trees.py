"""What an order's names lead to: regular files each once, what stands beside them, and why some may not be touched.

Nothing here grows with the number of files but lists that lie outside memory (`spool`).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from wipers.linux.beneath import open_beneath
from wipers.linux.filesystems import forbidding_flags
from wipers.linux.selection import Named, has_digest
from wipers.linux.spool import Names, Numbers, Records, in_order

KEEPS_NAMES = frozenset({"file-immutable", "file-append-only"})
"""Inode flags under which no name can be taken out of a directory."""
AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY

OTHERS = (
    (stat.S_ISLNK, "links"),
    (stat.S_ISSOCK, "sockets"),
    (stat.S_ISFIFO, "pipes"),
    (stat.S_ISBLK, "device-nodes"),
    (stat.S_ISCHR, "device-nodes"),
)
"""What stands beside regular files, as it is counted."""


class About(NamedTuple):
    """What a look at a name said of the file it leads to."""

    inode: int
    size: int
    """Bytes by st_size."""
    blocks: int
    """Bytes that the file system says it holds."""
    stamp: int
    """When the file was changed last, as `stamp_of` says it."""


Look = Callable[[int, str, About], None]
"""Told each file as it gets its number: a descriptor of a directory, the name below it, what is known of it."""


class Further:
    """Ordered names of files besides their first."""

    def __init__(self) -> None:
        """Hold none."""
        self._streams = Numbers()
        self._names = Names()

    def __len__(self) -> int:
        return len(self._names)

    def append(self, stream: int, name: str) -> None:
        """Add a name of a file whose number is not below any added before."""
        self._streams.append(stream)
        self._names.append(name)

    def of(self, stream: int) -> Iterator[str]:
        """Yield the further names of a file."""
        if not len(self):
            return
        place = bisect_left(self._streams, stream)
        while place < len(self) and self._streams[place] == stream:
            yield self._names[place]
            place += 1


@dataclass(slots=True)
class Tree:
    """The files that names lead to, numbered in a fixed order. Names never leave the host; counts may."""

    paths: Names = field(default_factory=Names)
    """First name of each regular file, relative to the root: its position is the number of its stream."""
    inodes: Numbers = field(default_factory=Numbers)
    """Inode of each."""
    sizes: Numbers = field(default_factory=Numbers)
    """Bytes of each by st_size."""
    stamps: Numbers = field(default_factory=Numbers)
    """When each was changed last; of those that a state file tells, 0."""
    further: Further = field(default_factory=Further)
    """Other ordered names of files."""
    others: Names = field(default_factory=Names)
    """Links, sockets, pipes and device nodes below an ordered directory: never opened, removed with it."""
    folders: Names = field(default_factory=Names)
    """Ordered directories, a parent before what it holds."""
    above: Names = field(default_factory=Names)
    """Directories that are not ordered and that ordered names are taken out of; one may come again."""
    folder_stamps: Numbers = field(default_factory=Numbers)
    """When each ordered directory was changed last before it was listed."""
    above_stamps: Numbers = field(default_factory=Numbers)
    """When each of those above was."""
    problems: dict[str, int] = field(default_factory=dict)
    """Reason codes of what must not be touched, and how often each was met."""
    findings: dict[str, int] = field(default_factory=dict)
    """What is worth knowing of what was found, and how often it was met."""
    size: int = 0
    """Bytes by st_size."""

    @property
    def names(self) -> int:
        """Names that go when the files are released."""
        return len(self.paths) + len(self.further) + len(self.others) + len(self.folders)

    def all_names(self) -> Iterator[tuple[int, int, str]]:
        """Yield every ordered name of a regular file as number of the file, number of the name, name."""
        for stream, path in enumerate(self.paths):
            yield stream, 0, path
            for number, name in enumerate(self.further.of(stream), start=1):
                yield stream, number, name

    def add(self, path: str, inode: int, size: int, stamp: int = 0) -> None:
        """Give a file its number."""
        self.paths.append(path)
        self.inodes.append(inode)
        self.sizes.append(size)
        self.stamps.append(stamp)
        self.size += size

    def note(self, reason: str, count: int = 1) -> None:
        """Count something that must not be touched."""
        self.problems[reason] = self.problems.get(reason, 0) + count

    def see(self, what: str, count: int = 1) -> None:
        """Count something worth knowing."""
        self.findings[what] = self.findings.get(what, 0) + count


def survey(root: int, names: Iterable[str | Named], tree: Tree | None = None, look: Look | None = None) -> Tree:
    """Return what the names lead to below the root directory's descriptor; reads only; raises OSError for the root.

    Directory by directory, a parent before what it holds, in the order of the names' bytes, so that the same tree is
    always numbered the same; files with several names come last, in the order of their inodes.
    """
    tree = Tree() if tree is None else tree
    walk = _Walk(root, tree, look)
    try:
        for named in plain_names(names, tree):
            walk.visit(named)
        walk.descend()
    finally:
        walk.close()
    return tree


def plain_names(names: Iterable[str | Named], tree: Tree) -> Iterator[Named]:
    """Yield the names in the order of their parts' bytes, without one that lies below another; ways out are
    problems, and so are two digests for one name."""
    kept, digest = None, b""
    for record in in_order(filter(None, (_record(name, tree) for name in names))):
        key, _, rest = record.partition(b"\0\0")
        if key == kept:
            if rest[1:] != digest:
                tree.note("file-differs")
        elif kept is None or not key.startswith(kept + b"\0"):
            kept, digest = key, rest[1:]
            yield Named(os.fsdecode(key.replace(b"\0", b"/")), rest[:1] == b"l", digest)


def _record(name: str | Named, tree: Tree) -> bytes:
    """Return what sorts a name by its parts; nothing for one that is not plain, which is a problem."""
    named = Named(name) if isinstance(name, str) else name
    parts = [part for part in named.name.split("/") if part]
    if not parts or "." in parts or ".." in parts or "\0" in named.name:
        tree.note("name-not-plain")
        return b""
    return os.fsencode("\0".join(parts)) + b"\0\0" + (b"l" if named.is_literal else b"p") + named.digest


class Folders:
    """The directory that was used last, held open, because names come sorted by directory."""

    def __init__(self, root: int) -> None:
        """Hold none."""
        self._root = root
        self._path: str | None = None
        self._descriptor = -1

    def of(self, name: str) -> tuple[int, str]:
        """Return the directory's descriptor and the last part of the name; raises OSError."""
        path, _, last = name.rpartition("/")
        self.open(path)
        return self._descriptor, last

    def open(self, path: str) -> bool:
        """Hold the directory; tell false if it was held already; raises OSError."""
        if path == self._path:
            return False
        self.close()
        self._descriptor = open_beneath(self._root, path or ".", AS_FOLDER)
        self._path = path
        return True

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._path, self._descriptor = None, -1


def stamp_of(found: os.stat_result) -> int:
    """Return when what was looked at was changed last: its contents, size, flags, attributes or links."""
    return found.st_ctime_ns & 0xFFFFFFFFFFFFFFFF


_LINKED = struct.Struct(">QQQQQQ")
"""Inode, the order in which names were met, st_size, bytes held, stamp, st_nlink; the name follows."""


class _Walk:
    """One walk from the ordered names down, and at its end the files that have several names."""

    def __init__(self, root: int, tree: Tree, look: Look | None) -> None:
        self._root = root
        self._device = os.fstat(root).st_dev
        self._tree = tree
        self._look = look
        self._folders = Folders(root)
        self._linked = Records()

    def close(self) -> None:
        """Give the descriptor back."""
        self._folders.close()

    def visit(self, named: Named) -> None:
        """Take up a name of the order itself; a link or a special file so named is a problem."""
        above = named.name.rpartition("/")[0]
        try:
            is_new = self._folders.open(above)
            folder, last = self._folders.of(named.name)
            stamp = _check_folder(folder, self._tree) if is_new else 0
            found = os.stat(last, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            self._tree.note(_problem_of(error))
            return
        if is_new:
            self._tree.above.append(above)
            self._tree.above_stamps.append(stamp)
        if named.is_literal and not stat.S_ISREG(found.st_mode) and (named.digest or not stat.S_ISDIR(found.st_mode)):
            self._tree.note("not-regular-file")
            return
        if named.digest and not self._is_as_told(folder, last, named.digest):
            self._tree.note("file-differs")
        self._take_up(folder, named.name, last, found)

    def _is_as_told(self, folder: int, last: str, digest: bytes) -> bool:
        try:
            return has_digest(folder, last, digest)
        except OSError:
            return False

    def descend(self) -> None:
        """Take up everything below the ordered directories, without recursion: the list of directories is the queue."""
        number = 0
        while number < len(self._tree.folders):
            self._visit_folder(self._tree.folders[number])
            number += 1
        self._number_linked()

    def _visit_folder(self, path: str) -> None:
        try:
            self._folders.open(path)
            folder, _ = self._folders.of(f"{path}/.")
            self._tree.folder_stamps.append(_check_folder(folder, self._tree))
            with os.scandir(folder) as entries:
                names = in_order(os.fsencode(entry.name) for entry in entries)
                for name in map(os.fsdecode, names):
                    self._visit_entry(folder, f"{path}/{name}", name)
        except OSError as error:
            self._tree.note(_problem_of(error))

    def _visit_entry(self, folder: int, path: str, name: str) -> None:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            self._tree.note("files-changing")
            return
        self._take_up(folder, path, name, found)

    def _take_up(self, folder: int, path: str, name: str, found: os.stat_result) -> None:
        """Put something in its list; a mount in its place, over a file too, is a problem."""
        if found.st_dev != self._device:
            self._tree.note("mount-below")
        elif stat.S_ISDIR(found.st_mode):
            self._tree.folders.append(path)
        elif not stat.S_ISREG(found.st_mode):
            self._tree.others.append(path)
            self._tree.see(next(what for is_kind, what in OTHERS if is_kind(found.st_mode)))
        elif found.st_nlink > 1:
            held = found.st_blocks * 512
            numbers = (found.st_ino, len(self._linked), found.st_size, held, stamp_of(found), found.st_nlink)
            self._linked.append(_LINKED.pack(*numbers) + os.fsencode(path))
        else:
            self._number(folder, path, name, About(found.st_ino, found.st_size, found.st_blocks * 512, stamp_of(found)))

    def _number(self, folder: int, path: str, name: str, about: About) -> None:
        self._tree.add(path, about.inode, about.size, about.stamp)
        if self._look is not None:
            self._look(folder, name, about)

    def _number_linked(self) -> None:
        """Number each file that has several names once, and see whether the order names them all."""
        rows = ((_LINKED.unpack_from(record), os.fsdecode(record[_LINKED.size :])) for record in in_order(self._linked))
        outside = 0
        for inode, names in groupby(rows, key=lambda row: row[0][0]):
            ((_, _, size, blocks, stamp, links), path), *others = names
            self._number(self._root, path, path, About(inode, size, blocks, stamp))
            self._tree.see("hard-linked")
            for _, name in others:
                self._tree.further.append(len(self._tree.paths) - 1, name)
            outside += links > 1 + len(others)
        if outside:
            self._tree.note("hard-links-outside", outside)


def is_unchanged(root: int, tree: Tree) -> bool:
    """Tell whether nothing of what was found was changed since it was looked at, nor any directory that it lies in:
    one look at each name, where the first time asked a file a dozen questions; raises OSError where one cannot be
    looked at."""
    if tree.problems or (len(tree.folder_stamps), len(tree.above_stamps)) != (len(tree.folders), len(tree.above)):
        return False
    folders = Folders(root)
    try:
        for paths, stamps in ((tree.above, tree.above_stamps), (tree.folders, tree.folder_stamps)):
            for path, stamp in zip(paths, stamps, strict=True):
                folder, _ = folders.of(f"{path}/." if path else ".")
                if stamp_of(os.fstat(folder)) != stamp:
                    return False
        for path, inode, stamp in zip(tree.paths, tree.inodes, tree.stamps, strict=True):
            folder, name = folders.of(path)
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if found.st_ino != inode or stamp_of(found) != stamp:
                return False
    finally:
        folders.close()
    return True


def _check_folder(descriptor: int, tree: Tree) -> int:
    """Note what keeps names from being removed out of a directory; return when it was changed last before that."""
    stamp = stamp_of(os.fstat(descriptor))
    if not may_write(descriptor):
        tree.note("files-not-accessible")
    try:
        flags = forbidding_flags(descriptor)
    except OSError:
        # A file system without inode flags; it is refused for what it is.
        return stamp
    for reason in KEEPS_NAMES.intersection(flags):
        tree.note(reason)
    return stamp


def may_write(descriptor: int) -> bool:
    """Tell whether this process could open what the descriptor holds for writing; the superuser always could."""
    return os.geteuid() == 0 or os.access(f"/proc/self/fd/{descriptor}", os.W_OK)


def _problem_of(error: OSError) -> str:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return "files-missing"
    if error.errno == errno.ELOOP:
        return "link-in-path"
    if error.errno == errno.ENOKEY:
        return "file-encrypted"
    return "mount-below" if error.errno == errno.EXDEV else "files-not-accessible"
