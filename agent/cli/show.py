"""`expunge show`: any document in human form."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("show")
@shared
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--keyring",
    "keyrings",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Keyring to check signatures by: its files in order, or their folder; by default the site's.",
)
@click.pass_obj
def command(screen: Screen, file: Path, keyrings: tuple[Path, ...]) -> None:
    """Show what FILE is and says, who signed it, and what is missing.

    Takes a key, keyring, order, selector, start, certificate, validation, hold, receipt, journal or bundle.
    """
    from agent.cli.showing import show
    from agent.files import read_file
    from agent.reading import MOST, read_document

    show(screen, read_document(file.name, read_file(file, MOST)), file, keyrings)
