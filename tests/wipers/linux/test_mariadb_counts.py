"""What a run that was cut may still take out: what it had counted, and nothing that came since."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wipers.linux.engines import mariadb_rows, mariadb_tables
from wipers.linux.engines.mariadb_cluster import withdraw_cluster
from wipers.linux.engines.mariadb_scope import Part, Table
from wipers.linux.held import Held
from wipers.linux.manifest import Manifest
from wipers.model import Lost

TABLE = Table("shop", "orders", "InnoDB", "", "Dynamic", "7", 4096)
REQUEST: Any = SimpleNamespace(
    where=Path("/data"),
    machine=None,
    selects=SimpleNamespace(condition=None, table="orders"),
    identity=SimpleNamespace(scope="table", database="shop", least_rows=1, most_rows=10),
)


class Server:
    """A server that has so many rows, and is asked for nothing else."""

    def __init__(self, rows: int) -> None:
        self.count = rows
        self.failure: object = None

    def lost(self, detail: str, number: int) -> Exception:
        return AssertionError(detail)

    def one(self, statement: str, *values: object) -> int:
        assert statement.startswith("SELECT COUNT(*)")
        return self.count

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return [("shop", "orders", "InnoDB", "", "Dynamic", 7, 4096, 0, 7)]


def taking(tmp_path: Path, rows: int, *noted: int, identity: str = "7") -> Any:
    carrier: Any = SimpleNamespace(selector=SimpleNamespace(commitment="sha256:" + "ab" * 32))
    held = Held(Manifest(tmp_path / "runs", carrier))
    for number in noted:
        held.manifest.write("deleting", rows=number, tables=[["shop", "orders", identity]])
    return SimpleNamespace(server=Server(rows), held=held, count=lambda code, number: None)


def counted_rows(found: Any) -> int:
    return mariadb_rows._counted(found, REQUEST, (Part(TABLE, "TRUE", ()),))[1]


def counted_tables(found: Any) -> int:
    return mariadb_tables._counted(found, REQUEST, (TABLE,))


@pytest.mark.parametrize("counted", [counted_rows, counted_tables])
def test_a_run_that_was_cut_takes_out_no_row_that_came_since(tmp_path: Path, counted: Any) -> None:
    """A condition that matches more by now, or a table made anew under the name, was never counted."""
    assert counted(taking(tmp_path, 4)) == 4
    assert counted(taking(tmp_path, 4)) == 4
    assert counted(taking(tmp_path, 0)) == 4
    with pytest.raises(Lost) as caught:
        counted(taking(tmp_path, 5))
    assert caught.value.reason == "records-changed"


@pytest.mark.parametrize("counted", [counted_rows, counted_tables])
def test_a_table_made_anew_under_its_name_is_left_alone(tmp_path: Path, counted: Any) -> None:
    """It has as many rows as were noted, and they may be somebody else's."""
    with pytest.raises(Lost) as caught:
        counted(taking(tmp_path, 4, 4, identity="6"))
    assert caught.value.reason == "records-changed"


def test_rows_that_came_after_a_deletion_are_not_taken_for_those_of_the_run(tmp_path: Path) -> None:
    """A deletion is done as a whole or not at all: some of the rows are others', as many as noted are its own."""
    assert counted_rows(taking(tmp_path, 0, 4)) == 4
    with pytest.raises(Lost) as caught:
        counted_rows(taking(tmp_path, 3, 4))
    assert caught.value.reason == "records-changed"
    cut = taking(tmp_path, 3, 4)
    cut.held.manifest.write("deleted", rows=4)
    assert mariadb_rows._counted(cut, REQUEST, (Part(TABLE, "TRUE", ()),)) == (3, 4)


def test_a_server_with_other_numbers_of_rows_is_not_ended(tmp_path: Path) -> None:
    """Rows may have come between the plan and the moment before the server is told to end."""
    (tmp_path / "data").mkdir()
    held = taking(tmp_path, 0).held
    given: Any = SimpleNamespace(entropy=bytes)
    request: Any = SimpleNamespace(**{**vars(REQUEST), "where": tmp_path / "data"})
    with pytest.raises(Lost) as caught:
        withdraw_cluster(Server(11), held, given, request)  # type: ignore[arg-type]
    assert caught.value.reason == "records-changed"
    assert held.manifest.last("deleting") is None
