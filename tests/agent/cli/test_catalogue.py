"""Techniques and targets are listed with what they reach and why not more."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from agent.cli.catalogue import target_sheet, target_trees
from agent.cli.planning import carrier_lines
from agent.cli.screen import Language, Screen
from certificates.statements import Fact, Media, Residual
from tests.support.runs import carrier, run_of
from tests.support.screens import SCHEMAS, invoke, tree
from wipers.acts import Hunt
from wipers.model import Obstacle, Target
from wipers.techniques import TECHNIQUES

DISK = Target(
    kind="device",
    location="/dev/sdz",
    facts=(Fact("model", "ST1000"), Fact("serial", "S1"), Fact("wwn", ""), Fact("size", "1000")),
    unit="S1",
    media=Media.MAGNETIC,
    size=1_000_204_886_016,
    header_size=0,
    sector_size=512,
    objects=1,
    obstacles=(Obstacle("system-disk", (("where", "/dev/sdz"),)),),
    residual=(Residual("remapped-sectors"),),
    description=(Fact("bus", "sata"),),
)


@pytest.mark.parametrize("row", TECHNIQUES, ids=lambda row: row.id)
def test_every_technique_is_listed_with_its_citation(row: object) -> None:
    """An order names one of them."""
    page = invoke("techniques").stdout
    assert row.id in page  # type: ignore[attr-defined]
    assert row.citation in page  # type: ignore[attr-defined]


def test_no_technique_says_purge_for_an_overwrite() -> None:
    """The rule book decides, and the list repeats it."""
    for told in tree("techniques"):
        if not told["id"].startswith("luks2"):
            assert {level for levels in told["reaches"].values() for level in levels.values()} == {"clear"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_target_tells_what_stands_in_its_way(language: Language) -> None:
    """Three questions: what is it, is it safe, what can be reached."""
    page = "\n".join(target_sheet(Screen(language=language), (DISK,)))
    for part in ("/dev/sdz", "S1", "1 TB", "▲", "clear"):
        assert part in page
    assert target_sheet(Screen(language=language), ()) != []


def test_targets_in_json_have_their_published_form() -> None:
    """Scripts choose by identity and obstacles."""
    told = target_trees((DISK,))
    jsonschema.validate(told, json.loads((SCHEMAS / "targets.schema.json").read_text()))
    assert told[0]["obstacles"] == [{"reason": "system-disk", "facts": {"where": "/dev/sdz"}}]


def test_a_plan_never_prints_where_files_lie() -> None:
    """A path may tell what was in it; approvers and colleagues see counts."""
    from tests.agent.cli.test_progress import PLAN

    secret = "/dev/shm/case 4711 witness list"
    for kind in ("files", "database"):
        found = replace(DISK, kind=kind, location=secret, objects=3, obstacles=())
        page = "\n".join(carrier_lines(Screen(language="en"), carrier(), found, PLAN))
        assert "4711" not in page
        assert "3 objects" in page
    assert "/dev/sdz" in "\n".join(carrier_lines(Screen(language="en"), carrier(), DISK, PLAN))


@pytest.mark.parametrize(("language", "drawn"), [("en", "one of 27 patterns"), ("zh", "27 种模式之一")])
def test_a_plan_tells_the_warning_and_names_no_order_that_is_not_drawn_yet(language: Language, drawn: str) -> None:
    """Whoever confirms it reads why the scheme is not advised; a pattern named in its listed place would be wrong."""
    made = run_of(technique="gutmann-35").plan
    page = "\n".join(carrier_lines(Screen(language=language), carrier(), DISK, made))
    assert page.count(drawn) == 27
    assert "Legacy" in page
    assert "0x55" not in page


@pytest.mark.parametrize(("language", "warned"), [("en", "ends unproven (exit 5)"), ("zh", "不能得到证明（退出码 5）")])
def test_a_plan_warns_where_no_file_is_long_enough_to_be_looked_for(language: Language, warned: str) -> None:
    """The run cannot be taken back, and that it could not be proven was known before."""
    from tests.agent.cli.test_progress import PLAN

    hunted = replace(PLAN, steps=(*PLAN.steps, Hunt()))
    told = (Fact("file-system", "ext4"), Fact("case", "ext4-ordered"), Fact("found-files", "3"))
    long = replace(DISK, kind="files", objects=3, obstacles=(), description=told)
    short = replace(long, description=(*told, Fact("found-too-short", "3")))
    pages = {
        (found, made): "\n".join(carrier_lines(Screen(language=language), carrier(), found, made))
        for found in (long, short)
        for made in (PLAN, hunted)
    }
    assert [which for which, page in pages.items() if warned in page] == [(short, hunted)]


def test_a_technique_in_json_says_what_stays_and_whether_it_must_be_named() -> None:
    """Scripts choose by that, not by the name."""
    rows = {told["id"]: told for told in tree("techniques")}
    assert rows["random-1"]["only_where_named"] is False
    assert rows["dod-5220.22-m"]["only_where_named"] is True
    assert rows["nnsa-nap-14.1-c"]["final_state"] == "0x00"
    assert rows["bmb21-nwipe"]["final_state"] == "0xff"
    assert rows["gost-r-50739-95"]["basis"] == "code"
