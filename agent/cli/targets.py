"""`expunge targets`: what this host has that can be destroyed."""

from __future__ import annotations

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("targets")
@shared
@click.pass_obj
def command(screen: Screen) -> None:
    """List the devices of this host: identity, size, medium, who uses them, and what levels are reachable.

    Reads only, and needs no site. Files, images and databases are found by orders, not listed.
    """
    from agent.cli.catalogue import list_targets, target_sheet, target_trees

    found = list_targets()
    screen.show("\n".join(target_sheet(screen, found)), target_trees(found))
