"""`expunge plan`: exactly what run would do."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import after, existing_file, shared
from agent.cli.screen import Screen


@click.command("plan")
@shared
@click.argument("order", type=existing_file)
@click.option("--carrier", "carriers", multiple=True, help="Only this carrier of the order; may be repeated.")
@after
@click.pass_obj
def command(screen: Screen, order: str, carriers: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Show what 'run' would do with ORDER: targets, steps, times expected, what it reaches, and the plan's digest.

    Where carriers hold copies of others, it shows in which order of steps they go, and which is next. Touches nothing.
    Takes drafts that nobody has approved yet, and says so. Exit 3 when a carrier cannot be planned.
    """
    from agent.cli.planning import show_plan

    click.get_current_context().exit(show_plan(screen, Path(order), carriers, [Path(one) for one in after]))
