"""Every word that a command says is in the table, in both languages, with the same facts."""

from __future__ import annotations

import ast
from string import Formatter
from typing import get_args

import pytest

from agent.bays import BayState
from agent.cli.drives import OF_DRIVES
from agent.cli.words import WORDS, say
from agent.standing import State
from agent.surveying import NAMELESS, UNREACHABLE, Doubt
from certificates.statements import Finding, Match
from tests.support.house_rules import modules
from wipers.techniques import TECHNIQUES

SPOKEN = [module for module in modules("agent") if module.name.startswith("agent.cli")]

MADE = (
    "drive.fact.",
    "drive.is.",
    "files.",
    "records.",
    "step.",
    "state.",
    "bay.",
    "technique.basis.",
    "finding.",
    "matched.",
    "doubt.",
    "obstacle.",
    "why.",
)
"""How the keys begin that are put together from a code."""


def keys_said() -> set[str]:
    """Keys written out in calls such as `screen.word("order")` and `say("order")`."""
    found = set()
    for module in SPOKEN:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ("word", "say"):
                    found.add(str(node.args[0].value))
    return found


def strings() -> set[str]:
    return {
        str(node.value)
        for module in SPOKEN
        if not module.name.startswith("agent.cli.words")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_word_said_is_in_the_table() -> None:
    """A missing one would be a bug on the screen, perhaps in the middle of a run."""
    assert keys_said() - WORDS.keys() == set()


def test_words_made_of_a_kind_are_in_the_table() -> None:
    """The keys that are put together from a step, an area, a state or a row."""
    made = {f"step.{kind}.{area}" for kind in ("overwrite", "read-back", "sample") for area in ("whole", "header")}
    made |= {f"technique.basis.{row.basis}" for row in TECHNIQUES}
    made |= {f"finding.{code}" for code in get_args(Finding)} | {f"matched.{code}" for code in get_args(Match)}
    made |= {f"doubt.{code}" for code in get_args(Doubt)} | {f"obstacle.{NAMELESS}"}
    made |= {f"{group}.{code}" for group in ("obstacle", "why") for code in UNREACHABLE}
    made |= {f"drive.fact.{name}" for name in OF_DRIVES}
    made |= {f"bay.{state.value}" for state in BayState if state not in (BayState.REFUSED, BayState.ENDED)}
    assert made | {f"state.{state.value}" for state in State} <= WORDS.keys()


def test_every_word_in_the_table_is_said() -> None:
    """What nobody says is not kept."""
    made = tuple(key for key in WORDS if key.startswith(MADE))
    assert WORDS.keys() - strings() - set(made) == set()


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_name_the_same_facts(key: str) -> None:
    """A fact that only one language tells is lost on the others."""
    english, chinese = WORDS[key]
    facts = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, chinese)]
    assert facts[0] == facts[1]


def test_a_fact_may_have_any_name() -> None:
    """Facts called `key` and `language` must not collide with the parameters."""
    assert say("taken", "en", kind="order", what="7") == "Taken in: order 7"
