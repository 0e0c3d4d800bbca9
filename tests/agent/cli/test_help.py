"""Every command can be found, explains itself, and is named in one table."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from agent.cli.table import COMMANDS, Row
from tests.support.house_rules import ROOT
from tests.support.reference import cli_page, commands, help_of
from tests.support.screens import invoke

ALL = list(commands())


def rows(table: dict[str, Row]) -> list[Row]:
    return [row for entry in table.values() for row in (entry, *(below for _, below in entry.below))]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_explains_itself(name: str, command: click.Command) -> None:
    """Somebody with a disk in his hand reads the help page and nothing else."""
    assert command.help
    assert "--help" in help_of(name, command)
    assert invoke(*name.split()[1:], "--help").exit_code == 0


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_option_has_a_sentence(name: str, command: click.Command) -> None:
    """An option without one is guessed at."""
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help and p.name != "form"]
    assert silent == []


def test_the_table_names_every_command_file_once() -> None:
    """A file that no row names would be dead, or reached by another way."""
    named = sorted(row.module for row in rows(COMMANDS) if row.module)
    files = sorted(p.stem for p in Path(ROOT / "agent" / "cli").glob("*.py") if "@click.command" in p.read_text())
    assert named == files


def test_every_row_speaks_both_languages() -> None:
    """Chinese is not pasted on later."""
    assert [row.en for row in rows(COMMANDS) if not row.zh or row.zh.isascii() or not row.en.isascii()] == []


def test_the_help_follows_the_language_asked_for() -> None:
    """--lang counts for the help as well."""
    assert "列出本机可销毁的对象" in invoke("--lang", "zh", "--help").stdout
    assert "List what this host has" in invoke("--lang", "en", "--help", language="zh").stdout


def test_the_page_of_commands_has_every_command() -> None:
    """docs/cli.md is made from the same table."""
    page = cli_page()
    assert [name for name, _ in ALL if f"## {name}\n" not in page] == []


def test_an_unknown_command_is_a_matter_of_usage() -> None:
    """Exit 2 is click's own."""
    assert invoke("destroy-it-all").exit_code == 2


@pytest.mark.parametrize("order", [("--json", "techniques"), ("techniques", "--json")])
def test_shared_options_stand_before_or_behind_a_command(order: tuple[str, str]) -> None:
    """Nobody remembers on which side."""
    assert invoke(*order).stdout.startswith("[")
