"""Thousands of byte strings looked for at once, at the rate of memory where the machine allows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is looked for: a regular expression over bytes that always takes the same number of them."""

    regex: bytes
    """Expression that `re` and Hyperscan read alike: literal bytes, `.`, sets and counts; a dot is any byte."""
    size: int
    """Bytes of every match."""


Matches = list[tuple[int, int]]
"""Numbers of patterns, each with the position at which a match begins."""


class Search(Protocol):
    """Looks for all patterns; one thread at a time."""

    def scan(self, view: memoryview) -> Matches:
        """Return every match in the bytes, overlapping ones too, in no order."""
        ...


def escaped(value: bytes) -> bytes:
    """Return the regular expression of exactly these bytes."""
    return b"".join(b"\\x%02x" % byte for byte in value)


def literal(value: bytes) -> Pattern:
    """Return the pattern of exactly these bytes."""
    return Pattern(escaped(value), len(value))


def is_native() -> bool:
    """Tell whether thousands of patterns take hardly longer than one."""
    return find_spec("hyperscan") is not None


def search_for(patterns: Sequence[Pattern]) -> Callable[[], Search]:
    """Return a maker of searches for the patterns, one for each thread that is to look."""
    if not patterns:
        return _Nothing
    try:
        import hyperscan
    except ImportError:
        return lambda: Plain(patterns)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[pattern.regex for pattern in patterns],
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=hyperscan.HS_FLAG_DOTALL,
    )
    sizes = [pattern.size for pattern in patterns]
    return lambda: _Native(database.scan, hyperscan.Scratch(database), sizes)


class _Native:
    """All patterns in one pass, while the other threads run."""

    def __init__(self, scan: Callable[..., object], scratch: object, sizes: list[int]) -> None:
        self._scan = scan
        self._scratch = scratch
        self._sizes = sizes

    def scan(self, view: memoryview) -> Matches:
        found: Matches = []
        sizes = self._sizes

        def take(number: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            found.append((number, end - sizes[number]))

        self._scan(view, match_event_handler=take, scratch=self._scratch)
        return found


class Plain:
    """One pattern after the other: what a machine without Hyperscan is left with."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Compile all patterns."""
        self._expressions = [re.compile(b"(?=" + pattern.regex + b")", re.DOTALL) for pattern in patterns]

    def scan(self, view: memoryview) -> Matches:
        return [(number, one.start()) for number, each in enumerate(self._expressions) for one in each.finditer(view)]


class _Nothing:
    """There is nothing to look for."""

    def scan(self, view: memoryview) -> Matches:
        return []
