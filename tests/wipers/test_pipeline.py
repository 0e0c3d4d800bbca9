"""The chunk loop: every byte once, the mark never ahead of the work, and an end that leaves no thread behind."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.statements import Extent
from wipers.buffers import Buffer, is_equal
from wipers.pipeline import Chunk, Deed, Loop, Milestones, Pace, chunks

LAYOUTS = st.lists(st.integers(0, 40), max_size=8).map(
    lambda lengths: [Extent(stream, 16 * stream, length) for stream, length in enumerate(lengths)]
)


class Signal:
    """A stop signal that is set after so many questions."""

    def __init__(self, after: int = 1 << 30) -> None:
        self.left = after

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@given(LAYOUTS, st.integers(0, 400), st.integers(1, 17))
def test_chunks_cover_the_rest_of_the_layout_once(layout: list[Extent], start: int, most: int) -> None:
    """A byte left out stays readable; a byte twice is time lost."""
    every = [(one.stream, one.offset + at) for one in layout for at in range(one.length)]
    found = list(chunks(layout, start, most))
    covered = [(one.extent.stream, one.extent.offset + at) for one in found for at in range(one.extent.length)]
    assert covered == every[start:]
    assert all(0 < one.extent.length <= most for one in found)
    assert [one.position for one in found] == [
        start + sum(c.extent.length for c in found[:n]) for n in range(len(found))
    ]


def test_a_layout_is_taken_lazily() -> None:
    """A million small files must not be listed in memory before the first is overwritten."""
    endless = (Extent(stream, 0, 512) for stream in itertools.count())
    first = list(itertools.islice(chunks(endless, 0, 4096), 3))
    assert [one.extent.stream for one in first] == [0, 1, 2]


@pytest.mark.parametrize("threads", [1, 4])
def test_every_chunk_is_done_once(threads: int) -> None:
    """Whatever the number of threads."""
    done: list[int] = []
    loop = Loop(Pace(threads=threads), Signal())
    end = loop.run(chunks([Extent(0, 0, 1000)], 0, 7), 0, lambda: lambda chunk: done.append(chunk.position))
    assert end == 1000
    assert sorted(done) == list(range(0, 1000, 7))


def test_the_mark_waits_for_the_slowest_chunk() -> None:
    """A chunk that hangs on a bad sector must not be journaled as done because later ones are."""
    seen: list[int] = []
    gate = threading.Event()

    def deed(chunk: Chunk) -> None:
        if chunk.position == 10:
            assert gate.wait(120)
        if chunk.position == 90:
            gate.set()

    def moved(mark: int) -> None:
        if not gate.is_set():
            seen.append(mark)

    loop = Loop(Pace(threads=3), Signal(), moved)
    assert loop.run(chunks([Extent(0, 0, 100)], 0, 10), 0, lambda: deed) == 100
    assert set(seen) <= {0, 10}


def test_small_files_come_by_the_handful_and_a_stop_leaves_the_rest_of_it() -> None:
    """Threads that meet for each of a million files wait for one another longer than they write; but a mark that
    passed a file which nobody wrote would leave it legible for ever."""
    done: list[int] = []
    stop = threading.Event()
    busy = threading.Event()

    def deed(chunk: Chunk) -> None:
        if threading.current_thread().name != "chunk-0":
            assert busy.wait(120)
            return
        done.append(chunk.position)
        if len(done) == 5:
            stop.set()
            busy.set()

    layout = [Extent(stream, 0, 4096) for stream in range(1000)]
    assert Loop(Pace(threads=4), stop).run(chunks(layout, 0, 1 << 21), 0, lambda: deed) == 5 * 4096
    assert done == [4096 * number for number in range(5)]


def test_a_small_file_that_hangs_does_not_keep_others_from_theirs() -> None:
    """Threads take turns with small files, but on a device that is slow for one they must not wait for it."""
    gate = threading.Event()
    done: list[int] = []

    def deed(chunk: Chunk) -> None:
        if chunk.position == 0:
            assert gate.wait(120)
        done.append(chunk.position)
        if len(done) == 1000 - 64:
            gate.set()

    layout = [Extent(stream, 0, 4096) for stream in range(1000)]
    assert Loop(Pace(threads=4), Signal()).run(chunks(layout, 0, 1 << 21), 0, lambda: deed) == 1000 * 4096
    assert sorted(done) == [4096 * number for number in range(1000)]


def end_before_first_step(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Threads of these names are started and end at once, as where the interpreter cannot set one up."""
    run = threading.Thread.run

    def ended(self: threading.Thread) -> None:
        if self.name not in names:
            run(self)

    monkeypatch.setattr(threading.Thread, "run", ended)


@pytest.mark.parametrize("lost", ["chunk-1", "chunk-3"])
def test_a_thread_that_ends_before_its_first_step_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    """Seen once in ten thousand tests: the loop waited for it for ever, with everything done."""
    end_before_first_step(monkeypatch, lost)
    done: list[int] = []
    loop = Loop(Pace(threads=4), Signal())
    end = loop.run(chunks([Extent(0, 0, 1000)], 0, 7), 0, lambda: lambda chunk: done.append(chunk.position))
    assert end == 1000
    assert sorted(done) == list(range(0, 1000, 7))


