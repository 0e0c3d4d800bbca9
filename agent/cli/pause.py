"""`expunge pause`: let runs wait, and go on."""

from __future__ import annotations

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("pause")
@shared
@click.argument("run", required=False)
@click.option("--lift", is_flag=True, help="Let it go on.")
@click.pass_obj
def command(screen: Screen, run: str | None, lift: bool) -> None:
    """Let the begun run RUN wait (a number, a journal or a carrier), or every begun run: nothing is written meanwhile.

    Its process sees that within a second and keeps holding the target. A pause lasts until --lift, also where the
    process dies: a resumed run waits. Only who may write to this site may pause.
    """
    from agent.cli.wishing import lift_pause, pause_runs

    (lift_pause if lift else pause_runs)(screen, run)
