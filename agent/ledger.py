"""The spent-order ledger: an order is used once for a carrier, and the host cannot forget that it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.lines import append_line, read_lines
from certificates.encoding import decode, digest, encode
from certificates.errors import Refused, Untrusted
from certificates.statements import LedgerEntry


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger as it stands; questions are pure."""

    entries: tuple[LedgerEntry, ...] = ()
    head: str | None = None

    def find_spent(self, order: str, carrier: str) -> LedgerEntry | None:
        """Return the entry that spent the order for the carrier, or none."""
        return next((e for e in self.entries if e.order == order and e.carrier == carrier), None)

    def is_superseded(self, order: str) -> bool:
        """Tell whether a newer order was taken in that supersedes this one."""
        return any(e.order == order and e.carrier is None for e in self.entries)

    def begun_since(self, at: datetime) -> int:
        """Return how many carriers were begun since an instant."""
        return sum(1 for e in self.entries if e.carrier is not None and e.at >= at)

    def size_since(self, at: datetime) -> int:
        """Return how many bytes were begun since an instant."""
        return sum(e.size for e in self.entries if e.at >= at)

    @property
    def last_sequence(self) -> int:
        """Return the highest number of a run recorded, or 0."""
        return max((e.sequence for e in self.entries if e.sequence is not None), default=0)

    @property
    def last_at(self) -> datetime | None:
        """Return the last instant recorded, or none."""
        return self.entries[-1].at if self.entries else None


def replay(lines: list[bytes]) -> Ledger:
    """Return the ledger in its lines; raises Refused where the chain is broken."""
    entries: tuple[LedgerEntry, ...] = ()
    head: str | None = None
    for number, line in enumerate(lines, start=1):
        try:
            entry = decode(line, LedgerEntry)
        except Untrusted as error:
            raise Refused("ledger-broken", line=number) from error
        if entry.number != number or entry.previous != head:
            raise Refused("ledger-broken", line=number)
        entries += (entry,)
        head = digest(line)
    return Ledger(entries, head)


class LedgerFile:
    """The ledger on disk: one line an entry, fsynced before anything is destroyed on its word."""

    def __init__(self, path: Path) -> None:
        """Take the ledger file's path; it is made at the first entry."""
        self.path = path

    def read(self) -> Ledger:
        """Return the ledger; a last line torn by a crash was never relied on and is dropped."""
        return replay(read_lines(self.path))

    def spend(self, order: str, carrier: str | None, sequence: int | None, size: int, now: datetime) -> tuple[int, str]:
        """Append an entry durably; return its number and digest."""
        ledger = self.read()
        number = len(ledger.entries) + 1
        line = encode(LedgerEntry(number, ledger.head, now, order, carrier, sequence, size))
        append_line(self.path, line)
        return number, digest(line)

    def supersede(self, order: str | None, now: datetime) -> None:
        """Make an order unusable because a newer, approved one takes its place; none: do nothing."""
        if order is not None and not self.read().is_superseded(order):
            self.spend(order, None, None, 0, now)
