"""`expunge audit`: the whole verdict on bundles, offline."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("audit")
@shared
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@click.option(
    "--trust",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of trusted keyring roots and log keys; by default the site's trust.json, never one beside a bundle.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Device or image to read again and compare with its certificate.",
)
@click.pass_obj
def command(screen: Screen, paths: tuple[Path, ...], trust: Path | None, against: Path | None) -> None:
    """Judge bundles, a line a check; a folder is searched for bundles and journals.

    Exit 0: the documents hold and the claim is proven. 5: they hold, the claim is not reached or unknown. 7: a document
    does not hold.
    """
    from agent.cli.auditing import audit_paths

    click.get_current_context().exit(audit_paths(screen, paths, trust, against))
