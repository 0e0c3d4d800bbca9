"""`expunge cancel`: end runs that go on."""

from __future__ import annotations

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("cancel")
@shared
@click.argument("run", required=False)
@click.pass_obj
def command(screen: Screen, run: str | None) -> None:
    """End the run RUN (a number, a journal or a carrier), or every run, that a process carries out: as interrupted.

    The chunks in the air are finished and journaled; other carriers of the same order go on. What was written stays
    written, and 'expunge resume' continues. Only who may write to this site may cancel.
    """
    from agent.cli.wishing import cancel_runs

    cancel_runs(screen, run)
