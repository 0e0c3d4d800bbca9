"""What a restore from a server's own backup brought back is destroyed again, by the past order and its certificate."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from certificates.statements import Fact, Outcome, Parameter, RecordsSelector
from tests.support.erasing import LABEL_KEY
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.real_site import Charge, RealSite, ended, records_carrier
from tests.support.replaying import moment_of_withdrawal
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, mariadb
from tests.support.servers.mariadb_story import Story
from tests.support.servers.redis import redis

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

DONE, REFUSED, INTERRUPTED, UNREGISTERED = 0, 3, 4, 6
LABEL = "ROWS-OF-ANNA"


@dataclass(frozen=True)
class Past:
    """An erasure that was carried out and certified, and what tells its rows on the raw image."""

    site: RealSite
    charge: Charge
    disk: Mounted
    pattern: bytes
    named: Callable[[], int]
    """Counts what is there under the order's name and condition, whoever's it is."""

    def replay(self, *said: str, moment: str | None = None) -> subprocess.CompletedProcess[str]:
        """The command as a person gives it, or one that is killed at a moment."""
        selector = self.charge.path.parent / "C-1.selector.json"
        given = ("--key", str(self.site.key), "--selector", str(selector))
        return ended(self.site.start("replay", str(self.site.bundles()[0]), *given, *said, moment=moment))

    def left(self) -> int:
        """Hits on the raw image, by a reader that shares no code with what erases."""
        self.disk.sync()
        return scan(self.disk.image, self.pattern, packed=False).total

    def check_refused(self, told: str, *said: str) -> None:
        """It says why, and nothing went."""
        before = self.named()
        done = self.replay(*said)
        assert (done.returncode, told in done.stdout) == (REFUSED, True), done.stdout
        assert self.named() == before > 0

    def check_again(self, rows: int) -> None:
        """What came back is seen, and destroyed again: no word of it on the device, and no new certificate."""
        (certificate,) = self.site.certificates()
        seen = json.loads(self.replay("--json", "--quiet", "--look").stdout)
        assert [one["rows"] for one in seen["results"]] == [rows]
        self.check_refused("confirm")
        done = self.replay("--confirm", LABEL)
        assert done.returncode == DONE, done.stdout
        assert self.left() == 0
        assert list(self.site.certificates()) == [certificate]
        told = sorted((self.site.folder / "journal").glob("*.jsonl"))[-1].read_text(encoding="utf-8")
        assert ("replay of run 1, certificate sha256:" in told, "concluded" in told) == (True, True)
        self.check_nothing()

    def check_cut(self) -> None:
        """It took out what came back, and was killed."""
        moment = moment_of_withdrawal(self.site.folder / "journal" / "00000001.jsonl")
        done = self.replay("--confirm", LABEL, moment=moment)
        assert (done.returncode, self.named()) == (-signal.SIGKILL, 0), done.stdout

    def check_nothing(self) -> None:
        """Nothing of it is there."""
        done = self.replay()
        assert (done.returncode, "nothing is there again" in done.stdout) == (DONE, True), done.stdout


def carried_out(
    folder: Path, disk: Mounted, pattern: bytes, named: Callable[[], int], selects: RecordsSelector, **carrier: Any
) -> Past:
    """The run of a new order, proven but for the receipt that a site without a registry has none of."""
    site = RealSite(folder / "site")
    charge = site.charge(records_carrier(selects, label=LABEL, scope="rows", **carrier))
    done = site.run(charge)
    assert done.returncode == UNREGISTERED, done.stdout
    assert [one.claim.outcome for one in site.certificates()] == [Outcome.PROVEN]
    past = Past(site, charge, disk, pattern, named)
    assert past.left() == 0
    past.check_nothing()
    return past


def facts(**given: object) -> tuple[Fact, ...]:
    return tuple(Fact(name, str(value)) for name, value in sorted(given.items()))


def restoring(server: MariaDB, dump: bytes) -> Callable[[], None]:
    """Brings a dump back, as its owner would."""
    command = ["mariadb", "--no-defaults", f"--socket={server.socket}", "--user=root", "again"]

    def restore() -> None:
        done = subprocess.run(command, input=dump, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()[-2000:]

    return restore


def test_a_replay_that_was_kept_from_a_table_of_mariadb_leaves_nothing_behind(tmp_path: Path) -> None:
    """It holds the server's logs before it asks for the lock. What it held was forgotten, and lay there under the
    server's eyes: every run on that server was refused from then on, and told to resume what nobody knew any more.
    A log that the server dropped meanwhile goes with the replay that follows."""
    with disk_for_a_server(384 << 20) as disk, mariadb(disk.root) as server:
        story = Story(server, "again", tmp_path)
        story.fill("docs", count=150)
        dumping = ["mariadb-dump", "--no-defaults", f"--socket={server.socket}", "--user=root", "again", "docs"]
        restore = restoring(server, subprocess.run(dumping, capture_output=True, check=True).stdout)
        connect = facts(socket=server.socket)
        selects = RecordsSelector(str(server.data), connect, None, None, "docs", None, (), LABEL_KEY)
        site = RealSite(tmp_path / "site")
        charge = site.charge(records_carrier(selects, label=LABEL, scope="table", engine="mariadb", database="again"))
        done = site.run(charge)
        assert done.returncode == UNREGISTERED, done.stdout
        past = Past(site, charge, disk, story.pattern(), lambda: story.counted("docs")[1])
        restore()
        for is_dropped in (False, True):
            with server.connect("again") as other, other.cursor() as cursor:
                cursor.execute("LOCK TABLES docs READ")
                done = past.replay("--confirm", LABEL)
                assert (done.returncode, "A lock on" in done.stdout) == (INTERRUPTED, True), done.stdout
            assert len(held_in(server)) > 1
            if is_dropped:
                server.query("FLUSH BINARY LOGS")
                server.query(f"PURGE BINARY LOGS TO '{server.query('SHOW BINARY LOGS')[-1][0]}'")
            done = past.replay("--look")
            assert (done.returncode, "150 rows are there again" in done.stdout) == (DONE, True), done.stdout
            assert [one.stat().st_nlink for one in held_in(server)] == ([1] if is_dropped else [])
        done = past.replay("--confirm", LABEL)
        assert done.returncode == DONE, done.stdout
        assert (past.left(), list(server.data.glob(".*expunge-*"))) == (0, [])
        told = sorted((site.folder / "journal").glob("*.jsonl"))[-1].read_text(encoding="utf-8")
        assert "run 3 does not go on: what it held goes with this one" in told


def held_in(server: MariaDB) -> list[Path]:
    """What replays hold that did not come to their end."""
    return list(server.data.glob(".*expunge-*/*"))


def test_rows_that_a_dump_brought_back_to_mariadb_go_again(tmp_path: Path) -> None:
    """A dump makes the table anew, under another number, also in a server that was installed anew in the same place.
    Somebody else's rows under its name stay."""
    with disk_for_a_server(384 << 20) as disk:
        with mariadb(disk.root) as server:
            story = Story(server, "again", tmp_path)
            story.fill("docs", count=150)
            dumping = ["mariadb-dump", "--no-defaults", f"--socket={server.socket}", "--user=root", "again", "docs"]
            dump = subprocess.run(dumping, capture_output=True, check=True).stdout
            restore = restoring(server, dump)
            who = (Parameter("who", "text", ("anna",)),)
            connect = facts(socket=server.socket)
            selects = RecordsSelector(str(server.data), connect, None, None, "docs", "owner = :who", who, LABEL_KEY)
            where = {"engine": "mariadb", "database": "again"}
            past = carried_out(tmp_path, disk, story.pattern(), lambda: story.counted("docs")[1], selects, **where)
            stays = story.summed("docs")
            restore()
            strange = "CONCAT('VCTMagaindocs', id, '-', LEFT(SHA1(RAND()), 20))"
            story.do(f"UPDATE docs SET idx = {strange}, small = {strange}, big = {strange} WHERE owner = 'anna'")
            past.check_refused("among the samples", "--look")
            restore()
            settings = server.query("SELECT @@innodb_log_file_size, @@general_log, @@slow_query_log")
            past.check_cut()
            restore()
            past.check_again(50)
            assert server.query("SELECT @@innodb_log_file_size, @@general_log, @@slow_query_log") == settings
            assert (story.counted("docs"), story.summed("docs")) == ((100, 0), stays)
        (disk.root / "maria").rename(disk.root / "before")
        with mariadb(disk.root) as server:
            story = Story(server, "again", tmp_path)
            server.query("CREATE DATABASE again")
            restoring(server, dump)()
            past.check_again(50)
            assert (story.counted("docs"), story.summed("docs")) == ((100, 0), stays)


