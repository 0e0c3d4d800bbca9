"""`expunge resume`: continue what a journal shows as begun."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import at_once, existing_file, shared
from agent.cli.screen import Screen


@click.command("resume")
@shared
@click.argument("journal", type=existing_file, required=False)
@click.option("--key", "key_file", type=existing_file, help="Executor's key; without it the certificate awaits it.")
@at_once
@click.pass_obj
def command(screen: Screen, journal: str | None, key_file: str | None, at_once: int | None) -> None:
    """Continue the run that JOURNAL shows as begun, or every such run: the same plan, the same bytes.

    An expired order does not stop it; a hold, the kill switch or a revoked key does. A paused run is held, and waits
    until its pause is lifted.
    """
    from agent.cli.running import resume_runs

    click.get_current_context().exit(resume_runs(screen, Path(journal) if journal else None, key_file, at_once))
