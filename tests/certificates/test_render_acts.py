"""The page tells what was done beside overwriting, where samples were found again, and in both languages alike."""

from __future__ import annotations

import re
import typing
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest

from certificates.render.checks import tell_check, tell_record, tell_seen
from certificates.render.layout import Section, lay_out
from certificates.render.page import Page, page_of
from certificates.render.words import WORDS, Language
from certificates.statements import (
    Consequence,
    Evidence,
    FillRecord,
    Hits,
    NamesRecord,
    NeedlesRecord,
    Place,
    ReleaseRecord,
    ResidueHunt,
    SurvivorsCheck,
    WithdrawalRecord,
)
from tests.support import world
from tests.support.house_rules import ROOT
from tests.support.story import story, tell

NOW = world.NOW
BOTH: tuple[Language, ...] = ("en", "zh")
HUNT = ResidueHunt(9, "made", 40, 3, ("plain", "utf-16-le", "zlib"), 1 << 30, 512, (), NOW)
HITS = (Hits("contents", "free", 1200), Hits("names", "file-system-journal", 7))
SAME = "sha256:" + "0" * 64


def page(*told: Any) -> Page:
    """The plain page, with these records and checks beside its own."""
    plain = page_of(tell(story()).entries)
    evidence: Evidence = plain.told.evidence
    checks = tuple(one for one in told if isinstance(one, ResidueHunt | SurvivorsCheck))
    records = tuple(one for one in told if one not in checks)
    first = tuple(one for one in records if isinstance(one, NeedlesRecord))
    others = tuple(one for one in records if one not in first)
    more = replace(evidence, records=(*first, *evidence.records, *others), checks=(*evidence.checks, *checks))
    changed = replace(plain.certificate, statement=replace(plain.told, evidence=more))
    return replace(plain, certificate=changed)


def sections(shown: Page, language: Language) -> dict[str, Section]:
    return {section.id: section for section in lay_out(shown, language, UTC).sections}


@pytest.mark.parametrize("language", BOTH)
def test_passes_are_numbered_whatever_came_before(language: Language) -> None:
    """Taking samples is no pass."""
    labels = [label for label, _ in sections(page(NeedlesRecord(0, 40, 3, NOW)), language)["method"].lines]
    assert [label for label in labels if "1" in label or "2" in label] == [{"en": "Pass 1", "zh": "第 1 遍"}[language]]


def test_what_was_found_again_is_a_table() -> None:
    """Which sort, where, how often."""
    shown = page(NeedlesRecord(0, 40, 3, NOW), replace(HUNT, hits=HITS))
    table = sections(shown, "en")["residue"].table
    assert table is not None
    assert table.headings == ("Looked for", "Found in", "Finds")
    assert table.rows == (("contents", "free blocks", "1,200"), ("names", "the file system's journal", "7"))


@pytest.mark.parametrize("language", BOTH)
def test_nothing_found_is_said_and_nobody_looking_is_not_nothing_found(language: Language) -> None:
    """Silence about residue must not read as its absence."""
    said = sections(page(HUNT), language)["residue"]
    assert said.table is None
    assert said.lines == (("", WORDS["residue.nothing"][BOTH.index(language)]),)
    assert "residue" not in sections(page(), language)
    assert "residue" not in sections(page(replace(HUNT, state="needles-lost")), language)


def test_a_hunt_tells_its_forms_in_words() -> None:
    """A reader knows base64; `utf-16-le` is a code."""
    told = tell_check(HUNT, "en")
    assert told == (
        "40 samples and 3 names, taken before the first write, looked for on 1,073,741,824 bytes of raw storage "
        "(plain, UTF-16LE, zlib): 0 found, 512 bytes unread."
    )
    assert "（原文、UTF-16LE、zlib）" in tell_check(HUNT, "zh")


TOLD: tuple[Any, ...] = (
    NeedlesRecord(0, 40, 3, NOW),
    NeedlesRecord(0, 0, 0, NOW, "swap-not-encrypted"),
    WithdrawalRecord(1, 10, 2, 8192, 4, NOW, (Consequence("rows-by-foreign-key", 3),), ("server-log",)),
    ReleaseRecord(2, 7, NOW),
    NamesRecord(3, 2, 1 << 20, False, NOW, ("file-system-journal",)),
    FillRecord(4, 1 << 20, 4096, False, NOW, ("reserved-blocks",)),
)


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("record", TOLD, ids=lambda one: str(one.kind))
def test_every_record_is_told_without_a_code(record: Any, language: Language) -> None:
    """A code on a certificate is a hole in the page."""
    told = tell_record(record, language)
    assert told
    assert not re.search(r"[{}<>]|[a-z]+-by-[a-z]+|swap-not|server-log|reserved-blocks", told)


@pytest.mark.parametrize("language", BOTH)
def test_the_verdict_names_hunt_and_survivors(language: Language) -> None:
    """What a claim on records rests on."""
    alive = SurvivorsCheck(10, 2, 9, 9, SAME, SAME, "integrity_check", True, NOW)
    told = tell_seen(page(replace(HUNT, hits=HITS), alive).told.evidence, language)
    assert "1,207" in told
    assert "9" in told
    assert "{" not in told + tell_check(alive, language)


def test_every_place_every_sort_and_every_reason_against_samples_has_a_word() -> None:
    """Read from the vocabulary and from the source, so that none can come without words."""
    source = "".join(
        (ROOT / "wipers" / "linux" / name).read_text(encoding="utf-8") for name in ("residue.py", "needlebox.py")
    )
    why = set(re.findall(r'^(?:NO_PLACE|SWAPPED|NOTHING_TELLING) = "([a-z-]+)"', source, re.MULTILINE))
    assert len(why) == 3
    wanted = {f"place.{one}" for one in typing.get_args(Place)} | {f"impossible.{one}" for one in why}
    assert wanted | {"sort.contents", "sort.names", "impossible.memory-not-writable"} <= WORDS.keys()
