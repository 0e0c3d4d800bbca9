"""The command line in this process: no real site, no real clock of the host, keys of the world's people as files."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from agent.cli import main
from agent.cli.screen import Screen
from agent.keys import write_key
from agent.site import Site
from certificates.errors import Refused
from tests.support import world
from tests.support.house_rules import ROOT

EXAMPLES = ROOT / "docs" / "examples"
SCHEMAS = ROOT / "docs" / "schemas" / "cli"


def invoke(*arguments: object, site: Site | None = None, typed: str | None = None, language: Any = "en") -> Result:
    """The command's result; without a site, one that says that there is none."""

    def opener(named: str | None) -> Site:
        if site is None:
            raise Refused("site-missing", where="/etc/expunge/config.toml")
        return site

    screen = Screen(language=language, opener=opener)
    return CliRunner().invoke(main, [str(one) for one in arguments], input=typed, obj=screen)


def tree(*arguments: object, site: Site | None = None) -> Any:
    """What the command prints on stdout with --json."""
    return json.loads(invoke("--json", *arguments, site=site).stdout)


def key_file(folder: Path, name: str, passphrase: str | None = None) -> Path:
    """The key file of one of the world's people."""
    path = folder / f"{name}.pem"
    if not path.exists():
        key: Any = ed25519.Ed25519PrivateKey.from_private_bytes(world.secret(name))
        if name in world.ON_P256:
            order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
            key = ec.derive_private_key(int.from_bytes(world.secret(name), "big") % order, ec.SECP256R1())
        write_key(path, key, passphrase)
    return path


@dataclass(frozen=True)
class Desk:
    """A folder with the example files, keys for all whom they name, and the keyring made from them."""

    folder: Path

    @property
    def keyring(self) -> Path:
        """The keyring's file."""
        return self.folder / "1.dsse.json"

    def edit(self, name: str, *changes: tuple[str, str]) -> Path:
        """A copy of an example in which each text, which must stand in it, is replaced."""
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = self.folder / f"edited-{name}"
        path.write_text(text, encoding="utf-8")
        return path


NAMES = ("P-0101", "P-0417", "P-0588", "P-0102", "P-0230", "P-0311", "P-0729", "P-0150", "P-0901", "P-0902")


def desk(folder: Path) -> Desk:
    """A desk with a keyring that both its keepers have signed."""
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
    for name in (*NAMES, "arch-07", "registry-log", "registry-hold"):
        write_key(folder / name, ed25519.Ed25519PrivateKey.from_private_bytes(world.secret(name)))
    made = Desk(folder)
    keys = ("--key", folder / "P-0901", "--key", folder / "P-0902")
    result = invoke("keyring", "new", folder / "keyring.toml", "-o", made.keyring, *keys)
    assert result.exit_code == 0, result.output
    return made
