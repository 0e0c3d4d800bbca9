"""`expunge keyring new`: the first keyring, from TOML."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli import keyrings
from agent.cli.options import keys, output, shared
from agent.cli.screen import Screen


@click.command("new")
@shared
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@output
@keys
@click.pass_obj
def command(screen: Screen, file: Path, output: str, key_files: tuple[str, ...]) -> None:
    """Make version 1 of a keyring from the TOML in FILE, signed by one or more keepers.

    Its digest is the root of trust: root writes it into config.toml. Keepers who are not at hand add their
    signatures with 'expunge keyring sign'.
    """
    keyrings.make(screen, file, Path(output), key_files, previous=())
