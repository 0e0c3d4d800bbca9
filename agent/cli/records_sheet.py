"""What a plan says of records: how many, by which way, for how long others wait, what else goes."""

from __future__ import annotations

from agent.cli.copies_sheet import COPY
from agent.cli.screen import Screen
from agent.cli.sheets import size_text
from agent.cli.words import WORDS
from certificates.render.words import number, term
from certificates.statements import Fact
from wipers.model import Plan, Target


def records_lines(screen: Screen, target: Target, made: Plan) -> list[tuple[str, str]]:
    """Return labels and values; nothing for other kinds."""
    if made.kind != "records":
        return []
    say = screen.word
    at_most = say("records.at-most", size=size_text(made.size))
    lines = [
        (say("records.rows"), number(made.objects)),
        (say("records.way"), term("method", made.method.value, screen.language)),
        (say("records.size"), at_most),
    ]
    lines += [(_label(screen, fact), _value(screen, fact)) for fact in target.description]
    return lines


def _label(screen: Screen, fact: Fact) -> str:
    """What is told: of what goes with it, in the certificate's words."""
    if f"records.{fact.name}" in WORDS:
        return screen.word(f"records.{fact.name}")
    words = term("consequence", fact.name, screen.language)
    return words[:1].upper() + words[1:]


def _value(screen: Screen, fact: Fact) -> str:
    if not fact.value.isdigit():
        return fact.value
    if fact.name == "lock-milliseconds":
        return screen.word("records.milliseconds", count=number(int(fact.value)))
    return size_text(int(fact.value)) if fact.name == "bytes-to-write" else number(int(fact.value))


def records_tree(target: Target | None) -> dict[str, str] | None:
    """Return what was measured of records, for programs; none for other kinds."""
    if target is None or target.kind != "records":
        return None
    return {fact.name: fact.value for fact in target.description if not fact.name.startswith(COPY)}
