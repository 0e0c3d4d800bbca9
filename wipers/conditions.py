"""A condition with named values, as a driver takes it: the values stay beside it, whatever they hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation

from certificates.errors import Refused
from certificates.statements import Parameter

Bound = str | int | Decimal | bytes | bool | None
"""A value as a driver binds it."""

_PIECE = re.compile(
    r"""
      '(?:[^']|'')*'                                  # text
    | "(?:[^"]|"")*"                                  # a quoted name
    | `[^`]*`                                         # a quoted name of MariaDB
    | ::                                              # a cast of PostgreSQL
    | :(?P<name>[A-Za-z_][A-Za-z0-9_]*)               # a value
    | (?P<refused>;|--|/\*|\#|\$[^\s$]*\$|\\|\?|%\(|@)
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


def bind(
    condition: str, parameters: tuple[Parameter, ...], mark: Callable[[int], str], percent: str = "%"
) -> tuple[str, tuple[Bound, ...]]:
    """Return the condition with the driver's marks in place of `:name`, and the values in the order of the marks.

    `mark` makes the mark of the value with that number, counted from 0; `percent` is how the driver writes a percent
    sign of the condition's own. A name that holds a list becomes that many marks with commas between them. Raises
    Refused where a name has no value, a value no name, or the condition holds what could end or hide part of it.
    """
    known = {parameter.name: parameter for parameter in parameters}
    if len(known) != len(parameters):
        raise Refused("condition-wrong", detail="two parameters have one name")
    values: list[Bound] = []
    text: list[str] = []
    used: set[str] = set()
    for piece in _PIECE.finditer(condition):
        if piece["refused"] is not None:
            raise Refused("condition-wrong", detail=f"{piece['refused']} is not taken in a condition")
        name = piece["name"]
        if "\\" in piece[0]:
            # MariaDB, and PostgreSQL after an E, take a quote behind it for text: text ends elsewhere then.
            raise Refused("condition-wrong", detail="\\ is not taken in a condition: give the text as a value")
        if name is None:
            text.append(piece[0].replace("%", percent))
            continue
        if name not in known:
            raise Refused("condition-wrong", detail=f":{name} has no value")
        used.add(name)
        found = tuple(_values_of(known[name]))
        text.append(", ".join(mark(len(values) + number) for number in range(len(found))))
        values.extend(found)
    if unused := known.keys() - used:
        raise Refused("condition-wrong", detail=f"the condition does not use {', '.join(sorted(unused))}")
    _check_closed("".join(text))
    return "".join(text), tuple(values)


def _check_closed(condition: str) -> None:
    """Every bracket is closed by its own, so that what is put around the condition stays around it."""
    depth = 0
    for piece in _PIECE.finditer(condition):
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
        if depth < 0 or piece[0] in {"'", '"', "`"}:
            raise Refused("condition-wrong", detail="a bracket or a quote is not closed")
    if depth or not condition.strip():
        raise Refused("condition-wrong", detail="a bracket is not closed" if depth else "it is empty")


def _values_of(parameter: Parameter) -> Iterator[Bound]:
    for value in parameter.value:
        try:
            yield _value(parameter.type, value)
        except (ValueError, InvalidOperation) as error:
            raise Refused("condition-wrong", detail=f":{parameter.name} holds no {parameter.type}") from error


def _value(kind: str, value: str) -> Bound:
    match kind:
        case "text":
            return value
        case "text-hex":
            return bytes.fromhex(value).decode("utf-8")
        case "integer":
            return int(value)
        case "decimal":
            return Decimal(value)
        case "bytes":
            return bytes.fromhex(value)
        case "boolean" if value in ("true", "false"):
            return value == "true"
        case "null" if not value:
            return None
    raise ValueError(kind)
