"""How far, how fast, how long still: measured, never made up."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agent.carrying import Result
from agent.gauge import Board, total_of
from tests.agent.cli.test_progress import PLAN


@dataclass
class Ticking:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_is_measured_and_falls_while_nothing_moves() -> None:
    """A drive that hangs must not go on looking fast."""
    clock = Ticking()
    gauge = Board(clock).of(1, "C-1", PLAN)
    assert gauge.rate == 0.0
    assert gauge.seconds_left is None
    for second in range(11):
        clock.now = float(second)
        gauge.progressed(0, second * 10_000, 1_000_000)
    assert gauge.rate == pytest.approx(10_000)
    assert gauge.seconds_left == pytest.approx(190)
    clock.now = 100.0
    assert gauge.rate == pytest.approx(1_000)


def test_what_was_done_before_a_resume_does_not_count_as_speed() -> None:
    """The first thing that a resumed run tells is where it stands."""
    clock = Ticking()
    gauge = Board(clock).of(1, "C-1", PLAN)
    gauge.progressed(0, 900_000, 1_000_000)
    clock.now = 1.0
    gauge.progressed(0, 901_000, 1_000_000)
    assert gauge.rate == pytest.approx(1_000)


def test_a_check_that_begins_again_begins_a_new_rate() -> None:
    """A speed below zero helps nobody."""
    clock = Ticking()
    gauge = Board(clock).of(1, "C-1", PLAN)
    gauge.progressed(1, 900_000, 1_000_000)
    clock.now = 5.0
    gauge.progressed(1, 0, 1_000_000)
    clock.now = 6.0
    gauge.progressed(1, 5_000, 1_000_000)
    assert gauge.rate == pytest.approx(5_000)


def test_all_take_as_long_as_the_slowest() -> None:
    """The sum of rates says nothing about the drive at 30 kB/s."""
    clock = Ticking()
    board = Board(clock)
    fast, slow = board.of(1, "C-1", PLAN), board.of(2, "C-2", PLAN)
    for gauge in (fast, slow):
        gauge.progressed(0, 0, 1_000_000)
    clock.now = 10.0
    fast.progressed(0, 500_000, 1_000_000)
    slow.progressed(0, 1_000, 1_000_000)
    total = total_of(board.gauges)
    assert total.rate == pytest.approx(50_100)
    assert total.seconds_left == pytest.approx(19_990)
    assert (total.runs, total.ended, total.position, total.size) == (2, 0, 501_000, 4_000_000)


def test_runs_that_wait_for_their_turn_count_in_what_is_left() -> None:
    """With --at-once the end is not near when the first ones are."""
    clock = Ticking()
    board = Board(clock)
    going, _ = board.of(1, "C-1", PLAN), board.of(2, "C-2", PLAN)
    going.progressed(0, 0, 1_000_000)
    clock.now = 10.0
    going.progressed(0, 1_000_000, 1_000_000)
    assert total_of(board.gauges).seconds_left == pytest.approx(30)


def test_nobody_knows_when_all_end_while_one_does_not_move() -> None:
    """And when all have ended, nothing is left."""
    clock = Ticking()
    board = Board(clock)
    board.of(1, "C-1", PLAN).progressed(0, 0, 1_000_000)
    clock.now = 10.0
    assert total_of(board.gauges).seconds_left is None
    board.ended(Result("C-1", 1, None, None, None))
    assert total_of(board.gauges).seconds_left == 0.0
