"""What a plan says of files: what lies there, as counts, and whether overwriting in place reaches it."""

from __future__ import annotations

from agent.cli.catalogue import sentence
from agent.cli.screen import Screen
from agent.cli.sheets import rows
from agent.cli.words_of_files import FOUND
from certificates.errors import Refused
from certificates.render.words import number
from wipers.acts import Hunt
from wipers.model import Plan, Target
from wipers.verdicts import VERDICTS

KINDS = ("files", "database")
"""Kinds of carrier that are files."""
MARK = "found-"


def files_lines(screen: Screen, target: Target) -> list[tuple[str, str]]:
    """Return labels and values; nothing for other kinds."""
    told = {fact.name: fact.value for fact in target.description}
    case = VERDICTS.get(told.get("case", ""))
    if target.kind not in KINDS or case is None:
        return []
    verdict = screen.word(f"files.{case.outcome}")
    return [
        (screen.word("files.file-system"), f"{told['file-system']}: {verdict}"),
        (screen.word("files.found"), "; ".join(_counted(screen, told))),
    ]


def sampling_lines(screen: Screen, target: Target, made: Plan) -> list[tuple[str, str]]:
    """Return the warning that what is to be looked for afterwards cannot be sampled; nothing where it can."""
    told = {fact.name for fact in target.description}
    if target.kind != "files" or MARK + "too-short" not in told or not any(isinstance(one, Hunt) for one in made.steps):
        return []
    return [(screen.word("files.warning"), "▲ " + screen.word("files.unsampled"))]


def _counted(screen: Screen, told: dict[str, str]) -> list[str]:
    return [
        f"{number(int(value))} {screen.word(f'files.{name}')}"
        for name in FOUND
        if (value := told.get(MARK + name)) is not None
    ]


def obstacle_lines(screen: Screen, target: Target | None) -> list[str]:
    """Return every reason against files that were found, each with its count; nothing for other kinds."""
    if target is None or target.kind not in KINDS:
        return []
    told = dict.fromkeys(sentence(Refused(one.reason, **dict(one.facts)), screen.language) for one in target.obstacles)
    pairs = [(screen.word("files.against") if place == 0 else " ", one) for place, one in enumerate(told)]
    return rows([*files_lines(screen, target), *pairs], indent=2)


def files_tree(target: Target | None) -> dict[str, object] | None:
    """Return the same for programs: counts by what was found, by reason what must not be touched."""
    if target is None or target.kind not in KINDS:
        return None
    told = {fact.name: fact.value for fact in target.description}
    return {
        "file_system": told.get("file-system", ""),
        "case": told.get("case", ""),
        "found": {name.removeprefix(MARK): int(value) for name, value in told.items() if name.startswith(MARK)},
        "against": list(dict.fromkeys(one.reason for one in target.obstacles)),
    }
