"""Statement <-> bytes: the only module that knows the wire form, canonical JSON (RFC 8785), read strictly."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import types
import typing
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

import rfc8785

from certificates.errors import Untrusted
from certificates.statements.basics import MAX_INTEGER, Form, Items

T = TypeVar("T")
MAX_DEPTH = 64


def digest(value: object) -> str:
    """Return `sha256:<hex>` of bytes, or of the canonical bytes of a statement."""
    data = value if isinstance(value, bytes) else encode(value)
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(statement: object) -> bytes:
    """Return the canonical bytes of a statement, having proven that they decode to it; raises Untrusted otherwise."""
    data = rfc8785.dumps(_to_json(statement))
    _from_json(json.loads(data), type(statement), type(statement).__name__)
    return data


def decode(data: bytes, kind: type[T]) -> T:
    """Return the statement that `data` is the canonical form of; raises Untrusted naming the field that is wrong."""
    tree = parse(data)
    statement = _from_json(tree, kind, kind.__name__)
    if canonical(tree) != data:
        raise Untrusted("document-not-canonical", kind=kind.__name__)
    return typing.cast(T, statement)


def canonical(tree: object) -> bytes:
    """Return the RFC 8785 form of a JSON tree."""
    try:
        return rfc8785.dumps(typing.cast(Any, tree))
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise Untrusted("document-malformed", detail=str(error)[:200]) from error


def parse(data: bytes) -> Any:
    """Return the JSON tree in `data`; duplicate keys, floats, wide integers and deep nesting raise Untrusted."""
    if data.count(b"[") + data.count(b"{") > 200_000:
        raise Untrusted("document-malformed", detail="too many objects")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as error:
        raise Untrusted("document-malformed", detail=str(error)[:200]) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise Untrusted("document-malformed", detail=f"duplicate key {next(n for n in names if names.count(n) > 1)!r}")
    return result


def _refuse_number(text: str) -> Any:
    raise Untrusted("document-malformed", detail=f"number {text[:40]} is not an integer")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > MAX_INTEGER:
        raise Untrusted("document-malformed", detail=f"integer {text[:40]} is wider than 2^53-1")
    return int(text)


def _to_json(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: _to_json(item) for name, item in pairs if item is not None}
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, StrEnum):
        return value.value
    return value


def format_time(value: datetime) -> str:
    """Return an aware instant as `2026-11-22T12:00:00Z`, whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Return the instant that `format_time` wrote as `text`; raises ValueError."""
    instant = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    if format_time(instant) != text:
        raise ValueError(text)
    return instant


@cache
def fields_of(kind: type) -> dict[str, tuple[Any, bool]]:
    """Return name -> (type with its marks, whether it may be absent) of a statement's fields."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: (hints[field.name], _may_be_absent(hints[field.name])) for field in dataclasses.fields(kind)}


def _may_be_absent(hint: Any) -> bool:
    return types.NoneType in members_of(hint)


def members_of(hint: Any) -> tuple[Any, ...]:
    """Return the alternatives of a union, or the hint alone."""
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def read_field(tree: Any, hint: Any, where: str) -> Any:
    """Return the value that a JSON tree holds for a field of that type; raises Untrusted naming `where`."""
    return _from_json(tree, hint, where)


def _from_json(tree: Any, hint: Any, where: str) -> Any:
    marks: tuple[Any, ...] = ()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *rest = typing.get_args(hint)
        marks = tuple(rest)
    members = [member for member in members_of(hint) if member is not types.NoneType]
    if len(members) > 1:
        return _from_json(tree, _choose(tree, members, where), where)
    (hint,) = members
    if typing.get_origin(hint) is typing.Annotated:
        return _from_json(tree, hint, where)
    if dataclasses.is_dataclass(hint):
        return _statement(tree, typing.cast(type, hint), where)
    if typing.get_origin(hint) is tuple:
        return _items(tree, typing.get_args(hint)[0], marks, where)
    return _scalar(tree, hint, marks, where)


def _choose(tree: Any, members: list[Any], where: str) -> Any:
    """Return the member of a union that `tree` says it is."""
    mark = tree.get("kind") if isinstance(tree, dict) else None
    for member in members:
        if mark is not None and typing.get_args(fields_of(member)["kind"][0])[0] == mark:
            return member
    raise _wrong(where, "an object of a known kind")


def _statement(tree: Any, kind: type, where: str) -> Any:
    if not isinstance(tree, dict):
        raise _wrong(where, "an object")
    fields = fields_of(kind)
    for name in tree:
        if name not in fields:
            raise Untrusted("field-unknown", field=f"{where}.{name}"[:200])
    values = {}
    for name, (hint, optional) in fields.items():
        if name in tree:
            values[name] = _from_json(tree[name], hint, f"{where}.{name}")
        elif optional:
            values[name] = None
        else:
            raise Untrusted("field-missing", field=f"{where}.{name}")
    return kind(**values)


def _items(tree: Any, hint: Any, marks: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    bounds = next((mark for mark in marks if isinstance(mark, Items)), Items())
    if not isinstance(tree, list) or not bounds.least <= len(tree) <= bounds.most:
        raise _wrong(where, f"a list of {bounds.least} to {bounds.most} items")
    return tuple(_from_json(item, hint, f"{where}[{number}]") for number, item in enumerate(tree))


def _scalar(tree: Any, hint: Any, marks: tuple[Any, ...], where: str) -> Any:
    if typing.get_origin(hint) is typing.Literal:
        if not isinstance(tree, str) or tree not in typing.get_args(hint):
            raise _wrong(where, "one of " + ", ".join(typing.get_args(hint)))
        return tree
    if hint is bool and isinstance(tree, bool):
        return tree
    if hint is int and isinstance(tree, int) and not isinstance(tree, bool) and 0 <= tree <= MAX_INTEGER:
        return tree
    if isinstance(tree, str) and isinstance(hint, type):
        return _string(tree, hint, marks, where)
    raise _wrong(where, {bool: "true or false", int: "a whole number from 0 to 2^53-1"}.get(hint, "a string"))


def _string(tree: str, hint: type, marks: tuple[Any, ...], where: str) -> Any:
    if issubclass(hint, StrEnum):
        if tree not in {member.value for member in hint}:
            raise _wrong(where, "one of " + ", ".join(member.value for member in hint))
        return hint(tree)
    if hint is datetime:
        try:
            return parse_time(tree)
        except ValueError as error:
            raise _wrong(where, "a time as 2026-11-22T12:00:00Z") from error
    form = next((mark for mark in marks if isinstance(mark, Form)), None)
    if hint is not str or form is None:
        raise _wrong(where, "a value of another type")
    if len(tree) > form.longest or not re.fullmatch(form.pattern, tree) or not unicodedata.is_normalized("NFC", tree):
        raise _wrong(where, form.expected)
    return tree


def _wrong(where: str, expected: str) -> Untrusted:
    return Untrusted("field-wrong", field=where[:200], expected=expected)
