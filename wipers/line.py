"""The line at which the threads of a loop take their chunks: what waits, what is in the air, and what is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from wipers.course import Chunk
from wipers.pacing import Pacer

TICK = 0.05
"""Seconds between two looks at something that is waited for."""


HANDFUL = 8
"""Chunks are handed out together while they have less than this part of a chunk at its largest: small files."""
PATIENCE = 0.1
"""Seconds that a thread waits until another is done with its small files: longer, and the device is what takes long."""

_REST = 0.25
"""Seconds after which a thread that is not needed looks whether it is; whatever changes for it wakes it before."""


class Measured(Protocol):
    """Whoever measures the work; called under the line's lock."""

    def moved(self, position: int, size: int) -> None:
        """So many bytes from that position on were moved since the last call."""
        ...


class Line:
    """Hands out chunks, and knows the mark below which all are done."""

    def __init__(self, waiting: Iterator[Chunk], start: int, pacer: Pacer, *, marks_whole_extents: bool) -> None:
        """Hand out what waits, from position `start` on."""
        self._waiting = waiting
        self._handed = self._whole = start
        self._pacer = pacer
        self._marks_whole_extents = marks_whole_extents
        self._turn = threading.Condition()
        self._in_the_air: set[int] = set()
        self._at_work: dict[int, threading.Thread | None] = {}
        self._idle = 0
        self._is_held = self._is_over = False
        # Small files keep the interpreter busier than the device. Side by side threads would hand its lock to one
        # another at every system call, which takes longer than the calls.
        self.small = threading.Lock()
        self.home = threading.Event()
        self.broken: BaseException | None = None
        self.is_abandoned = False
        self.moved = 0
        self.failed = 0

    def enter(self, number: int) -> None:
        """One more thread comes to work: the first, or one that another fetches before it leaves."""
        with self._turn:
            self._at_work[number] = None

    def began(self, number: int, thread: threading.Thread) -> None:
        """The thread of that number was started; it may be home again."""
        with self._turn:
            if number in self._at_work:
                self._at_work[number] = thread

    def leave(self, number: int) -> None:
        """The thread of that number is home."""
        with self._turn:
            self._at_work.pop(number, None)
            if not self._at_work:
                self.home.set()

    def miss(self) -> None:
        """Threads that ended before their first step are home: the interpreter may fail to set one up after it was
        started, and tells nobody but its own log."""
        with self._turn:
            for number in [number for number, one in self._at_work.items() if one is not None and not one.is_alive()]:
                self.leave(number)

    @property
    def is_over(self) -> bool:
        """Tell whether every chunk was handed out."""
        with self._turn:
            return self._is_over

    def take(self, number: int, is_stopped: Callable[[], bool], most: int = 0) -> tuple[Chunk, ...]:
        """Hand out the next chunk to the thread of that number, once it is its turn; none when the loop ends.

        Chunks that are whole extents come together, up to `most` bytes of them: where there are many small files,
        threads would wait for one another longer than it takes to write one.
        """
        with self._turn:
            while self._must_wait(number):
                self._idle += 1
                self._turn.wait(_REST)
                self._idle -= 1
                if is_stopped():
                    return ()
            taken: list[Chunk] = []
            end = self._handed + most
            is_open = True
            while is_open and not self._is_over and self.broken is None:
                chunk = next(self._waiting, None)
                if chunk is None:
                    self._is_over = True
                    self._turn.notify_all()
                    break
                self._in_the_air.add(chunk.position)
                self._handed = chunk.end
                taken.append(chunk)
                is_open = chunk.end < end and chunk.whole is not None and chunk.is_first and chunk.is_last
            return tuple(taken)

    def finish(self, chunks: Sequence[Chunk], moved: Sequence[int], meter: Measured | None) -> None:
        """The chunks are done, and so many bytes of each were moved."""
        with self._turn:
            for chunk, size in zip(chunks, moved, strict=False):
                self._in_the_air.discard(chunk.position)
                self.moved += size
                self.failed += chunk.error is None and size < chunk.extent.length
                if chunk.is_last:
                    self._whole = chunk.end
            if moved:
                self._pacer.done(sum(moved))
                if meter is not None:
                    meter.moved(chunks[0].position, sum(moved))

    def give_up(self, error: BaseException) -> None:
        """No thread takes another chunk; the first error is the one that is told."""
        with self._turn:
            self.broken = self.broken or error
            self._turn.notify_all()

    def abandon(self, error: BaseException) -> None:
        """Threads that are not home are waited for no longer; whatever they still do changes nothing."""
        self.give_up(error)
        self.is_abandoned = True

    def hold(self) -> None:
        """No thread takes another chunk until `let_go`."""
        with self._turn:
            self._is_held = True

    def let_go(self) -> None:
        """Go on."""
        with self._turn:
            self._is_held = False
            self._turn.notify_all()

    @property
    def is_quiet(self) -> bool:
        """Tell whether every thread waits for its turn, all that it began being done and told."""
        self.miss()
        with self._turn:
            return self._idle == len(self._at_work)

    @property
    def mark(self) -> int:
        """Position before which every chunk is done; the end of an extent where only whole extents count."""
        with self._turn:
            if self._marks_whole_extents:
                return self._whole
            return min(self._in_the_air, default=self._handed)

    def _must_wait(self, number: int) -> bool:
        if self._is_over or self.broken is not None:
            return False
        return self._is_held or number >= self._pacer.threads
