"""One carrier's run against a simulated host: a journal in memory, and everything before and after it."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from certificates.claims import claim
from certificates.encoding import digest, encode
from certificates.statements import (
    Carrier,
    Claim,
    Concluded,
    DatabaseIdentity,
    DeviceIdentity,
    Entry,
    Event,
    Evidence,
    FilesIdentity,
    FullVerification,
    Identity,
    ImageIdentity,
    Kind,
    Level,
    LuksIdentity,
    Order,
    RecordsIdentity,
    Verification,
    VolumeIdentity,
)
from tests.support.simulated_host import Plug, PowerCut, Simulated, SimulatedHost
from wipers import WIPERS
from wipers.model import Plan, Technique, Warrant
from wipers.pipeline import Pace
from wipers.planning import plan
from wipers.progress import evidence, replay
from wipers.running import Ports, execute
from wipers.techniques import TECHNIQUES

ORDER = digest(b"an order")
HOST = digest(b"a host")
UUID = "01234567-89ab-cdef-0123-456789abcdef"
SMALL = Pace(chunk_size=4096, threads=1, checkpoint_size=16384)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def identity(kind: Kind) -> Identity:
    """An identity of that kind, in its simplest form."""
    device = DeviceIdentity("vendor", "model", "S1", None, 65536)
    identities: dict[Kind, Identity] = {
        "device": device,
        "image": ImageIdentity(UUID, 12, 65536, attached=True),
        "volume": VolumeIdentity("partition", UUID, 1 << 20, 65536, (device,)),
        "files": FilesIdentity(UUID, 2, 1, 100, 1 << 20),
        "database": DatabaseIdentity("sqlite", UUID, 12, "database", 1, 10),
        "luks": LuksIdentity(UUID, device),
        "records": RecordsIdentity("sqlite", "-", UUID, 12, "main", "rows", 1, 100),
    }
    return identities[kind]


def carrier(kind: Kind = "device", **changes: object) -> Carrier:
    """A carrier `c1` ordered cleared and read back in full, but for the changes."""
    plain = Carrier("c1", "LABEL-1", ("card-1",), identity(kind), (HOST,), Level.CLEAR, FullVerification(), "recycling")
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def warrant(ordered: Carrier) -> Warrant:
    """The warrant of a run; what counted the approvals is tested elsewhere, so it holds no order."""
    return Warrant(
        order=cast(Order, None),
        order_digest=ORDER,
        carrier=ordered,
        selector=None,
        keyring_digest=digest(b"a keyring"),
        keyring_version=1,
        hold_state=None,
        host=HOST,
        counted=(),
        paper=None,
        at=NOON,
    )


class JournalInMemory:
    """A chronicle that survives power cuts as the real one does: an entry is there whole, or not at all."""

    def __init__(self, plug: Plug) -> None:
        self._plug = plug
        self.entries: list[Entry] = []
        self.head: str | None = digest(b"opened")

    def write(self, event: object) -> None:
        if self._plug.is_pulled():
            if random.Random(self._plug.cut_at).random() < 0.5:
                self._append(event)
            raise PowerCut
        self._append(event)

    def _append(self, event: object) -> None:
        at = NOON + timedelta(seconds=len(self.entries))
        entry = Entry(len(self.entries) + 1, self.head, at, cast(Event, event))
        self.head = digest(encode(entry))
        self.entries.append(entry)

    def events(self, kind: type) -> list[Event]:
        return [entry.event for entry in self.entries if isinstance(entry.event, kind)]


@dataclass(slots=True)
class Run:
    """A carrier on a simulated host, planned; `go` runs or resumes it."""

    simulated: Simulated
    ordered: Carrier
    techniques: tuple[Technique, ...] = TECHNIQUES
    pace: Pace = SMALL
    plug: Plug = field(default_factory=Plug)
    ports: dict[str, object] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    plan: Plan = field(init=False)
    host: SimulatedHost = field(init=False)
    journal: JournalInMemory = field(init=False)
    drawn: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        self.host = SimulatedHost({self.ordered.id: (self.simulated,)}, self.plug)
        self.journal = JournalInMemory(self.plug)
        found = self.host.find(self.ordered, None)
        self.plan = plan(ORDER, self.ordered, found, WIPERS[self.simulated.kind], self.techniques)

    def go(self) -> None:
        """Run, or resume from what the journal shows."""
        progress = replay(self.journal.entries)
        settings = {"now": lambda: NOON, "pace": self.pace, **self.ports}
        ports = Ports(self.journal, self.drawn.randbytes, self.kept.__setitem__, **settings)  # type: ignore[arg-type]
        (target,) = self.host.find(self.ordered, None)
        with self.host.open(target, self.ordered, None, resuming=progress.is_begun) as writer:
            execute(warrant(self.ordered), self.plan, writer, ports, progress)

    def restore_power(self) -> None:
        """What was not flushed is gone in part; nothing pulls the plug any more."""
        self.simulated.storage.lose_power(random.Random(self.plug.cut_at))
        self.plug.cut_at = None

    @property
    def is_concluded(self) -> bool:
        return bool(self.journal.events(Concluded))

    @property
    def evidence(self) -> Evidence:
        return evidence(self.plan, self.ordered, self.journal.entries)

    @property
    def claim(self) -> Claim:
        return claim(self.evidence, self.ordered.level)


def run_of(kind: Kind = "device", verification: Verification | None = None, **changes: object) -> Run:
    """A run over a small target of that kind: for files and databases several streams, the last with an odd tail."""
    several = {"files": (4096, 12288, 512, 49152), "database": (40960, 8192, 16384), "records": (8192, 40960)}
    sizes = several.get(kind, (65536,))
    simulated = Simulated(kind, sizes, header_size=16384 if kind == "luks" else 0)
    ordered = carrier(kind, verification=verification or FullVerification(), **changes)
    return Run(simulated, ordered)
