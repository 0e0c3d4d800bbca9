"""`expunge replay`: what a restore from a backup brought back is destroyed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from agent.cli.options import existing_file, key, shared
from agent.cli.screen import Screen


@click.command("replay")
@shared
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, type=existing_file, required=True)
@key
@click.option("--selector", "selectors", multiple=True, type=existing_file, help="Selector of an order; one a bundle.")
@click.option("--confirm", "confirmed", multiple=True, metavar="TEXT", help="Label, once per carrier.")
@click.option("--look", "is_look", is_flag=True, help="Only say what is there again; touch nothing.")
@click.pass_obj
def command(
    screen: Screen, /, bundles: tuple[str, ...], key_file: str, selectors: tuple[str, ...], **given: Any
) -> None:
    """Destroy again the records of a database that a restore from a backup brought back.

    Each BUNDLE must prove an erasure that this host carried out; its order decides, and nothing else is touched: the
    same database, the same condition, never more rows than were ordered. A hold, the kill switch or a revoked key stops
    it. No new certificate is made: a journal in this host's chain says that the records came back and went again. The
    key is the ordered executor's. Interrupted, it is begun again with the same command.
    """
    from agent.cli.replayed import replay_bundles

    paths = [Path(one) for one in bundles]
    code = replay_bundles(screen, paths, key_file, [Path(one) for one in selectors], **given)
    click.get_current_context().exit(code)
