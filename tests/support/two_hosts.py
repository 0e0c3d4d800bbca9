"""Two hosts of one organisation, each with an agent, a state directory and a key of its own, under one keyring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519

from agent.keys import write_key
from certificates.statements import HostKey, Keyring
from tests.support import world
from tests.support.real_site import RealSite, dated

FIRST, SECOND = "arch-07", "arch-08"


@dataclass(frozen=True)
class Host(RealSite):
    """An agent's site on one of the two."""

    name: str = FIRST

    def __post_init__(self) -> None:
        super().__post_init__()
        key = self.folder / "host.pem"
        for one in (key, key.with_name("host.pem.pub")):
            one.unlink()
        write_key(key, ed25519.Ed25519PrivateKey.from_private_bytes(world.secret(f"host {self.name}")))

    @property
    def ring(self) -> Keyring:
        """The world's keyring with both hosts in it."""
        made = super().ring
        hosts = tuple(HostKey(name, world.public(world.signer(f"host {name}"))) for name in (FIRST, SECOND))
        return dated(replace(made, hosts=hosts), self.now)

    @property
    def host(self) -> str:
        """What an order names it by."""
        return world.signer(f"host {self.name}").key_id


def two_hosts(folder: Path) -> tuple[Host, Host]:
    """Both of them."""
    first = Host(folder / FIRST)
    return first, Host(folder / SECOND, now=first.now, name=SECOND)
