"""A survey is shown, written and signed on the host; at the desk it becomes an order, or a list of what is missing."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import Result

from agent.cli.screen import Language, Screen
from agent.cli.surveys import default_name, survey_sheet
from certificates.encoding import decode, digest
from certificates.envelope import unseal, unwrap
from certificates.keyring import resolver
from certificates.schemas import schema
from certificates.statements import Matching, Media, Order, Survey
from tests.support import agent_site, world
from tests.support.agent_site import Agent
from tests.support.screens import SCHEMAS, Desk, desk, invoke, tree
from tests.support.surveyed import drive, machine, survey, write_survey
from wipers.model import Target

KEY = world.signer("arch-07").key_id


def valid(told: Any, name: str) -> Any:
    """What was printed, having checked that it has its published form."""
    jsonschema.validate(told, json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")))
    return told


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Agent:
    return agent_site.agent(tmp_path / "site")


def test_a_survey_is_signed_by_the_host(host: Agent, tmp_path: Path) -> None:
    """Whoever drafts from it far away knows whose word it is."""
    told = valid(tree("survey", "--images", "-o", tmp_path / "s.survey.json", site=host.site), "survey")
    envelope = (tmp_path / "s.survey.json").read_bytes()
    sealed = unseal(envelope, Survey, resolver(host.ring, world.NOW))
    assert (told["digest"], told["file"]) == (sealed.digest, str(tmp_path / "s.survey.json"))
    assert sealed.statement.host == host.site.signer.key_id
    assert sealed.statement.machine.asset_tag == "ZC-2019-00400"
    assert len(sealed.statement.drives) == 1
    jsonschema.validate(told["survey"], schema("survey"))


def test_loop_devices_are_surveyed_only_where_asked_for(host: Agent) -> None:
    """A desktop has dozens, over its own programs."""
    assert tree("survey", site=host.site)["survey"]["drives"] == []


def test_a_survey_is_never_written_over_another(host: Agent, tmp_path: Path) -> None:
    """In a folder each has its name, by machine and second."""
    assert invoke("survey", "-o", tmp_path, site=host.site).exit_code == 0
    (path,) = tmp_path.glob("*.survey.json")
    assert path.name.startswith("arch-07-2")
    assert invoke("survey", "-o", path, site=host.site).exit_code == 3


def test_a_name_that_ends_with_a_slash_is_a_folder(
    host: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clerk types the folder's name before anybody made it; a file in its place would stop the next machine. In the
    same second it is the same file, which is not replaced."""
    folder = tmp_path / "surveys"
    for second, code, files in ((1, 0, 1), (1, 3, 1), (2, 0, 2)):
        monkeypatch.setattr("agent.cli.surveys.now", lambda second=second: world.NOW + timedelta(seconds=second))
        assert invoke("survey", "-o", f"{folder}/", site=host.site).exit_code == code
        assert [path.name.endswith(".survey.json") for path in folder.iterdir()] == [True] * files


def test_a_machine_without_a_site_has_nobody_who_signs(tmp_path: Path) -> None:
    """A rescue system says what it sees, and that it is nobody's word."""
    refused = invoke("survey", "-o", tmp_path / "s.survey.json")
    assert refused.exit_code == 3
    assert "--unsigned" in refused.output
    assert not (tmp_path / "s.survey.json").exists()


@pytest.mark.parametrize("name", ["", "..", "a b/c", "文件服务器"])
def test_a_file_name_is_made_of_any_machine_name(name: str) -> None:
    """A machine may call itself whatever it likes."""
    made = default_name(replace(survey("x"), machine=machine(name)))
    assert "/" not in made
    assert not made.startswith((".", "-"))
    assert made.endswith("-20261120T100211Z.survey.json")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_sheet_tells_what_it_is_what_it_reaches_and_what_stands_in_the_way(language: Language) -> None:
    """Codes that this version does not know stand as they are."""
    shown = survey(
        "filer-3", drive("S1", "in-use", "code-of-tomorrow", media=Media.FLASH), chassis_serial="7J2K9Q3", uuid="U-1"
    )
    page = "\n".join(survey_sheet(Screen(language=language), shown))
    for part in ("filer-3", "7J2K9Q3", "U-1", "S1", "ST4000DM004", "4 TB", "code-of-tomorrow", "clear", "bus sata"):
        assert part in page
    assert "obstacle." not in page
    assert "why." not in page


