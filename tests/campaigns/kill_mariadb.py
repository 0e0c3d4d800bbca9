"""Rows, tables, databases and everything taken out of a MariaDB server, killed at every durable effect of the
withdrawal, or shortly after it: agent, server, or both."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from random import Random

from tests.support.ext4_image import Mounted
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, mariadb
from tests.support.servers.mariadb_cut import NOT_REACHED
from tests.support.servers.mariadb_proof import check_cluster_cut, check_rows_cut, check_whole_cut
from tests.support.servers.mariadb_story import Story

EFFECTS: dict[str, Iterable[int]] = {
    "plain": range(1, 76),
    "zipped": range(1, 72),
    "holes": range(1, 77),
    "aria": range(1, 73),
    "beside": range(1, 86),
    "docs:table": range(1, 65),
    ":database": range(1, 74),
    ":cluster": (*range(1, 46), *range(46, 246, 10)),
}
"""Lines of the manifest, names that files take or lose, and statements; of the some hundred files of a whole server one
of ten."""
VICTIMS = ("agent", "server", "both")
LATER = (0.0, 0.0, 0.03, 0.12, 0.5)
"""Seconds after the effect, by chance: a statement takes its time."""
FULL = sum(len(tuple(effects)) for effects in EFFECTS.values()) * len(VICTIMS)
SLICE = 1
NEEDS_ROOT = True
AT_ONCE = 10
"""Trials that share a server."""
Trial = tuple[str, int, float, str]


def run(seed: int, trials: int) -> str:
    """No row that stays is lost, and none that goes is left but where it is told."""
    chosen = cuts(seed)[:trials]
    shared = [trial for trial in chosen if trial[0] != ":cluster"]
    reached = sum(_run(shared[begin : begin + AT_ONCE]) for begin in range(0, len(shared), AT_ONCE))
    reached += sum(_run([trial]) for trial in chosen if trial[0] == ":cluster")
    return f"{len(chosen)} cuts, {reached} reached, 0 rows lost, 0 left untold"


def cuts(seed: int) -> list[Trial]:
    """Every kind and every effect of it with every victim, in the order of the seed."""
    random = Random(seed)
    found = [
        (kind, effect, random.choice(LATER), victim)
        for kind, effects in EFFECTS.items()
        for effect, victim in product(effects, VICTIMS)
    ]
    random.shuffle(found)
    return found


def _run(these: list[Trial]) -> int:
    """Return how many of the cuts came to be, one after the other on one server."""
    with tempfile.TemporaryDirectory() as state, disk_for_a_server(360 << 20) as disk, mariadb(disk.root) as server:
        return sum(_cut(disk, server, Path(state), number, trial) for number, trial in enumerate(these))


def _cut(disk: Mounted, server: MariaDB, state: Path, number: int, trial: Trial) -> bool:
    kind, effect, seconds, victim = trial
    story = Story(server, f"cut{number}", state / str(number))
    try:
        if kind == ":cluster":
            return check_cluster_cut(disk, story, effect, seconds, victim) != NOT_REACHED
        check = check_whole_cut if ":" in kind else check_rows_cut
        return check(disk, story, kind, effect, seconds, victim) != NOT_REACHED
    except AssertionError as failure:
        raise AssertionError(f"{trial}: {failure}") from failure
