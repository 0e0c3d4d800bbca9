"""`expunge hold lift`: two persons lift a hold."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import keys, shared
from agent.cli.screen import Screen


@click.command("lift")
@shared
@click.argument("hold")
@click.option("--reason", required=True, help="Why.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write the lift here.")
@keys
@click.pass_obj
def command(screen: Screen, hold: str, reason: str, output: Path | None, key_files: tuple[str, ...]) -> None:
    """Lift HOLD (its number or digest), signed by two persons, one of them a security officer.

    Lifting a hold starts nothing.
    """
    from agent.cli import holds

    holds.lift(screen, hold, reason, key_files, output)
