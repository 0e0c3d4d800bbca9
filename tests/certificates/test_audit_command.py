"""The auditor's command: one line a check, the exit that scripts rely on, trust from nowhere but --trust."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from certificates.__main__ import main
from certificates.audit import Audit
from certificates.encoding import decode, encode
from certificates.statements import Extent, Failure
from tests.support import world
from tests.support.story import story, tell

LOST = (Failure(Extent(0, 0, 512), "EIO"),)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """An auditor's desk: a bundle, a trust file."""
    papers = tell(story())
    (tmp_path / "good.expunge").write_bytes(papers.packed)
    (tmp_path / "trust.json").write_bytes(world.trust_file(papers.trust))
    return tmp_path


def run(*arguments: object, language: str = "en") -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], env={"LC_ALL": f"{language}_XX.UTF-8"})


def test_a_proven_bundle_exits_0_with_a_line_a_check(desk: Path) -> None:
    """The first character is the sign, the last words are the verdict."""
    result = run(desk / "good.expunge", "--trust", desk / "trust.json")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line.split()[1] for line in lines[:-2]] == [
        *("bundle", "keyring", "order", "hold", "start", "certificate", "binding", "journal", "evidence", "receipt"),
        *("validation", "medium"),
    ]
    assert [line[0] for line in lines[:-2]] == ["●"] * 11 + ["○"]
    assert lines[-1] == "Proven, as far as this host told the truth.    [exit 0]"


def test_every_line_names_its_class(desk: Path) -> None:
    """A stranger sees what he could redo, and what is somebody's word."""
    lines = run(desk / "good.expunge", "--trust", desk / "trust.json").stdout.splitlines()[:-2]
    assert all(line.endswith(("[recomputable]", "[re-runnable]", "[attested]")) for line in lines)


@pytest.mark.parametrize(("language", "word"), [("zh", "已证实"), ("en", "Proven")])
def test_the_locale_chooses_the_language(desk: Path, language: str, word: str) -> None:
    """And --lang overrides it."""
    arguments = (desk / "good.expunge", "--trust", desk / "trust.json")
    assert word in run(*arguments, language=language).stdout
    assert word in run(*arguments, "--lang", language, language="en").stdout


def test_an_unproven_bundle_exits_5(desk: Path) -> None:
    """The documents hold."""
    (desk / "short.expunge").write_bytes(tell(story(unread=LOST)).packed)
    assert run(desk / "short.expunge", "--trust", desk / "trust.json").exit_code == 5


def test_a_damaged_bundle_exits_7(desk: Path) -> None:
    """Proof of nothing."""
    (desk / "bad.expunge").write_bytes((desk / "good.expunge").read_bytes()[:-1])
    result = run(desk / "bad.expunge", "--trust", desk / "trust.json")
    assert result.exit_code == 7
    assert result.stdout.startswith("▲ bundle")


def test_without_trust_the_exit_is_7(desk: Path) -> None:
    """Also where a trust.json lies beside the bundle: whoever made the bundle may have put it there."""
    result = run(desk / "good.expunge")
    assert result.exit_code == 7
    assert "--trust" in result.stderr


def test_json_is_the_published_form(desk: Path) -> None:
    """It decodes to the statement type that the schema is made from."""
    result = run(desk / "good.expunge", "--trust", desk / "trust.json", "--json")
    told = decode(result.stdout.strip().encode(), Audit)
    assert (result.exit_code, told.verdict.value) == (0, "proven")
    assert encode(told).decode() == result.stdout.strip()
    assert json.loads(result.stdout)["reports"][0]["findings"][0]["code"] == "bundle-holds"


def test_a_folder_gives_a_summary_and_shows_gaps(desk: Path) -> None:
    """A line a bundle, then what they tell together."""
    (desk / "third.expunge").write_bytes(tell(story(sequence=3)).packed)
    result = run(desk, "--trust", desk / "trust.json")
    assert result.exit_code == 0
    assert [line[0] for line in result.stdout.splitlines()[:2]] == ["●", "●"]
    assert "of runs 1 to 3, 2 are not here" in result.stdout


def test_a_folder_shows_why_a_bundle_is_not_proven(desk: Path) -> None:
    """Only that: a thousand good lines hide a bad one."""
    (desk / "second.expunge").write_bytes(tell(story(sequence=2, signers=("P-0230", "P-0311"))).packed)
    result = run(desk, "--trust", desk / "trust.json")
    assert result.exit_code == 5
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("    ")] == ["certificate"]


def test_an_empty_folder_is_a_usage_error(tmp_path: Path) -> None:
    """Nothing audited is not everything proven."""
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty").exit_code == 2


def test_a_folder_full_of_traps_is_audited_all_the_same(desk: Path) -> None:
    """Whoever hands the folder over named them: folders, pipes and links by the names of bundles and journals."""
    for name in ("a.expunge", "a.jsonl"):
        (desk / name).mkdir()
    os.mkfifo(desk / "b.expunge")
    (desk / "c.expunge").symlink_to("c.expunge")
    (desk / "d.jsonl").symlink_to("nowhere")
    result = run(desk, "--trust", desk / "trust.json")
    assert (result.exit_code, result.exception is None or isinstance(result.exception, SystemExit)) == (0, True)


def test_a_trust_file_of_any_size_is_read_no_further_than_it_may_be(desk: Path) -> None:
    """A disk named by mistake would be read into memory."""
    with (desk / "trust.json").open("ab") as file:
        file.truncate(1 << 40)
    result = run(desk / "good.expunge", "--trust", desk / "trust.json")
    assert result.exit_code == 7
    assert "1048576" in result.stderr


def test_show_prints_the_certificate(desk: Path) -> None:
    """Without trust: it says what the documents say, not that they are true."""
    result = run("show", desk / "good.expunge", "--lang", "zh")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "数据销毁证书")
    (desk / "x").write_bytes(b"hello")
    assert run("show", desk / "x").exit_code == 7


def test_help_and_version_need_no_command() -> None:
    """As everybody tries first."""
    assert run("--help").exit_code == 0
    assert "--trust" in run("--help").stdout
    assert run("--version").stdout.startswith("expunge-audit")
