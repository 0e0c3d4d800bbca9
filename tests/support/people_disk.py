"""A disk with a SQLite database of people on it, of whom some are ordered to be forgotten."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from certificates.statements import Outcome
from tests.support import people
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Ordered
from tests.support.ext4_image import Mounted, ext4_image
from tests.support.raw_scanner import scan
from tests.support.records_ordered import order_records, text

WHO = (text("who", "VCTM%"),)
"""Those who go, by the name that all who go have."""


@contextmanager
def people_disk(folder: Path, size: int = 24 << 20) -> Iterator[Mounted]:
    """A fresh file system with an empty folder for the database."""
    with ext4_image(folder, size=size) as found:
        (found.root / "data").mkdir()
        yield found


def database(disk: Mounted) -> Path:
    """Where the database lies, alone in its folder."""
    return disk.root / "data" / "people.db"


def order_people(disk: Mounted, gone: int, **more: object) -> Ordered:
    """An order for the rows of those who go, so many of them; for something else where `more` says so."""
    wanted: dict[str, object] = {"table": "people", "condition": "name LIKE :who", "parameters": WHO}
    wanted |= {"least": gone, "most": gone} | more
    return order_records("sqlite", database(disk), disk.image.parent / "state", **wanted)  # type: ignore[arg-type]


def carried_out(disk: Mounted, gone: int) -> CarriedOut:
    """A run on such an order, come to its end."""
    run = CarriedOut(order_people(disk, gone))
    run.go()
    return run


def check_proven(run: CarriedOut, disk: Mounted, stay: int) -> None:
    """It ended well; so many people stay, and of the others the database's file keeps nothing."""
    assert run.stopped is None
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    with closing(sqlite3.connect(database(disk))) as found:
        assert found.execute("SELECT count(*) FROM people").fetchone() == (stay,)
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    disk.sync()
    assert scan(database(disk), people.TRACES).total == 0


@contextmanager
def open_elsewhere(path: Path) -> Iterator[None]:
    """Another process has the file open, and asks nothing."""
    told, tells = os.pipe()
    ends, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        held = sqlite3.connect(path)
        held.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        os.write(tells, b".")
        os.read(ends, 1)
        os._exit(0)
    os.close(ends)
    os.read(told, 1)
    try:
        yield
    finally:
        os.close(end)
        os.waitpid(child, 0)
        os.close(told)
        os.close(tells)
