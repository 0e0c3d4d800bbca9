"""Rows taken out of a PostgreSQL server, killed at every durable effect of the withdrawal: agent, server, or both."""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path
from random import Random

from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import postgresql
from tests.support.servers.postgresql_cut import NOT_REACHED, check_cut
from tests.support.servers.postgresql_story import Story

EFFECTS = 60
"""Lines of the manifest and names that files take, one of ten where segments are linked; later ones are not reached."""
VICTIMS = ("agent", "server", "both")
FULL = EFFECTS * len(VICTIMS)
SLICE = 1
NEEDS_ROOT = True
AT_ONCE = 12
"""Trials that share a server, whose disk fills up by them."""


def run(seed: int, trials: int) -> str:
    """No row that stays is lost or silently out of sight, and none that goes is left but where it is told."""
    cuts = list(product(range(1, EFFECTS + 1), VICTIMS))
    Random(seed).shuffle(cuts)
    reached = 0
    for begin in range(0, min(trials, len(cuts)), AT_ONCE):
        reached += _run(cuts[begin : min(begin + AT_ONCE, trials)])
    return f"{min(trials, len(cuts))} cuts, {reached} reached, 0 rows lost, 0 left untold"


def _run(cuts: list[tuple[int, str]]) -> int:
    """Return how many of the cuts came to be, one after the other on one server."""
    with (
        tempfile.TemporaryDirectory() as state,
        disk_for_a_server(240 << 20) as disk,
        postgresql(disk.root, max_wal_size="'1GB'", fsync="on") as server,
    ):
        ended = [
            check_cut(disk, Story(server, f"cut{effect}{victim}", Path(state) / f"{effect}-{victim}"), effect, victim)
            for effect, victim in cuts
        ]
    return sum(one != NOT_REACHED for one in ended)
