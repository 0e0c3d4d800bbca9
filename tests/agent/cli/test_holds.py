"""A hold denies at once, here and at the registry; two persons lift it, and nothing starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.cli.test_runs import charge, run
from tests.support import agent_site
from tests.support.agent_site import Agent
from tests.support.screens import invoke, key_file, tree

OFFICER, APPROVER = "P-0102", "P-0417"


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Agent:
    return agent_site.agent(tmp_path / "site")


def add(host: Agent, folder: Path, *scope: str, who: str = OFFICER) -> int:
    told = ("--id", "H-1", "--reason", "a court asks for it", "--authority", "Court 3", *scope)
    return invoke("hold", "add", *told, "--key", key_file(folder, who), site=host.site).exit_code


@pytest.mark.parametrize(
    "scope",
    [
        ("--asset", "ZC-2019-00431"),
        ("--serial", "LABEL-C-1"),
        ("--order", "2026-0117"),
        ("--everything",),
        ("--asset", "ZC-1", "--order", "2026-0117"),
    ],
)
def test_what_is_on_hold_is_not_destroyed(host: Agent, tmp_path: Path, scope: tuple[str, ...]) -> None:
    """Whichever way it is named."""
    assert add(host, tmp_path, *scope) == 0
    arguments = ("--key", key_file(tmp_path, "P-0230"), "--confirm", "LABEL-C-1")
    result = invoke("run", charge(tmp_path), *arguments, site=host.site)
    assert result.exit_code == 3
    assert "H-1" in result.stderr


def test_a_hold_elsewhere_does_not_stop_a_run(host: Agent, tmp_path: Path) -> None:
    """It covers what it names."""
    assert add(host, tmp_path, "--asset", "ZC-1") == 0
    assert run(host, charge(tmp_path), "--confirm", "LABEL-C-1")["exit"] == 0


def test_a_hold_that_covers_nothing_is_refused(host: Agent, tmp_path: Path) -> None:
    """Somebody forgot the scope, and would rely on it."""
    assert add(host, tmp_path) == 3


def test_only_a_security_officer_sets_a_hold(host: Agent, tmp_path: Path) -> None:
    """The role of the key decides."""
    assert add(host, tmp_path, "--everything", who=APPROVER) == 3
    assert tree("hold", "list", site=host.site) == []


def test_two_persons_lift_a_hold_and_nothing_starts(host: Agent, tmp_path: Path) -> None:
    """One of them a security officer."""
    add(host, tmp_path, "--everything")
    officer, approver = key_file(tmp_path, OFFICER), key_file(tmp_path, APPROVER)
    lift = ("hold", "lift", "H-1", "--reason", "the case is closed")
    assert invoke(*lift, "--key", officer, site=host.site).exit_code == 3
    assert invoke(*lift, "--key", approver, "--key", key_file(tmp_path, "P-0588"), site=host.site).exit_code == 3
    assert [one["hold"]["id"] for one in tree("hold", "list", site=host.site)] == ["H-1"]
    result = invoke(*lift, "--key", officer, "--key", approver, site=host.site)
    assert result.exit_code == 0
    assert "Nothing was started" in result.stdout
    host.site.refresh()
    assert tree("hold", "list", site=host.site) == []
    assert host.site.journals.names() == []


def test_a_hold_counts_while_the_registry_is_away(host: Agent, tmp_path: Path) -> None:
    """It is in force on this host at once, and the operator is told that the registry lacks it."""
    host.site.refresh()
    host.line.is_cut = True
    arguments = (
        "--id",
        "H-1",
        "--reason",
        "r",
        "--authority",
        "a",
        "--everything",
        "--key",
        key_file(tmp_path, OFFICER),
    )
    result = invoke("hold", "add", *arguments, site=host.site)
    assert result.exit_code == 0
    assert "does not have it yet" in result.stderr
    assert [one["local"] for one in tree("hold", "list", site=host.site)] == [True]


def test_an_unknown_hold_cannot_be_lifted(host: Agent, tmp_path: Path) -> None:
    """A slip of the pen must not look like a success."""
    host.site.refresh()
    keys = ("--key", key_file(tmp_path, OFFICER), "--key", key_file(tmp_path, APPROVER))
    assert invoke("hold", "lift", "H-7", "--reason", "r", *keys, site=host.site).exit_code == 3
