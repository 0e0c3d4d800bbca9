"""Rows and tables of a SQLite database on a real ext4: nothing of them is left on the raw device, all else is."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import jsonschema
import pytest

from certificates.audit import Verdict
from certificates.errors import Interrupted, Refused
from certificates.statements import (
    Method,
    NeedlesRecord,
    Outcome,
    Parameter,
    RecordsSelector,
    ResidueHunt,
    SurvivorsCheck,
    WithdrawalRecord,
)
from tests.support import people
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import LABEL_KEY, Ordered
from tests.support.ext4_image import Mounted
from tests.support.halting import UNMARKED
from tests.support.people_disk import WHO, database, order_people, people_disk
from tests.support.raw_scanner import scan
from tests.support.real_site import RealSite, ended, records_carrier
from tests.support.records_ordered import text
from tests.support.screens import SCHEMAS
from wipers.linux.engines import Request, sqlite_withdrawal

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with people_disk(tmp_path) as found:
        yield found


def order(disk: Mounted, **more: object) -> Ordered:
    return order_people(disk, people.GONE, **more)


def carried_out(ordered: Ordered) -> CarriedOut:
    run = CarriedOut(ordered)
    run.go()
    assert run.stopped is None
    return run


def traces(disk: Mounted) -> int:
    disk.sync()
    return scan(disk.image, people.TRACES).total


def event_of(run: CarriedOut, kind: type) -> object:
    found = [getattr(one.event, "record", getattr(one.event, "check", None)) for one in run.journal.entries]
    return next(one for one in found if isinstance(one, kind))


@pytest.mark.parametrize("mode", ["WAL", "PERSIST", "DELETE"])
def test_rows_are_nowhere_on_the_raw_device(disk: Mounted, mode: str) -> None:
    """Index, rows by foreign key, words, statistics of another build, journal, log, what was written before: all of
    them kept the rows; the run says what else went, and that the rest is unharmed."""
    people.make(database(disk), mode)
    assert traces(disk) > 3 * people.GONE
    run = carried_out(order(disk, history=True))
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    assert traces(disk) == 0
    assert people.survivors(database(disk)) == people.LEFT
    taken = event_of(run, WithdrawalRecord)
    assert isinstance(taken, WithdrawalRecord)
    counts = {one.code: one.count for one in taken.consequences}
    assert (taken.rows, counts["rows-by-foreign-key"]) == (people.GONE, people.GONE)
    survived = event_of(run, SurvivorsCheck)
    assert isinstance(survived, SurvivorsCheck)
    assert survived.digest_before == survived.digest_after
    with closing(sqlite3.connect(database(disk))) as found:
        assert found.execute("PRAGMA journal_mode").fetchone()[0] == ("wal" if mode == "WAL" else "delete")
    assert [path.name for path in database(disk).parent.iterdir()] == ["people.db"]


@pytest.mark.parametrize("statements", [("DELETE",), ("DELETE", "VACUUM")], ids=["delete", "delete-and-vacuum"])
def test_what_the_engine_does_by_itself_leaves_thousands(disk: Mounted, statements: tuple[str, ...]) -> None:
    """The same reader sees them, so that its silence after a run says something."""
    people.make(database(disk), "DELETE")
    with closing(sqlite3.connect(database(disk), isolation_level=None)) as found:
        found.execute("PRAGMA foreign_keys = ON")
        found.execute("DELETE FROM people WHERE name LIKE 'VCTM%'")
        if "VACUUM" in statements:
            found.execute("VACUUM")
    assert traces(disk) > 1000


def test_a_table_is_dropped_with_its_words(disk: Mounted) -> None:
    """What refers to it goes or is emptied, and an index of words over it holds none of them."""
    people.make(database(disk), "DELETE")
    run = carried_out(order(disk, scope="table", condition=None, parameters=(), least=people.ROWS, most=people.ROWS))
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    assert traces(disk) == 0
    with closing(sqlite3.connect(database(disk))) as found:
        tables = {name for (name,) in found.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        assert "people" not in tables
        assert found.execute("SELECT count(*) FROM visits").fetchone() == (0,)
        assert found.execute("SELECT count(*), count(who) FROM desks").fetchone() == (people.ROWS // 10, 0)


def test_rows_of_an_index_of_words_of_its_own_can_be_ordered(disk: Mounted) -> None:
    """An FTS table is a table to its application."""
    people.make(database(disk), "DELETE")
    word = (text("word", "vctmletter"),)
    with closing(sqlite3.connect(database(disk))) as found, found:
        found.executemany("INSERT INTO letters VALUES (?)", [(f"vctmletter VCTM-body-{at:06d}",) for at in range(50)])
    ordered = order(disk, table="letters", condition="letters MATCH :word", parameters=word, least=50, most=50)
    run = carried_out(ordered)
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    disk.sync()
    assert scan(disk.image, rb"VCTM-body-[0-9]{6}|vctmletter").total == 0
    assert people.survivors(database(disk))[3] == 20


def test_what_stays_and_reads_like_what_went_denies_no_claim(disk: Mounted) -> None:
    """Person 557 went; Person 55 stays, and an index writes its row's number 55 behind it, which is a 7 in ASCII."""
    with closing(sqlite3.connect(database(disk))) as made, made:
        made.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, mail TEXT)")
        made.execute("CREATE INDEX people_name ON people (name)")
        rows = [(one, f"Person {one}", f"p{one}@example.org") for one in range(5000)]
        made.executemany("INSERT INTO people VALUES (?, ?, ?)", rows)
    seven = (Parameter("seven", "integer", ("7",)),)
    run = carried_out(order(disk, condition="id % 10 = :seven", parameters=seven, least=500, most=500))
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    needles = event_of(run, NeedlesRecord)
    assert isinstance(needles, NeedlesRecord)
    assert needles.needles > 800


