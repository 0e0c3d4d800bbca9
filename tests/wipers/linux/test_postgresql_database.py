"""A whole database of PostgreSQL: which one is dropped."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wipers.linux.engines.postgresql_database import drop_database


class Session:
    """A server on which the database has the oid 7."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def execute(self, statement: bytes, values: object = ()) -> Any:
        self.told.append(statement.decode())
        return SimpleNamespace(fetchone=lambda: (7,))


@pytest.mark.parametrize(("ordered", "is_dropped"), [("7", True), ("6", False)])
def test_a_database_made_anew_under_the_name_is_not_dropped(tmp_path: Path, ordered: str, is_dropped: bool) -> None:
    """A run that died after it had dropped the ordered one meets whatever has the name by now."""
    session: Any = Session()
    request: Any = SimpleNamespace(where=tmp_path, identity=SimpleNamespace(database="shop"))
    held: Any = SimpleNamespace(taken=tuple)
    drop_database(session, request, held, ordered)
    assert any(one.startswith("DROP DATABASE") for one in session.told) is is_dropped
