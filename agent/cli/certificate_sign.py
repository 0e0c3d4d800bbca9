"""`expunge certificate sign`: executor and witnesses sign the fixed bytes."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import keys, shared
from agent.cli.screen import Screen


@click.command("sign")
@shared
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1)
@click.option("--waiting", is_flag=True, help="Sign all that waits in the site's outbox.")
@keys
@click.option(
    "--keyring",
    "keyrings",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Keyring to check the key against: its files in order, or their folder; by default the site's.",
)
@click.pass_obj
def command(
    screen: Screen, files: tuple[Path, ...], waiting: bool, key_files: tuple[str, ...], keyrings: tuple[Path, ...]
) -> None:
    """Add signatures to certificates: FILES, or all that wait in the outbox.

    Executor and witnesses sign the same bytes, now or later, here or elsewhere. What is being signed is shown first.
    """
    from agent.cli import signing_desk

    signing_desk.sign(screen, files, waiting, key_files, keyrings)
