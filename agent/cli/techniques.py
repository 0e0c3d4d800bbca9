"""`expunge techniques`: every row of the technique table, every policy, or what a scheme of one's own would write."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("techniques")
@click.option("--policies", is_flag=True, help="List the policies instead: what each allows on which medium.")
@click.option(
    "--scheme",
    "files",
    multiple=True,
    metavar="FILE.toml",
    type=click.Path(dir_okay=False, path_type=Path),
    help="List the schemes in these files instead, as an order would carry them.",
)
@shared
@click.pass_obj
def command(screen: Screen, policies: bool, files: tuple[Path, ...]) -> None:
    """List every technique: what it writes, where it comes from, and what level it could reach on which medium."""
    from agent.cli.catalogue import technique_sheet, technique_trees
    from agent.cli.policies import policy_sheet, policy_trees
    from wipers.techniques import TECHNIQUES

    if policies:
        screen.show("\n".join(policy_sheet(screen)), policy_trees())
        return
    rows = TECHNIQUES
    if files:
        from agent.schemes import read_scheme
        from wipers.schemes import technique_of

        rows = tuple(technique_of(read_scheme(path)) for path in files)
    screen.show("\n".join(technique_sheet(screen, rows)), technique_trees(rows))
