"""Runs on SQLite databases with a write-ahead log that was not closed; killed, mounted again, resumed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.support.kept_disk import KeptDisk, kept_disk
from tests.support.kills import campaign
from tests.support.real_site import Charge, RealSite, database_carrier
from tests.support.scanner import total_found

FULL = 12
SLICE = 1
NEEDS_ROOT = True
NEEDLE = b"NEEDLE-OF-KILLED-ROWS-"


@dataclass
class Database:
    """A database in `data/`, alone there."""

    disk: KeptDisk

    @property
    def path(self) -> Path:
        return self.disk.root / "data" / "registry.db"

    def fill(self, rows: int) -> None:
        """Rows, half of them deleted again, in a process that dies without closing the database."""
        self.path.parent.mkdir()
        child = os.fork()
        if child == 0:
            made = sqlite3.connect(self.path, isolation_level=None)
            made.execute("PRAGMA journal_mode = WAL")
            made.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
            made.execute("CREATE INDEX i ON t (b)")
            made.execute("BEGIN")
            texts = ((f"{NEEDLE.decode()}{number:07d}" + "x" * 100,) for number in range(rows))
            made.executemany("INSERT INTO t (b) VALUES (?)", texts)
            made.execute("COMMIT")
            made.execute("DELETE FROM t WHERE a % 2 = 0")
            os._exit(0)
        os.waitpid(child, 0)
        assert self.path.with_name("registry.db-wal").exists()

    def charge(self, site: RealSite) -> Charge:
        return site.charge(database_carrier(self.path))

    def left(self) -> int:
        self.disk.sync()
        return len(list(self.path.parent.iterdir())) + total_found(self.disk.image, [NEEDLE])

    def jolt(self) -> None:
        self.disk.remount()

    def check_gone(self, site: RealSite) -> None:
        assert list(self.path.parent.iterdir()) == []


@contextmanager
def database(folder: Path, chance: Random) -> Iterator[Database]:
    """A fresh database on a mounted disk, given back whatever happens."""
    with kept_disk(folder, size=128 << 20) as disk:
        made = Database(disk)
        made.fill(chance.randrange(20_000, 60_000))
        disk.sync()
        yield made


def run(seed: int, trials: int) -> str:
    """One line of results."""
    return campaign(database, seed, trials)
