"""What a plan says of records: how many, by which way, for how long others wait, what else goes."""

from __future__ import annotations

from agent.cli.screen import Screen
from agent.cli.sheets import size_text
from agent.cli.words import WORDS
from certificates.render.words import number, term
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
    for fact in target.description:
        label = say(f"records.{fact.name}") if f"records.{fact.name}" in WORDS else fact.name
        is_time = fact.name == "lock-milliseconds" and fact.value.isdigit()
        lines.append((label, say("records.milliseconds", count=number(int(fact.value))) if is_time else fact.value))
    return lines


def records_tree(target: Target | None) -> dict[str, str] | None:
    """Return what was measured of records, for programs; none for other kinds."""
    if target is None or target.kind != "records":
        return None
    return {fact.name: fact.value for fact in target.description if fact.name != "copy-known"}
