"""The new file that samples of a SQLite database are told apart by is the one that takes its place, unless anything has
changed since: then it is written anew, and nothing of what others did is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from certificates.errors import Interrupted
from certificates.statements import NeedlesRecord
from tests.support import people
from tests.support.carrying_out import CarriedOut
from tests.support.ext4_image import Mounted
from tests.support.people_disk import carried_out, check_proven, database, order_people, people_disk
from wipers.linux.engines import sqlite, sqlite_ahead, sqlite_kept, sqlite_rewrite, sqlite_withdrawal

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS, GONE = 60, 20
STAY = ROWS - GONE
MODES = ("PERSIST", "WAL")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with people_disk(tmp_path, size=8 << 20) as found:
        yield found


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every new file that is written, with its mode as others would see it."""
    found: list[Path] = []
    write = sqlite_rewrite.write_new

    def wrote(connection: sqlite3.Connection, new: Path) -> None:
        write(connection, new)
        assert stat.S_IMODE(new.stat().st_mode) == 0o600
        found.append(new)

    monkeypatch.setattr(sqlite_ahead, "write_new", wrote)
    monkeypatch.setattr(sqlite_withdrawal, "write_new", wrote)
    return found


def between(monkeypatch: pytest.MonkeyPatch, does: Callable[[sqlite.Session], object]) -> None:
    """Something happens after the samples were taken and before anything is taken out."""
    withdraw = sqlite.Session.withdraw

    def late(self: sqlite.Session, *given: object) -> object:
        does(self)
        return withdraw(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite.Session, "withdraw", late)


def by_somebody_else(path: Path, *statements: str) -> None:
    """Another process does it, and is gone."""
    does = "import sqlite3, sys; made = sqlite3.connect(sys.argv[1]); [made.execute(one) for one in sys.argv[2:]]; "
    command = [sys.executable, "-c", f"{does} made.commit(); made.close()", str(path), *statements]
    subprocess.run(command, check=True)


def check_clean(run: CarriedOut, disk: Mounted) -> None:
    """Nothing stands beside the database any more, and this process keeps nothing."""
    run.ordered.host.forget(run.ordered.carrier)
    assert [one.name for one in database(disk).parent.iterdir()] == ["people.db"]
    assert not sqlite_kept._KEPT


@pytest.mark.parametrize("mode", MODES)
def test_what_samples_were_told_apart_by_takes_the_place_of_the_database(
    disk: Mounted, written: list[Path], mode: str
) -> None:
    """One copy, one new file, one sum: a second of each was half of a run."""
    people.make(database(disk), mode, rows=ROWS)
    run = carried_out(disk, GONE)
    assert len(written) == 1
    check_proven(run, disk, STAY)
    check_clean(run, disk)
    sampled = next(one for one in run.records if isinstance(one, NeedlesRecord))
    assert sampled.needles > GONE


