"""Records of a PostgreSQL server through a whole run: planned, taken out, written over, read back, hunted, claimed."""

from __future__ import annotations

from pathlib import Path

import pytest

from certificates.statements import Method, Outcome, ResidueHunt, SurvivorsCheck, WithdrawalRecord
from tests.support.carrying_out import CarriedOut
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import postgresql
from tests.support.servers.postgresql_proof import ordered_by
from tests.support.servers.postgresql_story import Story

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


def recorded(run: CarriedOut, kind: type) -> object:
    found = [getattr(one.event, "record", getattr(one.event, "check", None)) for one in run.journal.entries]
    return next(one for one in found if isinstance(one, kind))


def test_rows_are_proven_gone(tmp_path: Path) -> None:
    """Rows that share values with those that stay, on a server that has lived: its free blocks are filled too."""
    with disk_for_a_server(160 << 20) as disk, postgresql(disk.root) as server:
        story = Story(server, "whole", tmp_path / "state")
        story.fill(300)
        story.refer(300)
        story.do("UPDATE docs SET body = 'the same for everybody, going or staying' WHERE id % 5 = 0", "CHECKPOINT")
        staying = story.summed()
        ordered = ordered_by(story, history=True, most=100)
        run = CarriedOut(ordered)
        run.go()
        assert run.stopped is None
        taken, hunt, checked = (recorded(run, kind) for kind in (WithdrawalRecord, ResidueHunt, SurvivorsCheck))
        assert isinstance(taken, WithdrawalRecord)
        assert isinstance(hunt, ResidueHunt)
        assert isinstance(checked, SurvivorsCheck)
        assert (taken.rows, taken.left) == (100, ())
        assert hunt.needles > 100
        assert (hunt.hits, hunt.state) == ((), "made")
        assert (checked.engine_check, checked.is_sound, checked.digest_before) == (
            "amcheck",
            True,
            checked.digest_after,
        )
        assert run.claim.outcome is Outcome.PROVEN, run.claim
        disk.sync()
        assert scan(disk.image, story.pattern).total == 0
        assert (story.summed(), story.counted()) == (staying, (200, 0))
        assert not list(server.data.glob(".expunge*"))


def test_few_rows_of_a_large_table_are_proven_gone(tmp_path: Path) -> None:
    """The planner takes them out in place, and the evidence supports as much."""
    with disk_for_a_server(200 << 20) as disk, postgresql(disk.root, max_wal_size="'1GB'") as server:
        story = Story(server, "few", tmp_path / "state")
        story.fill_large()
        ordered = ordered_by(story, history=False, most=10)
        run = CarriedOut(ordered)
        run.go()
        assert run.stopped is None
        assert run.plan is not None
        assert run.plan.method is Method.HOLE_FILLING
        hunt = recorded(run, ResidueHunt)
        assert isinstance(hunt, ResidueHunt)
        assert (hunt.hits, hunt.state) == ((), "made")
        assert run.claim.outcome is Outcome.PROVEN, run.claim
        disk.sync()
        assert scan(disk.image, story.pattern, packed=False).total == 0
