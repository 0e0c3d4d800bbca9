"""A MariaDB replica is a copy that the primary knows of, and a carrier of its own; both are erased, and go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from certificates.statements import KnownCopy
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, catch_up, follow, mariadb, reserved_port
from tests.support.servers.mariadb_story import Story
from tests.support.withdrawing import Asked, destroy_held, withdraw
from wipers.linux.engines import Withdrawn, mariadb_obstacles
from wipers.linux.engines.mariadb_traces import files_like
from wipers.linux.records import target_of
from wipers.records import listing_copies

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


def told(done: Withdrawn) -> dict[str, int]:
    """What went with it, or was written anew, by code."""
    return {one.code: one.count for one in done.consequences}


def check_behind(asked: Asked, story: Story, replica: MariaDB) -> None:
    """One that takes nothing any more is in the way: it would be cut off from what it has not read."""
    with pytest.MonkeyPatch.context() as patch, replica.paused():
        patch.setattr(mariadb_obstacles, "LOCK_SECONDS", 0.2)
        # More than the kernel keeps for a connection.
        story.do("CREATE TABLE bulk (a MEDIUMTEXT)", "INSERT INTO bulk SELECT REPEAT('x', 1000000) FROM seq_1_to_24")
        assert asked.reasons() == {"records-snapshot"}
    story.do("DROP TABLE bulk")


def check_known(asked: Asked, copy: KnownCopy) -> None:
    """The order must name the copy, or the site have it listed; the wrong one is none."""
    found = asked.engine.look(asked.request)
    assert found is not None
    target = target_of(asked.carrier, asked.request, found)
    assert [(one.reason, dict(one.facts)["what"]) for one in target.obstacles] == [("copies-not-ordered", copy.what)]
    listed = listing_copies(target)
    code = {"replica": "unordered-replicas"}.get(copy.what, "unordered-copies")
    assert (listed.obstacles, [one.count for one in listed.residual if one.code == code]) == ((), [1])
    for named, wanting in ((copy, 0), (replace(copy, place="elsewhere"), 1)):
        carrier = replace(asked.carrier, copies=(named,))
        assert len(target_of(carrier, asked.request, found).obstacles) == wanting


def test_a_primary_and_its_replica_are_erased_one_after_the_other(tmp_path: Path) -> None:
    """Each knows of the other, and an order that does not name it is refused, or lists it where the site says so. The
    replica's relay log goes with its rows; what is written to the primary afterwards still arrives."""
    with reserved_port() as port, disk_for_a_server(500 << 20) as disk:
        for name in ("first", "second"):
            (disk.root / name).mkdir()
        with (
            mariadb(disk.root / "first", port=port) as primary,
            # A relay log that was removed before is in free blocks, which are another matter than what is tested here.
            mariadb(disk.root / "second", server_id="2", relay_log="re[l]ay", relay_log_purge="0") as replica,
        ):
            story = Story(primary, "copied", tmp_path / "primary")
            story.fill("docs", count=300)
            follow(replica, primary)
            other = replace(story, server=replica, state=tmp_path / "replica")
            catch_up(replica, primary)
            assert other.counted("docs") == (300, 100)
            asked = story.ask("docs", most=100)
            found = asked.engine.look(asked.request)
            assert found is not None
            assert [(copy.what, copy.place.split()[:2]) for copy in found.copies] == [("replica", ["server", "2"])]
            assert asked.reasons() == set()
            check_behind(asked, story, replica)
            catch_up(replica, primary)
            check_known(asked, KnownCopy("replica", "second", "2"))
            check_known(other.ask("docs", most=100), KnownCopy("primary", "first", port))
            logs = []
            for one in (story, other):
                relayed = files_like(one.server.data, "re[[]l[]]ay.0*")
                done = withdraw(one.ask("docs", most=100))
                assert (done.rows, done.before, done.left) == (100, done.after, ())
                assert not any(path.exists() for path in relayed)
                logs.append(told(done)["log-segments-held"] - len(relayed))
                destroy_held(one.ask("docs", most=100))
            story.do(
                "INSERT INTO docs VALUES (9001, 'cy', 'KEEP', 'a', 'b')", "UPDATE docs SET small = 'z' WHERE id = 1"
            )
            catch_up(replica, primary)
            assert other.counted("docs") == (201, 0)
            # What a replica holds more than its primary is its relay logs, each waited for, whatever they are called.
            assert logs[0] == logs[1]
            assert story.summed("docs") == other.summed("docs")
            disk.sync()
            assert scan(disk.image, story.pattern(), packed=False).total == 0
