"""`expunge hold list`: the holds that this site knows."""

from __future__ import annotations

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("list")
@shared
@click.pass_obj
def command(screen: Screen) -> None:
    """List the holds in force as this site knows them."""
    from agent.cli import holds

    holds.show(screen)
