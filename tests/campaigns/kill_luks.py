"""Runs on LUKS2 containers with two header backups, killed and resumed: header alone, or header and payload."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from certificates.statements import CryptoEraseConditions
from tests.support.bench import luks_format, luks_opens
from tests.support.ext4_image import run as command
from tests.support.kept_disk import KeptDisk, kept_disk
from tests.support.kills import campaign
from tests.support.real_site import Charge, RealSite, luks_carrier

FULL = 12
SLICE = 1
NEEDS_ROOT = True
UUID = "5f0e6c1a-7b8d-4c3e-9a2f-1d4b6e8c0a57"
SECTOR = 512
HEADER = 16 << 20
NOTHING = bytes(SECTOR)


def sectors_of(data: bytes) -> Iterator[bytes]:
    return (data[at : at + SECTOR] for at in range(0, len(data), SECTOR))


@dataclass
class Container:
    """An image with a container, and its header backups beside it."""

    disk: KeptDisk
    technique: str
    secrets: frozenset[bytes] = frozenset()
    """Sectors that must go: of the header, and of the payload where that is overwritten too."""

    @property
    def path(self) -> Path:
        return self.disk.root / "container"

    @property
    def backups(self) -> tuple[Path, ...]:
        return (self.disk.root / "backup-1", self.disk.root / "backup-2")

    def fill(self, chance: Random) -> None:
        self.path.touch()
        os.truncate(self.path, HEADER + (8 << 20))
        luks_format(self.path, UUID)
        for backup in self.backups:
            command("cryptsetup", "luksHeaderBackup", self.path, "--header-backup-file", backup)
        with self.path.open("r+b") as file:
            file.seek(HEADER)
            file.write(chance.randbytes(8 << 20))
        size = HEADER if self.technique == "luks2-header" else HEADER + (8 << 20)
        self.secrets = frozenset(sectors_of(self.path.read_bytes()[:size])) - {NOTHING}
        assert luks_opens(self.path)

    def charge(self, site: RealSite) -> Charge:
        conditions = CryptoEraseConditions(*[True] * 7)
        return site.charge(luks_carrier(self.path, *self.backups, technique=self.technique, crypto_erase=conditions))

    def left(self) -> int:
        self.disk.sync()
        image = self.disk.image.read_bytes()
        return sum(sector in self.secrets for sector in sectors_of(image))

    def jolt(self) -> None:
        self.disk.remount()

    def check_gone(self, site: RealSite) -> None:
        assert not luks_opens(self.path)
        restore = ["cryptsetup", "-q", "luksHeaderRestore", str(self.path), "--header-backup-file"]
        for backup in self.backups:
            done = subprocess.run([*restore, str(backup)], check=False, capture_output=True)
            assert done.returncode != 0, "a backup brought the header back"


@contextmanager
def container(folder: Path, chance: Random) -> Iterator[Container]:
    """A fresh container on a mounted disk, given back whatever happens."""
    with kept_disk(folder, size=96 << 20) as disk:
        made = Container(disk, chance.choice(["luks2-header", "luks2-header-and-payload"]))
        made.fill(chance)
        disk.sync()
        yield made


def run(seed: int, trials: int) -> str:
    """One line of results."""
    return campaign(container, seed, trials)
