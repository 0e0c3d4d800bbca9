"""A disk with a SQLite database of people on it, of whom some are ordered to be forgotten."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.erasing import Ordered
from tests.support.ext4_image import Mounted, ext4_image
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
