"""Copies of a SQLite database and of a Redis server that people made: each after its rows, with a certificate of its
own, and nothing of what was to go on the storage that they lay on."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from certificates.audit import Verdict
from certificates.statements import Carrier, Fact, KnownCopy, Outcome, RecordsSelector, Residual, Selector
from tests.support import people
from tests.support.erasing import LABEL_KEY
from tests.support.ext4_image import Mounted, run
from tests.support.people_disk import WHO
from tests.support.raw_scanner import scan
from tests.support.real_site import RealSite, ended, files_carrier, records_carrier
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import Redis, redis
from tests.support.servers.redis_scanner import found_on

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

KEYS = 200
TRACE = rb"VCTMcopy-[0-9]{5}"
REFUSED, UNREGISTERED = 3, 6
OF_SQLITE = ("made.backup", "vacuumed.db", "copied.db", "copied.db-wal", "copied.db-shm")
OF_REDIS = ("dump-of-monday.rdb", "appendonly-of-monday")


def copy_database(database: Path, folder: Path) -> None:
    """By SQLite's own backup, written anew, and plainly copied amid somebody's work, with the log that goes with it."""
    run("sqlite3", database, f".backup main {folder / 'made.backup'}")
    run("sqlite3", database, f"VACUUM INTO '{folder / 'vacuumed.db'}'")
    with closing(sqlite3.connect(database)) as at_work, at_work:
        at_work.execute("PRAGMA wal_autocheckpoint = 0")
        at_work.execute("UPDATE people SET note = note || '!', name = replace(name, 'second', 'third')")
        at_work.commit()
        for end in ("", "-wal", "-shm"):
            run("cp", "-a", f"{database}{end}", folder / f"copied.db{end}")


def fill(server: Redis) -> None:
    commands: list[tuple[bytes | str | int, ...]] = []
    for key in range(KEYS):
        for kind, who in (("VCTM", "anna"), ("KEEP", "ben")):
            mark = f"{kind}copy-{key:05d}-telling-it-apart"
            commands += [("SET", f"{who}:{key}", mark), ("HSET", f"{who}:h:{key}", "name", mark * 2, "town", "Bern")]
    server.pipeline(commands)
    server.do("SAVE")


def order(database: Path, server: Redis, copies: Path) -> list[tuple[Carrier, Selector | None]]:
    """Rows of both, and each one's copies as a carrier of files."""
    of_people = RecordsSelector(str(database), (), None, None, "people", "name LIKE :who", WHO, LABEL_KEY)
    connect = (Fact("socket", str(server.socket)),)
    of_keys = RecordsSelector(str(server.data), connect, None, None, None, "anna:*", (), LABEL_KEY)
    people_ = (KnownCopy("backup", "copies-of-people"),)
    # One that the server does not know: it names no other that the server does.
    keys = (KnownCopy("backup", "copies-of-keys", place=OF_REDIS[0]),)
    sqlite: dict[str, Any] = {"engine": "sqlite", "scope": "rows"}
    server_: dict[str, Any] = {"engine": "redis", "scope": "rows", "database": "0"}
    return [
        records_carrier(of_people, **named("people"), **sqlite, copies=people_, destroy=("history",)),
        records_carrier(of_keys, **named("keys"), **server_, copies=keys),
        # Beside the database, which has some of it still: history is its business.
        files_carrier(copies, *OF_SQLITE, **named("copies-of-people"), destroy=("names",)),
        files_carrier(copies, *OF_REDIS, **named("copies-of-keys"), destroy=("names", "history")),
    ]


def named(name: str) -> dict[str, Any]:
    return {"id": name, "label": name}


def run_these(site: RealSite, path: Path, *carriers: str) -> subprocess.CompletedProcess[str]:
    chosen = [part for name in carriers for part in ("--carrier", name, "--confirm", name)]
    return ended(site.start("run", str(path), "--key", str(site.key), *chosen))


def traces(disk: Mounted) -> tuple[int, int]:
    """Of the database, and of the server: plain, and in what is packed."""
    disk.sync()
    return scan(disk.image, people.TRACES).total, sum(found_on(disk.image, TRACE))


def test_copies_of_a_database_and_of_a_server_go_after_their_rows(tmp_path: Path) -> None:
    """A backup waits until its rows are certified, or goes with them where it lies beside them: the hunt for their
    history comes when both are released. Nothing is left of either, and a journal says what it came after. One that
    the server knows and no order names is refused, or listed where the site says so: then the claim says that it does
    not speak of it."""
    site = RealSite(tmp_path / "site")
    with (
        disk_for_a_server(16 << 20) as disk,
        disk_for_a_server(24 << 20) as other,
        redis(disk.root, "--appendonly", "yes") as server,
    ):
        # Beside its backups, as most databases are: what is left in free blocks goes with what goes last there.
        (other.root / "crm").mkdir()
        database = other.root / "crm" / "people.db"
        people.make(database, "WAL", rows=300)
        copy_database(database, other.root)
        fill(server)
        run("cp", "-a", server.data / "dump.rdb", other.root / OF_REDIS[0])
        run("cp", "-a", server.data / "appendonlydir", other.root / OF_REDIS[1])
        found = traces(other)
        assert (found[0] > 1_000, found[1] > 3 * KEYS) == (True, True), found
        run("cp", "-a", server.data / "dump.rdb", server.data / "of-last-year.rdb")
        charge = site.charge(*order(database, server, other.root))
        early = run_these(site, charge.path, "copies-of-keys")
        assert (early.returncode, "goes first and has no certificate here" in early.stdout) == (REFUSED, True)
        unknown = run_these(site, charge.path, "keys")
        assert (unknown.returncode, "knows of 1 x backup" in unknown.stdout) == (REFUSED, True), unknown.stdout
        assert traces(other) == found
        with (site.folder / "config.toml").open("a", encoding="utf-8") as policy:
            policy.write("lists_unordered_copies = true\n")
        for carriers in (("people", "copies-of-people", "keys"), ("copies-of-keys",)):
            done = run_these(site, charge.path, *carriers)
            assert done.returncode == UNREGISTERED, done.stdout
        assert traces(other) == (0, 0)
        assert {path.name for path in other.root.iterdir()} == {"lost+found", "crm"}
        with closing(sqlite3.connect(database)) as left:
            assert left.execute("SELECT count(*) FROM people").fetchone() == (200,)
        assert server.do("GET", "ben:7") == b"KEEPcopy-00007-telling-it-apart"
    made = {one.carrier: one for one in site.certificates()}
    assert {one.claim.outcome for one in made.values()} == {Outcome.PROVEN}
    listed = {name: [(one.code, one.count) for one in made[name].claim.reasons] for name in ("people", "keys")}
    assert listed == {"people": [], "keys": [("unordered-copies", 1)]}
    assert Residual("unordered-backups", 1) in made["keys"].evidence.residual
    (note,) = notes(site, made["copies-of-keys"].binding.journal_sequence)
    assert note == f"after keys: run {made['keys'].binding.journal_sequence}"
    wanting = {one.code for report in site.audited() for one in report.findings if one.leaves is not Verdict.PROVEN}
    assert wanting == {"receipt-none"}
    assert "claim-proven-within" in {one.code for report in site.audited() for one in report.findings}


def notes(site: RealSite, sequence: int) -> list[str]:
    """What a run's journal notes of the order of steps."""
    lines = (site.folder / "journal" / f"{sequence:08d}.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line)["event"] for line in lines]
    return [one["note"] for one in events if one["kind"] == "noted" and one["note"].startswith("after ")]
