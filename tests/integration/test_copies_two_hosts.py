"""A primary and its streaming standby, each carried out by the agent of its host: a state directory, a warrant and a
certificate each, a device each, and nothing left on either."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from certificates.audit import Verdict, audit_all, read_part
from certificates.statements import KnownCopy, Outcome
from tests.support.raw_scanner import scan
from tests.support.real_site import Charge, RealSite, ended, records_carrier
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import PostgreSQL, postgresql, standby
from tests.support.servers.postgresql_story import Story
from tests.support.two_hosts import Host, two_hosts

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

REFUSED, UNREGISTERED = 3, 6
PATIENCE = 180
"""Seconds after which what was waited for will not come, however busy the machine is."""
WAITING = b'["waiting"'
ROWS, STANDBY = "rows-1", "standby-1"


@contextmanager
def following(primary: PostgreSQL, at: Path, story: Story) -> Iterator[Story]:
    """The same story on a standby that has caught up."""
    with standby(primary, at) as copy:
        other = replace(story, server=copy)
        deadline = time.monotonic() + PATIENCE
        while other.counted() != story.counted():
            assert time.monotonic() < deadline, "the standby does not catch up"
            time.sleep(0.05)
        yield other


def order(first: Host, second: Host, here: Story, there: Story) -> tuple[Charge, Charge]:
    """One order for both servers, on the desk of either host."""
    carriers = [
        records_carrier(
            story.ask().request.selects,
            engine="postgresql",
            scope="rows",
            database="postgres",
            id=name,
            label=name,
            hosts=(host.host,),
            destroy=("history",),
            copies=copies,
        )
        for name, host, story, copies in (
            (ROWS, first, here, (KnownCopy("replica", STANDBY),)),
            (STANDBY, second, there, ()),
        )
    ]
    return first.charge(*carriers), second.charge(*carriers)


def started(site: RealSite, charge: Charge, carrier: str, *said: str) -> subprocess.Popen[str]:
    named = ("--carrier", carrier, "--confirm", carrier)
    return site.start("run", str(charge.path), "--key", str(site.key), *named, *said)


def start_of(site: RealSite, process: subprocess.Popen[str]) -> Path:
    """The Start of a run that has its samples and waits for its primary."""
    runs, deadline = site.folder / "runs", time.monotonic() + PATIENCE
    while not any(WAITING in file.read_bytes() for file in runs.glob("*.records")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it does not come to wait"
        time.sleep(0.05)
    return runs / "00000001" / "start.dsse.json"


def test_a_primary_and_its_standby_go_on_two_hosts_in_the_order_of_the_plan(tmp_path: Path) -> None:
    """The primary's agent refuses until it is shown the standby's Start; each certificate proves its own device, and
    an auditor who has both finds that either came in its turn."""
    with disk_for_a_server(192 << 20) as one, disk_for_a_server(192 << 20) as two, postgresql(one.root) as primary:
        here = Story(primary, "hosts", tmp_path)
        here.fill(90)
        with following(primary, two.root, here) as there:
            stays = here.summed()
            first, second = two_hosts(tmp_path)
            ours, theirs = order(first, second, here, there)
            planned = ended(first.start("plan", str(ours.path)))
            _, _, told = planned.stdout.partition("Order of steps\n")
            steps = [line.split()[1] for line in told.splitlines()[1:3]]
            assert steps == [STANDBY, ROWS], planned.stdout
            early = ended(started(first, ours, ROWS))
            assert (early.returncode, "--after" in early.stdout) == (REFUSED, True), early.stdout
            other = ended(started(first, ours, STANDBY))
            assert (other.returncode, not first.certificates()) == (REFUSED, True), other.stdout

            with started(second, theirs, STANDBY) as waiting:
                start = start_of(second, waiting)
                done = ended(started(first, ours, ROWS, "--after", str(start)))
                assert done.returncode == UNREGISTERED, done.stdout
                told, _ = waiting.communicate(timeout=PATIENCE)
                assert waiting.returncode == UNREGISTERED, told
            certificates = [site.certificates() for site in (first, second)]
            assert [[found.claim.outcome for found in each] for each in certificates] == [[Outcome.PROVEN]] * 2
            assert [found.carrier for each in certificates for found in each] == [ROWS, STANDBY]
            assert (here.summed(), there.summed()) == (stays, stays)
            for disk in (one, two):
                disk.sync()
                assert scan(disk.image, here.pattern, packed=False).total == 0
    bundles = [*first.bundles(), *second.bundles()]
    reports = (*first.audited(), *second.audited())
    parts = [found for path in bundles if (found := read_part(path.read_bytes())) is not None]
    (turn,) = audit_all(reports, (), is_complete=False, parts=parts).runs
    assert (turn.code, STANDBY in turn.tell()) == ("turn-together", True)
    wanting = {one.code for report in reports for one in report.findings if one.leaves is not Verdict.PROVEN}
    assert wanting == {"receipt-none"}
