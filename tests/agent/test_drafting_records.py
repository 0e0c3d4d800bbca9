"""Records of a database from TOML that a clerk can write: values typed, secrets refused, facts measured."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.drafting import Draft, Means, draft
from agent.measuring import measure
from certificates.errors import Refused
from certificates.statements import Fact, Parameter, RecordsIdentity, RecordsSelector
from tests.support.screens import Desk

HOST = "sha256:" + "ab" * 32
MEANS = Means({"arch-07": HOST}, lambda size: bytes(range(size)))


def edited(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    (tmp_path / "minutes.txt").write_text("minutes")
    return Desk(tmp_path).edit("records-order.toml", *changes)


def made(tmp_path: Path, *changes: tuple[str, str]) -> Draft:
    return draft(edited(tmp_path, *changes), MEANS)


def faults(tmp_path: Path, *changes: tuple[str, str]) -> str:
    with pytest.raises(Refused) as caught:
        made(tmp_path, *changes)
    assert caught.value.reason == "draft-wrong"
    return str(caught.value.facts["faults"])


def test_the_example_can_be_drafted(tmp_path: Path) -> None:
    """What people begin with must work."""
    first, second = made(tmp_path).selectors
    assert isinstance(first.selects, RecordsSelector)
    assert isinstance(second.selects, RecordsSelector)
    assert second.selects.connect == (Fact("host", "/run/postgresql"), Fact("user", "postgres"))
    assert second.selects.credentials == "/etc/expunge/pgpass"


@pytest.mark.parametrize(
    ("written", "parameter"),
    [
        ("4711", Parameter("tenant", "integer", ("4711",))),
        ('"4711"', Parameter("tenant", "text", ("4711",))),
        ("[1, 2]", Parameter("tenant", "integer", ("1", "2"))),
        ("true", Parameter("tenant", "boolean", ("true",))),
        ('{ decimal = "1.50" }', Parameter("tenant", "decimal", ("1.50",))),
        ('{ bytes = "00FF" }', Parameter("tenant", "bytes", ("00ff",))),
        ("{ null = true }", Parameter("tenant", "null", ("",))),
        ("2026-11-22", Parameter("tenant", "text", ("2026-11-22",))),
        ("2026-11-22T10:00:00", Parameter("tenant", "text", ("2026-11-22 10:00:00",))),
        ('"e\\u0301"', Parameter("tenant", "text-hex", ("65cc81",))),
        ('["a", "e\\u0301"]', Parameter("tenant", "text-hex", ("61", "65cc81"))),
    ],
)
def test_a_value_keeps_the_type_in_which_it_was_written(tmp_path: Path, written: str, parameter: Parameter) -> None:
    """4711 and "4711" select different rows in some engines; a text that is not in NFC must not be changed into one."""
    selects = made(tmp_path, ("tenant = 4711", f"tenant = {written}")).selectors[0].selects
    assert isinstance(selects, RecordsSelector)
    assert selects.parameters[0] == parameter


@pytest.mark.parametrize("written", ['[1, "a"]', "1.5", '{ bytes = "xy" }', "{ null = false }", "[]"])
def test_a_value_of_no_type_is_a_fault_that_says_what_is_expected(tmp_path: Path, written: str) -> None:
    """A float has no one spelling; a list of two types binds as neither."""
    told = faults(tmp_path, ("tenant = 4711", f"tenant = {written}"))
    assert "carriers[rows-1].selects.parameters.tenant must be a text, a whole number" in told


def test_a_password_is_kept_out_of_the_order(tmp_path: Path) -> None:
    """A selector is a file that travels."""
    told = faults(tmp_path, ('user = "postgres"', 'password = "secret"'))
    assert "carriers[schema-1].selects.connect.password must not stand in an order" in told


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('engine = "sqlite" ', 'engine = "oracle" '), "carriers[rows-1].identity.engine must be"),
        (('scope = "rows" ', 'scope = "row" '), "carriers[rows-1].identity.scope must be"),
        (
            ('where = "/srv/crm/crm.db" ', 'where = "crm.db" '),
            "carriers[rows-1].selects.where must be an absolute path",
        ),
        (("least_rows = 1824 ", "# "), "carriers[rows-1].identity.least_rows is missing"),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    """A clerk finds the line."""
    assert expected in faults(tmp_path, change)


@pytest.mark.integration
def test_rows_and_identity_are_measured_where_the_file_leaves_them_out(tmp_path: Path) -> None:
    """Counting is the machine's work; what the clerk wrote down stays a limit."""
    path = tmp_path / "crm.db"
    with closing(sqlite3.connect(path)) as found, found:
        found.execute("CREATE TABLE customers (tenant INTEGER, kind TEXT)")
        found.executemany("INSERT INTO customers VALUES (?, 'person')", [(4711,)] * 7 + [(1,)] * 3)
    changes = [('"/srv/crm/crm.db" ', f'"{path}" '), ("least_rows = 1824 ", "# "), ("size = 47185920 ", "# ")]
    text = edited(tmp_path, *changes, ("inode = 131100 ", "# ")).read_text(encoding="utf-8")
    begin = text.index('[[carriers]]\nid = "schema-1"')
    (tmp_path / "one.toml").write_text(text[:begin], encoding="utf-8")
    found_order = draft(tmp_path / "one.toml", Means(MEANS.hosts, MEANS.entropy, measure)).order
    identity = found_order.carriers[0].identity
    assert isinstance(identity, RecordsIdentity)
    assert (identity.least_rows, identity.most_rows, identity.inode) == (7, 1824, tmp_path.stat().st_ino)
    assert found_order.carriers[0].selector is not None
    assert found_order.carriers[0].selector.size == path.stat().st_size
