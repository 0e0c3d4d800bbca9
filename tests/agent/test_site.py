"""What a site needs before anything may begin: room, power, a clock that agrees, files that only root can change."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.config import load_config, read_config
from agent.live import check_safe, find_site, parts_of_site
from certificates.encoding import digest
from certificates.errors import Failure, Refused
from tests.support.agent_site import Agent, agent, approved, order
from wipers.care import Care

ROOT = digest(b"root")
PLAIN = f'[site]\nkeyring_root = "{ROOT}"\n'


def reason_of(act: Callable[[], object]) -> str:
    with pytest.raises(Failure) as refused:
        act()
    assert "<" not in str(refused.value), "every fact of the sentence is given"
    return refused.value.reason


def run_with(desk: Agent, **changes: Any) -> str:
    desk.site = replace(desk.site, **changes)
    return reason_of(lambda: desk.run(approved(order(witnesses=()))))


def test_a_full_disk_refuses_before_anything_is_touched(tmp_path: Path) -> None:
    """What could not be recorded to its end is not begun."""
    desk = agent(tmp_path)
    small = replace(desk.site.config, least_free=2 << 30)
    assert run_with(desk, config=small) == "space-low"
    assert desk.machine.opened == 0


def test_a_low_battery_refuses_and_mains_does_not(tmp_path: Path) -> None:
    """A laptop that dies in the middle leaves a drive half destroyed."""
    desk = agent(tmp_path)
    assert run_with(desk, power=lambda: 29) == "power-low"
    desk.site = replace(desk.site, power=lambda: 30)
    (result,) = desk.run(approved(order(witnesses=())))
    assert result.failure is None


def test_a_clock_that_differs_from_the_registrys_refuses(tmp_path: Path) -> None:
    """Five minutes are the most."""
    desk = agent(tmp_path)
    desk.line.clock = replace(desk.clock, at=desk.clock.at + timedelta(minutes=5, seconds=1))
    assert run_with(desk) == "clock-differs"


def test_the_kill_switch_is_a_file_that_anybody_can_see(tmp_path: Path) -> None:
    """Its presence stops every start and every resume."""
    desk = agent(tmp_path)
    (tmp_path / "kill-switch").touch()
    assert run_with(desk) == "kill-switch"


def test_a_site_of_its_own_shuts_out_others_unless_it_says_otherwise(tmp_path: Path) -> None:
    """An operator with sudo for this program alone cannot bring his own keyring."""
    own, other = tmp_path / "own" / "config.toml", tmp_path / "other"
    for folder in (own.parent, other):
        folder.mkdir()
    (other / "config.toml").write_text(PLAIN)
    assert find_site(str(other), own) == (other / "config.toml", other)
    assert reason_of(lambda: find_site(None, own)) == "site-missing"
    assert reason_of(lambda: find_site(str(tmp_path), own)) == "site-missing"
    own.write_text(PLAIN)
    assert find_site(None, own)[0] == own
    assert reason_of(lambda: find_site(str(other), own)) == "site-not-allowed"
    own.write_text(PLAIN + "other_sites = true\n")
    assert find_site(str(other), own) == (other / "config.toml", other)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are judged, and only for root")
def test_for_root_every_site_file_and_parent_must_be_roots(tmp_path: Path) -> None:
    """Whoever can change the configuration can change what is trusted."""
    file = tmp_path / "site" / "config.toml"
    file.parent.mkdir(mode=0o700)
    file.write_text(PLAIN)
    file.chmod(0o600)
    check_safe(file)
    for path, mode in ((file, 0o602), (file, 0o620), (file.parent, 0o770)):
        was = path.stat().st_mode
        path.chmod(mode)
        assert reason_of(lambda: check_safe(file)) == "site-not-safe"
        path.chmod(was)
    os.chown(file, 65534, 65534)
    assert reason_of(lambda: check_safe(file)) == "site-not-safe"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are judged, and only for root")
@pytest.mark.parametrize("name", ["ledger", "ledger/ledger.jsonl", "journal", "seen.json", "keyring/1.dsse.json"])
def test_for_root_the_ledger_and_all_that_must_not_be_forgotten_are_roots_too(tmp_path: Path, name: str) -> None:
    """Who can cut the ledger can have an order carried out twice."""
    desk = agent(tmp_path / "site")
    desk.run(approved(order(witnesses=())))
    parts = parts_of_site(tmp_path / "site" / "config.toml", tmp_path / "site" / "host.pem", tmp_path / "site")
    for part in parts:
        if part.exists():
            part.chmod(0o700)
    check_safe(*parts)
    (tmp_path / "site" / name).chmod(0o702)
    assert reason_of(lambda: check_safe(*parts)) == "site-not-safe"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "site.keyring_root is missing"),
        ("[site", "Expected"),
        (PLAIN + "colour = 1\n", "site.colour is not a known key"),
        (PLAIN + "offline = 1\n", "site.offline must be of type bool"),
        (PLAIN + "[colours]\n", "colours is not a known table"),
        (PLAIN + '[policy]\nmax_hold_age = "soon"\n', "policy.max_hold_age must be"),
        (PLAIN + '[policy]\nmax_hold_age = "99999999999999999d"\n', "policy.max_hold_age must be"),
        (PLAIN + '[policy]\nmax_hold_age = "²d"\n', "policy.max_hold_age must be"),
        (PLAIN + 'kill_switch = "\\u0000"\n', "site.kill_switch must not hold a NUL"),
        (PLAIN + "[policy]\ncarriers_per_hour = true\n", "policy.carriers_per_hour must be of type int"),
        (PLAIN + "[care]\nmax_heat = 60\n", "care.max_heat is not a known key"),
        (PLAIN + "[care]\nwindow_seconds = 1\n", "care.window_seconds is not a known key"),
        (PLAIN + "[care]\nmin_rate = 0.5\n", "care.min_rate must be of type int"),
        (PLAIN + "[care]\nmax_temperature = 0\n", "care.max_temperature must be 20 or more"),
        ("care = 1\n" + PLAIN, "care must be a table"),
    ],
)
def test_a_wrong_configuration_names_the_key(text: str, told: str) -> None:
    """And is refused whole: a misspelt limit must not be no limit."""
    with pytest.raises(Refused, match="site configuration is wrong") as refused:
        read_config(text, "config.toml")
    assert told in str(refused.value)


def test_a_configuration_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """An editor of another system writes UTF-16; somebody makes a folder where a file should be."""
    (tmp_path / "config.toml").write_bytes(PLAIN.encode("utf-16"))
    assert reason_of(lambda: load_config(tmp_path / "config.toml")) == "site-wrong"
    assert reason_of(lambda: load_config(tmp_path)) == "file-unreadable"


def test_a_configuration_is_read_with_its_policy() -> None:
    """Durations in words that people write."""
    config = read_config(PLAIN + '[policy]\nmax_hold_age = "2d"\nhas_register = false\n', "config.toml")
    assert config.policy.max_hold_age == timedelta(days=2)
    assert not config.policy.has_register


def test_rules_of_care_are_read_and_none_is_made_up() -> None:
    """A limit that nobody set must end no run."""
    assert read_config(PLAIN, "config.toml").care == Care()
    rules = "[care]\nmin_rate = 1_000_000\nmax_temperature = 60\nmax_errors = 0\n"
    assert read_config(PLAIN + rules, "config.toml").care == Care(1_000_000, 60, 0)
