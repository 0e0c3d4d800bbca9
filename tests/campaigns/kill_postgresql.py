"""Rows taken out of a PostgreSQL server, killed at every durable effect of the withdrawal: agent, server, or both."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from random import Random

from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import PostgreSQL, postgresql, standby
from tests.support.servers.postgresql_cut import NOT_REACHED, check_cut, check_filling_cut
from tests.support.servers.postgresql_standby_cut import check_standby_cut, on_standby
from tests.support.servers.postgresql_story import Story

EFFECTS = {"rewritten": 73, "filled": 67, "standby": 19}
"""Lines of the manifest, names that files take (one of ten where segments are linked) and, where pages are filled,
statements; the statistics, where they are written anew, are so as after a rewriting."""
VICTIMS = ("agent", "server", "both")
FULL = sum(EFFECTS.values()) * len(VICTIMS)
SLICE = 1
NEEDS_ROOT = True
SLOT = "follows"
"""Keeps the primary's log for a standby that died: without it that would have to be seeded anew."""
AT_ONCE = 12
"""Trials that share a server, whose disk fills up by them."""
Trial = tuple[str, int, str]
Check = Callable[[Story, int, str], int]


def run(seed: int, trials: int) -> str:
    """No row that stays is lost or silently out of sight, and none that goes is left but where it is told."""
    chosen = cuts(seed)[:trials]
    reached = 0
    for kind in EFFECTS:
        these = [cut for cut in chosen if cut[0] == kind]
        for begin in range(0, len(these), AT_ONCE):
            reached += _run(kind, these[begin : begin + AT_ONCE])
    return f"{len(chosen)} cuts, {reached} reached, 0 rows lost, 0 left untold"


def cuts(seed: int) -> list[Trial]:
    """Every way and every effect of it with every victim, in the order of the seed."""
    found = [
        (kind, effect, victim)
        for kind, most in EFFECTS.items()
        for effect, victim in product(range(1, most + 1), VICTIMS)
    ]
    Random(seed).shuffle(found)
    return found


def _run(kind: str, these: list[Trial]) -> int:
    """Return how many of the cuts came to be, one after the other on one server."""
    with tempfile.TemporaryDirectory() as state, SERVERS[kind](Path(state)) as (make, check):
        ended = [check(make(f"cut{effect}{victim}"), effect, victim) for _, effect, victim in these]
    return sum(one != NOT_REACHED for one in ended)


@contextmanager
def _alone(state: Path, check: Callable[..., int]) -> Iterator[tuple[Callable[[str], Story], Check]]:
    with (
        disk_for_a_server(240 << 20) as disk,
        postgresql(disk.root, max_wal_size="'1GB'", fsync="on") as server,
    ):
        yield lambda name: Story(server, name, state / name), lambda *trial: check(disk, *trial)


@contextmanager
def _slot(server: PostgreSQL) -> Iterator[None]:
    server.query(f"SELECT pg_create_physical_replication_slot('{SLOT}')")
    yield


@contextmanager
def _with_standby(state: Path) -> Iterator[tuple[Callable[[str], Story], Check]]:
    with (
        disk_for_a_server(240 << 20) as first,
        disk_for_a_server(240 << 20) as second,
        postgresql(first.root, fsync="on") as server,
        _slot(server),
        standby(server, second.root, primary_slot_name=f"'{SLOT}'") as copy,
    ):

        def check(story: Story, effect: int, victim: str) -> int:
            return check_standby_cut(second, story, on_standby(story, copy), effect, victim)

        yield lambda name: Story(server, name, state / name), check


SERVERS = {
    "rewritten": lambda state: _alone(state, check_cut),
    "filled": lambda state: _alone(state, check_filling_cut),
    "standby": _with_standby,
}
