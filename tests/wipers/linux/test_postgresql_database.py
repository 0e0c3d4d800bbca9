"""A whole database of PostgreSQL: which one is dropped."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wipers.linux.engines.postgresql_database import is_ordered


class Session:
    """A server on which the database has the oid 7."""

    def execute(self, statement: bytes, values: object = ()) -> Any:
        return SimpleNamespace(fetchone=lambda: (7,))


@pytest.mark.parametrize(("ordered", "is_it"), [("7", True), ("6", False)])
def test_a_database_made_anew_under_the_name_is_another(tmp_path: Path, ordered: str, is_it: bool) -> None:
    """A run that died after it had dropped the ordered one meets whatever has the name by now."""
    session: Any = Session()
    request: Any = SimpleNamespace(where=tmp_path, identity=SimpleNamespace(database="shop"))
    assert is_ordered(session, request, ordered) is is_it
