"""`expunge certificate export`: a certificate in a human form."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("export")
@shared
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "html", "json"]), default="text", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; else stdout.")
@click.pass_obj
def command(screen: Screen, file: Path, form: str, output: Path | None) -> None:
    """Write the certificate in the bundle FILE as text, HTML (Chinese and English) or JSON.

    A page for people is never what is trusted: 'expunge audit' judges the bundle itself.
    """
    from agent.cli.exporting import export

    export(screen, file, form, output)
