"""`expunge import`: documents from a medium."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("import")
@shared
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, required=True)
@click.pass_obj
def command(screen: Screen, files: tuple[Path, ...]) -> None:
    """Take in FILES: keyrings, hold states, holds, orders and receipts, each checked as if the registry had sent it.

    Keyrings are taken first, in order of their versions; receipts go to the certificates that wait for them. Nothing
    is started.
    """
    from agent.cli.carriage import take_in_files

    take_in_files(screen, files)
