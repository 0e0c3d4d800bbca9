"""Facts of a finding in the reader's language: findings keep codes, people read words."""

from __future__ import annotations

from collections.abc import Callable

from certificates.render.words import Language, number, term
from certificates.statements import (
    Evidence,
    Fact,
    FullReadBack,
    KeyGone,
    PersonRole,
    Reason,
    ResidueHunt,
    SampledReadBack,
    SurvivorsCheck,
)


def code_people(persons: tuple[PersonRole, ...]) -> str:
    """Return persons as `requester P-0101, approver P-0417`."""
    return ", ".join(f"{person.role.value} {person.id}" for person in persons)


def code_reasons(reasons: tuple[Reason, ...]) -> str:
    """Return reasons as `unread:512, not-released:0`."""
    return ", ".join(f"{reason.code}:{reason.count or 0}" for reason in reasons)


def code_seen(evidence: Evidence) -> str:
    """Return what the checks saw as `full:matched:size`, `sampled:matched:read:blocks`, `keys:before:after`,
    `hunt:found:samples:size`, `survivors:after:before`."""
    parts = []
    for check in evidence.checks:
        match check:
            case FullReadBack():
                parts.append(f"full:{check.matched}:{check.size}")
            case SampledReadBack():
                read = check.read_in_all
                parts.append(f"sampled:{max(read - check.mismatched_blocks, 0)}:{read}:{check.blocks}")
            case KeyGone():
                parts.append(f"keys:{check.keyslots_before}:{check.keyslots_after}")
            case ResidueHunt(state="made"):
                found = sum(hits.count for hits in check.hits)
                parts.append(f"hunt:{found}:{check.needles + check.names}:{check.size}")
            case ResidueHunt():
                parts.append("hunt-none:0")
            case SurvivorsCheck():
                parts.append(f"survivors:{check.rows_after}:{check.rows_before}")
    return ", ".join(parts) or "nothing:0"


def tell_fact(fact: Fact, language: Language) -> str:
    """Return a fact's value as a person reads it."""
    tell = _TOLD.get(fact.name)
    return tell(fact.value, language) if tell else fact.value


def _tell_people(value: str, language: Language) -> str:
    named = (part.partition(" ") for part in value.split(", "))
    return _join([f"{term('role', role, language)} {who}" for role, _, who in named], language, "、")


def _tell_reasons(value: str, language: Language) -> str:
    named = (part.partition(":") for part in value.split(", "))
    told = [term("reason", code, language, count=_grouped(count)) for code, _, count in named]
    return _join(told, language, "；")


def _tell_seen(value: str, language: Language) -> str:
    told = []
    for part in value.split(", "):
        kind, *counts = part.split(":")
        told.append(term("seen", kind, language, **{f"n{at}": _grouped(count) for at, count in enumerate(counts)}))
    return _join(told, language, "；")


def _tell_speeds(value: str, language: Language) -> str:
    told = []
    for part in value.split(", "):
        act, *rates = part.split(":")
        told.append(term("speed", act, language, **{f"n{at}": _grouped(rate) for at, rate in enumerate(rates)}))
    return _join(told, language, "；")


def _tell_left(value: str, language: Language) -> str:
    return _join([term("residual", code, language) for code in value.split(", ")], language, "；")


def _grouped(count: str) -> str:
    return number(int(count)) if count.isdecimal() else count


def _join(parts: list[str], language: Language, chinese: str) -> str:
    return (chinese if language == "zh" else ", ").join(parts)


def _of(group: str) -> Callable[[str, Language], str]:
    return lambda value, language: term(group, value, language)


_TOLD: dict[str, Callable[[str, Language], str]] = {
    "level": _of("level"),
    "ordered": _of("level"),
    "grade": _of("grade"),
    "persons": _tell_people,
    "missing": _tell_people,
    "why": _tell_reasons,
    "seen": _tell_seen,
    "speeds": _tell_speeds,
    "left": _tell_left,
    "state": _of("hunt-state"),
    "check": _of("check-name"),
    "chosen": _of("seed"),
}
