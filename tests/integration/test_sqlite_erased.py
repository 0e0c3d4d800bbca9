"""A whole SQLite database on a real ext4: nothing of its rows is left in any of its four files' blocks."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import Fact
from tests.support.erasing import Ordered, erase, erase_with, order_database, write_all
from tests.support.ext4_image import Mounted, ext4_image, run
from tests.support.scanner import total_found
from wipers.linux import files, sqlite
from wipers.linux.machine import Machine
from wipers.linux.runstate import Begun
from wipers.model import Target

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NEEDLE = b"NEEDLE-OF-ROWS-c4d1"
ROWS = 2000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with ext4_image(tmp_path) as found:
        (found.root / "data").mkdir()
        yield found


def database(disk: Mounted) -> Path:
    return disk.root / "data" / "registry.db"


def make(disk: Mounted, mode: str, *, close: bool = True) -> Path:
    """A database with an index, rows changed and deleted; in another process, which dies without closing it."""
    path = database(disk)
    child = os.fork()
    if child == 0:
        made = sqlite3.connect(path, isolation_level=None)
        made.execute(f"PRAGMA journal_mode = {mode}")
        made.execute("PRAGMA secure_delete = OFF")
        made.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
        made.execute("CREATE INDEX i ON t (b)")
        rows = [(f"{NEEDLE.decode()}-{number}",) for number in range(2 * ROWS)]
        made.execute("BEGIN")
        made.executemany("INSERT INTO t (b) VALUES (?)", rows)
        made.execute("COMMIT")
        made.execute("UPDATE t SET b = b || '-changed' WHERE a % 5 = 0")
        made.execute("DELETE FROM t WHERE a % 2 = 0")
        if close:
            made.close()
        os._exit(0)
    os.waitpid(child, 0)
    disk.sync()
    return path


def order(disk: Mounted, **limits: int) -> Ordered:
    return order_database(database(disk), disk.image.parent / "state", **limits)


def refused(ordered: Ordered) -> str:
    target = ordered.target()
    with pytest.raises(Refused) as caught, ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False):
        pass
    return caught.value.reason


@pytest.mark.parametrize(
    ("mode", "close", "files"),
    [("WAL", False, 3), ("WAL", True, 1), ("PERSIST", True, 2), ("TRUNCATE", True, 2)],
    ids=["wal-open", "wal-closed", "journal-kept", "journal-emptied"],
)
def test_nothing_is_left_of_the_database(disk: Mounted, mode: str, close: bool, files: int) -> None:
    """Every file that SQLite keeps beside it holds rows too, and goes with it."""
    path = make(disk, mode, close=close)
    assert total_found(disk.image, [NEEDLE]) > ROWS
    ordered = order(disk, least=ROWS, most=ROWS)
    target = ordered.target()
    assert (target.kind, target.objects, target.obstacles) == ("database", files, ())
    assert target.facts[1] == Fact("inode", str(path.stat().st_ino))
    left_elsewhere = _in_free_blocks(disk)
    erased = erase(ordered)
    disk.sync()
    assert (erased.readback.matched, erased.names) == (target.size, files)
    assert list((disk.root / "data").iterdir()) == []
    assert total_found(disk.image, [NEEDLE]) == left_elsewhere


def _in_free_blocks(disk: Mounted) -> int:
    """Rows that earlier journals left in blocks which belong to no file any more: residual, not the target's."""
    image = bytearray(disk.image.read_bytes())
    for path in (disk.root / "data").iterdir():
        for row in run("filefrag", "-e", "-b1", path).splitlines():
            cells = row.replace(":", " ").replace("..", " ").split()
            if cells and cells[0].isdigit():
                begin, length = int(cells[3]), int(cells[5])
                image[begin : begin + length] = bytes(length)
    return image.count(NEEDLE)


def test_finding_changes_nothing(disk: Mounted) -> None:
    """SQLite itself would make, empty or remove the files beside it; looking must not."""
    make(disk, "WAL", close=False)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (disk.root / "data").iterdir()}
    order(disk).target()
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in (disk.root / "data").iterdir()} == before


def test_the_identity_survives_the_name(disk: Mounted) -> None:
    """The certificate compares identity before and after; the file is unlinked in between, and still held."""
    make(disk, "WAL", close=False)
    ordered = order(disk)
    target = ordered.target()
    with ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False) as writer:
        before = writer.facts()
        erase_with(writer)
        assert writer.facts() == before == target.facts


@pytest.mark.parametrize(("least", "most"), [(0, ROWS - 1), (ROWS + 1, 10**6)])
def test_more_or_fewer_rows_than_ordered_are_refused(disk: Mounted, least: int, most: int) -> None:
    """Then it is not the database that the approvers had in mind."""
    make(disk, "WAL", close=False)
    ordered = order(disk, least=least, most=most)
    assert ordered.reasons() == {"count-outside-order"}
    assert refused(ordered) == "count-outside-order"


def test_a_file_that_is_no_database_is_refused(disk: Mounted) -> None:
    """The path may be wrong."""
    database(disk).write_bytes(b"SQLite is mentioned here, but this is a letter.\n" * 100)
    ordered = order(disk)
    assert ordered.reasons() == {"not-a-database"}
    assert refused(ordered) == "not-a-database"


