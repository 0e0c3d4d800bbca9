"""Errors become exits in one place, completely."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import jsonschema
import pytest

from agent.cli import exits
from agent.cli.screen import Screen, language_of
from certificates import errors
from certificates.errors import Failure, Interrupted, Refused, Unproven, Unregistered, Untrusted
from tests.support.screens import SCHEMAS, invoke

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Failure)]
FAMILIES = [kind for kind in CLASSES if kind is not Failure]


def below(kind: type[Failure]) -> list[type[Failure]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in below(child))]


@pytest.mark.parametrize("kind", [kind for kind in below(Failure) if kind is not Failure])
def test_every_error_class_has_an_exit(kind: type[Failure]) -> None:
    """An error without one would be told as a bug."""
    assert exits.code_of(kind("stopped", by="SIGTERM")) in exits.EXITS.values()


def test_the_exits_are_those_that_others_script_against() -> None:
    """They may not drift."""
    expected = {Refused: 3, Interrupted: 4, Unproven: 5, Unregistered: 6, Untrusted: 7}
    assert expected == exits.EXITS
    assert set(FAMILIES) == set(exits.EXITS) == set(exits.NAMES)
    assert exits.code_of(None) == 0
    assert exits.code_of(ValueError()) == 1


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((), 0), ((0, 0), 0), ((0, 6), 6), ((6, 5), 5), ((5, 1), 1), ((1, 4, 0), 4), ((5, 6, 4, 1, 0), 4)],
)
def test_of_several_carriers_the_gravest_is_told(codes: tuple[int, ...], expected: int) -> None:
    """First of 4, 1, 5, 6, 0: what somebody has to act on first."""
    assert exits.code_of_all(codes) == expected


def test_a_failure_is_told_in_three_parts_with_its_exit(tmp_path: Path) -> None:
    """What, the state of the data, what to do next; on stderr, for stdout is the result's."""
    existing = tmp_path / "key"
    existing.write_text("precious")
    result = invoke("key", "new", existing)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("Refused: ")
    assert "Nothing was written." in result.stderr
    assert result.stderr.rstrip().endswith("[exit 3]")
    assert existing.read_text() == "precious"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_advice_names_its_facts_too(language: str) -> None:
    """`write {where}` helps nobody."""
    told = Refused("site-missing", where="/etc/expunge/config.toml").tell(language)
    assert "{" not in told
    assert told.count("/etc/expunge/config.toml") >= 2


def test_a_failure_is_told_in_chinese(tmp_path: Path) -> None:
    """To the person who reads Chinese."""
    (tmp_path / "key").touch()
    told = invoke("--lang", "zh", "key", "new", tmp_path / "key").stderr
    assert told.startswith("已拒绝：")
    assert "未写入任何数据" in told


def test_a_failure_in_json_has_its_published_form(tmp_path: Path) -> None:
    """Scripts read family, reason and facts, not sentences."""
    (tmp_path / "key").touch()
    told = json.loads(invoke("--json", "key", "new", tmp_path / "key").stdout)
    jsonschema.validate(told, json.loads((SCHEMAS / "error.schema.json").read_text()))
    assert told["error"]["reason"] == "file-exists"


def test_a_bug_leaves_its_traceback_in_a_file_and_one_line_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback on the screen helps nobody there; thrown away it helps nobody at all."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try:
        raise ZeroDivisionError("a bug")
    except ZeroDivisionError as error:
        code = exits.report(error, Screen(language="en", as_json=True))
    told = capsys.readouterr()
    (log,) = tmp_path.glob("expunge-*.log")
    assert code == 1
    assert told.err.count("\n") == 1
    assert str(log) in told.err
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    jsonschema.validate(json.loads(told.out), json.loads((SCHEMAS / "error.schema.json").read_text()))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LC_ALL": "", "LANG": "zh"}, "zh"),
    ],
)
def test_the_locale_chooses_the_language(environment: dict[str, str], expected: str) -> None:
    """By the precedence of POSIX: LC_ALL, LC_MESSAGES, LANG; an empty one does not count."""
    assert language_of(environment) == expected


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_or_read_only_disk_is_no_bug(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody should have to send a traceback in to learn that a disk is full."""
    error = OSError(number, "what the system says", "/where/it/lies")
    assert exits.report(error, Screen()) == 3
    assert "/where/it/lies: what the system says" in capsys.readouterr().err
