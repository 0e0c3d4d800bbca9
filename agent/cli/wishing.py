"""Pausing and cancelling, for people and programs."""

from __future__ import annotations

from agent import wishes
from agent.cli.desk import site_of
from agent.cli.screen import Screen
from agent.journal import Journal


def pause_runs(screen: Screen, named: str | None) -> None:
    """Let runs wait; say which."""
    _tell(screen, "wish.paused", wishes.pause(site_of(screen), named))


def lift_pause(screen: Screen, named: str | None) -> None:
    """Let paused runs go on; say which."""
    _tell(screen, "wish.lifted", wishes.lift(site_of(screen), named))


def cancel_runs(screen: Screen, named: str | None) -> None:
    """Ask runs that go on to end; say which."""
    _tell(screen, "wish.cancelled", wishes.cancel(site_of(screen), named))


def _tell(screen: Screen, key: str, journals: tuple[Journal, ...]) -> None:
    which = [(one.opened.sequence, one.opened.carrier or "?") for one in journals]
    lines = [screen.word(key, number=f"{number:08d}", carrier=carrier) for number, carrier in which]
    screen.show("\n".join(lines), [{"sequence": number, "carrier": carrier} for number, carrier in which])