def test_an_unfinished_transaction_is_refused(disk: Mounted) -> None:
    """Its application can finish or take it back; we cannot say which rows there are."""
    path = make(disk, "DELETE")
    child = os.fork()
    if child == 0:
        found = sqlite3.connect(path, isolation_level=None)
        found.execute("PRAGMA cache_size = 5")
        found.execute("BEGIN")
        found.execute("UPDATE t SET b = b || 'x'")
        os._exit(0)
    os.waitpid(child, 0)
    assert order(disk).reasons() == {"database-unfinished"}


CONNECTS = """
import sqlite3, sys
found = sqlite3.connect(sys.argv[1], isolation_level=None)
found.execute(sys.argv[2]).fetchone()
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("does", ["SELECT count(*) FROM t", "BEGIN IMMEDIATE"])
def test_a_connection_of_another_process_is_refused_and_named(disk: Mounted, mode: str, does: str) -> None:
    """It would write its pages back, or lose what its user just saved."""
    path = make(disk, mode)
    command = [sys.executable, "-c", CONNECTS, str(path), does]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        ordered = order(disk)
        assert ordered.reasons() == {"in-use"}
        assert any(f"process {other.pid} " in dict(one.facts)["by"] for one in ordered.target().obstacles)
        assert refused(ordered) == "in-use"
        other.communicate()
    assert order(disk).reasons() == set()


def test_nobody_connects_while_it_is_held(disk: Mounted) -> None:
    """SQLite's own locks keep every other connection out, whatever this process opens and closes meanwhile."""
    path = make(disk, "WAL")
    ordered = order(disk)
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False):
        os.close(os.open(path, os.O_RDWR))
        for statement in ("SELECT count(*) FROM t", "INSERT INTO t (b) VALUES (1)"):
            with (
                closing(sqlite3.connect(path, timeout=0)) as other,
                pytest.raises(sqlite3.OperationalError, match="lock"),
            ):
                other.execute(statement)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM t").fetchone() == (ROWS,)


def test_another_file_under_the_name_is_not_found(disk: Mounted) -> None:
    """SQLite has no system id: the inode is what tells a database from its copy."""
    path = make(disk, "WAL")
    ordered = order(disk)
    copy = path.read_bytes()
    path.rename(disk.root / "moved.db")
    path.write_bytes(copy)
    assert ordered.find() == ()


def test_a_file_that_took_the_name_while_it_was_opened_is_refused(
    disk: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The locks would be on one file, and the passes on another."""
    make(disk, "DELETE")
    ordered = order(disk)
    other = database(disk).with_name("other")
    other.write_bytes(database(disk).read_bytes())
    disk.sync()
    begin = files.begin

    def swapped(root: int, names: tuple[str, ...], target: Target, machine: Machine, *, is_held: bool) -> Begun:
        other.rename(database(disk))
        return begin(root, names, target, machine, is_held=is_held)

    monkeypatch.setattr(sqlite, "begin", swapped)
    assert refused(ordered) == "identity-changed"


def test_a_link_to_a_database_is_not_found(disk: Mounted) -> None:
    """The order names the file, not a way to it."""
    path = make(disk, "WAL")
    ordered = order(disk)
    path.rename(disk.root / "moved.db")
    path.symlink_to(disk.root / "moved.db")
    assert ordered.find() == ()


def test_a_second_name_is_refused(disk: Mounted) -> None:
    """The rows would stay under it."""
    path = make(disk, "WAL")
    os.link(path, disk.root / "second.db")
    assert order(disk).reasons() == {"hard-links-outside"}


def test_a_run_cut_after_the_header_went_is_finished(disk: Mounted) -> None:
    """It is no database any more, and still the one that the run began with."""
    make(disk, "WAL", close=False)
    ordered = order(disk, least=ROWS, most=ROWS)
    target = ordered.target()
    with ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False) as writer:
        write_all(writer)
    again = ordered.target()
    assert (again.size, again.objects, again.facts, again.obstacles) == (target.size, 3, target.facts, ())
    with ordered.host.open(again, ordered.carrier, ordered.selector, resuming=True) as writer:
        erased = erase_with(writer)
        assert writer.facts() == target.facts
    assert (erased.readback.matched, erased.names) == (target.size, 3)
    assert list((disk.root / "data").iterdir()) == []


def test_a_run_cut_after_its_release_still_says_what_it_was(disk: Mounted) -> None:
    """Nothing is left to look at; what the run kept of itself must do."""
    make(disk, "WAL", close=False)
    ordered = order(disk)
    target = ordered.target()
    try:
        with ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False) as writer:
            erase_with(writer)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    again = ordered.target()
    assert (again.size, again.objects, again.facts, again.obstacles) == (target.size, 3, target.facts, ())
    with ordered.host.open(again, ordered.carrier, ordered.selector, resuming=True) as writer:
        assert writer.release() == 3
        assert writer.facts() == target.facts
    assert ordered.find() == ()
