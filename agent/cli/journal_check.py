"""`expunge journal check`: does a journal's chain hold."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("check")
@shared
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, required=True)
@click.pass_obj
def command(screen: Screen, files: tuple[Path, ...]) -> None:
    """Check that every line of each journal in FILES follows from the one before, and each file from the last."""
    from agent.cli.journals import check

    check(screen, files)
