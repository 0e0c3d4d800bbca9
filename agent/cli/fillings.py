"""What passes write, in the reader's words and in bytes."""

from __future__ import annotations

from agent.cli.words import say
from certificates.render.words import Language, term
from certificates.statements import ComplementOf, ConstantByte, DrawnByte, Filling, FreshKeystream, RepeatedWord
from wipers.model import Technique


def writes(filling: Filling, language: Language) -> str:
    """Return what a pass with this filling writes."""
    match filling:
        case ConstantByte(byte=byte):
            return f"0x{byte}"
        case RepeatedWord(word=word):
            return say("filling.repeated", language, word=f"0x{word}")
        case DrawnByte(name=name):
            return say("filling.drawn", language, name=name)
        case ComplementOf(name=name):
            return say("filling.complement", language, name=name)
        case FreshKeystream():
            return say("filling.keystream", language)


def passes(technique: Technique, language: Language) -> tuple[str, ...]:
    """Return what each pass writes, with the area and, where its place is drawn, that it is."""
    first, behind = technique.shuffled or (0, 0)
    return tuple(
        f"{term('area', one.area, language)}: {writes(one.filling, language)}"
        + (f" ({say('filling.shuffled', language)})" if first <= number < behind else "")
        for number, one in enumerate(technique.passes)
    )


def final_state(technique: Technique, language: Language) -> str:
    """Return what stays on the medium."""
    return writes(technique.passes[-1].filling, language)
