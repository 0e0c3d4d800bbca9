"""`expunge certificate validate`: a person accepts or rejects a result."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import key, shared
from agent.cli.screen import Screen

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("validate")
@shared
@click.argument("file", type=FILE)
@key
@click.option("--decision", type=click.Choice(["accept", "reject"]), required=True, help="The decision.")
@click.option("--grounds", type=FILE, required=True, help="TOML that answers the five grounds for doubt; see docs.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write the validation here.")
@click.pass_obj
def command(screen: Screen, /, file: Path, key_file: str, output: Path | None, *, decision: str, grounds: Path) -> None:
    """Accept or reject the result in FILE, a bundle or a certificate.

    On the site that ran it the validation is handed to the registry and filed in the bundle; elsewhere name -o.
    """
    from agent.cli import signing_desk

    signing_desk.validate(screen, file, key_file, (decision, grounds), output)
