"""`expunge fetch`: orders, holds and keyrings from the registry."""

from __future__ import annotations

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("fetch")
@shared
@click.pass_obj
def command(screen: Screen) -> None:
    """Take the hold state and this host's orders from the registry.

    The registry can deliver an order and stop one; it can neither make nor start one.
    """
    from agent.cli.carriage import fetch_all

    fetch_all(screen)
