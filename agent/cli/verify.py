"""`expunge verify`: read back a medium that others wiped. States what it sees and certifies nothing."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("verify")
@shared
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--expect",
    "word",
    required=True,
    metavar="zeros|ones|BUNDLE",
    help="What it should hold: one byte throughout, or what the last pass of the certificate in a bundle left.",
)
@click.option(
    "--sample",
    metavar="C,P",
    help="Read only a sample that finds a differing share P with confidence C: 0.99,0.001 or 99%,0.1%.",
)
@click.option("--stop-at-first", "stops_at_first", is_flag=True, help="End at the first byte that is not as expected.")
@click.option(
    "--trust",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Audit BUNDLE first by this file of trusted keyring roots and log keys; without it nothing of it is checked.",
)
@click.pass_obj
def command(
    screen: Screen, target: Path, word: str, *, sample: str | None, stops_at_first: bool, trust: Path | None
) -> None:
    """Read TARGET, a device, partition or image, past every cache and tell where it is not as expected.

    Everything is read unless --sample is given. Needs no site, writes nothing, and certifies nothing: who wiped it,
    how, and what cannot be addressed are not known here.

    Exit 0: all that was read is as expected. 5: something differs or could not be read. 3: it cannot be read at all. 7:
    BUNDLE is none, or does not hold.
    """
    from agent.cli.comparing import compare_target

    click.get_current_context().exit(
        compare_target(screen, target, word, sample=sample, stops_at_first=stops_at_first, trust=trust)
    )
