"""Copies of records for people and programs: which the server knows, and in which order of steps carriers go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.cli.screen import Screen
from agent.cli.sheets import rows, table
from agent.site import Site
from agent.turns import Shown, shown_of, waits_for
from agent.workflow import Chosen
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.render.words import term
from certificates.statements import Carrier, Fact, Order, Outcome
from certificates.turns import found_again, in_turn, turns_of
from wipers.model import Target

COPY = "copy-"
"""What the facts of a target begin with that tell of a copy which the server knows."""
SIGNS = {Outcome.PROVEN: "●", Outcome.NOT_REACHED: "▲", Outcome.UNKNOWN: "○", None: "○"}
"""Signs that differ in shape, of what a certificate claims, and of one that is not there yet."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where one carrier of an order stands among those that wait for one another."""

    carrier: Carrier
    hosts: tuple[str, ...]
    """Names of the hosts where it may be carried out; none: this one is among them."""
    shown: Shown | None
    waits_for: tuple[str, ...]
    command: str
    """What to say when it is its turn."""
    is_together: bool = False
    """Whether it may go with those that it waits for, in one run; then the command names them too."""


def steps_of(site: Site, chosen: Chosen, path: Path) -> tuple[Step, ...]:
    """Return the carriers that wait for others or are waited for, in an order of steps; none where there are none."""
    wrapped = unwrap(chosen.envelope)
    order = decode(wrapped.payload, Order)
    turns = turns_of(order)
    known = {carrier.id: carrier for carrier in order.carriers}
    names = {host.key.id: host.name for host in site.documents.chain().current.hosts}
    shown = shown_of(site, order, wrapped.digest, chosen.after)
    steps = []
    for name in in_turn(order):
        firsts = [known[turn.first] for turn in turns if turn.then == name]
        if not firsts and all(turn.first != name for turn in turns):
            continue
        carrier = known[name]
        is_here = site.signer.key_id in carrier.hosts
        hosts = () if is_here else tuple(names.get(host, host) for host in carrier.hosts)
        handed = [f" --after {first.id}.expunge" for first in firsts if set(first.hosts) != set(carrier.hosts)]
        waiting = waits_for(order, name, shown)
        is_together = bool(waiting) and all(turn.how == "released" for turn in turns if turn.then == name)
        these = "".join(f" --carrier {one}" for one in (*(waiting if is_together else ()), name))
        command = f"expunge run {path} --key KEY{these}{''.join(dict.fromkeys(handed))}"
        steps.append(Step(carrier, hosts, shown.get(name), waiting, command, is_together))
    return tuple(steps)


def warnings(screen: Screen, order: Order) -> list[str]:
    """Return a line for each carrier whose hunt will find what another still has: for whoever drafts or signs."""
    return [screen.word("turns.found-again", carrier=one, other=other) for one, other in found_again(order)]


def steps_lines(screen: Screen, steps: tuple[Step, ...]) -> list[str]:
    """Return a line a step: where, and how far it is, what it waits for, or what to say now."""
    if not steps:
        return []
    lines = [
        (str(number), one.carrier.id, ", ".join(one.hosts) or screen.word("turns.here"), _state(screen, one))
        for number, one in enumerate(steps, start=1)
    ]
    headings = ("", screen.word("turns.carrier"), screen.word("turns.host"), screen.word("turns.state"))
    return ["", screen.word("turns.title"), *table(headings, lines, indent=2)]


def _state(screen: Screen, step: Step) -> str:
    shown = step.shown
    if shown is not None and shown.outcome is None:
        return f"{SIGNS[None]} {screen.word('turns.begun', by=_by(screen, shown))}"
    if shown is not None:
        outcome = term("outcome", str(shown.outcome), screen.language)
        return f"{SIGNS[shown.outcome]} {screen.word('turns.ended', by=_by(screen, shown), outcome=outcome)}"
    if step.is_together:
        return screen.word("turns.together", command=step.command)
    if step.waits_for:
        return screen.word("turns.waits", first=", ".join(step.waits_for))
    return screen.word("turns.now", command=step.command)


def _by(screen: Screen, shown: Shown) -> str:
    return screen.word("run.number", number=shown.which) if shown.kind == "run" else shown.which


def steps_tree(steps: tuple[Step, ...]) -> list[dict[str, object]]:
    """Return the same for programs."""
    return [
        {
            "carrier": one.carrier.id,
            "hosts": list(one.hosts),
            "state": one.shown.state if one.shown else "waits" if one.waits_for else "now",
            "by": one.shown.by if one.shown else None,
            "outcome": one.shown.outcome.value if one.shown and one.shown.outcome else None,
            "waits_for": list(one.waits_for),
        }
        for one in steps
    ]


def copies_lines(screen: Screen, target: Target | None) -> list[str]:
    """Return the copies that the server knows, for records that are refused: what the order has to name."""
    told = _known(target) if target is not None and target.kind == "records" else ()
    return rows([(screen.word(f"records.{fact.name}"), fact.value) for fact in told], indent=2)


def copies_tree(target: Target | None) -> list[dict[str, str]] | None:
    """Return the same for programs; none for other kinds."""
    if target is None or target.kind != "records":
        return None
    return [{"copy": fact.value, "order": fact.name.removeprefix(COPY)} for fact in _known(target)]


def _known(target: Target) -> tuple[Fact, ...]:
    return tuple(fact for fact in target.description if fact.name.startswith(COPY))
