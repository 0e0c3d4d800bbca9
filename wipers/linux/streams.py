"""The numbered files of a run and where their bytes lay before the first write, in memory that does not grow."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from wipers.linux.beneath import NO_LINKS, NO_XDEV, OPENAT2, open_beneath
from wipers.linux.extents import DOUBTFUL, UNWRITTEN, Span, coalesced, map_extents, runs
from wipers.linux.filesystems import FileSystem, generation
from wipers.linux.inodes import COMPRESSED, FORBIDDING, NO_COPY_ON_WRITE, reasons_against
from wipers.linux.lookers import MANY, Lookers
from wipers.linux.looking import Asked, Facts
from wipers.linux.machine import untold
from wipers.linux.selection import READING, Named
from wipers.linux.spool import Numbers, Triples
from wipers.linux.trees import About, Tree, may_write
from wipers.linux.walking import Plain, survey
from wipers.verdicts import EXT

__all__ = ["READING", "Streams", "map_streams", "open_stream"]

TOLD_EVERY = 1000
"""Files between two words of how many there are."""


@dataclass(slots=True)
class Streams:
    """Files by number: how to reach each, how to know it again, and which blocks it held."""

    tree: Tree
    """Names, inodes and sizes."""
    generations: Numbers = field(default_factory=Numbers)
    """Generation of each inode."""
    size: int = 0
    """Bytes of all blocks of all files."""
    rows: Triples = field(default_factory=Triples)
    """Logical, physical and length of every span, file by file."""

    @classmethod
    def empty(cls) -> Streams:
        """Return no files."""
        return cls(Tree())

    def __len__(self) -> int:
        return len(self.generations)

    def append(self, inode_generation: int, spans: Iterable[tuple[int, int, int]]) -> None:
        """Add the next file of the tree."""
        rows = tuple(spans)
        self.rows.append(rows)
        self.generations.append(inode_generation)
        self.size += rows[0][2] if len(rows) == 1 else sum(row[2] for row in rows)

    def extend(self, facts: Facts) -> None:
        """Add the next files of the tree, which are all plain."""
        generations, extents = facts.numbers[3::4], facts.extents
        if extents.count(1) == len(extents):
            self.rows.extend_alike(facts.rows)
            self.generations.extend(generations)
            self.size += sum(facts.rows[2::3])
            return
        rows = (Span(*facts.rows[place : place + 3]) for place in range(0, len(facts.rows), 3))
        for number, count in zip(generations, extents, strict=True):
            self.append(number, coalesced(islice(rows, count)))

    def spans(self, stream: int) -> tuple[Span, ...]:
        """Return where the file's bytes lay."""
        return tuple(map(Span._make, self.rows[stream]))

    def runs(self, stream: int) -> tuple[tuple[int, int], ...]:
        """Return the file's allocated runs as offset and length."""
        return runs(self.spans(stream))

    def end(self, stream: int) -> int:
        """Return the first byte behind the file's last allocated block."""
        return max((logical + length for logical, _, length in self.rows[stream]), default=0)

    def allocated(self, stream: int) -> int:
        """Return how many bytes the file's blocks hold."""
        return sum(length for _, _, length in self.rows[stream])


def map_streams(
    root: int,
    found: FileSystem,
    names: Iterable[str | Named],
    *,
    is_held: bool = False,
    met: Callable[[int], None] = untold,
    many: int = MANY,
) -> Streams:
    """Return the files that names lead to with their extents, having noted what must not be touched; reads only;
    raises OSError for the root.

    `is_held`: this process has them open for writing itself, so that whether others have cannot be asked this way.
    `met`: told every thousand files how many there are so far. `many`: files from which other processes look too.
    """
    streams = Streams(Tree())

    def look(folder: int, name: str, about: About) -> None:
        _look(streams, found, folder, name, about, is_held=is_held)
        if not len(streams) % TOLD_EVERY:
            met(len(streams))

    def told(facts: Facts) -> None:
        before = len(streams) // TOLD_EVERY
        streams.extend(facts)
        if len(streams) // TOLD_EVERY != before:
            met(len(streams) // TOLD_EVERY * TOLD_EVERY)

    asked = None if is_held else plain_on(found)
    survey(root, names, streams.tree, look, None if asked is None else Plain(Lookers(asked, many), told))
    return streams


def plain_on(found: FileSystem) -> Asked | None:
    """Return what a file must be to be looked at together with others: nothing is against it and nothing is worth
    knowing of it; none where every question must be asked one by one."""
    if os.geteuid() != 0 or found.kind not in {*EXT, "xfs", "btrfs"}:
        return None
    is_btrfs = found.kind == "btrfs"
    return Asked(
        call=OPENAT2,
        flags=READING,
        resolve=NO_LINKS | NO_XDEV,
        device=found.files_device,
        forbidden=FORBIDDING | COMPRESSED if is_btrfs else FORBIDDING,
        needed=NO_COPY_ON_WRITE if is_btrfs else 0,
        doubtful=DOUBTFUL | UNWRITTEN,
        may_be_realtime=found.kind == "xfs",
    )


def _look(streams: Streams, found: FileSystem, folder: int, name: str, about: About, *, is_held: bool) -> None:
    """Add a file, having noted what is against it."""
    tree = streams.tree
    try:
        descriptor = open_beneath(folder, name, READING)
    except OSError as error:
        tree.note(_problem_of(error))
        streams.append(0, ())
        return
    try:
        if os.fstat(descriptor).st_ino != about.inode:
            tree.note("files-changing")
        if not may_write(descriptor):
            tree.note("files-not-accessible")
        if not is_held and is_written_elsewhere(descriptor):
            tree.note("written-elsewhere")
        _map(streams, found, descriptor, about)
    finally:
        os.close(descriptor)


def _map(streams: Streams, found: FileSystem, descriptor: int, about: About) -> None:
    """Add where the file's bytes lie, or note that it cannot be told."""
    tree = streams.tree
    try:
        mapping = map_extents(descriptor)
        reasons = reasons_against(found, descriptor, mapping)
        number = generation(descriptor)
    except OSError:
        tree.note("extents-not-provable")
        streams.append(0, ())
        return
    for reason in reasons:
        tree.note(reason)
    if mapping.is_preallocated:
        tree.see("preallocated")
    if about.blocks < about.size:
        tree.see("sparse")
    streams.append(number, mapping.spans)


def open_stream(root: int, tree: Tree, stream: int, flags: int, name: str | None = None) -> int:
    """Return a descriptor of a numbered file, by its first name or another, known again by its inode; raises OSError,
    ESTALE where something else has the name now."""
    name = tree.paths[stream] if name is None else name
    descriptor = open_beneath(root, name, flags)
    if os.fstat(descriptor).st_ino != tree.inodes[stream]:
        os.close(descriptor)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    return descriptor


def is_written_elsewhere(descriptor: int) -> bool:
    """Tell whether anybody, in whatever namespace, has the file open for writing, by whether a read lease is refused.

    The lease lasts for this call alone. Whoever opens the file in that moment waits for it, and the kernel tells us by
    a signal, which is set to one that is ignored: SIGIO would end the program.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, int(signal.SIGURG))
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _problem_of(error: OSError) -> str:
    if error.errno in {errno.ENOENT, errno.ESTALE, errno.ELOOP, errno.ENOTDIR, errno.ENXIO}:
        return "files-changing"
    if error.errno == errno.ENOKEY:
        # Of fscrypt, and the key is not there.
        return "file-encrypted"
    return "mount-below" if error.errno == errno.EXDEV else "files-not-accessible"
