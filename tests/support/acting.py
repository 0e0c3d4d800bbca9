"""What an act is given in a test: a clock that stands, evidence and notes kept in memory."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wipers.acts import Given

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(slots=True)
class Acting:
    """One act's surroundings."""

    number: int = 1
    evidence: dict[str, bytes] = field(default_factory=dict)
    """Evidence files by name."""
    notes: list[str] = field(default_factory=list)
    """Sentences of the journal."""
    told: list[tuple[int, int]] = field(default_factory=list)
    """How far it came."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends it."""

    def given(self) -> Given:
        return Given(
            number=self.number,
            now=lambda: NOON,
            stop=self.stop,
            told=lambda done, total: self.told.append((done, total)),
            note=self.notes.append,
            keep=self.evidence.__setitem__,
            entropy=lambda size: hashlib.shake_128(b"entropy").digest(size),
            resumed=False,
        )

    def lines(self, name: str) -> list[dict[str, Any]]:
        """An evidence file of JSON lines."""
        return [json.loads(line) for line in self.evidence[name].splitlines()]
