"""`expunge status`: what runs, waits, is unproven, unsigned or unregistered."""

from __future__ import annotations

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("status")
@shared
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@click.option("--all", "everything", is_flag=True, help="Also runs that are finished and registered.")
@click.pass_obj
def command(screen: Screen, watch: bool, everything: bool) -> None:
    """Show how this host's runs stand: begun, interrupted, refused, not proven, unsigned, unregistered."""
    from agent.cli.standing import show_status, watch_status

    (watch_status if watch else show_status)(screen, is_all=everything)
