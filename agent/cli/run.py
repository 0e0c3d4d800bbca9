"""`expunge run`: the one destructive command."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import after, at_once, existing_file, key, shared
from agent.cli.screen import Screen


@click.command("run")
@shared
@click.argument("orders", metavar="ORDER...", nargs=-1, type=existing_file)
@key
@click.option("--station", "is_station", is_flag=True, help="A wiping bench: wait for disks and start each in turn.")
@click.option("--carrier", "carriers", multiple=True, help="Only this carrier of the order; may be repeated.")
@click.option("--confirm", "confirmed", multiple=True, metavar="TEXT", help="Label or serial, once per carrier.")
@click.option("--plan", "digest", metavar="DIGEST", help="Digest of the plan that was read; any other is refused.")
@after
@at_once
@click.pass_obj
def command(
    screen: Screen,
    /,
    orders: tuple[str, ...],
    key_file: str,
    is_station: bool,
    carriers: tuple[str, ...],
    **given: object,
) -> None:
    """Destroy what ORDER names, prove it, certify it, hand the certificate in.

    Everything is authorised, found and planned before the first write; a refusal then means that nothing was touched.
    You are asked to type or scan the label or serial on each object. Then all carriers are carried out at once; each is
    certified and handed in as soon as it ends. The key is the executor's. Ctrl-C stops cleanly; 'expunge resume'
    continues.

    Carriers that hold copies of records (archives, dumps, backups) go in a run of their own, after the records; a
    standby that is at work begins before them. 'expunge plan' shows the order of steps. What another host did before is
    shown by its certificate's bundle, or a standby's Start: --after FILE.

    With --station it waits for the disks that the orders given name, or all orders taken in, shows a table of bays, and
    starts each disk once its label or serial was typed or scanned, until nothing is open. Ctrl-C ends the runs that go
    on as interrupted.
    """
    if not is_station:
        if len(orders) != 1:
            raise click.UsageError("Give one ORDER, or --station.")
        from agent.cli.running import run_order

        click.get_current_context().exit(run_order(screen, Path(orders[0]), key_file, carriers, given))
    if carriers or given["digest"] or given["at_once"] or given["after"]:
        raise click.UsageError("--station goes with none of --carrier, --plan, --after and --at-once.")
    from agent.cli.stationing import run_station

    click.get_current_context().exit(run_station(screen, [Path(order) for order in orders], key_file, given))
