"""Conditions: values stay beside the statement, and nothing in a condition can end it or hide part of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from certificates.errors import Refused
from certificates.statements import Parameter
from wipers.conditions import Bound, bind


def bound(condition: str, *parameters: Parameter) -> tuple[str, tuple[Bound, ...]]:
    return bind(condition, parameters, lambda _: "?")


def test_values_are_bound_and_never_stand_in_the_statement() -> None:
    """A name that looks like SQL is a value like any other."""
    robert = "Robert'); DROP TABLE people;--"
    assert bound("name = :who", Parameter("who", "text", (robert,))) == ("name = ?", (robert,))


def test_a_list_becomes_as_many_marks_as_it_has_values() -> None:
    """A clerk pastes a column of numbers."""
    assert bound("id IN (:ids)", Parameter("ids", "integer", ("3", "5", "8"))) == ("id IN (?, ?, ?)", (3, 5, 8))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "é", "é"),
        ("text-hex", "65cc81", "e\u0301"),
        ("integer", "-7", -7),
        ("decimal", "1.50", Decimal("1.50")),
        ("bytes", "00ff", b"\x00\xff"),
        ("boolean", "true", True),
        ("null", "", None),
    ],
)
def test_each_type_is_bound_as_its_own(kind: str, text: str, value: Bound) -> None:
    """A number that is bound as text finds nothing in some engines, and too much in others."""
    parameter = Parameter("v", kind, (text,))  # type: ignore[arg-type]
    assert bound("a = :v", parameter) == ("a = ?", (value,))


@pytest.mark.parametrize("condition", ["a = ':v'", 'a = ":v"', "a = `:v`"])
def test_what_stands_in_quotes_is_no_name_of_a_value(condition: str) -> None:
    """A colon in a text of the condition's own is a colon."""
    with pytest.raises(Refused, match="does not use v"):
        bound(condition, Parameter("v", "integer", ("1",)))
    assert bound(condition) == (condition, ())


def test_a_cast_is_no_value() -> None:
    """PostgreSQL casts with two colons."""
    assert bound("a::text = :v", Parameter("v", "text", ("x",))) == ("a::text = ?", ("x",))


def test_a_percent_sign_is_written_as_the_driver_wants_it() -> None:
    """Drivers that mark values with %s would take a bare one for a mark."""
    text, _ = bind("a LIKE 'x%' AND b = :v", (Parameter("v", "integer", ("1",)),), lambda _: "%s", percent="%%")
    assert text == "a LIKE 'x%%' AND b = %s"


@pytest.mark.parametrize(
    "condition",
    [
        "a = 1; DROP TABLE t",
        "a = 1 -- and the rest",
        "a = 1 /* hidden */",
        "a = 1) OR (1 = 1",
        "(a = 1",
        "a = 'open",
        "a = $$text$$",
        "a = ?",
        "a = \\1",
        "a = '\\' OR 1 = 1 OR b = '",
        "a = E'x\\'' OR 1 = 1 OR b = '",
        'a = "\\" OR 1 = 1 OR b = "',
        "a = $\u00e9$ ' $\u00e9$ OR 1 = 1 OR b = ' '",
        "  ",
        "a = :unknown",
    ],
)
def test_what_could_reach_beyond_the_condition_is_refused(condition: str) -> None:
    """More rows than the approvers read must not be within reach of a bracket."""
    with pytest.raises(Refused) as caught:
        bound(condition)
    assert caught.value.reason == "condition-wrong"


def test_a_value_that_is_not_of_its_type_is_refused() -> None:
    """Better at planning than under lock."""
    with pytest.raises(Refused, match="holds no integer"):
        bound("a = :v", Parameter("v", "integer", ("seven",)))
