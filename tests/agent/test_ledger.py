"""The spent-order ledger: once is once, also after a crash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.ledger import LedgerFile
from certificates.encoding import digest
from certificates.errors import Refused

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORDER = digest(b"order")


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    return LedgerFile(tmp_path / "ledger.jsonl")


def test_an_order_is_spent_for_one_carrier_and_not_for_another(ledger: LedgerFile) -> None:
    """The key is order digest and carrier."""
    number, head = ledger.spend(ORDER, "C-1", 7, 4096, NOW)
    read = ledger.read()
    assert (number, head) == (1, read.head)
    spent = read.find_spent(ORDER, "C-1")
    assert spent is not None
    assert spent.sequence == 7
    assert read.find_spent(ORDER, "C-2") is None
    assert read.find_spent(digest(b"other"), "C-1") is None


def test_superseding_is_recorded_once(ledger: LedgerFile) -> None:
    """Taking the same document in again changes nothing."""
    for _ in range(2):
        ledger.supersede(ORDER, NOW)
    ledger.supersede(None, NOW)
    assert ledger.read().is_superseded(ORDER)
    assert len(ledger.read().entries) == 1


def test_limits_count_what_was_begun_since_an_instant(ledger: LedgerFile) -> None:
    """The blast radius is counted from the ledger alone, so a restart does not reset it."""
    ledger.spend(ORDER, "C-1", 1, 100, NOW - timedelta(hours=2))
    ledger.spend(ORDER, "C-2", 2, 30, NOW)
    ledger.supersede(digest(b"old"), NOW)
    read = ledger.read()
    assert read.begun_since(NOW - timedelta(hours=1)) == 1
    assert read.size_since(NOW - timedelta(days=1)) == 130
    assert read.last_at == NOW


@pytest.mark.parametrize("line", [1, 2])
def test_an_edited_ledger_is_refused(ledger: LedgerFile, line: int) -> None:
    """Whoever edits it to use an order again is told which line does not hold."""
    ledger.spend(ORDER, "C-1", 1, 1, NOW)
    ledger.spend(ORDER, "C-2", 2, 2, NOW)
    lines = ledger.path.read_bytes().split(b"\n")
    lines[line - 1] = lines[line - 1].replace(b"C-", b"D-")
    ledger.path.write_bytes(b"\n".join(lines))
    if line == 2:
        assert ledger.read().find_spent(ORDER, "C-2") is None
        return
    with pytest.raises(Refused) as refused:
        ledger.read()
    assert refused.value.reason == "ledger-broken"


def test_a_removed_first_line_is_refused(ledger: LedgerFile) -> None:
    """The chain begins at entry 1."""
    ledger.spend(ORDER, "C-1", 1, 1, NOW)
    ledger.spend(ORDER, "C-2", 2, 2, NOW)
    ledger.path.write_bytes(ledger.path.read_bytes().split(b"\n", 1)[1])
    with pytest.raises(Refused, match="line 1"):
        ledger.read()
