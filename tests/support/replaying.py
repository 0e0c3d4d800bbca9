"""Where a replay is in its journal: told by that of the run which it repeats."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.halting import UNMARKED

BEFORE = 2
"""Entries of a replay's journal before those that a run's has too: opened, and what it is a replay of."""


def moment_of_withdrawal(journal: Path) -> str:
    """The moment (`halting`) at which a replay of the run has the rows out, and nothing of them written over: the last
    thing that is noted before the withdrawal is recorded, or the record."""
    events = [json.loads(line)["event"] for line in journal.read_text(encoding="utf-8").splitlines()]
    kinds = [one["kind"] for one in events]
    recorded = next(at for at, one in enumerate(events) if one.get("record", {}).get("kind") == "withdrawal")
    counted = [kind for kind in kinds[kinds.index("identified") : recorded] if kind not in UNMARKED]
    return f"entry-{BEFORE + len(counted) + (counted[-1] != 'noted')}"
