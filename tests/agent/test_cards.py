"""A finance department's list is read as it was meant, or every line and column that is wrong is named."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cards import Card, CardList, key, read_cards
from certificates.errors import Refused
from tests.support.screens import EXAMPLES

CHINESE = "资产卡片号,名称,分类代码,序列号,分级,账面价值(元)\nZC-1,文件服务器硬盘,A02010500,WFN0ABCD,一般,900\n"
ENGLISH = "Card,Name,Code,Serial,Grade,Book value\nZC-1,文件服务器硬盘,A02010500,WFN0ABCD,general,900.00\n"
EXPECTED = Card(
    "ZC-1",
    2,
    ("WFN0ABCD",),
    facts={"name": "文件服务器硬盘", "code": "A02010500", "grade": "general", "book_value": 90_000},
)


def listed(folder: Path, data: str | bytes) -> CardList:
    path = folder / "cards.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_cards(path)


def faults(folder: Path, data: str | bytes) -> str:
    with pytest.raises(Refused) as caught:
        listed(folder, data)
    assert caught.value.reason == "draft-wrong"
    return str(caught.value.facts["faults"])


@pytest.mark.parametrize(
    "data",
    [
        CHINESE.encode(),
        b"\xef\xbb\xbf" + CHINESE.encode(),
        CHINESE.encode("gb18030"),
        CHINESE.encode("utf-16"),
        CHINESE.replace(",", ";").encode(),
        CHINESE.replace(",", "\t").encode("gb18030"),
        CHINESE.replace("\n", "\r\n").encode(),
        CHINESE.replace("(元)", "（元）").encode(),
        ENGLISH.encode(),
        ENGLISH.replace("Book value", "BOOK_VALUE").replace("Serial", " serial no. ").encode(),
    ],
)
def test_the_forms_that_spreadsheets_write_are_read(tmp_path: Path, data: bytes) -> None:
    """Excel and WPS choose letters and delimiter by the language of the machine."""
    assert listed(tmp_path, data).cards == (EXPECTED,)


def test_the_example_is_read() -> None:
    """With a title above its headings and a column that nobody needs."""
    found = read_cards(EXAMPLES / "cards.csv")
    assert [card.number for card in found.cards] == ["ZC-2021-00077", "ZC-2021-00078", "ZC-2019-00400"]
    assert found.cards[2].chassis == "7J2K9Q3"
    assert found.cards[2].facts["book_value"] == 3_850_000
    assert found.ignored == ("品牌型号",)


@pytest.mark.parametrize("data", [b"PK\x03\x04whatever", b"\xd0\xcf\x11\xe0whatever"])
def test_a_spreadsheet_is_told_the_way_out(tmp_path: Path, data: bytes) -> None:
    """The sheet has a Save as."""
    assert "save the sheet as CSV UTF-8" in faults(tmp_path, data)


def test_every_fault_is_named_by_line_and_column(tmp_path: Path) -> None:
    """The list has ten thousand lines, and its author sits elsewhere."""
    told = faults(
        tmp_path,
        "资产卡片号,名称,序列号,分级,密级,账面价值,个人信息\n"
        "ZC-1,盘,S1,最高,无,900.00,否\n"
        ",盘,S2,一般,无,900.00,否\n"
        "ZC-3,盘,S3,一般,也许,900,否\n"
        "ZC-4,盘,9.87654E+11,一般,无,1.000.00,可能\n"
        "ZC-5,盘,S5,一般,无,900.00,否,多,余\n",
    )
    for expected in (
        "line 2, column 分级: must be one of core, important, general",
        "line 3, column 资产卡片号: must be a card number",
        "line 4, column 密级: must be one of none, suspected, declared",
        "line 4, column 账面价值: must be an amount with two decimals",
        "the heading must name the unit",
        "line 5, column 序列号: must be the number itself",
        "line 5, column 账面价值",
        "line 5, column 个人信息: must be 是 or 否",
        "line 6: 9 cells under 7 headings",
    ):
        assert expected in told


def test_a_list_with_hundreds_of_faults_tells_the_first(tmp_path: Path) -> None:
    """And how many more there are."""
    told = faults(tmp_path, "card,serial\n" + "不,S\n" * 200)
    assert "and 150 more" in told
    assert told.count("\n") == 51


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("a,b\n1,2\n", "a column 资产卡片号 / card"),
        ("", "a column 资产卡片号 / card"),
        ("card,name\nZC-1,x\n", "no column says where"),
        ("card,serial,sn\nZC-1,x,y\n", "columns serial, sn say the same"),
        ('card,serial\n"ZC-1,x\n', "it is no CSV"),
        ("card,serial\n", "no card below its headings"),
        (b"\xff\xfe\x00\xd8", "neither UTF-8 nor GB18030"),
    ],
)
def test_what_is_no_list_of_cards_is_told(tmp_path: Path, data: str | bytes, why: str) -> None:
    """With what was looked for."""
    assert why in faults(tmp_path, data)


@pytest.mark.parametrize(
    ("heading", "cell", "expected"),
    [
        ("账面价值(元)", "900", 90_000),
        ("账面价值(元)", "900.5", 90_050),
        ("账面价值", "12,345.00", 1_234_500),
        ("账面价值（万元）", "1.2345", 1_234_500),
        ("账面价值(元)", "¥900.00", 90_000),
    ],
)
def test_amounts_are_read_by_the_unit_of_their_heading(tmp_path: Path, heading: str, cell: str, expected: int) -> None:
    """An approver's authority is held against them."""
    found = listed(tmp_path, f'card,serial,{heading}\nZC-1,S1,"{cell}"\n')
    assert found.cards[0].facts["book_value"] == expected


