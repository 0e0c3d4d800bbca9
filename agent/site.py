"""The ports that one agent is wired to, and what it reads from them before it decides."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from agent.authorize import Circumstances
from agent.config import Config
from agent.documents import Documents, later
from agent.journal import Journals
from agent.ledger import LedgerFile
from agent.lines import locked
from agent.registry import Registry
from agent.runs import RunFolder
from certificates.errors import Refused, Unregistered
from certificates.signers import Signer
from wipers.model import Host

FOLDERS = ("journal", "runs", "outbox", "ledger", "orders", "holds", "certificates", "handover")
MOST_SKEW = timedelta(minutes=5)


class Plugs(Protocol):
    """What tells a wiping bench that disks came or went. The real one is `wipers.linux.hotplug`."""

    def has_changed(self) -> bool:
        """Tell whether a disk may have come, gone or changed since the last call."""
        ...

    def bay_of(self, location: str) -> str:
        """Return where the disk sits, for people."""
        ...


class Unheard:
    """A machine that tells nothing: whoever waits has to look."""

    def has_changed(self) -> bool:
        """Tell that it may be so at any time."""
        return True

    def bay_of(self, location: str) -> str:
        """Return the disk's node."""
        return location.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Site:
    """One agent's world; a test wires another one."""

    config: Config
    state: Path
    """Where journals, ledger and outbox lie."""
    host: Host
    """The machine."""
    signer: Signer
    """The host's key."""
    documents: Documents
    journals: Journals
    ledger: LedgerFile
    registry: Registry | None
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    free_space: Callable[[Path], int]
    """Bytes free below a path."""
    power: Callable[[], int | None]
    """Battery's percentage when it discharges; none on mains."""
    plugs: Callable[[], Plugs] = Unheard
    """Begins to listen for disks that come and go."""

    def circumstances(self) -> Circumstances:
        """Return all that an authorisation depends on, read now."""
        self._check_room()
        chain = self.documents.chain()
        hold_state = self.documents.hold_state(chain) if self.config.policy.has_register else None
        ledger = self.ledger.read()
        seen = later(later(ledger.last_at, self.journals.last_at), self.documents.seen.at)
        switch = self.state / self.config.kill_switch
        return Circumstances(
            chain=chain,
            host=self.signer.key_id,
            now=self.clock(),
            seen=seen,
            hold_state=hold_state,
            local_holds=self.documents.local_holds(chain),
            ledger=ledger,
            policy=self.config.policy,
            kill_switch=str(switch) if switch.exists() else None,
        )

    def refresh(self) -> str | None:
        """Take in a fresh hold state where the registry can be reached; return why not, if it cannot.

        The registry can stop a destruction and cannot start one, so its absence is no reason to stop: the age of the
        hold state at hand is. A clock that differs from the registry's is refused.
        """
        if self.registry is None:
            return None
        # One after the other: of two answers the older one, taken in last, would look like a replay.
        with locked(self.state / "refresh.lock"):
            return self._refresh(self.registry)

    def _refresh(self, registry: Registry) -> str | None:
        try:
            answer = registry.fetch_hold_state()
        except Unregistered as error:
            return str(error)
        now = self.clock()
        if answer.at is not None:
            if abs(answer.at - now) > MOST_SKEW:
                raise Refused("clock-differs", seconds=int((answer.at - now).total_seconds()))
            seen = self.documents.seen
            self.documents.remember(replace(seen, at=later(seen.at, min(answer.at, now))))
        if self.config.policy.has_register:
            with self.locked():
                # A run that begins binds the hold state that its approvals were counted with.
                self.documents.take_hold_state(answer.body, self.documents.chain())
        return None

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from beginning or ending a run meanwhile: they share journals' numbers and ledger."""
        return locked(self.state / "lock")

    def folder(self, sequence: int) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(self.state / "runs" / f"{sequence:08d}")

    def folders(self) -> tuple[RunFolder, ...]:
        """Return the folders of all runs, in order."""
        return tuple(RunFolder(path) for path in sorted((self.state / "runs").glob("[0-9]" * 8)))

    def waiting(self, sequence: int) -> Path:
        """Return where a run's certificate waits for its receipt."""
        return self.state / "outbox" / f"{sequence:08d}.dsse.json"

    def bundle(self, sequence: int, carrier: str) -> Path:
        """Return where a run's bundle lies."""
        return self.state / "certificates" / f"{sequence:08d}" / f"{carrier}.expunge"

    def _check_room(self) -> None:
        """Refuse to begin what could not be recorded to its end."""
        free = self.free_space(self.state)
        if free < self.config.least_free:
            raise Refused("space-low", free=free, needed=self.config.least_free)
        percent = self.power()
        if percent is not None and percent < 30:
            raise Refused("power-low", percent=percent)
