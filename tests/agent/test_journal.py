"""The journal: durable before it returns, chained, and torn lines are not believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.journal import JournalFile, Journals, replay
from agent.lines import append_line, read_lines
from certificates.encoding import digest, encode
from certificates.errors import Interrupted, Refused
from certificates.statements import Advanced, Began, Certified, Entry, Event, Noted, Opened, RefusedRun

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOST = digest(b"host")
START = digest(b"start")


def clock() -> datetime:
    return NOW


def opened(sequence: int, previous: str | None = None, start: str | None = START) -> Opened:
    return Opened(HOST, sequence, previous, "expunge-0.1.0", start, digest(b"order"), "C-1")


@pytest.fixture
def journals(tmp_path: Path) -> Journals:
    return Journals(tmp_path, clock)


def test_what_was_written_is_read_back_in_order_and_chained(journals: Journals) -> None:
    """A reviewer reads this years later."""
    journal = journals.open(opened(1))
    journal.write(Began(0))
    journal.write(Advanced(0, 4096))
    read = journal.read()
    assert read.events == (opened(1), Began(0), Advanced(0, 4096))
    assert [entry.number for entry in read.entries] == [1, 2, 3]
    assert read.head == journal.head == digest(read_lines(journal.path)[-1])


def test_each_run_names_the_head_of_the_one_before(journals: Journals) -> None:
    """So a deleted run shows as a gap."""
    first = journals.open(opened(1))
    first.write(RefusedRun("in-use"))
    assert journals.next() == (2, first.head)


def test_the_first_run_of_a_host_names_none(journals: Journals) -> None:
    """A chain begins somewhere."""
    assert journals.next() == (1, None)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_last_line_torn_by_a_power_cut_is_dropped_and_written_over(journals: Journals, cut: int) -> None:
    """`write` never returned for it, so nothing was done on its word."""
    journal = journals.open(opened(1))
    whole = journal.path.read_bytes()
    journal.write(Began(0))
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])
    again = JournalFile(journal.path, clock)
    assert again.read().events == (opened(1),)
    again.write(Noted("after the cut"))
    assert again.read().events == (opened(1), Noted("after the cut"))
    assert journal.path.read_bytes().startswith(whole)


@given(st.integers(min_value=0), st.integers(0, 7))
def test_no_flipped_bit_survives_replay(position: int, bit: int) -> None:
    """A journal that was edited is not a journal: the chain, the form or the head tells."""
    lines = _three_lines()
    data = bytearray(b"\n".join(lines))
    data[position % len(data)] ^= 1 << bit
    head = replay("j", lines).head
    assert _head_or_reason(bytes(data).split(b"\n")) not in (head, None)


def _head_or_reason(lines: list[bytes]) -> str | None:
    try:
        return replay("j", lines).head
    except Refused as error:
        return error.reason


def _three_lines() -> list[bytes]:
    lines: list[bytes] = []
    events: tuple[Event, ...] = (opened(1), Began(0), Advanced(0, 9))
    for number, event in enumerate(events, start=1):
        lines.append(encode(Entry(number, digest(lines[-1]) if lines else None, NOW, event)))
    return lines


def test_a_removed_or_swapped_line_breaks_the_chain() -> None:
    """What happened, in the order it happened."""
    one, two, three = _three_lines()
    for lines in ([one, three], [two, three], [one, three, two], [one, two, two, three]):
        with pytest.raises(Refused, match="does not hold"):
            replay("j", lines)


def test_a_begun_run_is_one_with_a_start_and_no_end(journals: Journals) -> None:
    """`resume` takes up these and no others."""
    journals.open(opened(1)).write(Began(0))
    journals.open(opened(2)).write(Certified(digest(b"certificate")))
    journals.open(opened(3, start=None)).write(RefusedRun("in-use"))
    assert [journal.opened.sequence for journal in journals.begun()] == [1]


def test_time_in_a_journal_never_runs_backwards(tmp_path: Path) -> None:
    """A clock set back during a run must not make the record contradict itself."""
    times = iter([NOW, NOW - timedelta(hours=1), NOW + timedelta(hours=1)])
    journal = JournalFile(tmp_path / "00000001.jsonl", lambda: next(times))
    for event in (opened(1), Began(0), Advanced(0, 1)):
        journal.write(event)
    assert [entry.at for entry in journal.read().entries] == [NOW, NOW, NOW + timedelta(hours=1)]


def test_a_journal_that_cannot_be_written_refuses_before_and_interrupts_after_the_first_entry(tmp_path: Path) -> None:
    """What cannot be recorded must not be done."""
    with pytest.raises(Refused) as refused:
        JournalFile(tmp_path / "missing" / "00000001.jsonl", clock).write(opened(1))
    assert refused.value.reason == "journal-not-writable"
    journal = Journals(tmp_path, clock).open(opened(1))
    journal.write(Began(0))
    journal.path.unlink()
    journal.path.mkdir()
    with pytest.raises(Interrupted) as interrupted:
        journal.write(Advanced(0, 1))
    assert interrupted.value.reason == "journal-not-writable"


def test_lines_are_appended_behind_the_last_complete_one(tmp_path: Path) -> None:
    """Also where the torn line is longer than the block that is searched for its beginning."""
    path = tmp_path / "lines"
    append_line(path, b"one")
    with path.open("ab") as file:
        file.write(b"x" * 200_000)
    append_line(path, b"two")
    assert read_lines(path) == [b"one", b"two"]
