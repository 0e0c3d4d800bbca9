"""The page for the desk can be followed to the letter: its commands run in their order, and print what it shows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.cli.screen import Language
from agent.headings import HEADINGS
from tests.support import agent_site, world
from tests.support.house_rules import ROOT
from tests.support.screens import desk, invoke
from tests.support.surveyed import drive, survey, write_survey
from tests.test_docs import blocks, commands, fault_of

PAGES: dict[Language, Path] = {"en": ROOT / "docs" / "desk.md", "zh": ROOT / "docs" / "desk.zh.md"}
KEY = world.signer("arch-07").key_id


def put(folder: Path, second: str) -> None:
    """The two machines of the example; the second drive's number as somebody may have read it."""
    at = datetime.now(UTC).replace(microsecond=0)
    filer = (drive("WFN0ABCD"), drive(second), drive("S64MNE0R512345", "system-disk"))
    write_survey(folder, survey("filer-3", *filer, host=KEY, at=at, uuid="1"), "arch-07")
    backup = survey("backup-1", drive("Z1"), drive("Z2"), host=KEY, at=at, chassis_serial="7J2K9Q3", uuid="2")
    write_survey(folder, backup, "arch-07")


def plain(text: str) -> list[str]:
    """Lines without what differs from day to day."""
    text = re.sub(r"sha256:[0-9a-f]{64}", "<digest>", text)
    text = re.sub(r"drive-[0-9a-f]{16}", "<drive>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", "<time>", text)
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("language", PAGES)
def test_the_commands_of_the_page_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: Language
) -> None:
    """Whoever copies them, file by file, ends with a signed order."""
    desk(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "surveys").mkdir()
    host = agent_site.agent(tmp_path / "site")
    lines = [words for block in blocks(PAGES[language]) if block.kind == "bash" for words in commands(block)]
    assert len(lines) == 4
    for words in lines:
        assert fault_of(words) is None
        result = invoke(*words[1:], site=host.site if words[1] == "survey" else None)
        assert result.exit_code == 0, result.output
        if words[1] == "survey":
            for made in (tmp_path / "surveys").iterdir():
                made.unlink()
            put(tmp_path / "surveys", "WFN0ABCE")


@pytest.mark.parametrize("language", PAGES)
def test_the_list_that_is_shown_is_the_one_that_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: Language
) -> None:
    """A clerk who compares them must find what the page says."""
    desk(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "surveys").mkdir()
    put(tmp_path / "surveys", "WFNOABCE")
    (block,) = (block for block in blocks(PAGES[language]) if block.kind == "text")
    (words,) = (words for one in blocks(PAGES[language]) for words in commands(one) if words[1:3] == ["order", "draft"])
    result = invoke(*words[1:], language=language)
    assert result.exit_code == 3
    assert plain(result.stdout) == plain(block.text)


@pytest.mark.parametrize("language", PAGES)
def test_every_heading_is_on_the_page(language: Language) -> None:
    """A column that is known and not told is never used."""
    text = PAGES[language].read_text(encoding="utf-8")
    for headings in HEADINGS.values():
        assert f"| {headings[0]} | {headings[1]} |" in text
