"""`expunge hold add`: a signed 'do not destroy'."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import key, shared
from agent.cli.screen import Screen


@click.command("add")
@shared
@click.option("--id", "hold_id", required=True, help="Number of the hold.")
@click.option("--reason", required=True, help="Why.")
@click.option("--authority", required=True, help="Court, case or organ behind it.")
@click.option("--asset", "assets", multiple=True, help="Card number of an asset that must stay.")
@click.option("--serial", "serials", multiple=True, help="Serial or label of a carrier that must stay.")
@click.option("--order", "orders", multiple=True, help="Number or digest of an order that must not be carried out.")
@click.option("--everything", is_flag=True, help="Nothing at all may be destroyed.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write the hold here.")
@key
@click.pass_obj
def command(screen: Screen, /, hold_id: str, key_file: str, output: Path | None, **scope: object) -> None:
    """Set a hold, signed by a security officer.

    It is in force on this host at once, and at the registry as soon as that can be reached.
    """
    from agent.cli import holds

    holds.add(screen, hold_id, scope, key_file, output)
