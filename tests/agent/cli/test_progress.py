"""People see how far it is; signals end a run where the journal knows."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.carrying import Result
from agent.cli import exits
from agent.cli.progress import Bars, Lines, observe
from agent.cli.running import SIGNALS, ask, stopping
from agent.cli.screen import Screen
from agent.cli.sheets import masked, size_text
from certificates.errors import Interrupted
from certificates.statements import ConstantByte, Fact, FullVerification, Level, Media, Method
from tests.support import world
from wipers.model import Overwrite, Plan, ReadBack, Target

PLAN = Plan(
    order="sha256:" + "0" * 64,
    carrier="C-1",
    kind="device",
    level=Level.CLEAR,
    technique="zeros-1",
    method=Method.DEVICE_OVERWRITE,
    media=Media.MAGNETIC,
    size=1_000_000,
    header_size=0,
    sector_size=512,
    objects=1,
    facts=(Fact("serial", "S"),),
    steps=(Overwrite("whole", ConstantByte("00")), ReadBack("whole", 0, FullVerification())),
    residual=(),
)


TARGET = Target("device", "/dev/sdz", (), "S", Media.MAGNETIC, 1_000_000, 0, 512, 1)


@contextmanager
def redirected_stdin(typed: Any) -> Iterator[None]:
    """What is read from the terminal comes from here."""
    before, sys.stdin = sys.stdin, typed
    try:
        yield
    finally:
        sys.stdin = before


class Ticking:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def ended(sequence: int) -> Result:
    """A run that was stopped."""
    return Result(f"C-{sequence}", sequence, None, None, Interrupted("stopped", by="signal"))


def test_without_a_terminal_there_is_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """A log of a night's run stays readable."""
    clock = Ticking()
    lines = Lines(Screen(language="en"), clock)
    gauge = lines.of(1, "C-1", PLAN)
    for second in range(150):
        clock.now = float(second)
        gauge.progressed(0, second * 1000, 1_000_000)
        lines.draw()
    gauge.progressed(0, 1_000_000, 1_000_000)
    gauge.progressed(1, 0, 1_000_000)
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 5
    assert "C-1  2 read everything back  0 %" in told.err
    assert "1 kB/s" in told.err.splitlines()[1]


def test_a_silent_device_has_its_line_too_and_all_have_one_together(capsys: pytest.CaptureFixture[str]) -> None:
    """A drive that hangs calls nobody back; and every one is told as soon as it ends."""
    clock = Ticking()
    lines = Lines(Screen(language="en"), clock)
    for sequence in (1, 2, 3):
        lines.of(sequence, f"C-{sequence}", PLAN).progressed(0, 500_000, 1_000_000)
    lines.ended(ended(3))
    clock.now = 60.0
    lines.draw()
    told = capsys.readouterr().err.splitlines()
    assert told[3:] == [
        "C-3  ended  [exit 4]",
        "C-1  1 overwrite everything with 0x00  50 %  500 kB / 1 MB",
        "C-2  1 overwrite everything with 0x00  50 %  500 kB / 1 MB",
        "All together, 1 of 3 ended  25 %  1.5 MB / 6 MB  0 B/s  -",
    ]


def test_a_change_of_state_is_told_at_once_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody has to open a window, and not only after the minute."""
    for language in ("en", "zh"):
        gauge = Lines(Screen(language=language), Ticking()).of(1, "C-1", PLAN)
        gauge.progressed(0, 1, 1_000_000)
        for state in ("too-hot", "too-hot", "working", "humming"):
            gauge.entered(state)  # type: ignore[attr-defined]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 8
    assert told[1].endswith("too hot, waits")
    assert told[3].endswith("humming")
    assert told[5].endswith("温度过高，等待降温")


def test_bars_are_drawn_a_device_each_and_one_for_all() -> None:
    """On a terminal."""
    from rich.progress import Progress

    display = Progress(disable=True)
    bars = Bars(Screen(language="en"), display)
    bars.draw()
    assert display.tasks == []
    one, other = bars.of(1, "C-1", PLAN), bars.of(2, "C-2", PLAN)
    one.progressed(0, 10, 1_000_000)
    other.progressed(1, 500_000, 1_000_000)
    bars.ended(ended(1))
    assert [(task.completed, task.total) for task in display.tasks] == [
        (10, 2_000_000),
        (1_500_000, 2_000_000),
        (1_500_010, 4_000_000),
    ]
    assert display.tasks[0].fields["left"] == "ended  [exit 4]"
    assert display.tasks[2].description == "All together, 1 of 2 ended"


def test_quiet_has_no_watch() -> None:
    """Nothing is drawn for a script."""
    with observe(Screen(language="en", is_quiet=True)) as watch:
        assert watch is None


@pytest.mark.parametrize("sent", SIGNALS)
def test_a_signal_asks_the_run_to_end_and_kills_nothing(sent: signal.Signals) -> None:
    """The chunks in the air are finished and journaled; afterwards signals mean what they meant before."""
    before = signal.getsignal(sent)
    with stopping() as stop:
        os.kill(os.getpid(), sent)
        assert stop.wait(120)
    assert signal.getsignal(sent) is before


def test_a_closed_terminal_does_not_change_how_a_run_is_told_to_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs out in the night finds the right exit in his log in the morning."""

    class Dead:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def flush(self) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, Dead())
    screen = Screen(language="en")
    with observe(screen) as watch:
        assert isinstance(watch, Bars)
        watch.of(1, "C-1", PLAN).progressed(0, 1, 2)
        with suppress(OSError):
            watch.draw()
    screen.tell("somebody there?")
    screen.show("ended", {})
    assert exits.report(Interrupted("stopped", by="signal"), screen) == 4


def test_a_signal_at_the_question_ends_it_with_nothing_said() -> None:
    """Whoever presses Ctrl-C there has not confirmed: the run is refused, and nothing is left half begun."""
    screen = Screen(language="en")
    one = SimpleNamespace(warrant=SimpleNamespace(carrier=world.carrier()), target=TARGET, plan=PLAN)

    class Hurried:
        def isatty(self) -> bool:
            return True

        def readline(self, *_: object) -> str:
            os.kill(os.getpid(), signal.SIGINT)
            return "ZC-2019-00431-D1\n"

    with stopping() as stop, redirected_stdin(Hurried()):
        assert ask(screen, cast(Any, one), ()) == ""
        assert not stop.is_set()


@pytest.mark.parametrize(
    ("text", "shown"), [("ZC-2019-00431", "•••••••••••31"), ("ABC", "•••"), ("ABCDEF", "••••EF"), ("", "")]
)
def test_a_label_is_shown_masked(text: str, shown: str) -> None:
    """It is to be read from the object, not from the screen."""
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_020_000_000_000, "1.02 TB"), (67_108_864, "67.1 MB")],
)
def test_sizes_are_told_as_people_say_them(size: int, text: str) -> None:
    """With units."""
    assert size_text(size) == text
