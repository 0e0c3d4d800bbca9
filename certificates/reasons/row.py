"""The sentences of one reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """The sentences of one reason; `{fact}` marks are filled from the error."""

    en: str
    """What happened."""
    next_en: str
    """What to do next."""
    zh: str
    """What happened, in Chinese."""
    next_zh: str
    """What to do next, in Chinese."""
