"""The wire form for other people's programs: JSON Schemas (2020-12) made from the statement types."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import sys
import typing
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from certificates import statements
from certificates.audit import Audit
from certificates.encoding import fields_of, members_of
from certificates.statements import MAX_INTEGER, Form, Items
from certificates.trust import Trust

DOCUMENTS: dict[str, type] = {
    "audit": Audit,
    "certificate": statements.Certificate,
    "hold": statements.Hold,
    "hold-lift": statements.HoldLift,
    "hold-state": statements.HoldState,
    "journal-entry": statements.Entry,
    "keyring": statements.Keyring,
    "ledger-entry": statements.LedgerEntry,
    "matching": statements.Matching,
    "nonce": statements.Nonce,
    "order": statements.Order,
    "selector": statements.Selector,
    "speed-profile": statements.SpeedProfile,
    "start": statements.Start,
    "survey": statements.Survey,
    "trust": Trust,
    "validation": statements.Validation,
}
"""Kind of document -> its statement type."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def publish() -> dict[str, str]:
    """Return file name -> text of every published schema."""
    pages = {f"{name}.schema.json": schema(name) for name in (*DOCUMENTS, "envelope")}
    return {name: json.dumps(page, indent=2, ensure_ascii=False) + "\n" for name, page in pages.items()}


def schema(name: str) -> dict[str, Any]:
    """Return the schema of one kind of document."""
    if name == "envelope":
        return _envelope()
    kind = DOCUMENTS[name]
    definitions: dict[str, Any] = {}
    _define(kind, definitions)
    page: dict[str, Any] = {"$schema": DIALECT, "$id": f"urn:expunge:{name}:v1", "title": name}
    page |= definitions.pop(kind.__name__)
    return page | ({"$defs": dict(sorted(definitions.items()))} if definitions else {})


def _define(kind: type, definitions: dict[str, Any]) -> None:
    """Put the schema of a statement type, and of all it contains, under its name."""
    if kind.__name__ in definitions:
        return
    definitions[kind.__name__] = {}
    described = _attribute_docstrings(kind)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, (hint, may_be_absent) in fields_of(kind).items():
        properties[name] = _value(hint, definitions)
        if name in described:
            properties[name]["description"] = described[name]
        if not may_be_absent:
            required.append(name)
    definitions[kind.__name__] = {
        "description": (kind.__doc__ or "").strip(),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _value(hint: Any, definitions: dict[str, Any], marks: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the schema of a field's type; a union of statements is told apart by its members' `kind`."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, *rest = typing.get_args(hint)
        return _value(inner, definitions, tuple(rest))
    members = [member for member in members_of(hint) if member is not type(None)]
    if len(members) > 1:
        return {"oneOf": [_value(member, definitions) for member in members]}
    (hint,) = members
    if typing.get_origin(hint) is typing.Annotated:
        return _value(hint, definitions)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        _define(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if typing.get_origin(hint) is tuple:
        return _list(typing.get_args(hint)[0], definitions, marks)
    return _scalar(hint, marks)


def _list(item: Any, definitions: dict[str, Any], marks: tuple[Any, ...]) -> dict[str, Any]:
    bounds = next((mark for mark in marks if isinstance(mark, Items)), Items())
    return {
        "type": "array",
        "items": _value(item, definitions),
        "minItems": bounds.least,
        "maxItems": bounds.most,
    }


def _scalar(hint: Any, marks: tuple[Any, ...]) -> dict[str, Any]:
    if typing.get_origin(hint) is typing.Literal:
        values = typing.get_args(hint)
        return {"const": values[0]} if len(values) == 1 else {"enum": list(values)}
    if hint is bool:
        return {"type": "boolean"}
    if hint is int:
        return {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
    if hint is datetime:
        pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
        return {"type": "string", "format": "date-time", "pattern": pattern}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"enum": [member.value for member in hint]}
    form = next(mark for mark in marks if isinstance(mark, Form))
    return {"type": "string", "pattern": f"^(?:{form.pattern})$", "maxLength": form.longest}


@cache
def _attribute_docstrings(kind: type) -> dict[str, str]:
    """Return field -> the string that stands below it in the class's source."""
    tree = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    found: dict[str, str] = {}
    for field, below in itertools.pairwise(body):
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            found[field.target.id] = str(below.value.value)  # type: ignore[attr-defined]
    return found


def _envelope() -> dict[str, Any]:
    """Return the schema of the DSSE envelope around every signed document."""
    base64 = {"type": "string", "pattern": "^[A-Za-z0-9+/]*={0,2}$"}
    signature = {
        "type": "object",
        "properties": {
            "keyid": {
                "type": "string",
                "pattern": "^sha256:[0-9a-f]{64}$",
                "description": "SHA-256 of the key's SubjectPublicKeyInfo in DER.",
            },
            "sig": {**base64, "description": "Ed25519: 64 raw bytes. P-256: DER, over SHA-256."},
        },
        "required": ["keyid", "sig"],
        "additionalProperties": False,
    }
    properties = {
        "payload": {**base64, "description": "The document in canonical JSON (RFC 8785)."},
        "payloadType": {"type": "string", "pattern": "^application/vnd\\.expunge\\.[a-z-]+\\.v1\\+json$"},
        "signatures": {"type": "array", "items": signature, "minItems": 1, "maxItems": 64},
    }
    return {
        "$schema": DIALECT,
        "$id": "urn:expunge:envelope:v1",
        "title": "envelope",
        "description": "DSSE envelope: many signatures over one payload, every one of which must hold.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
