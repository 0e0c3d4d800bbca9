"""What commands need from the world around them: the site, the clock, passphrases, keyrings."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.screen import Screen

if TYPE_CHECKING:
    from agent.site import Site
    from certificates.keyring import Chain
    from certificates.signers import KeySigner


def now() -> datetime:
    """Return the time in whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def named_site(screen: Screen) -> str | None:
    """Return the site that `--site` or EXPUNGE_CONFIG names; none: this host's own."""
    return screen.site or os.environ.get("EXPUNGE_CONFIG") or None


def site_of(screen: Screen) -> Site:
    """Return the site; raises Refused."""
    if screen.opener is not None:
        return screen.opener(screen.site)
    from agent.cli.searches import tell_search
    from agent.live import open_site
    from certificates.errors import Refused

    try:
        return open_site(named_site(screen), tell_search(screen))
    except PermissionError as error:
        raise Refused("file-unreadable", where=error.filename, detail=error.strerror) from error


def signer_of(screen: Screen, path: str | Path) -> KeySigner:
    """Return what signs with a key file, its passphrase asked for where it has one; raises Refused."""
    from agent.keys import load_signer

    def ask(where: Path) -> str:
        return str(click.prompt(screen.word("passphrase.ask", where=where), hide_input=True, err=True))

    return load_signer(Path(path), ask)


def chain_at_hand(screen: Screen, named: tuple[Path, ...]) -> Chain | None:
    """Return the keyring chain in the files named, else the site's; none where there is neither."""
    from agent.keyring_files import read_chain
    from certificates.errors import Refused

    if named:
        return read_chain(named)
    try:
        return site_of(screen).documents.chain()
    except Refused as error:
        if error.reason == "site-missing" and named_site(screen) is None:
            return None
        raise
