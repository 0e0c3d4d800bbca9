"""What an order's names lead to: regular files each once, what stands beside them, and why some may not be touched.

Nothing here grows with the number of files but lists that lie outside memory (`spool`).
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from wipers.linux.beneath import open_beneath
from wipers.linux.spool import Names, Numbers

AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY
AT_ONCE = 512
"""Files whose numbers are fetched at once."""


class About(NamedTuple):
    """What a look at a name said of the file it leads to."""

    inode: int
    size: int
    """Bytes by st_size."""
    blocks: int
    """Bytes that the file system says it holds."""
    stamp: int
    """When the file was changed last, as `stamp_of` says it."""


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
    longest: int = 0
    """Bytes of the longest file."""

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
        self.longest = max(self.longest, size)

    def add_many(self, paths: list[bytes], inodes: array[int], sizes: array[int], stamps: array[int]) -> None:
        """Give files their numbers, in this order."""
        self.paths.extend_encoded(paths)
        self.inodes.extend(inodes)
        self.sizes.extend(sizes)
        self.stamps.extend(stamps)
        self.size += sum(sizes)
        self.longest = max(self.longest, max(sizes, default=0))

    def note(self, reason: str, count: int = 1) -> None:
        """Count something that must not be touched."""
        self.problems[reason] = self.problems.get(reason, 0) + count

    def see(self, what: str, count: int = 1) -> None:
        """Count something worth knowing."""
        self.findings[what] = self.findings.get(what, 0) + count


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
        return _are_unchanged(folders, tree)
    finally:
        folders.close()


def _are_unchanged(folders: Folders, tree: Tree) -> bool:
    """Tell whether no file was changed; a million of them keep the first write waiting."""
    held, folder = None, -1
    for begin in range(0, len(tree.paths), AT_ONCE):
        part = slice(begin, min(begin + AT_ONCE, len(tree.paths)))
        columns = (one.part(part.start, part.stop) for one in (tree.inodes, tree.stamps))
        for path, inode, stamp in zip(tree.paths.part_encoded(part.start, part.stop), *columns, strict=True):
            above, slash, name = path.rpartition(b"/")
            if above != held:
                folder, _ = folders.of(os.fsdecode(above + slash))
                held = above
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if found.st_ino != inode or found.st_ctime_ns != stamp:
                return False
    return True


def may_write(descriptor: int) -> bool:
    """Tell whether this process could open what the descriptor holds for writing; the superuser always could."""
    return os.geteuid() == 0 or os.access(f"/proc/self/fd/{descriptor}", os.W_OK)
