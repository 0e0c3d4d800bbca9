"""Runs on a tree of 20,000 files beside files that nobody ordered; killed, mounted again, resumed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.support.ext4_image import run as shell
from tests.support.kept_disk import KeptDisk
from tests.support.kills import Campaign
from tests.support.real_site import Charge, RealSite, files_carrier
from tests.support.scanner import total_found

FULL = 100
SLICE = 5
NEEDS_ROOT = True
COUNT = 20_000
NEEDLE = b"NEEDLE-OF-A-KILLED-TREE-"
SURVIVORS = 400
SIZES = (0, 40, 900, 2000, 4096, 4097)


class Tree:
    """A copy of the disk that was filled once; `in/all` is ordered, and what lies beside it is not."""

    def __init__(self, disk: KeptDisk, survivors: str) -> None:
        self.disk = disk
        self.survivors = survivors

    @property
    def root(self) -> Path:
        return self.disk.root / "in"

    def charge(self, site: RealSite) -> Charge:
        return site.charge(files_carrier(self.root, "all"))

    def left(self) -> int:
        shell("sync", "--file-system", self.disk.root)
        names = sum(len(files) for _, _, files in os.walk(self.root / "all"))
        return names + total_found(self.disk.image, [NEEDLE])

    def jolt(self) -> None:
        self.disk.remount()

    def check_gone(self, site: RealSite) -> None:
        assert not (self.root / "all").exists()
        self.disk.remount()
        assert digest_of(self.disk.root) == self.survivors, "something that nobody ordered is not as it was"


def digest_of(root: Path) -> str:
    """Names and kinds of everything below, times and contents of its files, but for `in/all`."""
    seen = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if (folder, name) != (str(root / "in"), "all"))
        for path in [Path(folder) / name for name in sorted(files + folders)]:
            found = path.lstat()
            seen.update(repr((path.relative_to(root), found.st_mode, found.st_uid, found.st_ino)).encode())
            if path.is_file() and not path.is_symlink():
                seen.update(repr(found.st_mtime_ns).encode() + path.read_bytes())
    return seen.hexdigest()


def fill(root: Path, chance: Random) -> None:
    """20,000 small files and a few larger ones in 200 folders, hard links among them; survivors in between."""
    folders = [root / "in" / "all" / f"d{number % 20}" / f"e{number}" for number in range(200)]
    beside = root / "in" / "beside"
    for folder in (*folders, beside):
        folder.mkdir(parents=True)
    for number in range(COUNT):
        line = NEEDLE + b"%06d\n" % number
        size = 300_000 if number % 2000 == 7 else chance.choice(SIZES)
        path = folders[number % len(folders)] / f"file-{number}"
        path.write_bytes((line * (size // len(line) + 1))[:size])
        if number % 500 == 0:
            os.link(path, folders[0] / f"again-{number}")
        if number % (COUNT // SURVIVORS) == 0:
            (beside / f"kept-{number}").write_bytes(b"stays %06d\n" % number * chance.randint(1, 900))
    (root / "in" / "way-in").symlink_to("all/d0", target_is_directory=True)


@contextmanager
def filled(folder: Path, chance: Random) -> Iterator[tuple[Path, str]]:
    """An image with the tree in it, made once, and the digest of what must survive."""
    disk = KeptDisk(folder / "first.img", folder / "first")
    disk.root.mkdir()
    with disk.image.open("wb") as file:
        file.truncate(256 << 20)
    shell("mkfs.ext4", "-q", "-F", "-N", "24000", disk.image)
    try:
        disk.mount()
        fill(disk.root, chance)
        survivors = digest_of(disk.root)
    finally:
        disk.release()
    yield disk.image, survivors


def run(seed: int, trials: int) -> str:
    """One line of results."""
    with tempfile.TemporaryDirectory(prefix="kills-") as place, filled(Path(place), Random(seed)) as (image, survivors):

        @contextmanager
        def tree(folder: Path, chance: Random) -> Iterator[Tree]:
            disk = KeptDisk(folder / "disk.img", folder / "disk")
            disk.root.mkdir()
            shutil.copyfile(image, disk.image)
            try:
                disk.mount()
                yield Tree(disk, survivors)
            finally:
                disk.release()

        return Campaign(tree, Random(seed), Path(place)).go(trials)