@dataclass(frozen=True)
class Table:
    """A desk with surveys and a list of cards."""

    desk: Desk

    @property
    def folder(self) -> Path:
        return self.desk.folder

    @property
    def order(self) -> Path:
        return self.folder / "order.dsse.json"

    def put(self, name: str, *drives: Target, signer: str | None = "arch-07", **how: Any) -> None:
        (self.folder / "surveys").mkdir(exist_ok=True)
        at = how.pop("at", datetime.now(UTC).replace(microsecond=0))
        write_survey(self.folder / "surveys", survey(name, *drives, host=how.pop("host", KEY), at=at, **how), signer)

    def arguments(self, *more: str) -> tuple[object, ...]:
        return (
            *("order", "draft", self.folder / "survey-order.toml", "-o", self.order),
            *("--from-survey", self.folder / "surveys", "--cards", self.folder / "cards.csv"),
            *("--keyring", self.desk.keyring, *more),
        )

    def draft(self, *more: str, language: Language = "en") -> Result:
        return invoke(*self.arguments(*more), language=language)


@pytest.fixture(name="at")
def _at(tmp_path: Path) -> Table:
    """The example's cards, with surveys of the two machines that they are about."""
    made = Table(desk(tmp_path))
    made.put(
        "filer-3", drive("WFN0ABCD"), drive("WFN0ABCE", "in-use"), drive("S64MNE0R512345", "system-disk"), uuid="1"
    )
    made.put("backup-1", drive("Z1"), drive("Z2"), chassis_serial="7J2K9Q3", uuid="2")
    return made


def test_surveys_and_cards_become_an_order_and_a_list_beside_it(at: Table) -> None:
    """The order for those who sign, the list for those who decide whether to."""
    told = valid(tree(*at.arguments()), "order-draft")
    order = decode(unwrap(at.order.read_bytes()).payload, Order)
    assert [one["digest"] for one in told["orders"]] == [digest(order)]
    assert len(order.carriers) == 4
    listed = decode((at.folder / "order.matching.json").read_bytes(), Matching)
    assert listed.orders[0].digest == digest(order)
    assert told["list"] == [str(at.folder / "order.matching.json"), str(at.folder / "order.matching.txt")]
    jsonschema.validate(told["matching"], schema("matching"))
    page = (at.folder / "order.matching.txt").read_text(encoding="utf-8")
    for part in ("WFN0ABCD", "ZC-2021-00077", "in use", "which stays", "品牌型号", digest(order)):
        assert part in page


def test_show_takes_the_list_of_matches(at: Table) -> None:
    """In the reader's language, whoever drafted it in which."""
    at.draft()
    path = at.folder / "order.matching.json"
    assert tree("show", path)["kind"] == "matching"
    page = invoke("show", path).stdout
    assert (at.folder / "order.matching.txt").read_text(encoding="utf-8") in page
    assert "卡片与硬盘对照" in invoke("show", path, language="zh").stdout


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_draft_with_gaps_is_refused_and_lists_them(at: Table, language: Language) -> None:
    """Nothing is written, and the clerk has the whole list."""
    at.put("filer-4", drive("NEW1"), uuid="3")
    result = at.draft(language=language)
    assert result.exit_code == 3
    assert "▲" in result.stdout
    assert "NEW1" in result.stdout
    assert "--partial" in result.stderr
    assert list(at.folder.glob("order.*json*")) == []
    assert list(at.folder.glob("order.matching*")) == []
    told = valid(tree(*at.arguments()), "order-draft")
    assert (told["orders"], told["error"]["reason"]) == ([], "matching-incomplete")


