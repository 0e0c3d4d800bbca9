"""The bench on a terminal: the table of bays, drawn again and again, and a line on which labels are typed."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from agent.bays import Bay, BayState
from agent.cli.progress import end_text, left_text, percent_of, speed_text, state_text
from agent.cli.screen import Screen
from agent.cli.sheets import masked, size_text
from agent.gauge import Board, Gauge
from agent.station import Station
from agent.workflow import names_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

BACKSPACE, ENTER = ("\x7f", "\b"), ("\r", "\n")
HEADINGS = ("bay", "bay.node", "carrier", "bay.serial", "bay.size", "status.state", "status.done", "bay.rate")


class Picture:
    """A table on stderr; what is typed is read letter by letter, so that drawing does not tear it apart."""

    def __init__(self, screen: Screen, station: Station, board: Board) -> None:
        """Take what is shown, and the station that hears what is typed."""
        self._screen, self._station, self._board = screen, station, board
        self._typed = ""
        self._note = ""
        self._live: Live | None = None
        self._before: list[Any] = []

    def __enter__(self) -> Picture:
        from rich.console import Console
        from rich.live import Live

        self._before = termios.tcgetattr(sys.stdin.fileno())
        # Letter by letter and without echo; Ctrl-C stays the signal that it is.
        tty.setcbreak(sys.stdin.fileno())
        self._live = Live(self._render(), console=Console(stderr=True), auto_refresh=False, transient=False)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A terminal that was closed must not change how runs are told to have ended.
        with suppress(OSError):
            if self._live is not None:
                self._live.stop()
        with suppress(OSError, termios.error):
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before)

    def hear(self, seconds: float) -> None:
        """Draw, wait so long for something typed, and pass on a line that is complete."""
        self.draw()
        for letter in _letters(seconds):
            if letter in ENTER:
                self._say(self._typed)
                self._typed = ""
            elif letter in BACKSPACE:
                self._typed = self._typed[:-1]
            elif letter.isprintable():
                self._typed += letter

    def draw(self) -> None:
        """Show how all stands now."""
        with suppress(OSError):
            if self._live is not None:
                self._live.update(self._render(), refresh=True)

    def _say(self, text: str) -> None:
        if not text.strip():
            return
        found = self._station.say(text)
        key = "station.started" if len(found) == 1 else "station.several" if found else "station.unknown"
        bays = ", ".join(bay.name for bay in found)
        self._note = self._screen.word(key, text=masked(text.strip()), bays=bays)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        lines = [line for line in (self._trouble(), self._note) if line]
        asked = f"{self._screen.word('station.ask')} {self._typed}"
        return Group(self._table(), *(Text(line) for line in lines), Text(asked))

    def _trouble(self) -> str:
        trouble = self._station.trouble
        return f"▲ {trouble.tell(self._screen.language)}" if trouble is not None else ""

    def _table(self) -> Table:
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
        for key in HEADINGS:
            table.add_column(self._screen.word(key), no_wrap=key != "status.state", overflow="ellipsis")
        for bay in self._station.shown:
            table.add_row(*self._row(bay))
        return table

    def _row(self, bay: Bay) -> tuple[str, ...]:
        gauge = self._board.gauge(bay.sequence) if bay.sequence is not None else None
        carrier = f"{bay.job.carrier.id} ({bay.job.order_id})" if bay.job else "-"
        serial = masked(names_of(bay.job.carrier)[-1]) if bay.job else ""
        node = bay.target.location.rpartition("/")[2]
        return (
            bay.name,
            node,
            carrier,
            serial,
            size_text(bay.target.size),
            self._state(bay, gauge),
            *_amounts(self._screen, bay, gauge),
        )

    def _state(self, bay: Bay, gauge: Gauge | None) -> str:
        if bay.result is not None and bay.state is BayState.ENDED:
            return end_text(self._screen, bay.result)
        if bay.state is BayState.REFUSED:
            return "▲ " + (bay.reason or type(bay.failure).__name__)
        if gauge is not None and bay.state is BayState.GOING and (told := state_text(self._screen, gauge.state)):
            return told
        return self._screen.word(f"bay.{bay.state.value}")


def _amounts(screen: Screen, bay: Bay, gauge: Gauge | None) -> tuple[str, str]:
    """Return how far a run is, and how fast it goes and how long it still takes."""
    if gauge is None:
        return "", ""
    done = f"{percent_of(gauge.position, gauge.size)} %"
    if bay.state is not BayState.GOING:
        return done, ""
    return done, f"{speed_text(gauge.rate)}  {left_text(screen, gauge.seconds_left)}"


def _letters(seconds: float) -> str:
    """Return what was typed by then; nothing from a terminal that was closed."""
    descriptor = sys.stdin.fileno()
    try:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return os.read(descriptor, 1024).decode("utf-8", "ignore") if ready else ""
    except (OSError, ValueError):
        return ""
