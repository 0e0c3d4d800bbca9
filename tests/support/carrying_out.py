"""A run over real storage as the agent does it, planned, executed and claimed, without papers and signatures."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from certificates.claims import claim
from certificates.errors import Interrupted, Refused
from certificates.statements import Claim, Outcome, Recorded, ReleaseRecord, StepRecord
from tests.support.erasing import Ordered
from tests.support.runs import ORDER, JournalInMemory, warrant
from tests.support.simulated_host import Plug
from wipers import WIPERS
from wipers.model import Plan
from wipers.planning import plan
from wipers.progress import evidence, replay
from wipers.running import Ports, execute
from wipers.techniques import TECHNIQUES


@dataclass
class CarriedOut:
    """One order, run and perhaps resumed."""

    ordered: Ordered
    journal: JournalInMemory = field(default_factory=lambda: JournalInMemory(Plug()))
    plan: Plan | None = None
    stopped: Refused | Interrupted | None = None
    held_at: float = 0.0
    """By the monotonic clock: when the files were held and listed."""
    kept: dict[str, bytes] = field(default_factory=dict)
    when_held: Callable[[], object] = lambda: None
    """What somebody does as soon as the files are held."""

    def order(self, **changes: Any) -> None:
        """The order says this instead."""
        self.ordered = replace(self.ordered, carrier=replace(self.ordered.carrier, **changes))

    def go(self) -> None:
        """Find, plan, open, execute; a refusal or an interruption is kept, any other failure is the test's."""
        self.stopped = None
        try:
            self._go()
        except (Refused, Interrupted) as stopped:
            self.stopped = stopped

    def _go(self) -> None:
        ordered = self.ordered
        found = ordered.find()
        kind = ordered.carrier.identity.kind
        self.plan = self.plan or plan(ORDER, ordered.carrier, found, WIPERS[kind], TECHNIQUES)
        progress = replay(self.journal.entries)
        ports = Ports(self.journal, os.urandom, self.kept.__setitem__)
        with ordered.host.open(found[0], ordered.carrier, ordered.selector, resuming=progress.is_begun) as writer:
            self.held_at = time.monotonic()
            self.when_held()
            execute(warrant(ordered.carrier), self.plan, writer, ports, progress)

    @property
    def claim(self) -> Claim:
        """What the journal supports."""
        assert self.plan is not None
        return claim(evidence(self.plan, self.ordered.carrier, self.journal.entries), self.ordered.carrier.level)

    @property
    def records(self) -> tuple[StepRecord, ...]:
        """What the journal records."""
        return tuple(one.event.record for one in self.journal.entries if isinstance(one.event, Recorded))

    @property
    def names(self) -> int:
        """Names that were let go."""
        return sum(record.names for record in self.records if isinstance(record, ReleaseRecord))

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found: proven, and every name that was planned is gone."""
        if self.stopped is not None or self.claim.outcome is not Outcome.PROVEN:
            return False
        assert self.plan is not None
        planned = [one.count for one in self.plan.residual if one.code == "names-in-directories"]
        return self.names == planned[0]