def test_keys_that_a_snapshot_brought_back_to_redis_go_again(tmp_path: Path) -> None:
    """A server that was started with the snapshot of before has them in its memory and its files."""
    with disk_for_a_server(48 << 20) as disk, redis(disk.root) as server:
        for who, kind in (("anna", "VCTM"), ("ben", "KEEP")):
            server.pipeline([("SET", f"{who}:{n}", f"{kind}again-{n:05d}-telling-it-apart") for n in range(200)])
        server.do("SAVE")
        snapshot = server.data / "dump.rdb"
        backup = snapshot.read_bytes()
        connect = facts(socket=server.socket)
        selects = RecordsSelector(str(server.data), connect, None, None, None, "anna:*", (), LABEL_KEY)
        pattern = rb"VCTMagain-[0-9]{5}"

        def named() -> int:
            found = server.do("KEYS", "anna:*")
            return len(found) if isinstance(found, list) else 0

        where: dict[str, Any] = {"engine": "redis", "database": "0", "destroy": ("history",)}
        past = carried_out(tmp_path, disk, pattern, named, selects, **where)

        def restore() -> None:
            server.kill()
            snapshot.write_bytes(backup)
            server.start()

        server.pipeline([("SET", f"anna:{n}", f"VCTMagain-{n:05d}-{n * 7919:07d}-of-another") for n in range(900, 999)])
        past.check_refused("among the samples", "--look")
        restore()
        past.check_cut()
        restore()
        past.check_again(200)
        assert server.do("DBSIZE") == 200