def test_a_partial_draft_leaves_the_gaps_out(at: Table) -> None:
    """They stay on the list that the approvers read."""
    at.put("filer-4", drive("NEW1"), uuid="3")
    assert at.draft("--partial").exit_code == 0
    assert "NEW1" in (at.folder / "order.matching.txt").read_text(encoding="utf-8")


def test_surveys_that_are_old_or_nobody_s_are_listed(at: Table) -> None:
    """With why, in words."""
    at.put("old-1", drive("WFN0ABCF"), uuid="4", at=datetime.now(UTC).replace(microsecond=0) - timedelta(days=40))
    at.put("rescue-1", drive("WFN0ABCG"), uuid="5", host=None, signer=None)
    page = at.draft().stdout
    assert "Surveys too old" in page
    assert "nobody signed it" in page


def test_a_forged_survey_refuses_the_draft(at: Table) -> None:
    """Whatever else would go together."""
    at.put("filer-5", signer="P-0417", uuid="6")
    result = at.draft("--partial")
    assert result.exit_code == 3
    assert "filer-5.survey.json is no survey that can be used" in result.output


def test_nothing_that_exists_is_written_over(at: Table) -> None:
    """Neither the order nor the list of an earlier draft."""
    for name in ("order.dsse.json", "order.matching.json", "order.matching.txt"):
        (at.folder / name).write_text("mine")
        assert at.draft().exit_code == 3
        assert (at.folder / name).read_text() == "mine"
        (at.folder / name).unlink()
        assert list(at.folder.glob("order.dsse*")) == []


@pytest.mark.parametrize("missing", ["--cards", "--from-survey"])
def test_surveys_and_cards_go_together(at: Table, missing: str) -> None:
    """One without the other is a typing error."""
    given = list(at.arguments())
    place = given.index(missing)
    result = invoke(*given[:place], *given[place + 2 :])
    assert result.exit_code == 2
    assert "go together" in result.output


def test_a_split_draft_numbers_its_orders(at: Table) -> None:
    """Each a file of its own, all on one list; within seconds, for ten thousand cards may take a minute."""
    numbers = [f"S{number:05}" for number in range(520)]
    text = (at.folder / "survey-order.toml").read_text(encoding="utf-8")
    (at.folder / "survey-order.toml").write_text(text[: text.index("[[from_survey.leave_out]]")], encoding="utf-8")
    rows = "".join(f"ZC-{one},盘,A02010500,{one},一般,900\n" for one in numbers)
    (at.folder / "cards.csv").write_text(
        f"资产卡片号,名称,分类代码,序列号,分级,账面价值(元)\n{rows}", encoding="gb18030"
    )
    for path in (at.folder / "surveys").iterdir():
        path.unlink()
    for machine_number in range(50):
        at.put(f"m{machine_number}", *map(drive, numbers[machine_number::50]), uuid=str(machine_number))
    begun = time.process_time()
    result = at.draft("--split")
    assert result.exit_code == 0
    assert time.process_time() - begun < 6
    files = sorted(path.name for path in at.folder.glob("order-*.dsse.json"))
    assert files == [f"order-00{number}.dsse.json" for number in (1, 2, 3)]
    listed = decode((at.folder / "order.matching.json").read_bytes(), Matching)
    assert sum(one.carriers for one in listed.orders) == 520


def test_show_takes_a_survey(at: Table) -> None:
    """Signed or not; against the keyring at hand."""
    told = tree("show", at.folder / "surveys" / "filer-3.survey.json", "--keyring", at.desk.keyring)
    assert (told["kind"], told["holds"], told["signed_by"]) == ("survey", True, ["host arch-07"])
    assert "filer-3" in invoke("show", at.folder / "surveys" / "filer-3.survey.json").stdout
    at.put("rescue-1", drive("S9"), host=None, signer=None)
    assert "S9" in invoke("show", at.folder / "surveys" / "rescue-1.survey.json").stdout
