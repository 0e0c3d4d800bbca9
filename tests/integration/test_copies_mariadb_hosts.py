"""A MariaDB primary and its replica, each carried out by the agent of its host: the primary first, its certificate
handed over, a device each, nothing left on either, and the one still follows the other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pymysql
import pytest

from certificates.audit import Verdict, audit_all, read_part
from certificates.statements import KnownCopy, Outcome
from tests.support.raw_scanner import scan
from tests.support.real_site import Charge, RealSite, ended, files_carrier, records_carrier
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import catch_up, follow, mariadb, reserved_port
from tests.support.servers.mariadb_story import Story
from tests.support.two_hosts import Host, two_hosts

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

REFUSED, UNREGISTERED = 3, 6
ROWS, REPLICA = "rows-1", "replica-1"
COUNT = 300


@dataclass(frozen=True)
class Desk:
    """One order for both servers, on the desk of one host, for the carrier that is its own."""

    site: Host
    charge: Charge
    carrier: str

    def run(self, *said: str) -> subprocess.CompletedProcess[str]:
        """The command for the host's own carrier, come to its end."""
        named = ("--carrier", self.carrier, "--confirm", self.carrier)
        return ended(self.site.start("run", str(self.charge.path), "--key", str(self.site.key), *named, *said))

    def check_refused(self, told: str, *said: str) -> None:
        """It says why, and there is no certificate."""
        done = self.run(*said)
        assert (done.returncode, told in done.stdout) == (REFUSED, True), done.stdout
        assert not self.site.certificates()

    def check_done(self, *said: str) -> None:
        """Everything is proven."""
        done = self.run(*said)
        assert done.returncode == UNREGISTERED, done.stdout
        (certificate,) = self.site.certificates()
        assert (certificate.carrier, certificate.claim.outcome) == (self.carrier, Outcome.PROVEN)


def ordered(folder: Path, here: Story, there: Story, port: str) -> tuple[Desk, Desk]:
    """Either host with its site. Each server's rows name the other server, by what it is known by there."""
    first, second = two_hosts(folder)
    carriers = [
        records_carrier(
            story.ask("docs").request.selects,
            engine="mariadb",
            scope="rows",
            database=story.database,
            id=name,
            label=name,
            hosts=(host.host,),
            copies=(copy,),
        )
        for name, host, story, copy in (
            (ROWS, first, here, KnownCopy("replica", REPLICA, "2")),
            (REPLICA, second, there, KnownCopy("primary", ROWS, port)),
        )
    ]
    return Desk(first, first.charge(*carriers), ROWS), Desk(second, second.charge(*carriers), REPLICA)


@contextmanager
def written(story: Story) -> Iterator[None]:
    """Somebody goes on writing to the primary, and no statement fails."""
    ends, failed, numbers = Event(), list[pymysql.Error](), count(10_000)

    def write() -> None:
        try:
            for number in numbers:
                story.do(f"INSERT INTO docs VALUES ({number}, 'cy', 'KEEP{number}', 'a', 'b')")
                if ends.wait(0.05):
                    return
        except pymysql.Error as error:
            failed.append(error)

    writer = Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ends.set()
        writer.join()
    assert (failed, next(numbers) > 10_001) == ([], True)


def of_another_order(site: Host, folder: Path) -> Path:
    """The bundle of a certificate that holds, of the same host and of a carrier with the same id: files of its own."""
    folder.mkdir()
    (folder / "letter").write_bytes(b"dear" * 100)
    charge = site.charge(files_carrier(folder, "letter", id=ROWS, label=ROWS, hosts=(site.host,)), name="another")
    done = RealSite.run(site, charge)
    assert done.returncode == UNREGISTERED, done.stdout
    (bundle,) = site.bundles()
    for one in (site.folder / "outbox").glob("*.dsse.json"):
        one.unlink()
    return bundle


def check_shown(rows: Desk, copy: Desk, other: Path) -> Path:
    """Nothing but the certificate of this order's rows opens the replica's turn; return its bundle."""
    rows.check_done()
    (bundle,) = (one for one in rows.site.bundles() if one != other)
    altered = bundle.with_name("altered.expunge")
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    altered.write_bytes(data)
    copy.check_refused("another order", "--after", str(other))
    copy.check_refused("altered.expunge", "--after", str(altered))
    start = rows.site.folder / "runs" / "00000002" / "start.dsse.json"
    copy.check_refused("--after", "--after", str(start))
    altered.unlink()
    return bundle


def test_a_primary_and_its_replica_go_on_two_hosts_in_the_order_of_the_plan(tmp_path: Path) -> None:
    """The replica's agent refuses until it is shown the certificate of the primary's rows, of this order; each
    certificate proves its own device, an auditor who has both finds that the replica came in its turn, and what
    is written meanwhile and afterwards arrives."""
    with (
        reserved_port() as port,
        disk_for_a_server(256 << 20) as one,
        disk_for_a_server(256 << 20) as two,
        mariadb(one.root, port=port) as primary,
        # A relay log that was removed before is in free blocks, which no order reaches under a server of this kind.
        mariadb(two.root, server_id="2", relay_log="relay", relay_log_purge="0") as second,
    ):
        here = Story(primary, "hosts", tmp_path / "here")
        here.fill("docs", count=COUNT)
        follow(second, primary)
        there = replace(here, server=second, state=tmp_path / "there")
        catch_up(second, primary)
        stays = here.summed("docs")
        assert (there.summed("docs"), there.counted("docs")) == (stays, (COUNT, COUNT // 3))
        for disk in (one, two):
            disk.sync()
            assert scan(disk.image, here.pattern(), packed=False).total > 1000
        rows, copy = ordered(tmp_path, here, there, port)
        planned = ended(copy.site.start("plan", str(copy.charge.path)))
        _, _, told = planned.stdout.partition("Order of steps\n")
        assert [line.split()[1] for line in told.splitlines()[1:3]] == [ROWS, REPLICA], planned.stdout
        copy.check_refused("--after")
        other = of_another_order(rows.site, one.root / "letters")
        with written(here):
            bundle = check_shown(rows, copy, other)
            assert there.counted("docs")[1] == COUNT // 3
            copy.check_done("--after", str(bundle))
        here.do("UPDATE docs SET small = 'z' WHERE id = 1")
        catch_up(second, primary)
        assert (here.counted("docs")[1], there.counted("docs")) == (0, here.counted("docs"))
        assert there.summed("docs") == here.summed("docs") != stays
        for disk in (one, two):
            disk.sync()
            assert scan(disk.image, here.pattern(), packed=False).total == 0
    check_audited(rows, copy, bundle)


def check_audited(rows: Desk, copy: Desk, bundle: Path) -> None:
    """Both bundles together show the turn; each alone lacks nothing but the receipt that these sites have none of."""
    bundles = (bundle, *copy.site.bundles())
    parts = [found for path in bundles if (found := read_part(path.read_bytes())) is not None]
    reports = (*rows.site.audited(), *copy.site.audited())
    (turn,) = audit_all(reports, (), is_complete=False, parts=parts).runs
    assert (turn.code, REPLICA in turn.tell()) == ("turn-together", True)
    wanting = {one.code for report in reports for one in report.findings if one.leaves is not Verdict.PROVEN}
    assert wanting == {"receipt-none"}
