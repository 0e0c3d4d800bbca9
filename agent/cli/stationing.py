"""A wiping bench as a person meets it: a table of bays and a line to type on; one line an event without a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.bays import Bay, BayState
from agent.carrying import Hands
from agent.cli.desk import signer_of, site_of
from agent.cli.exits import sentence
from agent.cli.picture import Picture
from agent.cli.planning import read_chosen
from agent.cli.progress import Lines, drawing, end_text
from agent.cli.running import stopping, tell_results
from agent.cli.screen import Screen
from agent.cli.sheets import masked, size_text
from agent.files import read_file
from agent.gauge import Board
from agent.site import Site
from agent.station import Orders, Station
from agent.workflow import Chosen, names_of
from certificates.envelope import MIB
from certificates.errors import Failure, Refused

TICK = 0.2
"""Seconds between two looks at what was typed, what runs report and what was plugged in."""


def run_station(screen: Screen, orders: Sequence[Path], key_file: str, given: dict[str, Any]) -> int:
    """Wait for the disks that open orders name and destroy each once confirmed; return the exit code of all runs."""
    site, signer = site_of(screen), signer_of(screen, key_file)
    source = _orders(site, orders)
    has_table = sys.stdin.isatty() and sys.stderr.isatty() and not screen.is_quiet
    lines = Lines(screen)
    board = Board() if has_table else lines.board
    with stopping() as stop:
        hands = Hands(signer, board if has_table else lines, stop)
        tell = (lambda bay: None) if has_table else (lambda bay: screen.tell(event_text(screen, bay)))
        station = Station(site, source, signer, hands, tell=tell, confirmed=given["confirmed"])
        with _surface(screen, station, board, lines) as picture:
            while not stop.is_set() and not station.is_over:
                station.step()
                picture.hear(TICK)
            station.end()
            picture.draw()
    if station.is_over and not station.has_waited:
        raise Refused("station-idle")
    return tell_results(screen, site, station.results)


def _orders(site: Site, given: Sequence[Path]) -> Orders:
    """Return what reads the orders named, or else all that this site has taken in, as they are when it is called."""
    named = tuple(replace(read_chosen(path, ()), carriers=()) for path in given)

    def read() -> Iterator[Chosen]:
        yield from named
        for path in () if given else sorted((site.state / "orders").glob("*.dsse.json")):
            yield Chosen(read_file(path, MIB), {})

    return read


@contextmanager
def _surface(screen: Screen, station: Station, board: Board, lines: Lines) -> Iterator[Any]:
    """Yield what shows the bench and hears what is typed."""
    if board is lines.board:
        quiet: AbstractContextManager[None] = nullcontext() if screen.is_quiet else drawing(lines)
        with quiet:
            yield Deaf()
    else:
        with Picture(screen, station, board) as picture:
            yield picture


class Deaf:
    """Nobody types."""

    def hear(self, seconds: float) -> None:
        """Wait so long."""
        time.sleep(seconds)

    def draw(self) -> None:
        """Nothing is drawn."""


def event_text(screen: Screen, bay: Bay) -> str:
    """Return what became of a bay, in a line: bay, node, carrier, serial masked, state, reason or result."""
    parts = [bay.name, bay.target.location, *_who(bay), size_text(bay.target.size), bay_state(screen, bay)]
    return "  ".join(part for part in parts if part)


def _who(bay: Bay) -> tuple[str, ...]:
    if bay.job is None:
        return ()
    return bay.job.carrier.id, bay.job.order_id, masked(names_of(bay.job.carrier)[-1])


def bay_state(screen: Screen, bay: Bay) -> str:
    """Return what a bay is at, in words, with the reason or the result."""
    if not bay.is_present and bay.state is not BayState.ENDED:
        return screen.word("bay.unplugged")
    if bay.result is not None and bay.state is BayState.ENDED:
        told = bay.result.failure
        return end_text(screen, bay.result) + (f"  {sentence(told, screen)}" if isinstance(told, Failure) else "")
    if bay.state is BayState.REFUSED:
        why = bay.failure
        return sentence(why, screen) if isinstance(why, Failure) else f"{type(why).__name__}: {why}"
    return screen.word(f"bay.{bay.state.value}")
