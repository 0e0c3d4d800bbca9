"""TOML -> Config: what a site's administrator decides. Unknown keys are errors; every error names the key."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from agent.authorize import Policy
from agent.files import unreadable
from certificates.errors import Refused
from wipers.care import Care

DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"[0-9]{1,6}[smhd]")
LEAST_CARE = {"min_rate": 1, "max_temperature": 20, "max_errors": 0}
"""Bytes a second, degrees Celsius, number: below that a rule would stop every run."""


@dataclass(frozen=True, slots=True)
class Config:
    """One site's configuration."""

    keyring_root: str
    """Digest of keyring version 1: the root of trust, written by root."""
    host_key: str = "host.pem"
    """Host's private key, relative to the configuration."""
    registry: str | None = None
    """Base URL of the registry; none: documents come and go on a medium."""
    offline: bool = False
    """An air-gapped site: exporting certificates is the normal end."""
    other_sites: bool = False
    """Whether --site and EXPUNGE_CONFIG are allowed besides /etc/expunge."""
    policy: Policy = field(default_factory=Policy)
    """Authorisation policy."""
    care: Care = field(default_factory=Care)
    """When a run rests and when it gives a device up."""
    kill_switch: str = "kill-switch"
    """File whose presence stops every start and resume, relative to the state directory."""
    least_free: int = 16 << 20
    """Bytes that must be free where the journal lies."""


def load_config(path: Path) -> Config:
    """Return the configuration in a file; raises Refused where it cannot be read, is no text, or is wrong."""
    try:
        return read_config(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise _wrong(str(path), f"it is not UTF-8 at byte {error.start}") from error
    except PermissionError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error


def read_config(text: str, where: str) -> Config:
    """Return the configuration in TOML; raises Refused naming the key that is wrong."""
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _wrong(where, str(error)) from error
    site, policy, care = (_table(tree, name, where) for name in ("site", "policy", "care"))
    if tree:
        raise _wrong(where, f"{min(tree)} is not a known table")
    config = _take(Config, site, where, "site", exclude={"policy", "care"})
    if "keyring_root" not in config:
        raise _wrong(where, "site.keyring_root is missing")
    if "max_hold_age" in policy:
        policy["max_hold_age"] = _duration(policy["max_hold_age"], where)
    return Config(**config, policy=Policy(**_take(Policy, policy, where, "policy")), care=_care(care, where))


def _table(tree: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    """Take a table out of the tree; empty where there is none."""
    found = tree.pop(name, {})
    if not isinstance(found, dict):
        raise _wrong(where, f"{name} must be a table")
    return dict(found)


def _care(table: dict[str, Any], where: str) -> Care:
    """Return the rules of care; one that no device could keep is an error of whoever wrote it."""
    rules = _take(Care, table, where, "care", exclude={"window_seconds", "poll_seconds"})
    for name, least in LEAST_CARE.items():
        if name in rules and rules[name] < least:
            raise _wrong(where, f"care.{name} must be {least} or more")
    return Care(**rules)


def _take(
    kind: type[Config] | type[Policy] | type[Care],
    table: dict[str, Any],
    where: str,
    name: str,
    exclude: set[str] | None = None,
) -> dict[str, Any]:
    """Return the table's values, having checked names and types against the dataclass."""
    fields = {f.name: f.type for f in kind.__dataclass_fields__.values()}
    for key, value in table.items():
        if key not in fields or key in (exclude or set()):
            raise _wrong(where, f"{name}.{key} is not a known key")
        expected = str(fields[key]).split(" | ")[0]
        if expected != "timedelta" and type(value).__name__ != expected:
            raise _wrong(where, f"{name}.{key} must be of type {expected}")
        if isinstance(value, str) and "\0" in value:
            raise _wrong(where, f"{name}.{key} must not hold a NUL")
    return table


def _duration(text: object, where: str) -> timedelta:
    """Return a duration written as a number and s, m, h or d."""
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise _wrong(where, "policy.max_hold_age must be a number of up to six digits and s, m, h or d, e.g. 24h")
    return timedelta(seconds=int(text[:-1]) * DURATIONS[text[-1]])


def _wrong(where: str, detail: str) -> Refused:
    return Refused("site-wrong", detail=detail, where=where)
