"""What a drive says of itself, for people: health, what no address reaches, what it can do."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.cli.screen import Screen
from agent.cli.sheets import size_text
from agent.cli.words import WORDS

HEALTH = (
    "health",
    "temperature-celsius",
    "temperature-warning-celsius",
    "power-on-hours",
    "health-reallocated-sectors",
    "health-pending-sectors",
    "health-uncorrectable-sectors",
    "wear-percent-used",
    "health-media-errors",
    "power",
)
IN_BYTES = (
    "hidden-hpa",
    "hidden-dco",
    "hidden-accessible-max-address",
    "hidden-bridge",
    "namespaces-unallocated",
    "rpmb",
    "boot-partitions",
)
HIDDEN = (*IN_BYTES, "namespaces-unattached")
ITSELF = (
    "drive-model",
    "drive-serial",
    "drive-wwn",
    "bridge-serial",
    "rotation",
    "ata-security",
    "sanitize",
    "protection-information",
    "write-protected",
    "write-cache",
    "controller",
    "subsystem",
)
VERBATIM = frozenset({"drive-model", "drive-serial", "drive-wwn", "subsystem"})
"""Facts whose words are names."""
OF_DRIVES = frozenset((*HEALTH, *HIDDEN, *ITSELF))
"""Facts that stand in the lines of a drive."""


def drive_rows(screen: Screen, told: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the lines of a drive that was asked, as label and text; a text is empty where nothing was told."""
    groups = ((screen.word("drive.health"), HEALTH), (screen.word("drive.hidden"), HIDDEN))
    of_all = (*groups, (screen.word("drive.itself"), ITSELF))
    return [
        (label, "; ".join(_said(screen, name, told[name]) for name in names if name in told)) for label, names in of_all
    ]


def _said(screen: Screen, name: str, value: str) -> str:
    return screen.word(f"drive.fact.{name}", value=value if name in VERBATIM else _value(screen, name, value))


def _value(screen: Screen, name: str, value: str) -> str:
    """Return the value with each word that is known in the reader's language, and bytes in their unit."""
    if name in IN_BYTES and value.isdigit():
        return size_text(int(value))
    if name == "namespaces-unattached":
        return ", ".join(_namespace(screen, one) for one in value.split())
    return "".join(_word(screen, part) for part in re.split(r"(, | )", value))


def _namespace(screen: Screen, one: str) -> str:
    """Return `2:4096` as `2 (4 kB)`."""
    number, colon, size = one.partition(":")
    shown = size_text(int(size)) if size.isdigit() else _word(screen, size)
    return f"{number} ({shown})" if colon else _word(screen, number)


def _word(screen: Screen, part: str) -> str:
    key = f"drive.is.{part}"
    return screen.word(key) if key in WORDS else part