CHANGES = (
    "INSERT INTO people (name, note) VALUES ('KEEP-late', 'keepwordlate')",
    "PRAGMA user_version = 7",
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("change", CHANGES)
def test_what_others_commit_after_the_samples_is_not_lost(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, written: list[Path], mode: str, change: str
) -> None:
    """Also what no comparison of rows would show, as the application's own number of its schema."""
    people.make(database(disk), mode, rows=ROWS)
    between(monkeypatch, lambda _: by_somebody_else(database(disk), change))
    run = carried_out(disk, GONE)
    assert len(written) == 2
    check_proven(run, disk, STAY + change.startswith("INSERT"))
    check_clean(run, disk)
    with closing(sqlite3.connect(database(disk))) as found:
        assert found.execute("PRAGMA user_version").fetchone() == (7 * change.startswith("PRAGMA"),)
        late = found.execute("SELECT count(*) FROM notes WHERE notes MATCH 'keepwordlate'").fetchone()
        assert late == (int(change.startswith("INSERT")),)


@pytest.mark.parametrize("mode", MODES)
def test_another_file_that_took_the_name_after_the_samples_is_let_be(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """It reads the same and nobody wrote to the one that was sampled, but it is another's."""
    people.make(database(disk), mode, rows=ROWS)

    def exchanged(_: sqlite.Session) -> None:
        shutil.copyfile(database(disk), f"{database(disk)}.other")
        os.replace(f"{database(disk)}.other", database(disk))

    between(monkeypatch, exchanged)
    before = database(disk).read_bytes()
    run = carried_out(disk, GONE)
    assert isinstance(run.stopped, Interrupted)
    assert run.stopped.reason == "records-changed"
    assert database(disk).read_bytes() == before


def test_a_new_file_that_is_not_what_was_proven_is_not_used(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, written: list[Path]
) -> None:
    """Whoever is root may have changed it; its bytes were proven, not its name."""
    people.make(database(disk), "PERSIST", rows=ROWS)
    between(monkeypatch, lambda _: by_somebody_else(written[0], "DELETE FROM people WHERE id = 1"))
    run = carried_out(disk, GONE)
    assert len(written) == 2
    check_proven(run, disk, STAY)
    check_clean(run, disk)


def test_a_lock_on_a_log_that_was_let_go_of_is_noticed(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, written: list[Path]
) -> None:
    """Closing any descriptor of a file lets go of all of a process's locks on it. Others may then remove the log that
    the kept connection goes on looking at: it would never see what they wrote."""
    people.make(database(disk), "WAL", rows=ROWS)

    def let_go(_: sqlite.Session) -> None:
        os.close(os.open(database(disk), os.O_RDONLY))
        # The first removes the log and its index as it leaves, the second makes others.
        by_somebody_else(database(disk), "SELECT 1 FROM people")
        by_somebody_else(database(disk), CHANGES[0])

    between(monkeypatch, let_go)
    run = carried_out(disk, GONE)
    assert len(written) == 2
    check_proven(run, disk, STAY + 1)
    check_clean(run, disk)


@pytest.mark.parametrize("mode", MODES)
def test_who_writes_to_a_log_while_samples_are_taken_loses_nothing(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A log keeps nobody from writing: the copy has what its first reader has not seen. All others wait."""
    people.make(database(disk), mode, rows=ROWS)
    copied, told = sqlite_ahead.copied, [0]

    def late(connection: sqlite3.Connection, *, with_keys: bool) -> object:
        if not told[0]:
            told[0] = 1
            try:
                by_somebody_else(database(disk), "PRAGMA busy_timeout = 0", CHANGES[0])
            except subprocess.CalledProcessError:
                told[0] = 2
        return copied(connection, with_keys=with_keys)

    monkeypatch.setattr(sqlite_ahead, "copied", late)
    run = carried_out(disk, GONE)
    check_proven(run, disk, STAY + (mode == "WAL"))
    check_clean(run, disk)
    assert told == [1 if mode == "WAL" else 2]


@pytest.mark.parametrize("mode", MODES)
def test_a_run_that_rests_after_its_samples_leaves_nothing_beside_the_database(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch, written: list[Path], mode: str
) -> None:
    """What stays is in the new file: it is gone with the session, and written again by the resumed run."""
    people.make(database(disk), mode, rows=ROWS)
    with monkeypatch.context() as patched:
        patched.setattr(sqlite_withdrawal.Withdrawal, "_withdraw", _fails)
        run = carried_out(disk, GONE)
    assert isinstance(run.stopped, Interrupted)
    assert len(written) == 1
    assert not written[0].exists()
    assert not sqlite_kept._KEPT
    run.go()
    check_proven(run, disk, STAY)
    check_clean(run, disk)


def _fails(_: object) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def test_a_disk_that_fills_up_at_the_samples_stops_the_run_with_nothing_changed(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room for the new file is needed earlier than the rows go."""
    people.make(database(disk), "PERSIST", rows=ROWS)
    before = database(disk).read_bytes()

    def full(connection: sqlite3.Connection, new: Path) -> None:
        new.write_bytes(b"half a file")
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_ahead, "write_new", full)
        run = carried_out(disk, GONE)
    assert isinstance(run.stopped, Interrupted)
    assert database(disk).read_bytes() == before
    assert not list(database(disk).parent.rglob("new*"))
    run.go()
    check_proven(run, disk, STAY)
    check_clean(run, disk)


@pytest.mark.parametrize("mode", MODES)
def test_two_carriers_of_one_database_do_not_stand_in_each_other_s_way(disk: Mounted, mode: str) -> None:
    """Both have taken samples, and kept the database open, before the first takes anything out."""
    people.make(database(disk), mode, rows=ROWS)
    orders = (
        order_people(disk, ROWS // 6, condition="name LIKE :who AND id % 2 = 0"),
        order_people(disk, ROWS // 6, condition="name LIKE :who AND id % 2 = 1"),
    )
    runs = tuple(map(CarriedOut, orders))
    assert runs[0].ordered.carrier != runs[1].ordered.carrier
    met = threading.Barrier(2, timeout=60)
    withdraw = sqlite.Session.withdraw

    def together(self: sqlite.Session, *given: object) -> object:
        met.wait()
        return withdraw(self, *given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sqlite.Session, "withdraw", together)
        with ThreadPoolExecutor(2) as team:
            for going in [team.submit(one.go) for one in runs]:
                going.result()
    assert [one.stopped for one in runs] == [None, None]
    with closing(sqlite3.connect(database(disk))) as found:
        assert found.execute("SELECT count(*) FROM people").fetchone() == (ROWS - GONE,)
    for one in runs:
        one.ordered.host.forget(one.ordered.carrier)
    check_clean(runs[0], disk)
