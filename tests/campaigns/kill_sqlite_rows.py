"""Rows, a table and a whole database out of SQLite, killed at every durable step of the run, by every way it has."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random

from tests.support import people
from tests.support.people_disk import database, people_disk
from tests.support.sqlite_cut import ROWS, kill_and_resume, kill_and_resume_whole

MOMENTS = {
    "rows copy-forward ahead": 47,
    "rows copy-forward anew": 50,
    "rows copy-forward locked": 47,
    "rows hole-filling ahead": 46,
    "rows hole-filling anew": 49,
    "rows hole-filling locked": 46,
    "rows hole-filling logged": 47,
    "table copy-forward ahead": 47,
    "table copy-forward anew": 50,
    "table copy-forward locked": 47,
    "table hole-filling ahead": 46,
    "table hole-filling anew": 49,
    "table hole-filling locked": 46,
    "table hole-filling logged": 47,
    "whole": 42,
}
"""Lines of the manifest, entries of the journal, exchanges of names, new files written and files made durable, before
them or after."""
ANY, LOG, JOURNAL = ("PERSIST", "WAL"), ("WAL",), ("PERSIST",)
"""Journals that a database has."""
Trial = tuple[str, str, int]


def cuts() -> list[Trial]:
    """Every way and every journal it has with every moment."""
    return [
        (way, mode, moment)
        for way, most in MOMENTS.items()
        for mode, moment in product(_modes(way), range(1, most + 1))
    ]


def _modes(way: str) -> tuple[str, ...]:
    """With a log that others have open there is a way of its own."""
    if way == "whole" or "logged" in way:
        return LOG
    return JOURNAL if "hole-filling" in way else ANY


FULL = len(cuts())
SLICE = 2
NEEDS_ROOT = True


def run(seed: int, trials: int) -> str:
    """No row that stays is lost and none that goes is left, wherever the run was killed."""
    chosen = cuts()
    Random(seed).shuffle(chosen)
    reached = 0
    for way, mode in dict.fromkeys((way, mode) for way, mode, _ in chosen[:trials]):
        moments = [moment for one, other, moment in chosen[:trials] if (one, other) == (way, mode)]
        reached += in_a_process(lambda way=way, mode=mode, moments=moments: _reached(way, mode, moments))  # type: ignore[misc]
    return f"{trials} cuts, {reached} reached, 0 rows lost, 0 left"


def _reached(way: str, mode: str, moments: list[int]) -> int:
    """How many of the moments came, each with the whole database on one disk."""
    act = kill_and_resume_whole if way == "whole" else kill_and_resume
    with tempfile.TemporaryDirectory() as folder, people_disk(Path(folder), size=8 << 20) as disk:
        people.make(database(disk), mode, rows=ROWS)
        content = database(disk).read_bytes()
        return sum(act(disk, way, content, moment) for moment in moments)


def in_a_process(work: Callable[[], int]) -> int:
    """What the work returns, done in a process of its own: what it makes of the machine ends with that."""
    told, tells = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(tells, str(work()).encode())
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, this process ends here
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(tells)
    with os.fdopen(told, "rb") as answer:
        found = answer.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return int(found)
