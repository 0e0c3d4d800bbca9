"""Runs on a tree of files of all sizes, with links inside, on an ext4 of its own; killed, mounted again, resumed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.support.kept_disk import KeptDisk, kept_disk
from tests.support.kills import campaign
from tests.support.real_site import Charge, RealSite, files_carrier
from tests.support.scanner import total_found

FULL = 24
SLICE = 1
NEEDS_ROOT = True
COUNT = 320
NEEDLE = b"NEEDLE-OF-KILLED-FILES-"
KEPT = b"this stays, whatever happens beside it\n" * 3000
SIZES = (30, 700, 4095, 4096, 4097, 20_000, 70_000, 262_144, 700_001)


class Tree:
    """Some hundred files in the directory `in/all`, and one beside it that nobody ordered."""

    def __init__(self, disk: KeptDisk) -> None:
        self.disk = disk

    @property
    def root(self) -> Path:
        return self.disk.root / "in"

    def fill(self, chance: Random) -> None:
        """Sizes mixed, five levels deep; hard links, symbolic links, an empty file and a kept one among them."""
        for number in range(COUNT):
            folder = self.root / "all" / "/".join(f"d{number % level}" for level in range(2, 2 + number % 5))
            folder.mkdir(parents=True, exist_ok=True)
            line = NEEDLE + b"%06d\n" % number
            size = chance.choice(SIZES)
            (folder / f"file-{number}").write_bytes((line * (size // len(line) + 1))[:size])
            if number % 20 == 0:
                os.link(folder / f"file-{number}", self.root / "all" / f"second-name-{number}")
                (folder / f"link-{number}").symlink_to(f"file-{number}")
        (self.root / "all" / "empty").touch()
        (self.root / "kept").write_bytes(KEPT)

    def charge(self, site: RealSite) -> Charge:
        return site.charge(files_carrier(self.root, "all", destroy=("names", "history")))

    def left(self) -> int:
        self.disk.sync()
        names = sum(len(files) for _, _, files in os.walk(self.root / "all"))
        return names + total_found(self.disk.image, [NEEDLE])

    def jolt(self) -> None:
        self.disk.remount()

    def check_gone(self, site: RealSite) -> None:
        assert [path.name for path in self.root.iterdir()] == ["kept"]
        assert (self.root / "kept").read_bytes() == KEPT


@contextmanager
def tree(folder: Path, chance: Random) -> Iterator[Tree]:
    """A fresh tree on a mounted disk, given back whatever happens."""
    with kept_disk(folder, size=96 << 20) as disk:
        made = Tree(disk)
        made.fill(chance)
        disk.sync()
        yield made


def run(seed: int, trials: int) -> str:
    """One line of results."""
    return campaign(tree, seed, trials)
