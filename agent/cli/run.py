"""`expunge run`: the one destructive command."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import at_once, existing_file, key, shared
from agent.cli.screen import Screen


@click.command("run")
@shared
@click.argument("order", type=existing_file)
@key
@click.option("--carrier", "carriers", multiple=True, help="Only this carrier of the order; may be repeated.")
@click.option("--confirm", "confirmed", multiple=True, metavar="TEXT", help="Label or serial, once per carrier.")
@click.option("--plan", "digest", metavar="DIGEST", help="Digest of the plan that was read; any other is refused.")
@at_once
@click.pass_obj
def command(screen: Screen, /, order: str, key_file: str, carriers: tuple[str, ...], **given: object) -> None:
    """Destroy what ORDER names, prove it, certify it, hand the certificate in.

    Everything is authorised, found and planned before the first write; a refusal then means that nothing was touched.
    You are asked to type or scan the label or serial on each object. Then all carriers are carried out at once; each is
    certified and handed in as soon as it ends. The key is the executor's. Ctrl-C stops cleanly; 'expunge resume'
    continues.
    """
    from agent.cli.running import run_order

    click.get_current_context().exit(run_order(screen, Path(order), key_file, carriers, given))
