"""How runs stand, for people and programs."""

from __future__ import annotations

import time

import click

from agent.cli.desk import site_of
from agent.cli.progress import percent_of
from agent.cli.screen import Screen
from agent.cli.sheets import local, table
from agent.site import Site
from agent.standing import Standing, State, standings
from certificates.encoding import format_time
from certificates.render.words import term
from certificates.statements import Outcome

INTERVAL = 2.0
"""Seconds between two looks."""
DONE = (State.REGISTERED, State.REFUSED)


def show_status(screen: Screen, *, is_all: bool) -> None:
    """Print how the runs stand; finished ones only on request, unless they are not proven."""
    _show(screen, site_of(screen), is_all=is_all)


def watch_status(screen: Screen, *, is_all: bool) -> None:
    """Print it again and again, until a person stops it."""
    site = site_of(screen)
    try:
        while True:
            if not screen.as_json:
                click.clear()
            _show(screen, site, is_all=is_all)
            time.sleep(INTERVAL)
    except KeyboardInterrupt:
        return


def _show(screen: Screen, site: Site, *, is_all: bool) -> None:
    found = [one for one in standings(site) if is_all or _is_open(one)]
    switch = site.state / site.config.kill_switch
    stopped = ["▲ " + screen.word("status.kill-switch", where=switch)] if switch.exists() else []
    headings = tuple(
        screen.word(key)
        for key in ("status.run", "carrier", "status.state", "status.done", "outcome", "time", "status.detail")
    )
    lines = table(headings, (_row(screen, one) for one in found)) if found else [screen.word("status.nothing")]
    tree = {"kill_switch": switch.exists(), "runs": [_tree(one) for one in found]}
    screen.show("\n".join([*stopped, *lines]), tree)


def _is_open(one: Standing) -> bool:
    is_unproven = one.claim is not None and one.claim.outcome is not Outcome.PROVEN
    return one.state not in DONE or (is_unproven and not one.is_validated)


def _row(screen: Screen, one: Standing) -> tuple[str, ...]:
    outcome = term("outcome", one.claim.outcome.value, screen.language) if one.claim else ""
    return (
        f"{one.sequence:08d}",
        one.carrier or "-",
        screen.word(f"state.{one.state.value}"),
        f"{percent_of(one.position, one.size)} %" if one.position is not None and one.size is not None else "",
        outcome,
        local(one.at),
        one.detail,
    )


def _tree(one: Standing) -> dict[str, object]:
    return {
        "sequence": one.sequence,
        "carrier": one.carrier,
        "state": one.state.value,
        "at": format_time(one.at),
        "detail": one.detail,
        "outcome": one.claim.outcome.value if one.claim else None,
        "level": one.claim.level.value if one.claim and one.claim.level else None,
        "validated": one.is_validated,
        "going": one.is_going,
        "position": one.position,
        "size": one.size,
    }
