"""A resumed run reads back again; the audit takes the journal as the run itself does."""

from __future__ import annotations

from dataclasses import replace

from certificates.audit.records import _rebuild
from certificates.encoding import decode
from certificates.statements import Checked, Entry
from tests.support.story import story, tell
from wipers.progress import replay


def test_a_check_made_again_counts_once() -> None:
    """A power cut after the read-back has it made again: the journal shows two, the evidence the later one."""
    lines = tell(story()).entries["journal.jsonl"].splitlines()
    entries = [decode(line, Entry) for line in lines]
    (number,) = [n for n, entry in enumerate(entries) if isinstance(entry.event, Checked)]
    earlier = entries[number]
    assert isinstance(earlier.event, Checked)
    later = replace(earlier.event.check, ended_at=entries[-1].at.replace(year=2030))
    again = (*entries[: number + 1], replace(earlier, event=Checked(later)), *entries[number + 1 :])
    _, _, records, checks = _rebuild(again)
    assert checks == (later,)
    progress = replay(again)
    assert (records, checks) == (progress.records, progress.checks)
