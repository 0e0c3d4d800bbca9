"""The walk from an order's names down to every file: directory by directory, each name looked at once.

Plain files, which nearly all are, are looked at by the share, side by side where there are many (`lookers`); everything
else one by one. The order of what is found is that of the names' bytes, whoever looked first.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import NamedTuple

from wipers.linux.filesystems import forbidding_flags
from wipers.linux.lookers import SHARE, Lookers, Share
from wipers.linux.looking import NOT_PLAIN, Facts, nothing_of
from wipers.linux.selection import Named, has_digest
from wipers.linux.spool import Records, in_order
from wipers.linux.trees import About, Folders, Tree, may_write, stamp_of

KEEPS_NAMES = frozenset({"file-immutable", "file-append-only"})
"""Inode flags under which no name can be taken out of a directory."""

OTHERS = (
    (stat.S_ISLNK, "links"),
    (stat.S_ISSOCK, "sockets"),
    (stat.S_ISFIFO, "pipes"),
    (stat.S_ISBLK, "device-nodes"),
    (stat.S_ISCHR, "device-nodes"),
)
"""What stands beside regular files, as it is counted."""

Look = Callable[[int, str, About], None]
"""Told each file as it gets its number: a descriptor of a directory, the name below it, what is known of it."""


@dataclass(frozen=True, slots=True)
class Plain:
    """How plain files are looked at many at once, and who is told of them as they get their numbers."""

    lookers: Lookers
    told: Callable[[Facts], None]


def survey(
    root: int,
    names: Iterable[str | Named],
    tree: Tree | None = None,
    look: Look | None = None,
    plain: Plain | None = None,
) -> Tree:
    """Return what the names lead to below the root directory's descriptor; reads only; raises OSError for the root.

    Directory by directory, a parent before what it holds, in the order of the names' bytes, so that the same tree is
    always numbered the same; files with several names come last, in the order of their inodes.
    """
    tree = Tree() if tree is None else tree
    walk = _Walk(root, tree, look, plain)
    try:
        walk.visit(plain_names(names, tree))
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


_LINKED = struct.Struct(">QQQQQQ")
"""Inode, the order in which names were met, st_size, bytes held, stamp, st_nlink; the name follows."""


class _Listed(NamedTuple):
    """A part of a directory, not taken up yet: in a tree nothing is noted but in the order of its names."""

    path: str
    names: list[bytes]
    share: Share | None
    problems: tuple[str, ...] = ()
    """What is against taking names out of the directory."""
    ordered: Sequence[Named] = ()
    """The names as the order has them; none where it has a directory above."""


class _Walk:
    """One walk from the ordered names down, and at its end the files that have several names."""

    def __init__(self, root: int, tree: Tree, look: Look | None, plain: Plain | None) -> None:
        self._root = root
        self._device = os.fstat(root).st_dev
        self._tree = tree
        self._look = look
        self._plain = plain
        self._folders = Folders(root)
        self._linked = Records()
        self._listed: deque[_Listed] = deque()
        self._broken: str | None = None

    def close(self) -> None:
        """Give the descriptors back."""
        self._folders.close()
        if self._plain is not None:
            self._plain.lookers.close()
        for listed in self._listed:
            if listed.share is not None:
                os.close(listed.share.folder)

    def visit(self, names: Iterable[Named]) -> None:
        """Take up the names of the order itself."""
        for above, neighbours in groupby(names, key=lambda named: named.name.rpartition("/")[0]):
            while share := list(islice(neighbours, SHARE)):
                self._wait(self._named(above, share))

    def _named(self, above: str, share: list[Named]) -> _Listed:
        """Return ordered names in one directory, not taken up yet."""
        try:
            is_new = self._folders.open(above)
            folder, _ = self._folders.of(f"{above}/." if above else ".")
            stamp, problems = _checked(folder) if is_new else (0, ())
        except OSError as error:
            return _Listed(above, [], None, (_problem_of(error),) * len(share))
        if is_new:
            self._tree.above.append(above)
            self._tree.above_stamps.append(stamp)
        names = [os.fsencode(named.name.rpartition("/")[2]) for named in share]
        # Of a name with a digest the contents are read, here.
        plain = [b"" if named.digest else name for named, name in zip(share, names, strict=True)]
        return _Listed(above, names, self._asked(folder, plain), problems, share)

    def _visit_named(self, folder: int, named: Named) -> None:
        """Take up a name of the order itself; a link or a special file so named is a problem."""
        last = named.name.rpartition("/")[2]
        try:
            found = os.stat(last, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            self._tree.note(_problem_of(error))
            return
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

    def _note(self, problems: Iterable[str]) -> None:
        for problem in problems:
            self._tree.note(problem)

    def descend(self) -> None:
        """Take up everything below the ordered directories, without recursion: the list of directories is the queue."""
        number = 0
        while self._listed or number < len(self._tree.folders):
            if number < len(self._tree.folders):
                self._list(self._tree.folders[number])
                number += 1
            else:
                self._take_up_next()
        self._number_linked()

    def _list(self, path: str) -> None:
        """List a directory, and take up what was listed before and has its answer by now."""
        try:
            self._folders.open(path)
            folder, _ = self._folders.of(f"{path}/.")
            stamp, problems = _checked(folder)
            self._tree.folder_stamps.append(stamp)
            self._wait(_Listed(path, [], None, problems))
            with os.scandir(folder) as entries:
                names = in_order(_entry(entry) for entry in entries)
                while share := list(islice(names, SHARE)):
                    plain = [entry[:-2] if entry[-1:] == _REGULAR else b"" for entry in share]
                    self._wait(_Listed(path, [entry[:-2] for entry in share], self._asked(folder, plain)))
        except OSError as error:
            self._wait(_Listed(path, [], None, (_problem_of(error),)))

    def _asked(self, folder: int, names: list[bytes]) -> Share:
        """Return names in a directory that somebody looks at from now on, empty ones for what is no plain file."""
        share = Share(os.dup(folder), names)
        if self._plain is not None:
            self._plain.lookers.ask(share)
        return share

    def _wait(self, listed: _Listed) -> None:
        """Let a part wait behind those before it, as many as may wait."""
        self._listed.append(listed)
        while len(self._listed) > (self._plain.lookers.ahead if self._plain else 0):
            self._take_up_next()

    def _take_up_next(self) -> None:
        listed = self._listed.popleft()
        self._note(listed.problems)
        if listed.share is None:
            return
        try:
            if listed.path != self._broken:
                self._take_up_all(listed, listed.share)
        except OSError as error:
            self._tree.note(_problem_of(error))
            self._broken = listed.path
        finally:
            os.close(listed.share.folder)

    def _take_up_all(self, listed: _Listed, share: Share) -> None:
        """Take up what was listed, neighbours that are plain files together."""
        facts = self._plain.lookers.answer(share) if self._plain is not None else nothing_of(listed.names)
        above = f"{listed.path}/" if listed.path else ""
        number = 0
        for is_plain, marked in groupby(zip(listed.names, facts.marks, strict=True), key=_is_plain):
            names = [name for name, _ in marked]
            if is_plain:
                self._number_plain(os.fsencode(above), names, facts.part(number, len(names)))
            elif listed.ordered:
                for named in listed.ordered[number : number + len(names)]:
                    self._visit_named(share.folder, named)
            else:
                for name in map(os.fsdecode, names):
                    self._visit_entry(share.folder, above + name, name)
            number += len(names)

    def _number_plain(self, above: bytes, names: list[bytes], facts: Facts) -> None:
        """Give neighbours their numbers."""
        inodes, sizes, stamps = (facts.numbers[which::4] for which in range(3))
        self._tree.add_many([above + name for name in names], inodes, sizes, stamps)
        if self._plain is not None:
            self._plain.told(facts)

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


def _checked(descriptor: int) -> tuple[int, tuple[str, ...]]:
    """Return when a directory was changed last, and what keeps names from being removed out of it; raises OSError."""
    stamp = stamp_of(os.fstat(descriptor))
    problems = () if may_write(descriptor) else ("files-not-accessible",)
    try:
        flags = forbidding_flags(descriptor)
    except OSError:
        # A file system without inode flags; it is refused for what it is.
        return stamp, problems
    return stamp, (*problems, *(reason for reason in flags if reason in KEEPS_NAMES))


_REGULAR = b"r"


def _entry(entry: os.DirEntry[str]) -> bytes:
    """Return a name in a directory as it is sorted, and whether it is a regular file's."""
    return os.fsencode(entry.name) + (b"\0r" if entry.is_file(follow_symlinks=False) else b"\0o")


def _is_plain(marked: tuple[bytes, int]) -> bool:
    return marked[1] != NOT_PLAIN


def _problem_of(error: OSError) -> str:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return "files-missing"
    if error.errno == errno.ELOOP:
        return "link-in-path"
    if error.errno == errno.ENOKEY:
        return "file-encrypted"
    return "mount-below" if error.errno == errno.EXDEV else "files-not-accessible"
