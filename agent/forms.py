"""TOML that a person wrote -> a statement: every fault named by its key and what is expected there, all at once."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Callable
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from agent.files import read_file
from certificates.encoding import canonical, decode, digest, fields_of, format_time, members_of, read_field
from certificates.errors import Refused, Untrusted
from certificates.statements import Date, Items

T = TypeVar("T")
LARGEST = 4 << 20
LARGEST_ATTACHMENT = 256 << 20
NOTHING = "sha256:" + "0" * 64
"""Stands where a digest could not be found, so that one fault is not told twice."""


class Form:
    """A TOML file being turned into a statement, and the faults found so far."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises Refused when it is not TOML."""
        self.path = path
        self.faults: list[str] = []
        try:
            self.tree: dict[str, Any] = tomllib.loads(read_file(path, LARGEST).decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused("draft-wrong", where=path, faults=f"it is not TOML: {error}") from error

    def fault(self, where: str, expected: str) -> None:
        """Note that a key does not hold what is expected there."""
        self.faults.append(f"{where} {expected}")

    def convert(self, table: dict[str, Any], name: str, where: str, change: Callable[[Any, str], Any]) -> None:
        """Replace a key's value, if the key is there, by what `change(value, where)` makes of it."""
        if name in table:
            table[name] = change(table[name], _join(where, name))

    def tables(self, tree: dict[str, Any], name: str) -> list[tuple[dict[str, Any], str]]:
        """Return the tables of a list with the words that name each of them; what is no table is a fault."""
        found = tree.get(name, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            self.fault(name, f"must be a list of tables, each begun by [[{name}]]")
            return []
        return [(table, _item(name, number, table)) for number, table in enumerate(found)]

    def table(self, tree: dict[str, Any], name: str, where: str = "") -> dict[str, Any]:
        """Return a table of the tree, an empty one where it is absent or no table."""
        found = tree.get(name, {})
        if isinstance(found, dict):
            return found
        self.fault(_join(where, name), f"must be a table, begun by [{name}]")
        return {}

    def money(self, value: Any, where: str) -> Any:
        """Return an amount written as "12345.00" in 1/100 of the unit."""
        whole, point, rest = value.replace(",", "").partition(".") if isinstance(value, str) else ("", "", "")
        if not (whole.isdigit() and whole.isascii() and point and len(rest) == 2 and rest.isdigit() and rest.isascii()):
            self.fault(where, 'must be an amount in quotes with two decimals, e.g. "12345.00"')
            return 0
        return int(whole + rest)

    def attachment(self, value: Any, where: str) -> Any:
        """Return the digest of a file named relative to this one; a digest stays."""
        if not isinstance(value, str) or value.startswith("sha256:"):
            return value
        try:
            return digest(read_file(self.path.parent / value, LARGEST_ATTACHMENT))
        except (Refused, Untrusted) as error:
            self.fault(where, f"must be sha256:... or a file that can be read ({error.facts.get('detail', error)})")
            return NOTHING

    def finish(self, tree: dict[str, Any], kind: type[T]) -> T:
        """Return the statement; raises Refused with every fault found in the file."""
        wire = self._check(tree, kind, "")
        self.check()
        try:
            return decode(canonical(wire), kind)
        except Untrusted as error:
            raise Refused("draft-wrong", where=self.path, faults=error.row.en.format_map(error.facts)) from error

    def read(self, tree: Any, kind: type[T], where: str) -> T | None:
        """Return a statement that a part of the file holds; none where that part has faults, which are noted."""
        known = len(self.faults)
        wire = self._check(tree, kind, where)
        return decode(canonical(wire), kind) if len(self.faults) == known else None

    def look_over(self, tree: Any, kind: type, but: frozenset[str]) -> None:
        """Note the faults of a table, as far as it is filled in: not of the fields in `but`."""
        self._check_table({name: tree[name] for name in tree.keys() - but}, kind, "", but)

    def check(self) -> None:
        """Return if no fault was found; raises Refused with all of them."""
        if self.faults:
            raise Refused("draft-wrong", where=self.path, faults="\n  " + "\n  ".join(dict.fromkeys(self.faults)))

    def _check(self, tree: Any, hint: Any, where: str) -> Any:
        """Return the wire form of a value, noting what does not fit its type."""
        bare, items = _bare(hint)
        if isinstance(bare, tuple):
            return self._check_union(tree, bare, where)
        if dataclasses.is_dataclass(bare) and isinstance(bare, type):
            return self._check_table(tree, bare, where)
        if typing.get_origin(bare) is tuple:
            return self._check_list(tree, typing.get_args(bare)[0], items, where)
        return self._check_leaf(tree, hint, where)

    def _check_union(self, tree: Any, members: tuple[type, ...], where: str) -> Any:
        kinds = {typing.get_args(fields_of(member)["kind"][0])[0]: member for member in members}
        mark = tree.get("kind") if isinstance(tree, dict) else None
        if mark not in kinds:
            self.fault(f"{where}.kind", "must be one of " + ", ".join(kinds))
            return tree
        return self._check_table(tree, kinds[mark], where)

    def _check_table(self, tree: Any, kind: type, where: str, but: frozenset[str] = frozenset()) -> Any:
        if not isinstance(tree, dict):
            self.fault(where, "must be a table of " + ", ".join(fields_of(kind)))
            return tree
        fields = fields_of(kind)
        for name in tree.keys() - fields.keys():
            near = difflib.get_close_matches(name, fields, 1)
            self.fault(_join(where, name), "is not known here" + (f"; did you mean {near[0]}?" if near else ""))
        defaults = {field.name: field.default for field in dataclasses.fields(kind)}
        result = {}
        for name, (hint, may_be_absent) in fields.items():
            if name in tree:
                result[name] = self._check(tree[name], hint, _join(where, name))
            elif defaults[name] is not dataclasses.MISSING and defaults[name] is not None:
                default = defaults[name]
                result[name] = list(default) if isinstance(default, tuple) else default
            elif not may_be_absent and name not in but:
                self.fault(_join(where, name), f"is missing: {expected_of(hint)}")
        return result

    def _check_list(self, tree: Any, hint: Any, items: Items, where: str) -> Any:
        if not isinstance(tree, list) or not items.least <= len(tree) <= items.most:
            self.fault(where, f"must be a list of {items.least} to {items.most} items")
            return tree
        return [self._check(item, hint, _item(where, number, item)) for number, item in enumerate(tree)]

    def _check_leaf(self, tree: Any, hint: Any, where: str) -> Any:
        if isinstance(tree, date):
            wire = _written_date(tree, hint)
            if wire is None:
                self.fault(where, f"must be {expected_of(hint)}")
                return tree
            tree = wire
        try:
            read_field(tree, hint, where)
        except Untrusted:
            self.fault(where, f"must be {expected_of(hint)}")
        return tree


def _written_date(value: date, hint: Any) -> str | None:
    """Return the wire form of a TOML day or instant where the field takes one; none where it does not."""
    if isinstance(value, datetime):
        return format_time(value) if _bare(hint)[0] is datetime and value.tzinfo is not None else None
    return value.isoformat() if hint == Date else None


def expected_of(hint: Any) -> str:
    """Return what a field of this type holds, in words."""
    bare, _ = _bare(hint)
    if isinstance(bare, tuple) or dataclasses.is_dataclass(bare):
        return "a table"
    if typing.get_origin(bare) is tuple:
        return "a list"
    try:
        read_field([], hint, "it")
    except Untrusted as error:
        found = str(error.facts.get("expected"))
        if found not in ("a string", "a value of another type"):
            return found
    if isinstance(bare, type) and issubclass(bare, StrEnum):
        return "one of " + ", ".join(member.value for member in bare)
    if bare is datetime:
        return "a time with its zone, e.g. 2026-12-01T18:00:00+08:00"
    try:
        read_field("\0", hint, "it")
    except Untrusted as error:
        return "a day, e.g. 2026-12-01" if hint == Date else str(error.facts.get("expected"))
    return "text"


def _bare(hint: Any) -> tuple[Any, Items]:
    """Return the type without its marks (a tuple for a union of statements), and the bounds of a list."""
    items = Items()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *marks = typing.get_args(hint)
        items = next((mark for mark in marks if isinstance(mark, Items)), items)
    members = tuple(member for member in members_of(hint) if member is not types.NoneType)
    if len(members) > 1:
        return members, items
    if typing.get_origin(members[0]) is typing.Annotated:
        return _bare(members[0])
    return members[0], items


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _item(where: str, number: int, item: Any) -> str:
    """Return words for an item of a list: by its id where it has one, else counted from 1."""
    table = item if isinstance(item, dict) else {}
    named = next((table[key] for key in ("id", "card", "name") if isinstance(table.get(key), str)), number + 1)
    return f"{where}[{named}]"
