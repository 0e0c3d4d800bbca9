"""`expunge survey`: what this machine is and which drives are in it, signed by the host."""

from __future__ import annotations

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("survey")
@shared
@click.option(
    "-o", "--output", type=click.Path(), help="File to write, or folder/ for it, made if need be; never overwritten."
)
@click.option("--unsigned", is_flag=True, help="For a machine without a site: nobody signs it.")
@click.option("--images", is_flag=True, help="Also loop devices over image files.")
@click.pass_obj
def command(screen: Screen, output: str | None, unsigned: bool, images: bool) -> None:
    """Say what this machine is and which drives are in it: identity, medium, health, what could be reached and why not
    more, and what stands in the way now.

    Reads no content of any medium and changes nothing. With -o it is written, signed by this host's key: for
    'expunge order draft --from-survey'. In a folder (what is one, or ends with a slash) its name is
    <machine>-<day and time>.survey.json. Serial numbers of chassis and board are for root alone: run it as root.
    """
    from agent.cli.surveys import run_survey

    run_survey(screen, output, is_signed=not unsigned, with_images=images)