def test_a_loop_whose_only_thread_could_not_begin_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short of the end and without an error it would look like a run that was told to stop."""
    end_before_first_step(monkeypatch, "chunk-0")
    loop = Loop(Pace(threads=4), Signal())
    with pytest.raises(RuntimeError, match="no thread could begin"):
        loop.run(chunks([Extent(0, 0, 1000)], 0, 7), 0, lambda: lambda _: None)


def test_a_look_whose_thread_could_not_begin_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A barrier that nobody made must neither pass for one nor be waited for."""
    end_before_first_step(monkeypatch, "watched")
    with pytest.raises(RuntimeError, match="no thread could begin"):
        Loop(Pace(threads=4), Signal()).watched(lambda: None)


@pytest.mark.parametrize("threads", [1, 4])
def test_what_one_thread_raises_ends_all_and_is_told(threads: int) -> None:
    """A device that went away must not be written to by the other threads for hours."""
    begun = itertools.count()

    def deed(chunk: Chunk) -> None:
        next(begun)
        if chunk.position == 50:
            raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        Loop(Pace(threads=threads), Signal()).run(chunks([Extent(0, 0, 10**6)], 0, 10), 0, lambda: deed)
    assert next(begun) < 10**5
    assert threading.active_count() == before


def test_a_layout_that_fails_ends_the_loop() -> None:
    """Chunks are cut inside the threads: an error there must come out as well."""

    def layout() -> Iterator[Extent]:
        yield Extent(0, 0, 10)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        Loop(Pace(threads=2), Signal()).run(chunks(layout(), 0, 10), 0, lambda: lambda chunk: None)


def test_a_stopped_loop_says_how_far_it_came() -> None:
    """Ctrl-C keeps what was done."""
    loop = Loop(Pace(threads=1), Signal(after=3))
    assert loop.run(chunks([Extent(0, 0, 100)], 0, 10), 0, lambda: lambda chunk: None) == 30


def test_milestones_come_by_bytes_and_by_seconds() -> None:
    """A fast device is journaled every so many bytes, a slow one every so many seconds."""
    now = [0.0]
    reached: list[int] = []
    fast = Milestones(Pace(checkpoint_size=40, checkpoint_seconds=1e9, clock=lambda: now[0]), 0, reached.append)
    for mark in range(10, 101, 10):
        fast.note(mark)
    assert reached == [40, 80]
    slow = Milestones(Pace(checkpoint_size=10**9, checkpoint_seconds=5, clock=lambda: now[0]), 0, reached.append)
    for mark in range(10):
        now[0] = 2.0 * mark
        slow.note(mark)
    assert reached[2:] == [3, 6, 9]
    now[0] = 100
    slow.note(9)
    assert reached[2:] == [3, 6, 9]


def test_the_end_is_told_once() -> None:
    """A barrier for nothing costs a device's flush."""
    reached: list[int] = []
    milestones = Milestones(Pace(checkpoint_size=10), 0, reached.append)
    milestones.note(10)
    milestones.end(10)
    milestones.end(15)
    assert reached == [10, 15]


def test_each_thread_has_its_own_deed() -> None:
    """Buffers are not shared."""
    made: list[Deed] = []

    def make_deed() -> Deed:
        def deed(chunk: Chunk) -> None:
            assert chunk.extent.length == 1

        made.append(deed)
        return deed

    Loop(Pace(threads=3), Signal()).run(chunks([Extent(0, 0, 50)], 0, 1), 0, make_deed)
    assert len(made) == 3


@given(st.binary(min_size=1, max_size=64), st.data())
def test_a_comparison_sees_every_byte(content: bytes, data: st.DataObject) -> None:
    """One flipped byte anywhere makes the difference, and only inside the range that is asked for."""
    left, right = Buffer(len(content)), Buffer(len(content))
    left.view[: len(content)] = right.view[: len(content)] = content
    assert is_equal(left, 0, right, 0, len(content))
    at = data.draw(st.integers(0, len(content) - 1))
    right.view[at] ^= 1
    assert not is_equal(left, 0, right, 0, len(content))
    assert is_equal(left, 0, right, 0, at)
    assert is_equal(left, at + 1, right, at + 1, len(content) - at - 1)


def test_a_piece_is_found_anywhere_in_the_whole() -> None:
    """What is expected is made a piece at a time, and compared where it belongs and nowhere else."""
    whole, piece = Buffer(64), Buffer(16)
    whole.view[40:44] = piece.view[2:6] = b"here"
    assert is_equal(whole, 40, piece, 2, 4)
    assert not is_equal(whole, 39, piece, 2, 4)
    assert not is_equal(whole, 40, piece, 3, 4)


@pytest.mark.parametrize(("start", "length"), [(-1, 4), (0, 17), (16, 1), (4, -1)])
def test_a_comparison_stays_inside_its_buffers(start: int, length: int) -> None:
    """It works on raw addresses: a wrong length would read somebody else's memory."""
    with pytest.raises(ValueError, match="outside"):
        is_equal(Buffer(16), start, Buffer(16), 0, length)
    with pytest.raises(ValueError, match="outside"):
        is_equal(Buffer(16), 0, Buffer(16), start, length)


def test_a_comparison_lets_other_threads_run() -> None:
    """Otherwise two threads would compare no faster than one."""
    size = 1 << 26
    left, right, counted, over = Buffer(size), Buffer(size), [0], threading.Event()

    def count() -> None:
        while not over.is_set():
            counted[0] += 1
            time.sleep(0.0001)

    other = threading.Thread(target=count)
    other.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # from here on the other thread runs only if this one lets it
    try:
        before, during = counted[0], 0
        # A busy machine may have no core for the other thread at once; it has none ever if the lock is not let go.
        for _ in range(200):
            assert is_equal(left, 0, right, 0, size)
            if during := counted[0] - before:
                break
    finally:
        sys.setswitchinterval(interval)
        over.set()
        other.join()
    assert during > 0
