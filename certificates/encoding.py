"""Statement <-> bytes: the only module that knows the wire form, canonical JSON (RFC 8785), read strictly."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import types
import typing
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, partial
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
    data = _of_statement(_to_json(statement))
    _from_json(json.loads(data), type(statement), type(statement).__name__)
    return data


def decode(data: bytes, kind: type[T]) -> T:
    """Return the statement that `data` is the canonical form of; raises Untrusted naming the field that is wrong."""
    tree = parse(data)
    statement = _from_json(tree, kind, kind.__name__)
    if _of_statement(tree) != data:
        raise Untrusted("document-not-canonical", kind=kind.__name__)
    return typing.cast(T, statement)


_WRITER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)


def _of_statement(tree: object) -> bytes:
    """Return the RFC 8785 form of a statement's tree, ten times as fast as `canonical` does for any tree.

    Only of a tree that `_from_json` accepts is it that form: its keys are names of fields, all ASCII, so that their
    order is that of UTF-16, and there is no float nor wide integer in it; strings are written alike by both.
    """
    try:
        return _WRITER.encode(tree).encode()
    except UnicodeEncodeError as error:
        raise Untrusted("document-malformed", detail=str(error)[:200]) from error


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
        pairs = ((name, getattr(value, name)) for name in _names_of(type(value)))
        return {name: _to_json(item) for name, item in pairs if item is not None}
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, StrEnum):
        return value.value
    return value


@cache
def _names_of(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def format_time(value: datetime) -> str:
    """Return an aware instant as `2026-11-22T12:00:00Z`, whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Return the instant that `format_time` wrote as `text`; raises ValueError."""
    instant = datetime.fromisoformat(text) if text.endswith("Z") else None
    if instant is None or format_time(instant) != text:
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


Reader = Callable[[Any, str], Any]
"""(JSON tree, where it stands) -> the value; raises Untrusted. A type is taken apart once, and read often."""


def read_field(tree: Any, hint: Any, where: str) -> Any:
    """Return the value that a JSON tree holds for a field of that type; raises Untrusted naming `where`."""
    return _from_json(tree, hint, where)


def _from_json(tree: Any, hint: Any, where: str) -> Any:
    return _reader_of(hint)(tree, where)


def _reader_of(hint: Any) -> Reader:
    marks: tuple[Any, ...] = ()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *rest = typing.get_args(hint)
        marks = tuple(rest)
    members = [member for member in members_of(hint) if member is not types.NoneType]
    if len(members) > 1:
        return partial(_choose, members)
    (hint,) = members
    if typing.get_origin(hint) is typing.Annotated:
        return _reader_of(hint)
    if dataclasses.is_dataclass(hint):
        return partial(_statement, typing.cast(type, hint))
    if typing.get_origin(hint) is tuple:
        bounds = next((mark for mark in marks if isinstance(mark, Items)), Items())
        return partial(_items, _reader_of(typing.get_args(hint)[0]), bounds)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return partial(_member, {member.value: member for member in hint})
    return _scalar(hint, marks)


@cache
def _readers_of(kind: type) -> dict[str, tuple[Reader, bool]]:
    """Return name -> (how to read it, whether it may be absent) of a statement's fields."""
    return {name: (_reader_of(hint), optional) for name, (hint, optional) in fields_of(kind).items()}


def _choose(members: list[Any], tree: Any, where: str) -> Any:
    """Return the statement that `tree` says it is, of a union's members."""
    mark = tree.get("kind") if isinstance(tree, dict) else None
    for member in members:
        if mark is not None and _mark_of(member) == mark:
            return _statement(member, tree, where)
    raise _wrong(where, "an object of a known kind")


@cache
def _mark_of(kind: type) -> str:
    """Return the word that a union's member is known by."""
    return str(typing.get_args(fields_of(kind)["kind"][0])[0])


def _statement(kind: type, tree: Any, where: str) -> Any:
    if not isinstance(tree, dict):
        raise _wrong(where, "an object")
    fields = _readers_of(kind)
    for name in tree:
        if name not in fields:
            raise Untrusted("field-unknown", field=f"{where}.{name}"[:200])
    values = {}
    for name, (read, optional) in fields.items():
        if name in tree:
            values[name] = read(tree[name], f"{where}.{name}")
        elif optional:
            values[name] = None
        else:
            raise Untrusted("field-missing", field=f"{where}.{name}")
    return kind(**values)


def _items(read: Reader, bounds: Items, tree: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(tree, list) or not bounds.least <= len(tree) <= bounds.most:
        raise _wrong(where, f"a list of {bounds.least} to {bounds.most} items")
    return tuple(read(item, f"{where}[{number}]") for number, item in enumerate(tree))


def _scalar(hint: Any, marks: tuple[Any, ...]) -> Reader:
    """Return what reads a field of one word, taken apart once."""
    if typing.get_origin(hint) is typing.Literal:
        return partial(_word, frozenset(typing.get_args(hint)), ", ".join(typing.get_args(hint)))
    if hint is str:
        form = next((mark for mark in marks if isinstance(mark, Form)), None)
        return partial(_text, form, re.compile(form.pattern)) if form is not None else _nothing
    return {bool: _truth, int: _whole, datetime: _instant}.get(hint, _nothing)


def _word(words: frozenset[str], told: str, tree: Any, where: str) -> str:
    if not isinstance(tree, str) or tree not in words:
        raise _wrong(where, f"one of {told}")
    return tree


def _text(form: Form, pattern: re.Pattern[str], tree: Any, where: str) -> str:
    if not isinstance(tree, str):
        raise _wrong(where, "a string")
    if len(tree) > form.longest or not pattern.fullmatch(tree) or not unicodedata.is_normalized("NFC", tree):
        raise _wrong(where, form.expected)
    return tree


def _truth(tree: Any, where: str) -> bool:
    if not isinstance(tree, bool):
        raise _wrong(where, "true or false")
    return tree


def _whole(tree: Any, where: str) -> int:
    if not isinstance(tree, int) or isinstance(tree, bool) or not 0 <= tree <= MAX_INTEGER:
        raise _wrong(where, "a whole number from 0 to 2^53-1")
    return tree


def _instant(tree: Any, where: str) -> datetime:
    if not isinstance(tree, str):
        raise _wrong(where, "a string")
    try:
        return parse_time(tree)
    except ValueError as error:
        raise _wrong(where, "a time as 2026-11-22T12:00:00Z") from error


def _nothing(tree: Any, where: str) -> Any:
    """No statement may have such a field: nothing is read for it."""
    raise _wrong(where, "a value of another type")


def _member(members: dict[str, StrEnum], tree: Any, where: str) -> Any:
    if not isinstance(tree, str):
        raise _wrong(where, "a string")
    if tree not in members:
        raise _wrong(where, "one of " + ", ".join(members))
    return members[tree]


def _wrong(where: str, expected: str) -> Untrusted:
    return Untrusted("field-wrong", field=where[:200], expected=expected)
