"""What is shipped agrees with itself: two distributions, one version; a lock with hashes and without addresses."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from tests.support.house_rules import ROOMS, ROOT


def _project(path: str) -> dict[str, Any]:
    document: dict[str, Any] = tomllib.loads((ROOT / path).read_text(encoding="utf-8"))
    return document


def _pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, flags=re.MULTILINE))


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", requirement)[0] for requirement in requirements}


OURS = _project("pyproject.toml")
AUDITORS = _project("packaging/expunge-audit/pyproject.toml")


def test_both_distributions_carry_one_version() -> None:
    """An auditor must be able to name the expunge whose certificates this audit understands."""
    assert AUDITORS["project"]["version"] == OURS["project"]["version"]


def test_the_auditors_distribution_is_a_part_of_ours() -> None:
    """It brings no dependency and no room that expunge does not have."""
    assert set(AUDITORS["project"]["dependencies"]) <= set(OURS["project"]["dependencies"])
    assert AUDITORS["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["certificates"]
    assert set(OURS["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(ROOMS)


def test_everything_declared_is_locked() -> None:
    """A dependency added without scripts/lock would be missing after a clean installation."""
    declared = _names(OURS["project"]["dependencies"])
    assert declared <= _pins("runtime.txt").keys()
    assert declared | _names(OURS["project"]["optional-dependencies"]["dev"]) <= _pins("dev.txt").keys()


def test_what_is_tested_is_what_is_deployed() -> None:
    """The tests run on exactly the versions that the runtime lock installs."""
    assert _pins("runtime.txt").items() <= _pins("dev.txt").items()


def test_every_locked_file_is_named_by_hash_and_no_index_by_address() -> None:
    """A lock that trusts an address trusts whoever answers there."""
    for name in ("runtime.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert all("--hash=sha256:" in entry for entry in entries)
        assert not re.search(r"://|--(index-url|extra-index-url|find-links|trusted-host)", text)


def test_every_script_stops_at_its_first_error_and_says_what_it_is_for() -> None:
    """A script that runs on after a failure reports success for something it did not do."""
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.name.startswith("_")]
    assert {"build", "campaign", "check", "lock", "test"} <= {path.name for path in scripts}
    for script in scripts:
        first, purpose, *rest = script.read_text(encoding="utf-8").splitlines()
        assert first == "#!/usr/bin/env bash", script.name
        assert purpose.startswith("# "), script.name
        assert "set -euo pipefail" in rest, script.name
        assert script.stat().st_mode & 0o111, script.name
