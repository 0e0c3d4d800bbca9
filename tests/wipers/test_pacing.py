"""The pace: begun as the device likes it, tried on the real work, and never above the memory it began with."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from certificates.statements import ConstantPattern, Extent, KeystreamPattern, Pattern
from tests.support.simulated_host import Plug, Simulated, SimulatedWriter
from wipers import buffers, readback
from wipers import overwrite as overwriting
from wipers.buffers import Buffer
from wipers.course import Chunk, chunks
from wipers.model import Advice
from wipers.overwrite import overwrite
from wipers.pacing import Company, Pace, Pacer, Setting, suited
from wipers.pipeline import Loop, Unstopped
from wipers.readback import read_back_all

MIB = 1 << 20
START, SMALL, FEW = Setting(2 * MIB, 4), Setting(MIB, 4), Setting(2 * MIB, 2)


def settings_of(rates: Callable[[Setting, float], float], seconds: float) -> list[Setting]:
    """Drive a pacer over a device that is so fast under each setting, and return those it went through."""
    now = [0.0]
    pacer = Pacer(Pace(clock=lambda: now[0], trials=(SMALL, FEW)))
    seen = [pacer.current]
    while now[0] < seconds:
        now[0] += pacer.current.chunk_size / rates(pacer.current, now[0])
        pacer.done(pacer.current.chunk_size)
        if pacer.current != seen[-1]:
            seen.append(pacer.current)
    return seen


def test_each_setting_is_tried_and_the_fastest_is_kept() -> None:
    """No table knows every controller."""
    rates = {START: 100 * MIB, SMALL: 150 * MIB, FEW: 90 * MIB}
    assert settings_of(lambda setting, _: rates[setting], 600) == [START, SMALL, FEW, SMALL]


def test_the_start_is_kept_unless_another_is_clearly_faster() -> None:
    """A few percent are noise."""
    rates = {START: 100 * MIB, SMALL: 103 * MIB, FEW: 90 * MIB}
    assert settings_of(lambda setting, _: rates[setting], 600)[-1] == START


def test_trials_begin_anew_when_the_rate_halves() -> None:
    """A cache that is full, a neighbour that began: what was best then may not be best now."""

    def rate(setting: Setting, now: float) -> float:
        if now < 300:
            return {START: 200.0, SMALL: 100.0, FEW: 100.0}[setting] * MIB
        return {START: 50.0, SMALL: 40.0, FEW: 80.0}[setting] * MIB

    assert settings_of(rate, 900) == [START, SMALL, FEW, START, SMALL, FEW]


def test_trials_do_not_begin_anew_every_moment() -> None:
    """A device that comes and goes would be tried for ever."""
    wave = itertools.cycle([200.0] * 50 + [20.0] * 50)
    rounds = settings_of(lambda *_: next(wave) * MIB, 600)
    assert rounds.count(SMALL) <= 600 / 60 + 1


def test_a_short_pass_is_not_tried_at_all() -> None:
    """Trials cost what the slowest setting costs; a pass of seconds has nothing to win."""
    assert settings_of(lambda *_: 3000.0 * MIB, 2.9) == [START]


def test_with_one_thread_or_without_trials_the_pace_stays() -> None:
    """A test that is to be the same every time is."""
    for pace in (Pace(threads=1, trials=(SMALL,)), Pace()):
        seconds = itertools.count(0, 10)
        pacer = Pacer(Pace(pace.chunk_size, pace.threads, trials=pace.trials, clock=lambda: float(next(seconds))))  # noqa: B023
        for _ in range(100):
            pacer.done(pace.chunk_size)
        assert pacer.current == Setting(pace.chunk_size, pace.threads)


@pytest.mark.parametrize("optimal", [0, 512, 65536, 196608, 655360, 2 * MIB, 3 * MIB])
@pytest.mark.parametrize("is_rotational", [False, True])
def test_chunks_are_whole_stripes_and_trials_are_never_larger_than_the_start(optimal: int, is_rotational: bool) -> None:
    """A part of a stripe is read, changed and written; memory is bounded by the start alone."""
    pace = suited(Advice(optimal_size=optimal, is_rotational=is_rotational))
    for one in (Setting(pace.chunk_size, pace.threads), *pace.trials):
        assert one.chunk_size % 4096 == 0
        assert one.chunk_size <= pace.chunk_size <= 2 * MIB
        assert one.threads <= pace.threads <= 4
    if 512 < optimal <= MIB:
        assert pace.chunk_size % optimal == 0


def test_a_device_without_advice_begins_as_it_was_measured_best() -> None:
    """2 MiB and four in the air: docs/performance.md."""
    pace = suited(Advice())
    assert (pace.chunk_size, pace.threads) == (2 * MIB, 4)


@pytest.mark.parametrize("pattern", [ConstantPattern("5a"), KeystreamPattern("5a" * 32)], ids=["constant", "keystream"])
def test_a_device_takes_sixteen_mebibytes_of_buffers_at_most(pattern: Pattern, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty drives on a bench of 4 GiB: the promise is 64 MiB and 16 MiB a device."""
    held: list[int] = []

    class Counted(Buffer):
        def __init__(self, size: int) -> None:
            super().__init__(size)
            held.append(len(self.view))

    for module in (buffers, overwriting, readback):
        monkeypatch.setattr(module, "Buffer", Counted)
    simulated = Simulated(sizes=(16 * MIB,))
    writer = SimulatedWriter(simulated, Plug())
    pace = suited(writer.advice())
    loop = Loop(pace, Unstopped())
    overwrite(writer, [Extent(0, 0, 16 * MIB)], pattern, start=0, advance=lambda *_: None, loop=loop)
    assert 0 < sum(held) <= 16 * MIB
    held.clear()
    assert read_back_all(writer, [Extent(0, 0, 16 * MIB)], pattern, loop).matched == 16 * MIB
    assert 0 < sum(held) <= 16 * MIB


