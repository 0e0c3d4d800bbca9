"""`expunge submit`: hand in what waits in the outbox."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("submit")
@shared
@click.option(
    "--export",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the bundles that wait here, for carriage to the registry, instead.",
)
@click.pass_obj
def command(screen: Screen, folder: Path | None) -> None:
    """Hand in the certificates that wait in the outbox, and file their receipts once they hold.

    Exit 6 while any still waits. At a site with 'offline = true', exported is done: exit 0.
    """
    from agent.cli.carriage import export, submit

    click.get_current_context().exit(export(screen, folder) if folder else submit(screen))
