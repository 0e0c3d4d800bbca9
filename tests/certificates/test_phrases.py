"""Words among a sentence's facts are Chinese in a Chinese sentence; names, numbers and the unknown stay as they are."""

from __future__ import annotations

import pytest

from certificates.errors import Refused
from certificates.phrases import in_chinese


@pytest.mark.parametrize(
    ("english", "part"),
    [
        ("mounted at /srv/scans", "已挂载于 /srv/scans"),
        ("process 812 (postgres) writes to its backing file", "进程 812（postgres）正在写入其后备文件"),
        ("care.min_rate must be of type int", "care.min_rate 须为整数"),
        ("line 5, column 账面价值: must be an amount, e.g. 12345.00", "第 5 行“账面价值”列：须为金额"),
        (
            "\n  carriers[a].level must be one of clear, purge\n  something new",
            "须为下列之一：clear, purge\n  something new",
        ),
        ("sdb1", "sdb1"),
    ],
)
def test_facts_that_are_words_are_told_in_chinese(english: str, part: str) -> None:
    """A clerk who reads Chinese learns which line is wrong, and who holds the disk."""
    assert part in in_chinese(english)


def test_a_refusal_in_chinese_holds_no_english_clause() -> None:
    """The English one keeps its words."""
    error = Refused("in-use", where="/dev/sdb", by="mounted at /mnt")
    assert "已挂载于 /mnt" in error.tell("zh")
    assert "mounted at /mnt" in error.tell("en")