def test_fewer_threads_take_chunks_when_the_pace_says_so_and_all_are_done() -> None:
    """Those that wait come home with the others."""
    simulated = Simulated(sizes=(MIB,))
    writer = SimulatedWriter(simulated, Plug())
    loop = Loop(Pace(4096, 4), Unstopped())
    loop.pacer.current = Setting(512, 2)
    assert (
        overwrite(writer, [Extent(0, 0, MIB)], ConstantPattern("00"), start=0, advance=lambda *_: None, loop=loop)
        == MIB
    )
    assert simulated.storage.durable[0] == bytes(MIB)
    assert len(simulated.asked) == MIB // 512


def test_the_more_devices_are_at_work_the_fewer_threads_each_has_and_more_again_as_others_end() -> None:
    """Sixteen devices with four threads each wait for two cores and one lock: half the rate of one thread each."""
    company = Company(cores=2)
    pacer = Pacer(Pace(company=company))
    with company.joined():
        assert pacer.threads == 4
        with company.joined():
            assert pacer.threads == 2
            with ExitStack() as others:
                for _ in range(14):
                    others.enter_context(company.joined())
                assert pacer.threads == 1
        assert pacer.threads == 4


def test_loops_count_themselves() -> None:
    """Whoever runs several devices has to do nothing for it."""
    company, seen, all_there = Company(cores=1), set(), threading.Event()
    other = company.joined()

    def deed(chunk: Chunk) -> None:
        seen.add(threading.current_thread().name)
        if len(seen) == 4:
            all_there.set()
        all_there.wait(120)

    def run() -> int:
        return Loop(Pace(16, 4, company=company), Unstopped()).run(chunks([Extent(0, 0, 1600)], 0, 16), 0, lambda: deed)

    assert run() == 1600
    assert len(seen) == 4
    seen.clear()
    with other:
        assert run() == 1600
    assert seen == {"chunk-0"}


def test_devices_that_are_given_the_same_byte_share_one_buffer_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen of them filled 128 MiB before the first byte was written, which a short pass never made good."""
    made: list[int] = []

    class Counted(Buffer):
        def __init__(self, size: int) -> None:
            super().__init__(size)
            made.append(size)

    monkeypatch.setattr(buffers, "Buffer", Counted)
    company, writers = Company(cores=2), [SimulatedWriter(Simulated(sizes=(4 * MIB,)), Plug()) for _ in range(4)]

    def work(writer: SimulatedWriter) -> None:
        loop = Loop(Pace(company=company), Unstopped())
        overwrite(writer, [Extent(0, 0, 4 * MIB)], ConstantPattern("a7"), start=0, advance=lambda *_: None, loop=loop)

    kept = buffers.full_of(0xA7, 2 * MIB)
    team = [threading.Thread(target=work, args=(writer,)) for writer in writers]
    for member in team:
        member.start()
    for member in team:
        member.join()
    assert made == [2 * MIB]
    assert bytes(kept.view[:2]) == b"\xa7\xa7"


def test_memory_that_others_share_cannot_be_written_to() -> None:
    """One that did would change what every other device is given."""
    shared = buffers.full_of(0x5A, 4096)
    assert shared is buffers.full_of(0x5A, 4096)
    assert shared is not buffers.full_of(0x5B, 4096)
    with pytest.raises(TypeError):
        shared.view[0] = 0


def test_a_thread_that_has_no_room_is_neither_made_nor_given_buffers() -> None:
    """In company, three of four threads only waited, each with its two mebibytes."""
    company, made = Company(cores=1), []

    def make_deed() -> Callable[[Chunk], None]:
        made.append(threading.current_thread().name)
        return lambda chunk: None

    with company.joined():
        loop = Loop(Pace(16, 4, company=company), Unstopped())
        assert loop.run(chunks([Extent(0, 0, 1600)], 0, 16), 0, make_deed) == 1600
    assert made == ["chunk-0"]


def test_threads_join_in_as_soon_as_the_company_leaves_room() -> None:
    """The last large disk of a bench must not crawl on one thread because it began in company."""
    company, seen, all_there = Company(cores=1), set(), threading.Event()

    with ExitStack() as other:
        other.enter_context(company.joined())

        def deed(chunk: Chunk) -> None:
            seen.add(threading.current_thread().name)
            if chunk.position == 160:
                other.close()
            if len(seen) == 4:
                all_there.set()
            if chunk.position > 160:
                all_there.wait(120)

        loop = Loop(Pace(16, 4, company=company), Unstopped())
        assert loop.run(chunks([Extent(0, 0, 1600)], 0, 16), 0, lambda: deed) == 1600
    assert len(seen) == 4
