"""`expunge keyring check`: does a chain of keyrings hold."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli import keyrings
from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("check")
@shared
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@click.option("--root", help="Digest of version 1 that is trusted; by default the first file's own.")
@click.pass_obj
def command(screen: Screen, paths: tuple[Path, ...], root: str | None) -> None:
    """Check that each keyring in PATHS (files in order, or their folder) follows from the one before."""
    keyrings.check(screen, paths, root)
