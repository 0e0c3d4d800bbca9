"""One agent wired to a simulated machine and a registry in the same process: its site lies in a temporary folder."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from agent import workflow
from agent.authorize import Policy
from agent.carrying import Hands, Result
from agent.config import Config
from agent.documents import Documents
from agent.journal import Journals
from agent.ledger import LedgerFile
from agent.registry import Answer
from agent.resuming import resume
from agent.site import FOLDERS, Site
from agent.workflow import Chosen
from certificates import endpoints
from certificates.encoding import digest
from certificates.errors import Unregistered
from certificates.notes import NoteKey
from certificates.signers import raw_ed25519
from certificates.statements import Carrier, Fact, ImageIdentity, Keyring, Level, Media, Order
from server_stub.log import LogSigner
from server_stub.ports import Ports
from server_stub.service import Registry
from server_stub.store import Store
from tests.support import world
from tests.support.simulated_host import Plug, Simulated, SimulatedHost


@dataclass
class Clock:
    """A clock that a test moves."""

    at: datetime = world.NOW

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Line:
    """The registry port, straight into the registry; it can be cut, and its answers can be replaced."""

    registry: Registry
    clock: Clock
    is_cut: bool = False
    forged: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def _answer(self, name: str, true: Callable[[], Any]) -> Any:
        if self.is_cut:
            raise Unregistered("registry-unreachable", detail="the line is cut")
        return self.forged.get(name, true)()

    def fetch_orders(self, host: str) -> tuple[bytes, ...]:
        return self._answer("orders", lambda: self.registry.orders.delivered(host)[0])  # type: ignore[no-any-return]

    def fetch_keyrings(self, after: int) -> tuple[bytes, ...]:
        chain = self.registry.keyrings.chain().sealed
        return self._answer(  # type: ignore[no-any-return]
            "keyrings", lambda: tuple(item.envelope for item in chain[after:])
        )

    def fetch_hold_state(self) -> Answer:
        return self._answer(  # type: ignore[no-any-return]
            "hold-state", lambda: Answer(200, self.registry.holds.state(), self.clock())
        )

    def submit_certificate(self, envelope: bytes) -> str:
        return self._answer(  # type: ignore[no-any-return]
            "receipt", lambda: self.registry.records.accept_certificate(envelope).receipt
        )

    def submit_document(self, path: str, envelope: bytes) -> bytes:
        if path in (endpoints.HOLDS, endpoints.HOLD_LIFTS):
            accept = self.registry.holds.accept if path == endpoints.HOLDS else self.registry.holds.lift
            accepted, _ = self._answer("document", partial(accept, envelope))
            return accepted.encode()  # type: ignore[no-any-return]
        if path != endpoints.VALIDATIONS:
            raise KeyError(path)
        accepted = self._answer("document", partial(self.registry.records.accept_validation, envelope))
        return accepted.receipt.encode()  # type: ignore[no-any-return]

    def prove_consistency(self, old: int, new: int) -> str:
        return self._answer("consistency", lambda: self.registry.consistency(old, new))  # type: ignore[no-any-return]

    def challenge(self, request: dict[str, str]) -> bytes:
        asked = (request["commitment"], request["journal_head"])
        return self._answer("nonce", partial(self.registry.challenges.answer, *asked))  # type: ignore[no-any-return]


def make_registry(clock: Clock, ring: Keyring | None = None) -> Registry:
    """A registry that trusts the world's keyring."""
    log = world.signer("registry log")
    key = NoteKey(world.ORIGIN, raw_ed25519(world.public(log)))
    ring = ring or world.keyring()
    registry = Registry(
        Ports(
            # In memory: whether a file survives is asked in tests/server_stub, and costs each agent a dozen commits.
            store=Store("sqlite://"),
            log=LogSigner(key, world.log_private().sign),
            hold=world.registry(),
            root=digest(ring),
            now=clock,
            draw=random.Random(3).randbytes,
            publish=lambda note: None,
        )
    )
    registry.keyrings.add(world.seal_keyring(ring))
    return registry


@dataclass
class Agent:
    """One agent, its machine and its registry; `run` and `resume` as a person would."""

    folder: Path
    machine: SimulatedHost
    clock: Clock = field(default_factory=Clock)
    ring: Keyring = field(default_factory=world.keyring)
    policy: Policy = field(default_factory=Policy)
    stop: threading.Event = field(default_factory=threading.Event)
    line: Line = field(init=False)
    site: Site = field(init=False)

    def __post_init__(self) -> None:
        for name in (*FOLDERS, "keyring"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "keyring" / "1.dsse.json").write_bytes(world.seal_keyring(self.ring))
        self.line = Line(make_registry(self.clock, self.ring), self.clock)
        self.site = self.wire(Config(keyring_root=digest(self.ring), policy=self.policy, least_free=0))

    def wire(self, config: Config) -> Site:
        return Site(
            config=config,
            state=self.folder,
            host=self.machine,
            signer=world.host(),
            documents=Documents(self.folder / "keyring", self.folder, config.keyring_root),
            journals=Journals(self.folder / "journal", self.clock),
            ledger=LedgerFile(self.folder / "ledger" / "ledger.jsonl"),
            registry=self.line,
            clock=self.clock,
            entropy=random.Random(5).randbytes,
            free_space=lambda path: 1 << 30,
            power=lambda: None,
        )

    def run(
        self, envelope: bytes, executor: str = "P-0230", said: str | None = None, **chosen: Any
    ) -> tuple[Result, ...]:
        key = world.signer(executor)
        return workflow.run(
            self.site,
            Chosen(envelope, chosen.pop("selectors", {}), **chosen),
            key,
            Hands(key, None, self.stop),
            confirm=lambda one: said or one.warrant.carrier.label,
        )

    def resume(self) -> tuple[Result, ...]:
        key = world.signer("P-0230")
        return resume(self.site, None, Hands(key, None, threading.Event()))


FACTS = (Fact("filesystem", "01234567-89ab-cdef-0123-456789abcdef"), Fact("inode", "12"), Fact("attached", "true"))
"""What the machine finds of that loop device, besides its size."""


def carrier(name: str = "C-1", **changes: Any) -> Carrier:
    """A loop device of the simulated machine, ordered cleared."""
    identity = ImageIdentity("01234567-89ab-cdef-0123-456789abcdef", 12, 65536, attached=True)
    made = replace(world.carrier(), id=name, label=f"LABEL-{name}", identity=identity, level=Level.CLEAR)
    return replace(made, **changes)


def order(*carriers: Carrier, **changes: Any) -> Order:
    """An order without witnesses over these carriers, so that a run can end without further signatures."""
    return world.order(carriers=carriers or (carrier(),), **changes)


def approved(made: Order, *names: str) -> bytes:
    """The order, signed by all who approve, or by those named."""
    return world.seal(made, *(names or world.APPROVERS))


def ring_without_witnesses() -> Keyring:
    """The world's keyring with rules that ask for no witness."""
    made = world.keyring()
    return replace(made, rules=tuple(replace(rule, witnesses=0) for rule in made.rules))


def agent(folder: Path, *names: str, plug: Plug | None = None, **changes: Any) -> Agent:
    """An agent whose machine has a small loop device for each carrier named."""
    carriers: dict[str, tuple[Simulated, ...]] = {
        name: (Simulated("image", media=Media.OPAQUE, serial=name, more=FACTS),) for name in names or ("C-1",)
    }
    changes.setdefault("ring", ring_without_witnesses())
    return Agent(folder, SimulatedHost(carriers, plug), **changes)
