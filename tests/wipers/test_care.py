"""Care: a run rests when it is too hot or told to, gives up by the site's rules, and a hanging device stops nobody."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from certificates.errors import Interrupted
from certificates.statements import Extent, Level, Noted, Otherwise
from certificates.statements import Interrupted as Rested
from tests.support.runs import SMALL, Run, run_of
from tests.support.simulated_host import Lies
from wipers.care import Care, GivenUp, Guard, OpenGate
from wipers.course import chunks
from wipers.model import Lost
from wipers.pipeline import Chunk, Loop, Milestones, Pace, Unstopped
from wipers.progress import replay


class Clock:
    """Time that passes only while somebody waits, or so much at every look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self.step = step
        self.waited = 0
        self.at: dict[float, Callable[[], None]] = {}

    def __call__(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waited += 1
        for when in [when for when in self.at if when <= self.now]:
            self.at.pop(when)()


class Gate:
    """A gate that a person closes and opens."""

    def __init__(self) -> None:
        self.is_closed = False

    def is_paused(self) -> bool:
        return self.is_closed


class Watcher:
    """Sees what people see."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.done = 0

    def progressed(self, step: int, done: int, total: int) -> None:
        self.done = done

    def entered(self, state: str) -> None:
        self.states.append(state)


def notes(run: Run) -> list[str]:
    return [event.note for event in run.journal.events(Noted) if isinstance(event, Noted)]


def watched_run(care: Care | None = None, clock: Clock | None = None) -> tuple[Run, Clock, Gate, Watcher]:
    """A run over a small device whose time is a test's."""
    run, clock, gate, watcher = run_of(), clock or Clock(), Gate(), Watcher()
    run.pace = dataclasses.replace(SMALL, clock=clock, sleep=clock.sleep)
    run.ports |= {"care": care or Care(), "gate": gate, "observer": watcher}
    return run, clock, gate, watcher


def temperatures(clock: Clock, *pairs: tuple[float, int | None]) -> Callable[[], int | None]:
    """Degrees by time: each holds until the next."""

    def now() -> int | None:
        return [degrees for since, degrees in pairs if since <= clock.now][-1]

    return now


def test_a_hot_device_rests_until_it_is_five_degrees_cooler() -> None:
    """Two people erased their own disk after a test drive had vanished at 85 degrees."""
    run, clock, _, watcher = watched_run(Care(max_temperature=60))
    run.simulated.temperature = temperatures(clock, (0, 61), (100, 58), (200, 56), (300, 55))
    run.go()
    assert 300 <= clock.now < 320
    assert watcher.states[:2] == ["too-hot", "working"]
    assert notes(run)[:2] == ["rested at 61 degrees Celsius, the limit being 60", "went on"]
    assert run.claim.level is Level.CLEAR


def test_the_temperature_is_asked_for_now_and_then_and_only_where_a_rule_needs_it() -> None:
    """Each question is a command to the device."""
    asked: list[float] = []

    def ask(degrees: int) -> int:
        asked.append(clock.now)
        return degrees

    run, clock, *_ = watched_run(Care(max_temperature=60), Clock(step=1.0))
    run.simulated.temperature = lambda: ask(40)
    run.go()
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(asked) > 3
    assert sorted(gaps)[len(gaps) // 2] >= 15
    asked.clear()
    other, *_ = watched_run()
    other.simulated.temperature = lambda: ask(99)
    other.go()
    assert asked == []


def test_a_device_that_does_not_say_how_warm_it_is_is_not_waited_for() -> None:
    """Most bridges pass no such word."""
    run, clock, *_ = watched_run(Care(max_temperature=60))
    run.go()
    assert clock.waited == 0


def test_a_paused_run_has_flushed_and_journaled_and_writes_nothing() -> None:
    """Whoever pauses may pull the plug next."""
    run, clock, gate, watcher = watched_run()
    gate.is_closed = True
    seen: list[tuple[int, int]] = []

    def look() -> None:
        seen.append((len(run.simulated.asked), len(run.simulated.storage.dirty)))

    run.ports["observer"] = closes_at(gate, watcher, 5 * 4096)
    clock.at = {10.0: look, 50.0: look, 60.0: lambda: setattr(gate, "is_closed", False)}
    gate.is_closed = False
    run.go()
    assert seen == [(5, 0), (5, 0)]
    assert notes(run) == ["paused", "went on"]
    assert watcher.states[:2] == ["paused", "working"]
    assert replay(run.journal.entries).steps[0].position == 65536


def closes_at(gate: Gate, watcher: Watcher, position: int) -> Watcher:
    """Have the gate closed when the run comes there, once."""

    class Closing(Watcher):
        def progressed(self, step: int, done: int, total: int) -> None:
            if step == 0 and done == position:
                gate.is_closed = True

        def entered(self, state: str) -> None:
            watcher.states.append(state)

    return Closing()


class Flag:
    """A stop signal."""

    def __init__(self) -> None:
        self.is_up = False

    def is_set(self) -> bool:
        return self.is_up


def test_a_paused_run_stops_at_once() -> None:
    """Ctrl-C must not wait for whoever opens the gate again."""
    run, clock, gate, _ = watched_run()
    gate.is_closed = True
    flag = run.ports["stop"] = Flag()
    clock.at = {5.0: lambda: setattr(flag, "is_up", True)}
    with pytest.raises(Interrupted) as caught:
        run.go()
    assert caught.value.reason == "stopped"
    assert clock.now < 5.2
    assert run.simulated.asked == []


def test_a_slow_device_is_given_up_with_what_was_measured() -> None:
    """A drive at 30 kB/s drags the bus for months; people decide then, as the order says."""
    run, *_ = watched_run(Care(min_rate=1 << 20), Clock(step=2.0))
    run.ordered = dataclasses.replace(run.ordered, otherwise=Otherwise("physical-destruction", "shredder, hall 2"))
    with pytest.raises(Interrupted) as caught:
        run.go()
    facts = caught.value.facts
    assert caught.value.reason == "too-slow"
    assert int(str(facts["rate"])) < 1 << 20
    assert (facts["limit"], facts["otherwise"]) == (str(1 << 20), "physical-destruction (shredder, hall 2)")
    assert [event.reason for event in run.journal.events(Rested) if isinstance(event, Rested)] == ["too-slow"]
    done = replay(run.journal.entries).steps[0].position
    assert done == len(run.simulated.asked) * 4096
    assert not run.simulated.storage.dirty
    run.ports["care"] = Care()
    run.go()
    assert run.claim.level is Level.CLEAR


def test_a_pause_does_not_make_a_device_slow() -> None:
    """The rate counts from when the run goes on."""
    run, clock, gate, _ = watched_run(Care(min_rate=100), Clock(step=0.01))
    gate.is_closed = True
    clock.at = {5000.0: lambda: setattr(gate, "is_closed", False)}
    run.go()
    assert run.claim.level is Level.CLEAR


def test_a_device_that_fails_often_is_given_up() -> None:
    """It will not become better, and each attempt takes half a minute."""
    run, *_ = watched_run(Care(max_errors=4))
    run.simulated.lies = Lies(bad_writes={(0, sector): "EIO" for sector in range(0, 128, 8)})
    with pytest.raises(Interrupted) as caught:
        run.go()
    assert caught.value.reason == "too-many-errors"
    assert (caught.value.facts["errors"], caught.value.facts["limit"]) == ("5", "4")
    assert len(run.simulated.asked) == 5
    assert replay(run.journal.entries).steps[0].position == 5 * 4096


def test_a_device_that_cannot_be_read_is_given_up_as_well() -> None:
    """Reading a dying disk back takes as long as writing it."""
    run, *_ = watched_run(Care(max_errors=4))
    run.simulated.lies = Lies(bad_reads={(0, sector): "EIO" for sector in range(0, 128, 8)})
    with pytest.raises(Interrupted) as caught:
        run.go()
    assert caught.value.reason == "too-many-errors"
    assert len(run.evidence.records) == 1


def test_closing_in_on_bad_sectors_is_not_judged_by_its_speed() -> None:
    """It is slow by its nature, and bounded by patience of its own."""
    guard = Guard(Care(min_rate=1000, max_errors=0), gate=OpenGate(), temperature=lambda: None, clock=Clock(step=100))
    guard.calm().check(0, 1000)
    with pytest.raises(GivenUp):
        guard.check(0, 0)


FAST = Pace(chunk_size=10, threads=3, grace_seconds=0.2)


def hanging(at: int, gate: threading.Event) -> Callable[[Chunk], None]:
    def deed(chunk: Chunk) -> None:
        if chunk.position == at:
            gate.wait(20)

    return deed


@pytest.fixture
def awake() -> Iterator[threading.Event]:
    """Set when the hanging device answers at last."""
    event = threading.Event()
    yield event
    event.set()


def test_a_chunk_that_hangs_does_not_keep_a_stop_from_being_honoured(awake: threading.Event) -> None:
    """Other devices' runs wait for nothing of this one's."""
    flag = Flag()
    threading.Timer(0.1, lambda: setattr(flag, "is_up", True)).start()
    began = time.monotonic()
    with pytest.raises(Lost) as caught:
        Loop(FAST, flag).run(chunks([Extent(0, 0, 10**6)], 0, 10), 0, lambda: hanging(50, awake))
    assert caught.value.reason == "target-hangs"
    assert time.monotonic() - began < 15


def test_what_a_hanging_thread_does_later_is_not_told(awake: threading.Event) -> None:
    """The journal may belong to another process by then."""
    told: list[int] = []
    flushing = threading.Event()

    def flush() -> None:
        flushing.set()
        awake.wait(20)

    milestones = Milestones(dataclasses.replace(FAST, checkpoint_size=100), 0, told.append, flush)
    flag = Flag()

    def stop() -> None:
        flushing.wait(120)
        flag.is_up = True

    threading.Thread(target=stop).start()
    with pytest.raises(Lost):
        Loop(FAST, flag).run(chunks([Extent(0, 0, 10**6)], 0, 10), 0, lambda: lambda chunk: None, milestones)
    awake.set()
    waiting = [thread for thread in threading.enumerate() if thread.name.startswith("chunk-")]
    for thread in waiting:
        thread.join(120)
    assert told == []


def test_a_last_flush_that_hangs_is_left_behind_and_told_to_nobody(awake: threading.Event) -> None:
    """The chunks are home, and the device hangs in the barrier after them."""
    told: list[int] = []
    flag = Flag()

    def flush() -> None:
        flag.is_up = True
        awake.wait(20)

    milestones = Milestones(FAST, 0, told.append, flush)
    with pytest.raises(Lost) as caught:
        Loop(FAST, flag).end(milestones, 100)
    assert caught.value.reason == "target-hangs"
    awake.set()
    for thread in [thread for thread in threading.enumerate() if thread.name == "watched"]:
        thread.join(120)
    assert told == []


def test_a_run_on_a_hanging_device_is_interrupted_with_its_own_reason(awake: threading.Event) -> None:
    """So that a person restarts the device and not the program."""
    run = run_of()
    run.simulated.lies.hangs = {(0, 64): awake}
    run.pace = dataclasses.replace(SMALL, threads=3, grace_seconds=0.2)
    flag = run.ports["stop"] = Flag()
    threading.Timer(0.3, lambda: setattr(flag, "is_up", True)).start()
    with pytest.raises(Interrupted) as caught:
        run.go()
    assert caught.value.reason == "target-hangs"
    assert caught.value.facts["seconds"] == "0.2"


def test_several_threads_rest_together() -> None:
    """A pause holds when the last chunk in the air has landed, not when the first has."""
    gate, seen, begun = Gate(), [], []
    in_the_air = threading.Semaphore(0)
    left: list[int] = []

    def deed(chunk: Chunk) -> None:
        begun.append(chunk.position)
        time.sleep(0.3 if chunk.position == 110 else 0.001)
        seen.append(chunk.position)
        if chunk.position == 100:
            gate.is_closed = True
            in_the_air.release()

    told: list[str] = []

    def tell(state: str, _: str | None) -> None:
        told.append(state)
        if state == "paused":
            left.append(len(begun) - len(seen))

    guard = Guard(Care(), gate=gate, temperature=lambda: None, told=tell)
    loop = Loop(Pace(chunk_size=10, threads=4), Unstopped(), guard=guard)

    def open_later() -> None:
        in_the_air.acquire()
        while "paused" not in told:
            time.sleep(0.005)
        before = len(seen)
        time.sleep(0.1)
        told.append(f"{len(seen) - before} while paused")
        gate.is_closed = False

    threading.Thread(target=open_later).start()
    assert loop.run(chunks([Extent(0, 0, 5000)], 0, 10), 0, lambda: deed) == 5000
    assert told == ["paused", "0 while paused", "working"]
    assert left == [0]
    assert sorted(seen) == list(range(0, 5000, 10))
