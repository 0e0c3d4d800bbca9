"""The numbered files of a run and where their bytes lay before the first write, compact enough for a million files."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from array import array
from dataclasses import dataclass, field

from wipers.linux.beneath import open_beneath
from wipers.linux.extents import Span, map_extents, runs
from wipers.linux.filesystems import forbidding_flags, generation
from wipers.linux.trees import Tree, may_write

READING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(slots=True)
class Streams:
    """Files by number: how to reach each, how to know it again, and which blocks it held."""

    tree: Tree
    """Names, inodes and sizes."""
    generations: array[int] = field(default_factory=lambda: array("Q"))
    """Generation of each inode."""
    starts: array[int] = field(default_factory=lambda: array("Q", [0]))
    """Where each file's spans begin in `numbers`, and behind the last."""
    numbers: array[int] = field(default_factory=lambda: array("Q"))
    """Logical, physical and length of every span, one file after the other."""

    @classmethod
    def empty(cls) -> Streams:
        """Return no files."""
        return cls(Tree())

    def __len__(self) -> int:
        return len(self.starts) - 1

    def append(self, inode_generation: int, spans: tuple[Span, ...]) -> None:
        """Add the next file of the tree."""
        self.generations.append(inode_generation)
        for span in spans:
            self.numbers.extend(span)
        self.starts.append(len(self.numbers))

    def spans(self, stream: int) -> tuple[Span, ...]:
        """Return where the file's bytes lay."""
        begin, end = self.starts[stream], self.starts[stream + 1]
        if end - begin == 3:
            return (Span(*self.numbers[begin:end]),)
        return tuple(Span(*self.numbers[at : at + 3]) for at in range(begin, end, 3))

    def runs(self, stream: int) -> tuple[tuple[int, int], ...]:
        """Return the file's allocated runs as offset and length."""
        return runs(self.spans(stream))

    def end(self, stream: int) -> int:
        """Return the first byte behind the file's last allocated block."""
        last = self.starts[stream + 1]
        return self.numbers[last - 3] + self.numbers[last - 1] if last > self.starts[stream] else 0

    def allocated(self, stream: int) -> int:
        """Return how many bytes the file's blocks hold."""
        return sum(self.numbers[self.starts[stream] + 2 : self.starts[stream + 1] : 3])

    @property
    def size(self) -> int:
        """Bytes of all blocks of all files."""
        return sum(self.numbers[2::3])


def map_streams(root: int, tree: Tree, *, is_held: bool = False) -> Streams:
    """Return the tree's files with their extents, having noted on the tree what must not be touched; reads only.

    `is_held`: this process has them open for writing itself, so that whether others have cannot be asked this way.
    """
    streams = Streams(tree)
    for stream in range(len(tree.paths)):
        try:
            descriptor = open_stream(root, tree, stream, READING)
        except OSError as error:
            tree.note(_problem_of(error))
            streams.append(0, ())
            continue
        try:
            for reason in forbidding_flags(descriptor):
                tree.note(reason)
            if not may_write(descriptor):
                tree.note("files-not-accessible")
            if not is_held and is_written_elsewhere(descriptor):
                tree.note("written-elsewhere")
            streams.append(generation(descriptor), _mapped(descriptor, tree))
        except OSError:
            tree.note("extents-not-provable")
            streams.append(0, ())
        finally:
            os.close(descriptor)
    return streams


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


def _mapped(descriptor: int, tree: Tree) -> tuple[Span, ...]:
    found = map_extents(descriptor)
    if found.doubts:
        tree.note("extents-not-provable")
    return found.spans


def _problem_of(error: OSError) -> str:
    if error.errno in {errno.ENOENT, errno.ESTALE, errno.ELOOP, errno.ENOTDIR, errno.ENXIO}:
        return "files-changing"
    return "mount-below" if error.errno == errno.EXDEV else "files-not-accessible"
