"""What a run needs besides the storage, and how its loops are watched by people and by the rules of care."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from certificates.encoding import digest
from certificates.statements import Noted, Time
from wipers.acts import Given
from wipers.care import Care, Gate, Guard, OpenGate
from wipers.model import Step, Writer
from wipers.pacing import Pace, suited
from wipers.pipeline import Loop, StopSignal, Unstopped
from wipers.profile import Meter

State = Literal["working", "paused", "too-hot", "retrying", "settling", "re-proving"]
"""What a run is at, for people."""


class Observer(Protocol):
    """Progress for people; optional, and it cannot fail a run."""

    def progressed(self, step: int, done: int, total: int) -> None:
        """`done` of `total` bytes of the step are behind us."""
        ...


class Chronicle(Protocol):
    """The journal as a run sees it: durable before it returns; its failure stops the run."""

    @property
    def head(self) -> str | None:
        """Digest of the last line; none before the first."""
        ...

    def write(self, event: object) -> None:
        """Append one journal event, fsynced."""
        ...


class NonceSource(Protocol):
    """The registry's part in choosing samples; asked after the last barrier, never before."""

    def ask(self, commitment: str, journal_head: str) -> tuple[str, str] | None:
        """Return 32 bytes in hex and the digest of the signed document that holds them; none when offline."""
        ...


def _utc_now() -> Time:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Ports:
    """What a run needs besides the storage."""

    chronicle: Chronicle
    """The journal; mandatory."""
    entropy: Callable[[int], bytes]
    """Random bytes; drawn once before the first write, and once more for the sampling seed."""
    keep: Callable[[str, bytes], None]
    """Makes an evidence file durable under its name, e.g. `drive-before.jsonl`, before it returns."""
    nonces: NonceSource | None = None
    """The registry; none when offline."""
    observer: Observer | None = None
    """Progress for people; one that also has `entered(state: str)` is told what the run is at, on change."""
    stop: StopSignal = field(default_factory=Unstopped)
    """Ends the run after the chunks in the air."""
    now: Callable[[], Time] = _utc_now
    """Time of day, for records."""
    pace: Pace | None = None
    """How the chunk loop runs; none: as suits the device."""
    care: Care = field(default_factory=Care)
    """When the run rests and when it gives up."""
    gate: Gate = field(default_factory=OpenGate)
    """Pauses the run from outside, between chunks."""
    before: Callable[[Step], None] = lambda step: None
    """Asked before each step: it may wait for others who write in the same place; raises Stopped."""
    keep_parts: Callable[[str, Iterable[bytes]], str] | None = None
    """As `keep`, for what comes in parts and need not be in memory at once; returns its digest. None: it is joined."""

    def keep_long(self, name: str, parts: Iterable[bytes]) -> str:
        """Keep an evidence file that may be as long as a tree has files, e.g. `extents-1.jsonl`; return its digest."""
        if self.keep_parts is not None:
            return self.keep_parts(name, parts)
        data = b"".join(parts)
        self.keep(name, data)
        return digest(data)


class Watch:
    """Makes the loops of a run, each watched by the observer and by the rules of care."""

    def __init__(self, ports: Ports, writer: Writer) -> None:
        """Choose the pace, unless it is given."""
        self.pace = ports.pace or suited(writer.advice())
        self._ports = ports
        self._writer = writer
        self._state: str = "working"

    def entered(self, state: str, note: str | None = None) -> None:
        """Tell the observer what the run is at, on change, and the journal where there is a sentence for it."""
        if note is not None:
            self._ports.chronicle.write(Noted(note))
        if state != self._state:
            self._state = state
            # An observer is for people: whatever is wrong with it, the run goes on.
            with suppress(Exception):
                tell = getattr(self._ports.observer, "entered", None)
                if tell is not None:
                    tell(state)

    def moved(self, step: int, total: int) -> Callable[[int], None] | None:
        """Return what tells the observer how many of the step's bytes are behind us."""
        observer = self._ports.observer
        if observer is None:
            return None

        def tell(done: int) -> None:
            with suppress(Exception):
                observer.progressed(step, done, total)

        return tell

    def loop(
        self, moved: Callable[[int], None] | None = None, meter: Meter | None = None, *, is_judged: bool = True
    ) -> Loop:
        """Return a loop that rests when it must; one that is judged is given up when it is too slow or fails often."""
        guard = Guard(
            self._ports.care,
            gate=self._ports.gate,
            temperature=self._writer.temperature,
            told=self.entered,
            clock=self.pace.clock,
        )
        return Loop(self.pace, self._ports.stop, moved, guard=guard if is_judged else guard.calm(), meter=meter)

    def given(self, number: int, now: Callable[[], Time], *, resumed: bool) -> Given:
        """Return what an act is given."""
        ports = self._ports

        def told(done: int, total: int) -> None:
            with suppress(Exception):
                if ports.observer is not None:
                    ports.observer.progressed(number, done, total)

        def note(text: str) -> None:
            ports.chronicle.write(Noted(text))

        return Given(number, now, ports.stop, told, note, ports.keep, ports.entropy, resumed)

    def settle(self) -> None:
        """Everything written is durable, and later reads come from the medium; a device that hangs is left behind."""
        self.entered("settling")
        self.loop().watched(self._writer.settle)
        self.entered("working")
