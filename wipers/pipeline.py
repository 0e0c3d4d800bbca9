"""The one pipelined chunk loop: some threads each take the next chunk of a layout and do one thing with it.

Memory stays flat: chunks are cut from the layout as they are taken, and what is known of the past is one number, the
low-water mark. With one thread everything happens in the caller's, in order, so that a test can stop it anywhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from certificates.statements import Extent


@dataclass(frozen=True, slots=True)
class Pace:
    """How the loop runs."""

    chunk_size: int = 1 << 21
    """Most bytes of one read or write: a multiple of the sector size, and the size of a huge page."""
    threads: int = 4
    """Chunks in the air at once."""
    checkpoint_size: int = 1 << 30
    """Bytes after which progress is made durable and journaled."""
    checkpoint_seconds: float = 5.0
    """Seconds after which the same is done."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, for the intervals alone."""


class StopSignal(Protocol):
    """What a person's Ctrl-C or the system's SIGTERM sets."""

    def is_set(self) -> bool:
        """Tell whether the run shall end after the chunks in the air."""
        ...


class Unstopped:
    """The signal of a run that nobody stops."""

    def is_set(self) -> bool:
        """Tell that it goes on."""
        return False


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one extent, and where it lies along the layout."""

    position: int
    """Bytes of the layout before it."""
    extent: Extent
    """Which bytes of which stream."""

    @property
    def end(self) -> int:
        """Position behind it."""
        return self.position + self.extent.length


def chunks(layout: Iterable[Extent], start: int, most: int) -> Iterator[Chunk]:
    """Yield the layout from byte `start` along it in pieces of at most `most` bytes, none across two extents."""
    position = 0
    for extent in layout:
        skipped = min(max(start - position, 0), extent.length)
        for begin in range(skipped, extent.length, most):
            length = min(most, extent.length - begin)
            yield Chunk(position + begin, Extent(extent.stream, extent.offset + begin, length))
        position += extent.length


Deed = Callable[[Chunk], None]
"""What one thread does with a chunk."""


@dataclass(slots=True)
class Line:
    """The chunks that wait, those in the air, and the mark below which all are done."""

    waiting: Iterator[Chunk]
    handed: int
    """Position up to which chunks were handed out."""
    lock: threading.Lock
    in_the_air: set[int]
    """Where the chunks begin that were taken and are not done."""
    broken: BaseException | None = None
    """What ended the loop early."""

    def take(self) -> Chunk | None:
        """Hand out the next chunk; none when there is none, or another thread broke."""
        with self.lock:
            chunk = next(self.waiting, None) if self.broken is None else None
            if chunk is not None:
                self.in_the_air.add(chunk.position)
                self.handed = chunk.end
            return chunk

    def finish(self, chunk: Chunk) -> None:
        """The chunk is done."""
        with self.lock:
            self.in_the_air.discard(chunk.position)

    def give_up(self, error: BaseException) -> None:
        """No thread takes another chunk; the first error is the one that is told."""
        with self.lock:
            self.broken = self.broken or error

    @property
    def mark(self) -> int:
        """Position before which every chunk is done."""
        with self.lock:
            return min(self.in_the_air, default=self.handed)


class Milestones:
    """Calls `reached` with the low-water mark every so many bytes or seconds, from one thread at a time."""

    def __init__(self, pace: Pace, start: int, reached: Callable[[int], None]) -> None:
        """Count from `start`, a position along the layout."""
        self._pace = pace
        self._last = start
        self._at = pace.clock()
        self._reached = reached
        self._turn = threading.Lock()

    def note(self, mark: int) -> None:
        """Call `reached` if it is due and no other thread is at it."""
        if self._is_due(mark) and self._turn.acquire(blocking=False):
            try:
                if self._is_due(mark):
                    self._reach(mark)
            finally:
                self._turn.release()

    def end(self, mark: int) -> None:
        """Call `reached` for what is left, once all threads are home."""
        if mark > self._last:
            self._reach(mark)

    def _reach(self, mark: int) -> None:
        """Call `reached`; the mark was taken before, so that a barrier inside covers all below it."""
        self._reached(mark)
        self._last = mark
        self._at = self._pace.clock()

    def _is_due(self, mark: int) -> bool:
        moved = mark - self._last
        is_late = self._pace.clock() - self._at >= self._pace.checkpoint_seconds
        return moved >= self._pace.checkpoint_size or (moved > 0 and is_late)


@dataclass(frozen=True, slots=True)
class Loop:
    """The loop as one step of a run is given it."""

    pace: Pace
    """How it runs."""
    stop: StopSignal
    """What ends it early."""
    moved: Callable[[int], None] | None = None
    """Told the low-water mark after each chunk."""

    def run(
        self, waiting: Iterator[Chunk], start: int, make_deed: Callable[[], Deed], milestones: Milestones | None = None
    ) -> int:
        """Do every chunk, and return the position up to which all are done: short of the end only if stopped.

        Each thread makes its own deed, with its own buffers. Whatever a thread raises ends the others after their chunk
        and is raised here.
        """
        line = Line(waiting, start, threading.Lock(), set())

        def work() -> None:
            try:
                deed = make_deed()
                while not self.stop.is_set() and (chunk := line.take()) is not None:
                    deed(chunk)
                    line.finish(chunk)
                    self._tell(line.mark, milestones)
            except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
                line.give_up(error)

        _run_in_threads(work, self.pace.threads, line)
        if line.broken is not None:
            raise line.broken
        return line.mark

    def _tell(self, mark: int, milestones: Milestones | None) -> None:
        if milestones is not None:
            milestones.note(mark)
        if self.moved is not None:
            self.moved(mark)


def _run_in_threads(work: Callable[[], None], threads: int, line: Line) -> None:
    if threads == 1:
        work()
        return
    team = [threading.Thread(target=work, name=f"chunk-{number}", daemon=True) for number in range(threads)]
    for member in team:
        member.start()
    for member in team:
        while member.is_alive():
            try:
                member.join()
            except BaseException as error:  # noqa: BLE001 - a signal's exception: the team is brought home first
                line.give_up(error)
