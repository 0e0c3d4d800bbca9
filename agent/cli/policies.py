"""Policies for people and programs: what each allows on which medium, and what of its text is left out."""

from __future__ import annotations

from agent.cli.screen import Screen
from agent.cli.sheets import rows
from certificates.render.words import term
from wipers.policies import POLICIES


def policy_trees() -> list[dict[str, object]]:
    """Return the policies as JSON."""
    return [
        {
            "id": row.id,
            "name": row.name,
            "citation": row.citation,
            "allows": {media.value: list(rule.techniques) for rule in row.rules for media in rule.media},
            "needs_hidden_areas_reset": row.needs_hidden_areas_reset,
            "left_out": list(row.left_out),
        }
        for row in POLICIES
    ]


def policy_sheet(screen: Screen) -> list[str]:
    """Return the policies as lines."""
    say, language = screen.word, screen.language
    lines: list[str] = []
    for row in POLICIES:
        allows = [
            f"{term('media', media.value, language)}: {', '.join(rule.techniques)}"
            for rule in row.rules
            for media in rule.media
        ]
        pairs = [
            (say("technique.citation"), row.citation),
            *((say("policy.allows"), one) for one in allows or (say("policy.nothing"),)),
            (say("policy.hidden"), say("policy.hidden.reset") if row.needs_hidden_areas_reset else ""),
            *((say("policy.left-out"), one) for one in row.left_out),
        ]
        lines += [f"{row.id}  {row.name}", *rows(pairs, indent=2), ""]
    return lines[:-1]
