"""What a drive says of itself reads as words, in both languages."""

from __future__ import annotations

import re

import pytest

from agent.cli.drives import OF_DRIVES, drive_rows
from agent.cli.screen import Language, Screen

SATA = {
    "health": "failed",
    "temperature-celsius": "36",
    "health-reallocated-sectors": "8",
    "ata-security": "disabled, frozen, enhanced-erase",
    "sanitize": "crypto-scramble overwrite",
    "rotation": "5400 rpm",
    "hidden-hpa": "1048576",
    "hidden-dco": "unknown",
    "drive-serial": "none of ours",
}


def test_health_and_hidden_areas_stand_in_lines_of_their_own() -> None:
    """The two things that decide whether a drive is worth overwriting."""
    told = dict(drive_rows(Screen(language="en"), SATA))
    assert told["Health"] == "▲ failed; 36 °C; reallocated sectors 8"
    assert told["Beyond reach"] == "host protected area 1.05 MB; configuration overlay unknown"
    assert "ATA password disabled, frozen until power-on, knows enhanced erase" in told["Drive"]
    assert "its own serial number none of ours" in told["Drive"]


def test_no_english_is_left_in_chinese() -> None:
    """But for names, units and what has no other name."""
    told = " ".join(text for _, text in drive_rows(Screen(language="zh"), {**SATA, "drive-serial": "S1"}))
    assert set(re.findall(r"[A-Za-z]{2,}", told)) <= {"HPA", "DCO", "ATA", "MB", "MiB", "S1"}


def test_namespaces_are_told_with_their_sizes() -> None:
    """One may be unknown, and none may be there."""
    screen = Screen(language="en")
    found = {"namespaces-unattached": "2:8000000 3:unknown"}
    assert dict(drive_rows(screen, found))["Beyond reach"] == "namespaces not attached 2 (8 MB), 3 (unknown)"
    none = dict(drive_rows(screen, {"namespaces-unattached": "none"}))
    assert none["Beyond reach"] == "namespaces not attached none"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_drive_that_says_nothing_has_no_lines(language: Language) -> None:
    """Loop devices and virtual disks."""
    assert [text for _, text in drive_rows(Screen(language=language), {"bus": "virtio"})] == ["", "", ""]
    assert len(OF_DRIVES) > 20
