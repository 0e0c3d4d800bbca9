"""The published schemas accept what we accept, and tell strangers what we refuse."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from certificates.encoding import canonical, decode
from certificates.envelope import unwrap
from certificates.errors import Untrusted
from certificates.schemas import DOCUMENTS, publish, schema
from certificates.statements import Order

GOLDEN = Path(__file__).parents[1] / "vectors" / "golden"
SEALED = {
    "certificate": "certificate.dsse.json",
    "hold-state": "hold-state.dsse.json",
    "keyring": "keyring-1.dsse.json",
    "nonce": "nonce.dsse.json",
    "order": "order.dsse.json",
    "start": "start.dsse.json",
    "validation": "validation.dsse.json",
}
BARE = {"selector": "selector.json", "trust": "trust.json"}


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(name))


def check(name: str, tree: Any) -> None:
    validator(name).validate(tree)


@pytest.mark.parametrize("name", [*DOCUMENTS, "envelope"])
def test_a_schema_is_one(name: str) -> None:
    """It says its dialect and keeps to it."""
    made = schema(name)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(made)


@pytest.mark.parametrize("name", SEALED)
def test_a_golden_document_fits_its_schema(name: str) -> None:
    """Somebody else's validator agrees with our reader."""
    wrapped = unwrap((GOLDEN / SEALED[name]).read_bytes(), 4 << 20)
    check("envelope", json.loads((GOLDEN / SEALED[name]).read_bytes()))
    check(name, json.loads(wrapped.payload))


@pytest.mark.parametrize("name", BARE)
def test_a_golden_file_fits_its_schema(name: str) -> None:
    """Selector and trust file travel bare."""
    check(name, json.loads((GOLDEN / BARE[name]).read_bytes()))


def test_every_line_of_the_golden_journal_fits_its_schema() -> None:
    """The wipe log is for other people's programs too."""
    for line in (GOLDEN / "journal.jsonl").read_bytes().splitlines():
        check("journal-entry", json.loads(line))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", -1),
        ("version", 1.5),
        ("version", 2**53),
        ("version", True),
        ("id", "two words"),
        ("id", ""),
        ("issued_at", "2026-11-20"),
        ("witnesses", "P-0311"),
        ("witnesses", ["P"] * 9),
        ("carriers", []),
        ("retention", None),
        ("why", "not"),
    ],
)
def test_what_the_schema_refuses_our_reader_refuses(field: str, value: Any) -> None:
    """The two are made from one description."""
    tree = json.loads(unwrap((GOLDEN / SEALED["order"]).read_bytes()).payload)
    tree[field] = value
    with pytest.raises(jsonschema.ValidationError):
        check("order", tree)
    with pytest.raises(Untrusted):
        decode(canonical(tree), Order)


def test_a_missing_field_is_refused_by_both() -> None:
    """Every field that may not be absent is required."""
    tree = json.loads(unwrap((GOLDEN / SEALED["order"]).read_bytes()).payload)
    del tree["validator"]
    with pytest.raises(jsonschema.ValidationError):
        check("order", tree)
    with pytest.raises(Untrusted):
        decode(canonical(tree), Order)


def test_every_field_is_described() -> None:
    """The attribute docstrings are the certificate's data dictionary."""
    nameless = [
        f"{page}: {kind}.{name}"
        for page, text in publish().items()
        if page != "envelope.schema.json"
        for kind, made in {"": json.loads(text), **json.loads(text).get("$defs", {})}.items()
        for name, field in made["properties"].items()
        if "description" not in field
    ]
    assert nameless == []