@pytest.mark.parametrize("absent", ["", "-", "无", "N/A", "0", " / "])
def test_what_people_write_for_no_number_is_no_number(tmp_path: Path, absent: str) -> None:
    """A hundred cards with the serial number N/A do not share a drive."""
    assert listed(tmp_path, f"card,serial,asset tag\nZC-1,{absent},{absent}\n").cards[0] == Card("ZC-1", 2)


def test_a_card_may_hold_several_drives(tmp_path: Path) -> None:
    """In one cell, or on a line for each."""
    in_a_cell = listed(tmp_path, "card,serial,name\nZC-1,S1；S2、S3,盘\n")
    on_lines = listed(tmp_path, "card,serial,name\nZC-1,S1,盘\nZC-1,S2,盘\nZC-1,S3,盘\n")
    assert in_a_cell.cards == on_lines.cards
    assert in_a_cell.cards[0].serials == ("S1", "S2", "S3")


def test_a_card_that_stands_twice_with_other_cells_is_a_fault(tmp_path: Path) -> None:
    """One of the two is wrong, and only the books know which."""
    told = faults(tmp_path, "card,serial,name\nZC-1,S1,盘\nZC-2,S2,盘\nZC-1,S3,带\n")
    assert "line 4: card ZC-1 stands on line 2 with other cells" in told


@pytest.mark.parametrize(
    ("words", "code"),
    [("秘密", "declared"), ("机密", "declared"), ("疑似", "suspected"), ("非密", "none"), ("none", "none")],
)
def test_secrecy_is_read_in_the_words_that_people_use(tmp_path: Path, words: str, code: str) -> None:
    """Each of the three grades of state secrets closes the gate."""
    assert listed(tmp_path, f"card,serial,密级\nZC-1,S1,{words}\n").cards[0].facts["secrecy"] == code


@given(st.text(alphabet="ABCabc019-_ \u3000OoIl", min_size=1, max_size=20))
def test_spellings_of_one_number_share_a_key_and_look_alikes_do_not(text: str) -> None:
    """Case and blanks are the typist's; a zero in front and O for 0 are somebody else's number."""
    assert key(text) == key(text.lower()) == key(f" {text} ") == key(" ".join(text))
    assert key("0" + text) != key(text)
    assert key(text + "0") != key(text + "O")


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever was sent as a list ends in cards or in a refusal."""
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    with suppress(Refused):
        read_cards(path)
