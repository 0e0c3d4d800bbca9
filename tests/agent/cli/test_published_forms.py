"""What lists print as JSON has its published form: scripts are written against it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.screens import EXAMPLES, SCHEMAS, tree

OWN = sorted((EXAMPLES / "schemes").glob("*.toml"))


def form(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.name)
def test_every_published_form_is_a_schema(path: Path) -> None:
    """And says whose it is."""
    told = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(told)
    assert told["$id"] == f"urn:expunge:cli:{path.name.split('.')[0]}:v1"


def test_techniques_are_listed_in_their_form() -> None:
    """Those of the table, and those of a file."""
    jsonschema.validate(tree("techniques"), form("techniques"))
    jsonschema.validate(tree("techniques", *(part for path in OWN for part in ("--scheme", path))), form("techniques"))
    assert OWN != []


def test_policies_are_listed_in_their_form() -> None:
    """A site chooses one by its id."""
    jsonschema.validate(tree("techniques", "--policies"), form("policies"))