@contextmanager
def at_work(program: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process works with the database until it is written a line, and for four seconds at most."""
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


WRITER = """
import json, select, sqlite3, sys, time
path, until = sys.argv[1], time.monotonic() + 4
connection = sqlite3.connect(path, timeout=30, isolation_level=None)
connection.execute("CREATE TABLE IF NOT EXISTS log (n INTEGER PRIMARY KEY, word TEXT)")
done, errors, stall = 0, [], 0.0
print("ready", flush=True)
while time.monotonic() < until and not select.select([sys.stdin], [], [], 0)[0]:
    began = time.monotonic()
    try:
        connection.execute("INSERT INTO log (word) VALUES (?)", (f"w{done}",))
        done += 1
        connection.execute("SELECT count(*) FROM people WHERE name LIKE 'KEEP%'").fetchone()
    except sqlite3.Error as error:
        errors.append(str(error))
    stall = max(stall, time.monotonic() - began)
    time.sleep(0.002)
print(json.dumps({"done": done, "errors": errors, "stall": stall}))
"""


def test_others_go_on_with_an_open_database_and_lose_no_commit(disk: Mounted) -> None:
    """Where somebody has the file open, its blocks are written over in place: same file, no error, nothing lost."""
    people.make(database(disk), "DELETE")
    with at_work(WRITER, database(disk)) as writer:
        ordered = order(disk)
        assert ordered.target().preferred is Method.HOLE_FILLING
        run = carried_out(ordered)
        told = json.loads(writer.communicate("\n")[0])
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    assert told["errors"] == []
    with closing(sqlite3.connect(database(disk))) as found:
        assert found.execute("SELECT count(*) FROM log").fetchone() == (told["done"],)
    assert people.survivors(database(disk)) == people.LEFT
    hunted = event_of(run, ResidueHunt)
    assert isinstance(hunted, ResidueHunt)
    assert not [one for one in hunted.hits if one.place in ("engine", "carrier", "engine-log")]
    assert scan(database(disk), people.TRACES).total == 0


READER = """
import json, select, sqlite3, sys, time
path, until = sys.argv[1], time.monotonic() + 4
done, errors = 0, []
print("ready", flush=True)
while time.monotonic() < until and not select.select([sys.stdin], [], [], 0)[0]:
    try:
        with sqlite3.connect(path, timeout=30) as connection:
            connection.execute("SELECT count(*) FROM people WHERE name LIKE 'KEEP%'").fetchone()
            connection.execute("CREATE TABLE IF NOT EXISTS log (n INTEGER PRIMARY KEY)")
            connection.execute("INSERT INTO log DEFAULT VALUES")
        done += 1
        connection.close()
    except sqlite3.Error as error:
        errors.append(str(error))
    time.sleep(0.001)
print(json.dumps({"done": done, "errors": errors}))
"""


def test_whoever_comes_and_waits_meanwhile_goes_on_with_the_database_and_not_with_its_past(disk: Mounted) -> None:
    """Short connections, as of a web service: at every moment one may have the old file open, waiting for the lock."""
    people.make(database(disk), "DELETE")
    with closing(sqlite3.connect(database(disk))) as found:
        found.execute("CREATE TABLE log (n INTEGER PRIMARY KEY)")
    ordered = order(disk)
    target = ordered.target()
    assert target.preferred is Method.COPY_FORWARD
    with at_work(READER, database(disk)) as reader:
        run = carried_out(ordered)
        told = json.loads(reader.communicate("\n")[0])
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    assert told["errors"] == []
    with closing(sqlite3.connect(database(disk))) as found:
        assert found.execute("SELECT count(*) FROM log").fetchone() == (told["done"],)
    assert people.survivors(database(disk)) == people.LEFT
    assert scan(database(disk), people.TRACES).total == 0


def test_whoever_opened_the_old_file_at_the_last_moment_has_it_given_back(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look and the exchange of names somebody may come: the names are changed back, and the blocks
    written over in place."""
    people.make(database(disk), "WAL")
    inode = database(disk).stat().st_ino
    others = sqlite_withdrawal.opened_by
    asked: list[Path] = []

    def opened(request: Request, path: Path) -> tuple[str, ...]:
        if path != database(disk):
            asked.append(path)
        return others(request, path) if path == database(disk) else ("somebody",)

    monkeypatch.setattr(sqlite_withdrawal, "opened_by", opened)
    run = carried_out(order(disk, history=True))
    assert len(asked) == 1
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    assert database(disk).stat().st_ino == inode
    assert people.survivors(database(disk)) == people.LEFT
    assert traces(disk) == 0


def refused(ordered: Ordered) -> str:
    run = CarriedOut(ordered)
    run.go()
    assert isinstance(run.stopped, Refused)
    assert not run.journal.entries
    return run.stopped.reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"condition": "name LIKE :who OR 1"}, "count-outside-order"),
        ({"parameters": (text("who", "VCTM-second-00000%"),)}, "count-outside-order"),
        ({"table": "nobody"}, "condition-wrong"),
        ({"condition": "nobody = :who"}, "condition-wrong"),
        ({"condition": "name LIKE :who AND load_extension('x') IS NULL"}, "condition-wrong"),
        ({"schema": "archive"}, "records-not-offered"),
        ({"table": "notes", "condition": "notes MATCH :who"}, "records-not-offered"),
        ({"table": "notes_data", "condition": "id = :who"}, "records-not-offered"),
        ({"scope": "schema", "table": None, "condition": None, "parameters": ()}, "records-not-offered"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(disk: Mounted, more: dict[str, object], reason: str) -> None:
    """Ten times the rows, one row less, a condition that calls out, an attached database: nothing is touched."""
    people.make(database(disk), "DELETE")
    before = database(disk).read_bytes()
    assert refused(order(disk, **more)) == reason
    assert database(disk).read_bytes() == before


TRAIL = """
CREATE TABLE trail (old TEXT);
CREATE TRIGGER copy AFTER DELETE ON people BEGIN INSERT INTO trail VALUES (old.name); END;
"""


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TABLE bills (who INTEGER REFERENCES people (id)); INSERT INTO bills VALUES (3)", "records-referenced"),
        (
            TRAIL,
            "records-not-offered",
        ),
    ],
    ids=["rows-that-refer", "a-trigger-that-copies"],
)
def test_a_schema_that_would_keep_or_break_something_is_refused(disk: Mounted, statement: str, reason: str) -> None:
    """A trail of deletions would hold what was deleted; a bill would point at nobody."""
    people.make(database(disk), "DELETE")
    with closing(sqlite3.connect(database(disk))) as found:
        found.executescript(statement)
    assert refused(order(disk)) == reason


