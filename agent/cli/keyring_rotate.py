"""`expunge keyring rotate`: the next keyring, from TOML."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli import keyrings
from agent.cli.options import keys, output, shared
from agent.cli.screen import Screen


@click.command("rotate")
@shared
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--after",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    required=True,
    help="The chain so far: its files in order, or their folder.",
)
@output
@keys
@click.pass_obj
def command(screen: Screen, file: Path, after: tuple[Path, ...], output: str, key_files: tuple[str, ...]) -> None:
    """Make the next version of a keyring from the whole TOML in FILE.

    It needs the keepers of the version before and its own.
    """
    keyrings.make(screen, file, Path(output), key_files, previous=after)
