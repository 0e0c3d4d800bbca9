"""`expunge key new`: a signing key and its public half."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import shared
from agent.cli.screen import Screen


@click.command("new")
@shared
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice(["ed25519", "p256"]), default="ed25519", show_default=True, help="Algorithm.")
@click.option("--passphrase", is_flag=True, help="Lock the key with a passphrase, asked for twice.")
@click.pass_obj
def command(screen: Screen, file: Path, kind: str, passphrase: bool) -> None:
    """Make a signing key in FILE (readable by you alone) and its public half in FILE.pub.

    FILE.pub goes into the site's keyring; FILE stays with the person.
    """
    from agent.keys import generate, public_path, write_key
    from certificates.statements import Algorithm

    secret = None
    if passphrase:
        secret = click.prompt(screen.word("passphrase.new"), hide_input=True, confirmation_prompt=True, err=True)
    key_id = write_key(file, generate(Algorithm(kind)), secret)
    told = {"key": key_id, "kind": kind, "file": str(file), "public": str(public_path(file))}
    screen.show(screen.word("key.made", **told), told)
