"""The one pipelined chunk loop: some threads each take the next chunk of a layout and do one thing with it.

Memory stays flat: chunks are cut from the layout as they are taken, and what is known of the past is one number, the
low-water mark. With one thread everything happens in the caller's, in order, so that a test can stop it anywhere. With
several the caller's thread only oversees: it rests the others, gives up by the rules of care, and leaves a thread that
hangs in a device behind.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from wipers.care import GivenUp, Guard
from wipers.course import Chunk, Detour, chunks
from wipers.line import HANDFUL, PATIENCE, TICK, Line
from wipers.model import Lost
from wipers.pacing import Pace, Pacer, Setting

__all__ = ["Chunk", "Deed", "Detour", "Loop", "Milestones", "Pace", "Setting", "StopSignal", "Unstopped", "chunks"]


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


Deed = Callable[[Chunk], int | None]
"""What one thread does with a chunk; returns the bytes that it moved, none for all of them."""


class Meter(Protocol):
    """Measures what the loop moves, from one thread at a time."""

    def moved(self, position: int, size: int) -> None:
        """So many bytes from that position on were moved since the last call."""
        ...

    def rest(self) -> None:
        """The loop rests."""
        ...

    def go_on(self) -> None:
        """It goes on."""
        ...


class Milestones:
    """Calls `reached` with the low-water mark every so many bytes or seconds, from one thread at a time.

    Before that it calls `flush`. Once abandoned, `reached` is not called any more, whatever a late flush says.
    """

    def __init__(
        self, pace: Pace, start: int, reached: Callable[[int], None], flush: Callable[[], None] = lambda: None
    ) -> None:
        """Count from `start`, a position along the layout."""
        self._pace = pace
        self._last = start
        self._at = pace.clock()
        self._flush = flush
        self._reached = reached
        self._turn = threading.Lock()
        self._telling = threading.Lock()
        self._is_abandoned = False

    def note(self, mark: int) -> None:
        """Call `reached` if it is due and no other thread is at it."""
        if self._is_due(mark) and self._turn.acquire(blocking=False):
            try:
                if self._is_due(mark):
                    self._reach(mark)
            finally:
                self._turn.release()

    def end(self, mark: int) -> None:
        """Call `reached` for what is left, once all threads are home or rest."""
        if mark > self._last:
            self._reach(mark)

    def abandon(self) -> None:
        """Nothing is told from here on: the run has ended, and a thread that hangs may wake up after it."""
        with self._telling:
            self._is_abandoned = True

    def _reach(self, mark: int) -> None:
        """Call `reached`; the mark was taken before, so that a barrier inside covers all below it."""
        self._flush()
        with self._telling:
            if self._is_abandoned:
                raise Lost("target-hangs")
            self._reached(mark)
        self._last = mark
        self._at = self._pace.clock()

    def _is_due(self, mark: int) -> bool:
        moved = mark - self._last
        is_late = self._pace.clock() - self._at >= self._pace.checkpoint_seconds
        return moved >= self._pace.checkpoint_size or (moved > 0 and is_late)


class _Hand:
    """One thread of a team: before its chunk it sees to the next thread, and it makes its deed for its first one."""

    def __init__(self, make_deed: Callable[[], Deed], hire: Callable[[], None]) -> None:
        self._make_deed = make_deed
        self._hire = hire
        self._deed: Deed | None = None

    def do(self, chunk: Chunk) -> int | None:
        self._hire()
        # Buffers for a thread that never gets a chunk would cost a short pass more than its work.
        self._deed = self._deed or self._make_deed()
        return self._deed(chunk)


class Loop:
    """The loop as one step of a run is given it."""

    def __init__(
        self,
        pace: Pace,
        stop: StopSignal,
        moved: Callable[[int], None] | None = None,
        *,
        guard: Guard | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Take how it runs, what ends it early, who is told the low-water mark after each chunk, and who watches."""
        self.pace = pace
        self.stop = stop
        self.pacer = Pacer(pace)
        self._moved = moved
        self._guard = guard
        self._meter = meter
        self._is_alone = False
        self._is_inline = pace.threads == 1

    def alone(self, moved: Callable[[int], None] | None = None) -> Loop:
        """Return the same with one chunk in the air, in order: for slow work that is not measured."""
        other = copy.copy(self)
        other.pacer = Pacer(Pace(self.pace.chunk_size, 1, clock=self.pace.clock))
        other._moved, other._meter, other._is_alone = moved, None, True
        other._guard = self._guard.calm() if self._guard is not None else None
        return other

    def in_order(self) -> Loop:
        """Return the same with one chunk in the air, still measured and held to the rules."""
        other = copy.copy(self)
        other.pacer = Pacer(Pace(self.pace.chunk_size, 1, clock=self.pace.clock))
        other._is_alone = True
        return other

    def most(self) -> int:
        """Return how many bytes the next chunk shall have at most."""
        return self.pacer.current.chunk_size

    def run(
        self,
        waiting: Iterator[Chunk],
        start: int,
        make_deed: Callable[[], Deed],
        milestones: Milestones | None = None,
        *,
        whole_extents: bool = False,
    ) -> int:
        """Do every chunk, and return the position up to which all are done: short of the end only if stopped.

        Each thread makes its own deed, with its own buffers, once it has a chunk. Whatever a thread raises ends the
        others after their chunk and is raised here; what is done of a device that is given up is made durable first.
        Raises Lost if one hangs.
        """
        line = Line(waiting, start, self.pacer, marks_whole_extents=whole_extents)
        if self._is_inline:
            self._work_inline(line, make_deed, milestones)
        else:
            with self.pace.company.joined():
                self._work_in_team(line, make_deed, milestones)
        if line.broken is None:
            return line.mark
        if isinstance(line.broken, GivenUp) and milestones is not None and not line.is_abandoned:
            self.end(milestones, line.mark)
        raise line.broken

    def end(self, milestones: Milestones, mark: int) -> None:
        """What is left of the milestones is reached; raises Lost if that hangs, and then it is told to nobody."""
        self.watched(lambda: milestones.end(mark), milestones.abandon)

    def watched(self, act: Callable[[], None], abandon: Callable[[], None] = lambda: None) -> None:
        """Do something that may hang in the device, without keeping a stop from being honoured; raises Lost then."""
        if self._is_inline:
            act()
            return
        errors: list[BaseException] = []
        done = threading.Event()

        def work() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
                errors.append(error)
            finally:
                done.set()

        worker = threading.Thread(target=work, name="watched", daemon=True)
        worker.start()
        ending: float | None = None
        while not done.wait(TICK):
            if not worker.is_alive() and not done.is_set():
                raise RuntimeError("no thread could begin its work")
            if self.stop.is_set():
                ending = self.pace.clock() if ending is None else ending
                if self.pace.clock() - ending > self.pace.grace_seconds:
                    abandon()
                    raise Lost("target-hangs", seconds=f"{self.pace.grace_seconds:g}")
        if errors:
            raise errors[0]

    def _work_inline(self, line: Line, make_deed: Callable[[], Deed], milestones: Milestones | None) -> None:
        try:
            deed = make_deed()
            while not self.stop.is_set():
                if not self._oversee(line, milestones):
                    break
                if not self._do_next(0, line, deed, milestones):
                    break
        except BaseException as error:  # noqa: BLE001 - it is raised again by `run`
            line.give_up(error)

    def _work_in_team(self, line: Line, make_deed: Callable[[], Deed], milestones: Milestones | None) -> None:
        most = 1 if self._is_alone else self.pace.threads
        team: list[threading.Thread] = []

        def hire() -> None:
            """One more comes to work where the company leaves room: of many devices each begins with its share."""
            with hiring:
                number = len(team)
                if number < most and (number == 0 or number < self.pacer.threads):
                    member = threading.Thread(target=work, args=(number,), name=f"chunk-{number}", daemon=True)
                    line.enter(number)
                    try:
                        member.start()
                    except BaseException:
                        line.leave(number)
                        raise
                    line.began(number, member)
                    team.append(member)

        def work(number: int) -> None:
            hand = _Hand(make_deed, hire)
            try:
                while not self.stop.is_set() and self._do_next(number, line, hand.do, milestones):
                    pass
            except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
                line.give_up(error)
            finally:
                line.leave(number)

        hiring = threading.Lock()
        hire()
        self._bring_home(line, milestones)
        if not line.is_over and not self.stop.is_set():
            line.give_up(RuntimeError("no thread could begin its work"))
        for member in team if not line.is_abandoned else ():
            member.join()

    def _bring_home(self, line: Line, milestones: Milestones | None) -> None:
        """Oversee until the last thread is home, or hangs for longer than it may once the loop shall end."""
        ending: float | None = None
        while not line.is_abandoned:
            try:
                if line.home.wait(TICK):
                    return
                line.miss()
                if line.broken is None and not self.stop.is_set():
                    self._oversee(line, milestones)
                    continue
                ending = self.pace.clock() if ending is None else ending
                if self.pace.clock() - ending > self.pace.grace_seconds:
                    self._abandon(line, milestones)
            except BaseException as error:  # noqa: BLE001 - a signal's exception: the team is brought home first
                line.give_up(error)

    def _abandon(self, line: Line, milestones: Milestones | None) -> None:
        if milestones is not None:
            milestones.abandon()
        line.abandon(Lost("target-hangs", seconds=f"{self.pace.grace_seconds:g}"))

    def _do_next(self, number: int, line: Line, deed: Deed, milestones: Milestones | None) -> bool:
        """Do the next chunk, or a handful of small ones, and tell whether there was one."""
        taken = line.take(number, self.stop.is_set, self._handful)
        if not taken:
            return False
        moved: list[int] = []
        is_turn = len(taken) > 1 and line.small.acquire(timeout=PATIENCE)
        try:
            for chunk in taken:
                if moved and (self.stop.is_set() or line.broken is not None):
                    # The rest of them stays in the air, so that the mark does not pass what was not done.
                    break
                size = deed(chunk)
                moved.append(chunk.extent.length if size is None else size)
        finally:
            if is_turn:
                line.small.release()
            line.finish(taken, moved, self._meter)
        mark = line.mark
        if milestones is not None:
            milestones.note(mark)
        if self._moved is not None and not line.is_abandoned:
            self._moved(mark)
        return True

    @property
    def _handful(self) -> int:
        """Return how many bytes of small chunks a thread takes together: none where they come one by one."""
        return 0 if self._is_inline or self._is_alone else self.most() // HANDFUL

    def _oversee(self, line: Line, milestones: Milestones | None) -> bool:
        """Rest while there is a reason to; tell whether to go on. Raises GivenUp."""
        guard = self._guard
        if guard is None:
            return True
        guard.check(line.moved, line.failed)
        if guard.is_look_due:
            self.watched(guard.look)
        if guard.why_rest() is None:
            return True
        line.hold()
        try:
            while not line.is_quiet:
                if self.stop.is_set() or line.broken is not None:
                    return False
                self.pace.sleep(TICK)
            self._rest(line, guard, milestones)
        finally:
            line.let_go()
        return not self.stop.is_set()

    def _rest(self, line: Line, guard: Guard, milestones: Milestones | None) -> None:
        """What is done is durable and journaled, and nothing is done until the reason is gone or the run is stopped."""
        if milestones is not None:
            self.end(milestones, line.mark)
        if self._meter is not None:
            self._meter.rest()
        while (reason := guard.why_rest()) is not None and not self.stop.is_set():
            guard.rest(reason)
            self.pace.sleep(TICK)
            if guard.is_look_due:
                self.watched(guard.look)
        guard.go_on(line.moved)
        self.pacer.rest()
        if self._meter is not None:
            self._meter.go_on()
