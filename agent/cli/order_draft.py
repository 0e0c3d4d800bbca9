"""`expunge order draft`: an order and its selectors, from TOML."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import output, shared
from agent.cli.screen import Screen


@click.command("draft")
@shared
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@output
@click.option(
    "--keyring",
    "keyrings",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Keyring in which host names are looked up: its files in order, or their folder; by default the site's.",
)
@click.option("--measure", is_flag=True, help="Fill in, on the host that holds the data, what the TOML leaves out.")
@click.pass_obj
def command(screen: Screen, file: Path, output: str, keyrings: tuple[Path, ...], measure: bool) -> None:
    """Make the order that the TOML in FILE describes, with no signature yet.

    Beside it goes a selector for each carrier that has one, <carrier id>.selector.json: it holds paths, so it stays
    with the people who carry the order out. See docs/examples/ for files to begin with.
    """
    from agent.cli import orders

    draft = orders.read_draft(screen, file, keyrings, measure)
    orders.write_draft(screen, draft, Path(output))
