"""The journal: written ahead, hash-chained, on the disk before `write` returns; and chained from run to run.

One file a run, `<sequence, 8 digits>.jsonl`; its first entry names the last entry of the journal before, so that a run
deleted from the host shows as a gap. Replay is pure.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from agent.lines import append_line, read_lines
from certificates.encoding import decode, digest, encode
from certificates.errors import Interrupted, Refused, Untrusted
from certificates.statements import Certified, Entry, Event, Opened, RefusedRun

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Journal:
    """The entries of one run; questions are pure."""

    name: str
    entries: tuple[Entry, ...] = ()
    head: str | None = None

    @property
    def opened(self) -> Opened:
        """First entry's event."""
        return cast(Opened, self.entries[0].event)

    @property
    def events(self) -> tuple[Event, ...]:
        """Events in order."""
        return tuple(entry.event for entry in self.entries)

    @property
    def is_begun(self) -> bool:
        """Tell whether it is of a run that was started and has no certificate yet."""
        return bool(self.entries) and self.opened.start is not None and not self.is_ended

    @property
    def is_ended(self) -> bool:
        """Tell whether it ended in a certificate or in a refusal."""
        return any(isinstance(event, (Certified, RefusedRun)) for event in self.events)


def replay(name: str, lines: list[bytes]) -> Journal:
    """Return the journal in its lines; raises Refused where the chain is broken."""
    entries: list[Entry] = []
    head: str | None = None
    for number, line in enumerate(lines, start=1):
        try:
            entry = decode(line, Entry)
        except Untrusted as error:
            raise Refused("journal-broken", name=name, line=number, detail=str(error)) from error
        if entry.number != number or entry.previous != head:
            raise Refused("journal-broken", name=name, line=number, detail="the chain does not hold")
        if (number == 1) != isinstance(entry.event, Opened):
            raise Refused("journal-broken", name=name, line=number, detail="not the first entry, or not only the first")
        entries.append(entry)
        head = digest(line)
    return Journal(name, tuple(entries), head)


class JournalFile:
    """One run's journal on disk; the chronicle that a run writes to."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Take up the journal at `path`, as it stands."""
        self.path = path
        self._clock = clock
        journal = self.read()
        self.number = len(journal.entries)
        self.head = journal.head
        self._last = journal.entries[-1].at if journal.entries else None

    def read(self) -> Journal:
        """Return the journal as it stands."""
        return replay(self.path.name, read_lines(self.path))

    def heads(self) -> frozenset[str]:
        """Return the digest of every entry: each was the head once."""
        return frozenset(digest(line) for line in read_lines(self.path))

    def write(self, event: object) -> None:
        """Append one event durably; its failure stops the run: what cannot be recorded must not be done."""
        now = self._clock()
        at = max(now, self._last) if self._last else now
        line = encode(Entry(self.number + 1, self.head, at, cast(Event, event)))
        try:
            append_line(self.path, line)
        except OSError as error:
            family = Interrupted if self.number > 1 else Refused
            raise family("journal-not-writable", detail=os.strerror(error.errno or 0)) from error
        self.number, self.head, self._last = self.number + 1, digest(line), at


class Journals:
    """All journals of this host."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        """Take the directory they lie in."""
        self.directory = directory
        self._clock = clock

    def names(self) -> list[Path]:
        """Return the journal files in order of their sequence numbers; not one that a crash left without an entry."""
        names = sorted(self.directory.glob("[0-9]" * 8 + ".jsonl"))
        while names and not read_lines(names[-1]):
            names.pop()
        return names

    def read(self, sequence: int) -> Journal:
        """Return the journal of a run."""
        return self.take_up(sequence).read()

    def take_up(self, sequence: int) -> JournalFile:
        """Return the journal of a run, to be continued."""
        return JournalFile(self.directory / f"{sequence:08d}.jsonl", self._clock)

    def next(self, used: int = 0) -> tuple[int, str | None]:
        """Return the next sequence number and the head of the journal before it.

        `used`: the highest number that the ledger knows. Where the journal of that run is gone, its number is not given
        to another run: what is missing shows as a gap, and the documents of the run that it was stay as they are.
        """
        names = self.names()
        last = int(names[-1].stem) if names else 0
        return max(last, used) + 1, self.read(last).head if names else None

    def open(self, opened: Opened) -> JournalFile:
        """Return a new journal that begins with `opened`."""
        journal = self.take_up(opened.sequence)
        journal.write(opened)
        return journal

    def openings(self) -> tuple[Opened, ...]:
        """Return the first entry's event of every journal."""
        firsts = (read_lines(path)[:1] for path in self.names())
        return tuple(replay("journal", first).opened for first in firsts if first)

    def begun(self) -> tuple[Journal, ...]:
        """Return the runs that were started and have no certificate."""
        journals = (self.read(int(path.stem)) for path in self.names())
        return tuple(journal for journal in journals if journal.is_begun)

    @property
    def last_at(self) -> datetime | None:
        """Return the last instant in the newest journal, or none."""
        names = self.names()
        entries = self.read(int(names[-1].stem)).entries if names else ()
        return entries[-1].at if entries else None
