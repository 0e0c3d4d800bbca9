"""Whose turn it is: copies of records go after the records, but for a standby that replays them, which begins first,
and for those that the hunt for the records' history would find. Pure: agent and auditor ask the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from certificates.errors import Untrusted
from certificates.statements import Carrier, Order, RecordsIdentity

FED = frozenset({"archive", "replica", "slot"})
"""Copies that the server itself goes on writing to, by the word that the order has for them."""

SOURCE = "primary"
"""What a replica's order calls the server that it copies: it goes first, as where its own order names the replica."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One carrier that waits for another of the same order."""

    first: str
    """Carrier that goes first."""
    then: str
    """Carrier that waits for it."""
    how: Literal["certified", "begun", "released"]
    """What the first must have done: ended with a certificate; only begun, for a standby samples before the rows go and
    ends after them; or destroyed what it is, also in the same run, since nobody fills it again and a hunt follows."""


def turns_of(order: Order) -> tuple[Turn, ...]:
    """Return which carriers wait for which, in the order in which the document names them."""
    known = {carrier.id: carrier for carrier in order.carriers}
    return tuple(
        turn
        for carrier in order.carriers
        if isinstance(carrier.identity, RecordsIdentity)
        for turn in dict.fromkeys(_turns_of(carrier, known))
    )


def _turns_of(carrier: Carrier, known: Mapping[str, Carrier]) -> Iterator[Turn]:
    fed = {copy.carrier for copy in carrier.copies if copy.what in FED}
    for copy in carrier.copies:
        other = known.get(copy.carrier) if copy.carrier is not None else None
        if other is None:
            continue
        if copy.what == "replica" and _is_same_server_replayed(carrier, other):
            yield Turn(other.id, carrier.id, "begun")
        elif copy.what == SOURCE:
            yield Turn(other.id, carrier.id, "certified")
        elif other.id not in fed and "history" in carrier.destroy and _are_neighbours(carrier, other):
            yield Turn(other.id, carrier.id, "released")
        else:
            yield Turn(carrier.id, other.id, "certified")


def _is_same_server_replayed(rows: Carrier, copy: Carrier) -> bool:
    """Tell whether the copy is a standby that is at work: records of a server with the identifier of its primary."""
    ours, theirs = rows.identity, copy.identity
    if not (isinstance(ours, RecordsIdentity) and isinstance(theirs, RecordsIdentity)):
        return False
    return ours.engine == theirs.engine == "postgresql" and ours.system == theirs.system


def found_again(order: Order) -> tuple[tuple[str, str], ...]:
    """Return (carrier, other): the carrier wants history gone from a file system on which the other one still has the
    same rows then, those that stay among them: its hunt finds them, and proves nothing."""
    known = {carrier.id: carrier for carrier in order.carriers}
    named = ((known.get(copy.carrier or ""), one, copy.what in FED) for one in order.carriers for copy in one.copies)
    found = []
    for copy, rows, is_fed in named:
        if copy is not None and isinstance(rows.identity, RecordsIdentity) and _are_neighbours(copy, rows):
            found += [(copy.id, rows.id)] if "history" in copy.destroy else []
            found += [(rows.id, copy.id)] if is_fed and "history" in rows.destroy else []
    return tuple(dict.fromkeys(found))


def _are_neighbours(one: Carrier, other: Carrier) -> bool:
    """Tell whether both may lie on one file system of one host."""
    places = {getattr(carrier.identity, "filesystem", None) for carrier in (one, other)}
    return len(places) == 1 and None not in places and bool(set(one.hosts) & set(other.hosts))


def in_turn(order: Order) -> tuple[str, ...]:
    """Return all carriers in an order of steps that keeps every turn; raises Untrusted where there is none."""
    turns, left, found = turns_of(order), [carrier.id for carrier in order.carriers], list[str]()
    while left:
        free = [one for one in left if not any(turn.then == one and turn.first in left for turn in turns)]
        if not free:
            detail = f"carriers {', '.join(left)} are copies of one another: none can go first"
            raise Untrusted("order-inconsistent", detail=detail)
        found.append(free[0])
        left.remove(free[0])
    return tuple(found)


def note_of(first: str, by: str) -> str:
    """Return the line in which a journal says what its carrier came after."""
    return f"after {first}: {by}"


def noted_after(notes: Iterable[str], first: str) -> str | None:
    """Return what showed, by the lines of a journal, that a carrier had gone first; none where they say nothing."""
    begin = note_of(first, "")
    return next((note.removeprefix(begin) for note in notes if note.startswith(begin)), None)
