"""Records of a MariaDB and of a Redis server through the whole run: planned, taken out, written over, read back,
hunted on the raw storage, claimed."""

from __future__ import annotations

from pathlib import Path

import pytest

from certificates.statements import Method, Outcome, ResidueHunt, WithdrawalRecord
from tests.support.carrying_out import CarriedOut
from tests.support.raw_scanner import scan
from tests.support.records_ordered import order_records, text
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import mariadb
from tests.support.servers.mariadb_story import FORMATS, Story
from tests.support.servers.redis import redis

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


def recorded(run: CarriedOut, kind: type) -> object:
    found = [getattr(one.event, "record", getattr(one.event, "check", None)) for one in run.journal.entries]
    return next(one for one in found if isinstance(one, kind))


def check_proven(run: CarriedOut, rows: int) -> None:
    """The run ended well, and its evidence supports what was ordered."""
    assert run.stopped is None
    taken, hunt = recorded(run, WithdrawalRecord), recorded(run, ResidueHunt)
    assert isinstance(taken, WithdrawalRecord)
    assert isinstance(hunt, ResidueHunt)
    assert run.plan is not None
    assert run.plan.method is Method.COPY_FORWARD
    assert (taken.rows, taken.left) == (rows, ())
    assert hunt.needles > 50
    assert (hunt.hits, hunt.state) == ((), "made")
    assert run.claim.outcome is Outcome.PROVEN, run.claim


def test_mariadbs_rows_are_proven_gone(tmp_path: Path) -> None:
    """Values that rows which stay have too are not looked for: they are there for a good reason. (What was in free
    blocks before is not ordered here: InnoDB keeps some of those below extents that it has not written yet.)"""
    with disk_for_a_server(320 << 20) as disk, mariadb(disk.root) as server:
        story = Story(server, "whole", tmp_path)
        story.fill("docs", FORMATS["zipped"], count=300)
        story.do("UPDATE docs SET big = 'the same for everybody, going or staying' WHERE id % 5 = 0")
        ordered = order_records(
            "mariadb",
            server.data,
            tmp_path / "state",
            table="docs",
            condition="owner = :who",
            parameters=(text("who", "anna"),),
            least=100,
            most=100,
            system=str(server.query("SELECT @@global.server_uid")[0][0]),
            database="whole",
            connect={"socket": str(server.socket)},
        )
        run = CarriedOut(ordered)
        run.go()
        check_proven(run, 100)
        disk.sync()
        assert scan(disk.image, story.pattern()).total == 0
        assert story.counted("docs") == (200, 0)
        assert not list(server.data.glob(".expunge*"))
        assert not server.query("SHOW DATABASES LIKE 'expunge%'")


def test_redis_keys_are_proven_gone(tmp_path: Path) -> None:
    """The snapshot and the log are written anew; the server goes on."""
    with disk_for_a_server(48 << 20) as disk, redis(disk.root, "--appendonly", "yes") as server:
        mark = "VCTM" + "%05d-telling-it-apart"
        server.pipeline([("SET", f"anna:{row}", mark % row) for row in range(200)])
        server.pipeline([("SET", f"ben:{row}", f"KEEP{row}") for row in range(200)])
        server.do("SAVE")
        ordered = order_records(
            "redis",
            server.data,
            tmp_path / "state",
            table=None,
            condition="anna:*",
            least=200,
            most=200,
            database="0",
            connect={"socket": str(server.socket)},
            history=True,
        )
        run = CarriedOut(ordered)
        run.go()
        check_proven(run, 200)
        disk.sync()
        assert scan(disk.image, rb"VCTM[0-9]{5}-telling").total == 0
        assert server.do("DBSIZE") == 200
