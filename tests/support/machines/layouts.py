"""Real layouts, one by one, and beside each what may be done with every drive of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tests.support.machines.rig import Rig

Build = Callable[[Rig], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What must come out for an order that names the drive."""

    outcome: Literal["free", "refused", "ambiguous", "not-offered"]
    saying: str = ""
    """Refused: words that must stand in the reasons; free: kernel name of the node that is to be opened instead."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A machine, and the verdict on each of its drives by kernel name."""

    name: str
    build: Build
    verdicts: Mapping[str, Verdict]

    def built(self) -> Rig:
        rig = Rig()
        self.build(rig)
        return rig


FREE = Verdict("free")
SYSTEM = Verdict("refused", "system-disk")
AMBIGUOUS = Verdict("ambiguous")
NOT_OFFERED = Verdict("not-offered")
ELSEWHERE = Verdict("refused", "blocks-elsewhere")
NAMELESS = Verdict("refused", "device-nameless")

LAYOUTS: list[Layout] = []


def free_through(name: str) -> Verdict:
    """Free, to be opened by the node of that name alone."""
    return Verdict("free", name)


def used(by: str) -> Verdict:
    """In use, and said by whom."""
    return Verdict("refused", by)


def layout(**verdicts: Verdict) -> Callable[[Build], Build]:
    """A machine of that name; `__` in a verdict's name stands for a character that Python's names lack: `!` or `-`."""

    def entered(build: Build) -> Build:
        named = {name.replace("dm__", "dm-").replace("__", "!"): verdict for name, verdict in verdicts.items()}
        LAYOUTS.append(Layout(build.__name__, build, named))
        return build

    return entered
