"""`expunge keyring sign`: a keeper's signature."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli import keyrings
from agent.cli.options import keys, shared
from agent.cli.screen import Screen


@click.command("sign")
@shared
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--after",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="The chain before this version: its files in order, or their folder.",
)
@keys
@click.pass_obj
def command(screen: Screen, file: Path, after: tuple[Path, ...], key_files: tuple[str, ...]) -> None:
    """Add the signatures of keepers to the keyring in FILE."""
    keyrings.sign(screen, file, key_files, previous=after)
