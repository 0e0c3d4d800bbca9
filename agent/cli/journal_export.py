"""`expunge journal export`: journals for another program."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("export")
@shared
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1)
@click.option("--format", "form", type=click.Choice(["jsonl"]), default="jsonl", show_default=True, help="Form.")
@click.pass_obj
def command(screen: Screen, files: tuple[Path, ...], form: str) -> None:
    """Write the entries of journals to stdout, one JSON object a line, once their chains hold.

    Without FILES: all journals of the site, in order.
    """
    from agent.cli.journals import export

    export(screen, files)
