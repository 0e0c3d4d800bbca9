"""Every reason stands once, and speaks both languages of the same facts."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from certificates.reasons import REASONS, TABLES
from certificates.reasons.row import Row

FACT = re.compile(r"\{(\w+)")


def test_a_reason_stands_in_one_table_alone() -> None:
    """A second row would be taken for the first without a word."""
    met = Counter(reason for table in TABLES for reason in table)
    assert [reason for reason, times in met.items() if times > 1] == []
    assert set(met) == set(REASONS)


@pytest.mark.parametrize("row", REASONS.values(), ids=REASONS)
def test_both_languages_name_the_same_facts(row: Row) -> None:
    """What one of them leaves out would be kept from those who read it."""
    assert all((row.en, row.zh, row.next_en, row.next_zh))
    assert set(FACT.findall(row.en + row.next_en)) == set(FACT.findall(row.zh + row.next_zh))
