"""Did a copy of records go in its turn? What the order asks, and what the run's journal says that it came after."""

from __future__ import annotations

from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, holds, unknown
from certificates.statements import Noted, Order
from certificates.turns import noted_after, turns_of


def check_turns(case: Dossier) -> tuple[Finding, ...]:
    """For every carrier that this one had to wait for, the journal says what showed that it had ended, or begun."""
    events = (entry.event for entry, _ in case.journal)
    return judge_turns(case.order.statement, case.carrier.id, [one.note for one in events if isinstance(one, Noted)])


def judge_turns(order: Order, carrier: str, notes: list[str]) -> tuple[Finding, ...]:
    """Return a finding for each carrier that goes first; that of a copy in the same run needs no note."""
    turns = [turn for turn in turns_of(order) if turn.then == carrier and turn.how != "released"]
    ended = {turn.first for turn in turns if turn.how == "certified"}
    firsts = dict.fromkeys(turn.first for turn in turns)
    return tuple(_judge(first, notes, is_ended=first in ended) for first in firsts)


def _judge(first: str, notes: list[str], *, is_ended: bool) -> Finding:
    told = noted_after(notes, first)
    if told is None or (is_ended and told.startswith("start ")):
        # That it had begun does not show that it had ended.
        return unknown("turns", Basis.ATTESTED, "turn-not-shown", first=first)
    return holds("turns", Basis.ATTESTED, "turn-shown", first=first, by=told)
