"""`expunge order sign`: one more signature on an order."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import keys, shared
from agent.cli.screen import Screen


@click.command("sign")
@shared
@click.argument("order", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@keys
@click.option(
    "--keyring",
    "keyrings",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Keyring to check the key against: its files in order, or their folder; by default the site's.",
)
@click.pass_obj
def command(screen: Screen, order: Path, key_files: tuple[str, ...], keyrings: tuple[Path, ...]) -> None:
    """Add a signature to ORDER, in the role that the order gives its signer.

    What is being signed is shown first. A key that does not speak in this order is refused, where a keyring is at hand
    to tell.
    """
    from agent.cli import orders

    orders.sign(screen, order, key_files, keyrings)
