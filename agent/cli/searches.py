"""A word for people while the files of an order are searched for: of a million of them that takes half a minute."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent.cli.screen import Screen

SILENT = 1.0
"""Seconds that a search may take before anybody wonders."""
INTERVAL = 5.0
"""Seconds between two words after that."""


def tell_search(screen: Screen, clock: Callable[[], float] = time.monotonic) -> Callable[[int], None]:
    """Return what is told how many files a search has met, and says so after a second, then every five."""
    known, due = 0, 0.0

    def met(count: int) -> None:
        nonlocal known, due
        now = clock()
        if count <= known or not known:
            # Fewer than before: another search has begun.
            due = now + SILENT
        elif now >= due:
            due = now + INTERVAL
            screen.tell(screen.word("progress.met", count=f"{count:,}"))
        known = count

    return met
