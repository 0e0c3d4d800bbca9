"""A streaming standby is a copy and a carrier of its own: begun first, it replays its primary's run, and both disks,
each a device of its own, have nothing left. Or it is stopped, its files destroyed, and seeded anew."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from certificates.statements import KnownCopy, Method, Outcome
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import order_files
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import PostgreSQL, postgresql, standby
from tests.support.servers.postgresql_proof import ordered_by
from tests.support.servers.postgresql_story import Story, withdraw
from tests.support.withdrawing import destroy_held

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]
REPLICA = (KnownCopy("replica", "standby-1"),)
WAITING = b'["waiting"'
REMOVING = b'["setting"'


@pytest.fixture(scope="module")
def disks() -> Iterator[tuple[Mounted, Mounted]]:
    with disk_for_a_server(160 << 20) as first, disk_for_a_server(160 << 20) as second:
        yield first, second


@pytest.fixture(scope="module")
def primary(disks: tuple[Mounted, Mounted]) -> Iterator[PostgreSQL]:
    with postgresql(disks[0].root, log_statement="'none'") as found:
        yield found


@contextmanager
def following(primary: PostgreSQL, at: Path, story: Story) -> Iterator[Story]:
    """The same story on a standby that has caught up."""
    with standby(primary, at) as copy:
        other = replace(story, server=copy, state=story.state.parent / "standby")
        wait_for(other, *story.counted())
        yield other


def wait_for(story: Story, *counted: int) -> None:
    deadline = time.monotonic() + 120
    while story.counted() != counted:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def begun(run: CarriedOut, state: Path) -> threading.Thread:
    """A run that goes on beside until it waits for its primary."""
    thread = threading.Thread(target=run.go)
    thread.start()
    deadline = time.monotonic() + 180
    while not any(WAITING in file.read_bytes() for file in state.glob("*.records")):
        assert thread.is_alive(), run.stopped
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return thread


@contextmanager
def stalled(copy: PostgreSQL, state: Path) -> Iterator[None]:
    """A standby receives nothing from now on until a moment after its primary began to remove segments of its log, as
    on a machine with much else to do: it has no slot, and would never find again what it has not received."""
    ((process,),) = copy.query("SELECT pid FROM pg_stat_wal_receiver")

    def goes_on() -> None:
        deadline = time.monotonic() + 30
        while not any(REMOVING in file.read_bytes() for file in state.glob("*.records")):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        time.sleep(1)
        os.kill(process, signal.SIGCONT)

    os.kill(process, signal.SIGSTOP)
    thread = threading.Thread(target=goes_on)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.parametrize(("name", "method"), [("follows", Method.COPY_FORWARD), ("filled", Method.HOLE_FILLING)])
def test_a_standby_is_begun_first_and_replays_its_primarys_run(
    disks: tuple[Mounted, Mounted], primary: PostgreSQL, tmp_path: Path, name: str, method: Method
) -> None:
    """Its own log, its own server log, its free blocks: two orders of two agents, and what is written later arrives."""
    story = Story(primary, name, tmp_path / "primary")
    if is_filled := method is Method.HOLE_FILLING:
        story.fill_large()
    else:
        story.fill(300)
    rows = 10 if is_filled else 100
    with following(primary, disks[1].root, story) as other:
        assert scan(disks[1].image, story.pattern, packed=False).total > 10
        here = CarriedOut(ordered_by(story, history=True, most=rows, copies=REPLICA))
        there = CarriedOut(ordered_by(other, history=True, most=rows))
        staying = story.summed()
        waiting = begun(there, other.state)
        with stalled(other.server, story.state):
            here.go()
        waiting.join(300)
        assert (here.stopped, there.stopped) == (None, None)
        assert here.plan is not None
        assert here.plan.method is method
        assert [run.claim.outcome for run in (here, there)] == [Outcome.PROVEN] * 2, (here.claim, there.claim)
        for disk in disks:
            disk.sync()
            is_packed = disk is disks[1] and not is_filled
            assert scan(disk.image, story.pattern, packed=is_packed).total == 0
        story.do("INSERT INTO docs (id, who) VALUES (900001, 'KEEPlater')")
        wait_for(other, *story.counted())
        assert staying != story.summed() == other.summed()
        assert other.server.query(
            "SELECT count(*) FROM pg_settings WHERE name IN ('wal_recycle', 'wal_keep_size') AND source <> 'default'"
        ) == [(0,)]
    story.do("DROP TABLE docs")


def test_a_database_goes_from_its_primary_while_a_standby_follows(
    disks: tuple[Mounted, Mounted], primary: PostgreSQL, tmp_path: Path
) -> None:
    """The standby drops it as it replays, and goes on; what its own disk keeps goes with its files, which it says."""
    primary.query("CREATE DATABASE customers")
    story = Story(primary, "base", tmp_path / "primary", database="customers")
    story.fill(90)
    with following(primary, disks[1].root, story) as other:
        refused = other.ask("database", table=None, most=90)
        assert refused.reasons() == {"records-not-offered"}
        asked = story.ask("database", table=None, most=90)
        assert asked.reasons() == set()
        done = withdraw(asked)
        assert (done.rows, done.left) == (90, ())
        destroy_held(asked)
        disks[0].sync()
        assert scan(disks[0].image, story.pattern).total == 0
        deadline = time.monotonic() + 120
        while other.server.query("SELECT count(*) FROM pg_database WHERE datname = 'customers'") != [(0,)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert other.server.query("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'") == [(1,)]
        assert scan(disks[1].image, story.pattern, packed=False).total > 10


def test_a_standby_whose_primary_was_first_is_refused(
    disks: tuple[Mounted, Mounted], primary: PostgreSQL, tmp_path: Path
) -> None:
    """Nothing can be sampled any more; the way that is left is named."""
    story = Story(primary, "late", tmp_path / "primary")
    story.fill(90)
    with following(primary, disks[1].root, story) as other:
        ordered = ordered_by(other, history=False, most=30)
        story.do("DELETE FROM docs WHERE id % 3 = 0")
        wait_for(other, 60, 0)
        assert ordered.reasons() == {"count-outside-order", "records-not-offered"}
    story.do("DROP TABLE docs")


def test_a_stopped_standby_goes_with_its_files_and_is_seeded_anew(
    disks: tuple[Mounted, Mounted], primary: PostgreSQL, tmp_path: Path
) -> None:
    """The whole data directory of a stopped server, as a cluster is ordered; then the primary; then a base backup."""
    story = Story(primary, "seeded", tmp_path / "primary")
    story.fill(300)
    with following(primary, disks[1].root, story) as other:
        other.server.stop()
        whole = CarriedOut(order_files(other.server.data.parent, ("data",), other.state, destroy=("history",)))
        whole.go()
        assert (whole.stopped, whole.claim.outcome) == (None, Outcome.PROVEN), whole.claim
        disks[1].sync()
        assert scan(disks[1].image, story.pattern, packed=False).total == 0
    here = CarriedOut(ordered_by(story, history=True, most=100, copies=REPLICA))
    here.go()
    assert (here.stopped, here.claim.outcome) == (None, Outcome.PROVEN), here.claim
    with following(primary, disks[1].root, story) as other:
        for disk in disks:
            disk.sync()
            assert scan(disk.image, story.pattern, packed=False).total == 0
        assert other.summed() == story.summed()
