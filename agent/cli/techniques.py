"""`expunge techniques`: every row of the technique table."""

from __future__ import annotations

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("techniques")
@shared
@click.pass_obj
def command(screen: Screen) -> None:
    """List every technique: what it writes, where it comes from, and what level it could reach on which medium."""
    from agent.cli.catalogue import technique_sheet, technique_trees

    screen.show("\n".join(technique_sheet(screen)), technique_trees())