def test_a_table_dropped_and_created_again_is_another(disk: Mounted) -> None:
    """Between the plan that a person read and the run, somebody put other rows of as many under the same name."""
    people.make(database(disk), "DELETE")
    ordered = order(disk)
    target = ordered.target()
    with closing(sqlite3.connect(database(disk))) as found, found:
        found.execute("CREATE TABLE copy AS SELECT * FROM people")
        found.execute("DROP TABLE people")
        found.execute("ALTER TABLE copy RENAME TO people")
    with (
        pytest.raises(Refused) as caught,
        ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False),
    ):
        pass
    assert caught.value.reason == "identity-changed"


def test_a_reader_in_the_middle_of_something_is_waited_for_so_long_and_no_longer(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run rests with nothing changed, and goes on once the reader has ended."""
    people.make(database(disk), "DELETE")
    ordered = order(disk)
    monkeypatch.setattr("wipers.linux.engines.sqlite_catalog.LOCK_SECONDS", 0.3)
    reader = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN'); "
    reader += "c.execute('SELECT count(*) FROM people').fetchone(); print('ready', flush=True); sys.stdin.readline()"
    command = [sys.executable, "-c", reader, str(database(disk))]
    run = CarriedOut(ordered)
    before = database(disk).read_bytes()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        run.go()
        assert time.monotonic() - began < 60
        process.communicate("\n")
    assert isinstance(run.stopped, Interrupted)
    assert run.stopped.reason == "records-in-use"
    assert database(disk).read_bytes() == before
    run.go()
    assert run.stopped is None
    assert run.claim.outcome is Outcome.PROVEN
    assert people.survivors(database(disk)) == people.LEFT


def test_two_carriers_of_one_database_follow_each_other(disk: Mounted, tmp_path: Path) -> None:
    """An order may name rows of two tables, all found before the first is touched: the second does not take what the
    first did for somebody else's change."""
    people.make(database(disk), "DELETE")
    where = str(database(disk))
    bodies = (text("bodies", "keepword 13", "keepword 14"),)
    first = RecordsSelector(where, (), None, None, "people", "name LIKE :who", WHO, LABEL_KEY)
    second = RecordsSelector(where, (), None, None, "letters", "body IN (:bodies)", bodies, LABEL_KEY)
    site = RealSite(tmp_path / "site")
    one = records_carrier(first, engine="sqlite", scope="rows")
    other = records_carrier(second, engine="sqlite", scope="rows", id="C-2", label="letters")
    done = site.run(site.charge(one, other))
    assert done.returncode == 6, done.stdout
    assert len(site.certificates()) == 2
    assert people.survivors(database(disk))[3] == 18


def test_the_whole_story_of_an_order_for_rows(disk: Mounted, tmp_path: Path) -> None:
    """Planned in words, run by the command, certified, and proven to an auditor who was not there."""
    people.make(database(disk), "DELETE")
    selects = RecordsSelector(str(database(disk)), (), None, None, "people", "name LIKE :who", WHO, LABEL_KEY)
    site = RealSite(tmp_path / "site")
    ordered = records_carrier(selects, engine="sqlite", scope="rows", destroy=("history",))
    charge = site.charge(ordered)
    planned = ended(site.start("plan", str(charge.path)))
    assert planned.returncode == 0, planned.stdout
    for told in ("Rows", "500", "Exclusive lock, expected", "Rows that go by foreign keys", "rewriting of what stays"):
        assert told in planned.stdout
    assert "VCTM" not in planned.stdout
    done = site.run(charge)
    (report,) = site.audited()
    assert done.returncode == 6, done.stdout
    # There is no registry here, and that is all that an auditor finds wanting.
    assert [one.code for one in report.findings if one.leaves is not Verdict.PROVEN] == ["receipt-none"]
    assert traces(disk) == 0
    assert people.survivors(database(disk)) == people.LEFT
    kept = [path for path in site.folder.rglob("*") if path.is_file() and "desk" not in path.parts]
    assert not [path for path in kept if path.suffix in (".records", ".streams") or b"VCTM" in path.read_bytes()]
    shown = ended(site.start("show", str(site.bundles()[0])))
    assert shown.returncode == 0
    assert b"VCTM" not in b"".join(site.entries().values())


def entry_of_withdrawal(site: RealSite) -> int:
    """The place of the entry that says the rows are out, among those that come in every run."""
    lines = (site.folder / "journal" / "00000001.jsonl").read_text(encoding="utf-8").splitlines()
    counted = [line for line in lines if json.loads(line)["event"]["kind"] not in UNMARKED]
    return next(place for place, line in enumerate(counted, start=1) if '"withdrawal"' in line)


def test_what_a_restore_brought_back_is_destroyed_again(disk: Mounted, tmp_path: Path) -> None:
    """Past order and certificate decide: the same rows, nobody else's, with no new approval and no new certificate; a
    second time there is nothing to do, and a bundle whose words were changed repeats nothing."""
    people.make(database(disk), "DELETE", rows=150)
    backup = database(disk).read_bytes()
    selects = RecordsSelector(str(database(disk)), (), None, None, "people", "name LIKE :who", WHO, LABEL_KEY)
    site = RealSite(tmp_path / "site")
    carrier, selector = records_carrier(selects, engine="sqlite", scope="rows")
    charge = site.charge((carrier, selector))
    assert site.run(charge).returncode == 6
    bundle = site.bundles()[0]
    given = ["--key", str(site.key), "--selector", str(charge.path.parent / "C-1.selector.json")]
    nothing = ended(site.start("replay", str(bundle), *given))
    assert (nothing.returncode, "nothing is there again" in nothing.stdout) == (0, True), nothing.stdout
    # Somebody else's rows, under the same name and condition: no restore.
    database(disk).unlink()
    people.make(database(disk), "DELETE", rows=150)
    with closing(sqlite3.connect(database(disk))) as others, others:
        another = "upper(substr(hex(randomblob(9)), 1, 18))"
        others.execute(
            f"UPDATE people SET name = 'VCTM-' || {another}, note = {another}, photo = {another} WHERE id % 3 = 0"
        )
        others.execute(f"UPDATE visits SET what = {another}")
    strange = ended(site.start("replay", str(bundle), "--look", *given))
    assert (strange.returncode, "among the samples" in strange.stdout) == (3, True), strange.stdout
    # A restore: other files, in another folder's inode, with what was destroyed.
    database(disk).unlink()
    database(disk).write_bytes(backup)
    looked = json.loads(ended(site.start("--json", "--quiet", "replay", str(bundle), "--look", *given)).stdout)
    jsonschema.validate(looked, json.loads((SCHEMAS / "replay.schema.json").read_text(encoding="utf-8")))
    assert looked["results"][0]["rows"] == 50
    unconfirmed = ended(site.start("replay", str(bundle), *given))
    assert (unconfirmed.returncode, database(disk).read_bytes() == backup) == (3, True)
    changed = tmp_path / bundle.name
    changed.write_bytes(bundle.read_bytes().replace(b"journal", b"journaL"))
    assert ended(site.start("replay", str(changed), *given, "--confirm", carrier.label)).returncode == 3
    # Killed once the rows are out: what held them must not be forgotten because they are.
    moment = f"entry-{entry_of_withdrawal(site)}"
    cut = site.start("replay", str(bundle), *given, "--confirm", carrier.label, moment=moment)
    assert ended(cut).returncode == -signal.SIGKILL
    assert '"withdrawal"' in (site.folder / "journal" / "00000002.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    done = ended(site.start("replay", str(bundle), *given, "--confirm", carrier.label))
    assert done.returncode == 0, done.stdout
    assert [path.name for path in database(disk).parent.iterdir()] == ["people.db"]
    with closing(sqlite3.connect(database(disk))) as found:
        assert found.execute("SELECT count(*) FROM people WHERE name LIKE 'KEEP%'").fetchone() == (100,)
    assert scan(database(disk), people.TRACES).total == 0
    assert len(site.certificates()) == 1
    told = sorted((site.folder / "journal").glob("*.jsonl"))[-1].read_text(encoding="utf-8")
    assert "replay of run 1, certificate sha256:" in told
    assert "concluded" in told
    # The blast radius counts each: the run, the replay that was cut, and the one that went on.
    assert len(next(site.folder.glob("ledger/*.jsonl")).read_text(encoding="utf-8").splitlines()) == 3
