"""Erasures of small trees while another process swaps files for links, moves folders, links, writes and deletes.

What no order names stays as it is: whatever the names of the order lead to meanwhile, new files, what links point at.
What the order names goes, or the run says that something is amiss: a run without any finding leaves nothing of what it
took up on the raw storage.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.support.carrying_out import CarriedOut
from tests.support.erasing import order_files
from tests.support.ext4_image import Mounted, ext4_image
from tests.support.ext4_image import run as shell
from tests.support.meddling import FILES, FOLDERS, Meddling, meddling

FULL = 10_000
SLICE = 200
NEEDS_ROOT = True
SIZES = (90, 1500, 4096, 9000, 300_000)
BAIT = b"root:x:0:0:root:/root:/bin/bash\n"
SHAPING = frozenset({"write_inside", "append", "link_outside", "add"})
"""Acts that take away nothing of what stood in a file."""


@dataclass
class Arena:
    """A disk with a tree in it, and beside the tree what must not be touched."""

    disk: Mounted
    chance: Random
    outside: Path
    """A bait on another file system, to which links lead."""
    meddler: Meddling | None = None
    number: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    within: float = 0.05
    """Seconds that a run lately took."""
    story: str = ""
    """What was done in the last round."""
    is_meddled: bool = False
    """Whether the meddler was told to begin."""

    @property
    def top(self) -> Path:
        return self.disk.root / "in"

    @property
    def tree(self) -> Path:
        return self.top / "all"

    @property
    def aside(self) -> Path:
        return self.disk.root / "aside"

    @property
    def bait(self) -> Path:
        return self.disk.root / "bait"

    def lay(self) -> None:
        """Fifteen files of five sizes in three folders, each with a content of its own."""
        self.number += 1
        for path in (self.tree, self.aside):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        for folder in FOLDERS:
            (self.tree / folder).mkdir()
        for number, name in enumerate(FILES):
            (self.tree / name).write_bytes(self.content(number))
        shell("sync", "--file-system", self.disk.root)

    def lay_bait(self) -> None:
        """Under the very names that the tree has, so that whoever follows a link finds something to destroy."""
        for name in FILES:
            (self.bait / name).parent.mkdir(parents=True, exist_ok=True)
            (self.bait / name).write_bytes(BAIT * 40)

    def content(self, number: int) -> bytes:
        line = b"RACE-%06d-%03d %s\n" % (self.number, number, b"x" * 200)
        size = SIZES[number % len(SIZES)]
        return (line * (size // len(line) + 1))[:size]

    def left(self) -> set[int]:
        """The files of which anything stands on the raw storage."""
        shell("sync", "--file-system", self.disk.root)
        raw, word, found = self.disk.image.read_bytes(), b"RACE-%06d-" % self.number, set()
        at = raw.find(word)
        while at >= 0:
            found.add(int(raw[at + len(word) : at + len(word) + 3]))
            at = raw.find(word, at + len(word))
        return found

    def round(self) -> None:
        """One erasure, raced."""
        self.lay()
        self.is_meddled = False
        ordered = order_files(self.top, ("all",), self.disk.image.parent / "state" / str(self.number))
        carried = CarriedOut(ordered)
        if self.chance.random() < 0.25:
            self.begin()
        else:
            # Whoever comes before is mostly refused, which is soon told.
            carried.when_held = self.begin
        began = time.monotonic()
        carried.go()
        assert self.meddler is not None
        told = self.meddler.end() if self.is_meddled else {"log": [], "harmed": [], "bait_links": 0}
        if carried.stopped is None:
            self.within = (self.within + time.monotonic() - began) / 2
        self.judge(carried, told)

    def begin(self) -> None:
        """The meddler acts from now on, for about as long as a run lately took."""
        assert self.meddler is not None
        self.meddler.begin(self.chance.getrandbits(40), self.chance.randint(1, 5), self.within)
        self.is_meddled = True

    def judge(self, carried: CarriedOut, told: Any) -> None:
        """Raises AssertionError where something foreign was touched, or something ordered was passed over silently."""
        acts = [act for act in told["log"] if act["done"]]
        self.story = f"held at {carried.held_at}, {carried.stopped}, {told['log']}"
        self.check_bait(told["bait_links"])
        late = [at for at in told["harmed"] if carried.held_at and at > carried.held_at]
        assert not late, "a file that came when the run held its files was touched"
        if carried.is_clean:
            lost = {
                name for act in acts if not carried.held_at or act["began"] < carried.held_at for name in taken(act)
            }
            left = {FILES[number] for number in self.left()} - lost
            assert not left, f"proven and without a finding, and {sorted(left)} is left"
        self.endings[self.ending(carried, acts)] += 1

    def check_bait(self, links: int) -> None:
        for name in FILES:
            assert (self.bait / name).read_bytes() == BAIT * 40, f"{name} of the bait was touched"
        assert sum((self.bait / name).stat().st_nlink - 1 for name in FILES) == links, "a link to the bait was removed"

    def ending(self, carried: CarriedOut, acts: list[Any]) -> str:
        """How it came out, for the line of results; bait links of this round are gone with their folder."""
        if carried.stopped is not None:
            return type(carried.stopped).__name__.lower()
        if not carried.is_clean:
            return "finding"
        during = any(act["began"] > carried.held_at for act in acts)
        return "clean" if during else "clean, nobody came in between"


def taken(act: dict[str, Any]) -> set[str]:
    """The files whose content may be elsewhere since the act, or gone: itself, or those of its folder; all where two
    changed places."""
    if act["act"] in SHAPING:
        return set()
    return {name for name in FILES if act["act"] == "exchange" or name.startswith(act["what"])}


@contextmanager
def arena(folder: Path, chance: Random) -> Iterator[Arena]:
    """A fresh disk and a meddler, both gone at the end."""
    with ext4_image(folder, size=24 << 20) as disk:
        made = Arena(disk, chance, folder)
        for path in (made.tree, made.aside, made.bait):
            path.mkdir(parents=True)
        made.lay_bait()
        with meddling(made.tree, made.aside, made.bait) as made.meddler:
            yield made


def run(seed: int, trials: int) -> str:
    """One line of results."""
    with tempfile.TemporaryDirectory(prefix="races-") as folder, arena(Path(folder), Random(seed)) as made:
        for number in range(1, trials + 1):
            try:
                made.round()
            except AssertionError as error:
                raise AssertionError(f"trial {number}: {error}; {made.story}") from error
            shutil.rmtree(os.path.join(folder, "state"), ignore_errors=True)
    told = ", ".join(f"{name} {count}" for name, count in made.endings.most_common())
    return f"{trials} erasures raced ({told}): nothing foreign touched, nothing ordered passed over without a finding"
