"""The walls of the house stand: each rule holds for the source as it is, and each rule bites."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.support.house_rules import (
    ROOMS,
    ROOT,
    Module,
    broken_charter,
    forged_warrants,
    hot_outside_the_hot_room,
    impure,
    module,
    modules,
    needless_exceptions,
    second_http_client,
    too_long,
    vague_names,
    wrong_imports,
)

Rule = Callable[[Module], list[str]]

RULES: list[tuple[Rule, tuple[str, ...]]] = [
    (wrong_imports, ROOMS),
    (forged_warrants, ROOMS),
    (hot_outside_the_hot_room, ROOMS),
    (impure, ("certificates",)),
    (second_http_client, ROOMS),
    (vague_names, (*ROOMS, "tests")),
    (too_long, ROOMS),
]

BAD: list[tuple[Rule, str, str]] = [
    (broken_charter, "wipers", '"""Destruction."""'),
    (broken_charter, "wipers", '"""Destruction.\n\nTouches: storage.\nImports: nothing.\n"""'),
    (broken_charter, "wipers", '"""Destruction.\n\nImports: a.\nTouches: b.\nAlso: c.\n"""'),
    (broken_charter, "wipers", ""),
    (wrong_imports, "agent.cli", "import server_stub"),
    (wrong_imports, "server_stub.http", "from agent import workflow"),
    (wrong_imports, "server_stub.service", "def late():\n    from wipers.model import Plan"),
    (wrong_imports, "certificates.audit", "import wipers.model"),
    (wrong_imports, "wipers.running", "from certificates.envelope import seal"),
    (wrong_imports, "wipers.running", "from certificates.encoding import encode"),
    (wrong_imports, "wipers.running", "from certificates import keyring"),
    (wrong_imports, "wipers.running", "import certificates"),
    (wrong_imports, "wipers.running", "from .model import Plan"),
    (forged_warrants, "agent.workflow", "Warrant(order=order)"),
    (forged_warrants, "wipers.running", "model.Warrant(order)"),
    (forged_warrants, "agent.live", "from wipers.model import Warrant as Paper"),
    (hot_outside_the_hot_room, "wipers.block", "import subprocess"),
    (hot_outside_the_hot_room, "wipers.block", "from fcntl import ioctl"),
    (hot_outside_the_hot_room, "wipers.block", "open('/dev/sda', 'wb')"),
    (hot_outside_the_hot_room, "agent.workflow", "import os\nos.open('/dev/sda', os.O_RDWR)"),
    (hot_outside_the_hot_room, "server_stub.store", "import os\nos.system('true')"),
    (hot_outside_the_hot_room, "wipers.linuxish", "import ctypes"),
    (hot_outside_the_hot_room, "wipers.sqlite", "import sqlite3"),
    (hot_outside_the_hot_room, "wipers.files", "path.write_bytes(bytes(9))"),
    (impure, "certificates.keyring", "from datetime import datetime\ndatetime.now(UTC)"),
    (impure, "certificates.keyring", "import datetime\ndatetime.datetime.now()"),
    (impure, "certificates.keyring", "from time import time"),
    (impure, "certificates.keyring", "import random"),
    (impure, "certificates.keyring", "import secrets"),
    (impure, "certificates.keyring", "from os import urandom"),
    (impure, "certificates.audit", "open('bundle')"),
    (impure, "certificates.audit", "path.read_bytes()"),
    (impure, "certificates.audit", "import requests"),
    (impure, "certificates.audit", "import socket"),
    (second_http_client, "agent.outbox", "def late():\n    import requests"),
    (vague_names, "agent.utils", ""),
    (vague_names, "agent.live", "class KeyManager: ..."),
    (vague_names, "agent.live", "def error_handler(): ..."),
    (too_long, "agent.live", "def f():\n" + "    pass\n" * 41),
    (too_long, "agent.live", "\n" * 401),
]

GOOD: list[tuple[Rule, str, str]] = [
    (broken_charter, "wipers", '"""Destruction.\n\nImports: nothing.\nTouches: storage.\n"""'),
    (wrong_imports, "wipers.running", "from certificates.encoding import digest"),
    (wrong_imports, "wipers.running", "from certificates.statements.orders import Order"),
    (wrong_imports, "wipers.running", "import hashlib\nfrom certificates import claims, errors, statements"),
    (wrong_imports, "agent.live", "from wipers.linux import host\nfrom certificates.envelope import seal"),
    (wrong_imports, "server_stub.service", "from certificates.envelope import unseal"),
    (forged_warrants, "agent.authorize", "Warrant(order=order)"),
    (forged_warrants, "agent.workflow", "def run(warrant: Warrant) -> None: ..."),
    (hot_outside_the_hot_room, "wipers.linux.host", "import os, fcntl, subprocess\nos.open('/dev/sda', 0)"),
    (impure, "certificates.__main__", "open('bundle')\nimport time"),
    (impure, "certificates.keyring", "from datetime import UTC, datetime\ndatetime.fromisoformat(text)"),
    (second_http_client, "agent.registry", "import requests"),
    (vague_names, "agent.live", "@contextmanager\ndef utilisation(): ..."),
    (too_long, "agent.live", 'def f():\n    """\n' + "    said\n" * 60 + '    """\n' + "    pass\n" * 40),
]


def _named(case: tuple[Rule, str, str]) -> str:
    return f"{case[0].__name__}-{case[1]}"


@pytest.mark.parametrize(("rule", "rooms"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_the_source_keeps_the_rule(rule: Rule, rooms: tuple[str, ...]) -> None:
    """A wall with one hole is no wall."""
    faults = [fault for source in modules(*rooms) for fault in rule(source)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("case", BAD, ids=_named)
def test_the_rule_bites(case: tuple[Rule, str, str]) -> None:
    """A check that never fails would pass on any source."""
    rule, name, text = case
    assert rule(module(name, text)) != []


@pytest.mark.parametrize("case", GOOD, ids=_named)
def test_the_rule_lets_the_good_through(case: tuple[Rule, str, str]) -> None:
    """A check that always fails would soon be switched off."""
    rule, name, text = case
    assert rule(module(name, text)) == []


def test_every_exception_to_the_rules_is_used() -> None:
    """The list of exceptions only shrinks by itself if something looks."""
    assert needless_exceptions() == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_its_charter(room: str) -> None:
    """A newcomer learns what a room is for from its first three lines."""
    text = (ROOT / room / "__init__.py").read_text(encoding="utf-8")
    assert broken_charter(module(room, text)) == []


def test_the_import_contracts_hold() -> None:
    """import-linter follows chains of imports too, which reading one file cannot."""
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


# What a checkout holds that is not its source.
NOT_SOURCE = {
    ".git",
    ".venv",
    "build",
    "dist",
    "demo-out",
    ".lab",
    "__pycache__",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
}
# Written in two parts, so that this file does not name it.
OUTSIDE = b"../" + b"shared"


def _source_files(root: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name not in NOT_SOURCE]
        yield from (Path(folder) / name for name in names)


def _files_naming(needle: bytes, root: Path) -> list[str]:
    return [
        str(path.relative_to(root)) for path in _source_files(root) if path.is_file() and needle in path.read_bytes()
    ]


def test_nothing_reads_from_beside_the_checkout() -> None:
    """A clone has to work by itself."""
    assert _files_naming(OUTSIDE, ROOT) == []


def test_a_file_that_reads_from_beside_the_checkout_is_found(tmp_path: Path) -> None:
    """The search above looks below folders and into every kind of file."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_bytes(b"see " + OUTSIDE + b"/design")
    assert _files_naming(OUTSIDE, tmp_path) == ["docs/page.md"]
