"""Techniques and targets for people and programs, with the level that the rule book lets each reach."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from agent.cli.drives import OF_DRIVES, drive_rows
from agent.cli.fillings import final_state, passes
from agent.cli.screen import Language, Screen
from agent.cli.sheets import rows, size_text
from certificates.claims import ceiling
from certificates.errors import Refused
from certificates.phrases import in_chinese
from certificates.render.words import number, term
from certificates.statements import Kind, Media, Residual
from wipers import WIPERS
from wipers.model import Obstacle, Target, Technique
from wipers.techniques import TECHNIQUES, techniques_for

SHOWN_APART = frozenset({"bus", "by-id", "contents", "physical-sector", "sequence", "zoned"})
"""What is told of a target on lines of its own, or is of use to programs alone."""


def reaches(technique: Technique, kind: Kind) -> dict[str, str | None]:
    """Return the highest level that the technique could reach on each medium."""
    levels = {media.value: ceiling(technique.method[kind], media) for media in Media}
    return {media: level.value if level else None for media, level in levels.items()}


def technique_trees(techniques: Sequence[Technique] = TECHNIQUES) -> list[dict[str, object]]:
    """Return techniques as JSON."""
    return [
        {
            "id": row.id,
            "name": row.name,
            "passes": list(passes(row, "en")),
            "final_state": final_state(row, "en"),
            "citation": row.citation,
            "basis": row.basis,
            "warning": row.warning,
            "only_where_named": not row.is_offered,
            "reaches": {kind: reaches(row, kind) for kind in row.method},
        }
        for row in techniques
    ]


def _medium(media: str, language: Language) -> str:
    """Return the medium in a word: what a bracket says of it would stand here ten times."""
    return re.split("[(（]", term("media", media, language))[0].strip()


def technique_sheet(screen: Screen, techniques: Sequence[Technique] = TECHNIQUES) -> list[str]:
    """Return techniques as lines."""
    say, language = screen.word, screen.language
    lines: list[str] = []
    for row in techniques:
        levels = [
            f"{term('kind', kind, language)}: "
            + ", ".join(
                f"{_medium(media, language)} {term('level', level or 'none', language)}"
                for media, level in reaches(row, kind).items()
            )
            for kind in row.method
        ]
        pairs = [
            (say("technique.passes"), counted(passes(row, language))),
            (say("technique.final"), final_state(row, language)),
            *((say("technique.reaches"), level) for level in levels),
            (say("technique.citation"), row.citation),
            (say("technique.basis"), say(f"technique.basis.{row.basis}")),
            (say("technique.named"), "" if row.is_offered else say("technique.named.only")),
            (say("technique.warning"), row.warning or ""),
        ]
        lines += [f"{row.id}  {row.name}", *rows(pairs, indent=2), ""]
    return lines[:-1]


def counted(told: Sequence[str]) -> str:
    """Return what stands in a row as a sentence; what is said several times running, once with its number."""
    runs = [(text, len(list(same))) for text, same in groupby(told)]
    return "; ".join(text if count == 1 else f"{text} (x{count})" for text, count in runs)


def list_targets() -> tuple[Target, ...]:
    """Return the devices of this host."""
    from wipers.linux import LinuxHost

    return LinuxHost(state_directory=Path(os.devnull)).list_targets()


def tell(obstacle: Obstacle, language: str) -> str:
    """Return an obstacle as a sentence."""
    return sentence(Refused(obstacle.reason, **dict(obstacle.facts)), language)


def sentence(error: Refused, language: str) -> str:
    """Return what happened, without state and advice."""
    facts = {"carrier": ""} | {name: str(value) for name, value in error.facts.items()}
    if language == "zh":
        return error.row.zh.format_map({name: in_chinese(value) for name, value in facts.items()})
    return error.row.en.format_map(facts)


def _sectors(target: Target, told: Mapping[str, str]) -> str:
    """Return the logical sector, and the name of its pairing with the physical one where it has one."""
    physical = int(told.get("physical-sector", 0))
    name = {(512, 512): "512n", (512, 4096): "512e", (4096, 4096): "4Kn"}.get((target.sector_size, physical), "")
    return f"{target.sector_size} B" + (f" ({name})" if name else "")


def unreached(one: Residual, language: Language) -> str:
    """Return what stays unreached, with how much of it where that is known."""
    return term("residual", one.code, language) + ("" if one.count is None else f" ({number(one.count)})")


def _levels(target: Target) -> list[str]:
    """Return the levels that some technique could reach on the target."""
    found = {ceiling(row.method[target.kind], target.media) for row in techniques_for(target.kind)}
    return sorted((level.value for level in found if level is not None), key=["clear", "purge", "destroy"].index)


def target_trees(targets: Sequence[Target]) -> list[dict[str, object]]:
    """Return targets as JSON."""
    return [
        {
            "location": target.location,
            "kind": target.kind,
            "identity": {fact.name: fact.value for fact in target.facts},
            "description": {fact.name: fact.value for fact in target.description},
            "media": target.media.value,
            "size": target.size,
            "sector_size": target.sector_size,
            "reaches": _levels(target),
            "obstacles": [{"reason": one.reason, "facts": dict(one.facts)} for one in target.obstacles],
            "not_reached": [one.code for one in target.residual],
        }
        for target in targets
    ]


def target_sheet(screen: Screen, targets: Sequence[Target]) -> list[str]:
    """Return targets as lines, each saying what it is, whether it may be touched, and why not."""
    lines: list[str] = []
    for target in targets:
        lines += [*target_lines(screen, target), ""]
    return lines[:-1] or [screen.word("targets.none")]


def target_lines(screen: Screen, target: Target) -> list[str]:
    """Return one target as lines."""
    say, language = screen.word, screen.language
    facts = "  ".join(f"{fact.name} {fact.value}" for fact in target.facts if fact.value and fact.name != "size")
    told = {fact.name: fact.value for fact in target.description if fact.value}
    known = {fact.name for fact in target.facts if fact.value} | SHOWN_APART | OF_DRIVES
    more = "  ".join(f"{name} {value}" for name, value in told.items() if name not in known)
    media = term("media", target.media.value, language)
    pairs = [
        (say("target.identity"), facts),
        (say("target.size"), f"{size_text(target.size)}  {number(target.size)} B  {_sectors(target, told)}"),
        (say("target.medium"), "  ".join(filter(None, (media, told.get("bus"), told.get("zoned"))))),
        (say("target.contents"), told.get("contents", "")),
        (say("target.by_id"), told.get("by-id", "")),
        *drive_rows(screen, told),
        (say("target.more"), more),
        *((say("target.obstacle"), "▲ " + tell(one, language)) for one in target.obstacles),
        (say("target.free"), "" if target.obstacles else "● " + say("target.nothing")),
        (say("target.reaches"), ", ".join(term("level", level, language) for level in _levels(target))),
        (say("target.why"), say("target.ceiling")),
        *((say("target.residual"), unreached(one, language)) for one in target.residual),
    ]
    return [f"{target.location}  {WIPERS[target.kind].summary}", *rows(pairs, indent=2)]
