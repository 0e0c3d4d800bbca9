"""A SQLite database made, or meddled with, so that a run would take more or less than was ordered."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent.records_form import measure_records
from certificates.errors import Interrupted, Refused
from certificates.statements import Parameter, Scope
from tests.support.carrying_out import CarriedOut
from tests.support.ext4_image import Mounted, ext4_image
from tests.support.records_ordered import order_records
from tests.support.withdrawing import Asked, ask, destroy_held, withdraw
from wipers.linux.engines import sqlite_catalog, sqlite_rewrite, sqlite_withdrawal
from wipers.linux.held import Held
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS, GONE = 60, 20
DOCS = (
    "CREATE TABLE docs (id INTEGER PRIMARY KEY, tenant INTEGER, body TEXT);"
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)"
    " INSERT INTO docs SELECT i, i % 3, iif(i % 3, 'plain', 'secretword') || i FROM n;"
)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with ext4_image(tmp_path_factory.mktemp("attacked"), size=24 << 20) as found:
        yield found


@pytest.fixture
def folder(disk: Mounted) -> Path:
    return Path(tempfile.mkdtemp(dir=disk.root))


def make(folder: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(folder / "crm.db", isolation_level=None)) as made:
        made.executescript(DOCS)
        for one in statements:
            made.execute(one)
    return folder / "crm.db"


def number(path: Path, statement: str) -> int:
    with closing(sqlite3.connect(path)) as found:
        return int(found.execute(statement).fetchone()[0])


def order(path: Path, state: Path, condition: str | None = "tenant = 0", *parameters: Parameter) -> Asked:
    scope = "rows" if condition is not None else "table"
    wanted = {"scope": scope, "database": "main", "table": "docs", "condition": condition, "parameters": parameters}
    return ask("sqlite", path, state, **wanted, least=1, most=ROWS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "made",
    [
        "words\nUSING\nfts5(body, content=docs, content_rowid=id)",
        "words USING/* fts9( */\"fts5\"(body, content='docs', content_rowid='id')",
        '"a using b" USING fts5(body, content=[DOCS], content_rowid=id)',
        "words USING fts5(body, tokenize=\"unicode61 tokenchars ',=content='\", cont=docs, content_rowid=id)",
        "words\tUSING fts4(content=docs, body)",
    ],
)
@pytest.mark.parametrize("scope", ["rows", "table"])
def test_an_index_of_words_is_known_however_it_is_spelled(folder: Path, tmp_path: Path, made: str, scope: str) -> None:
    """One that is not known keeps the words of rows that went, and no sample of a whole value finds single words."""
    name = '"a using b"' if made.startswith('"') else "words"
    path = make(folder, f"CREATE VIRTUAL TABLE {made}", f"INSERT INTO {name} ({name}) VALUES ('rebuild')")
    asked = order(path, tmp_path, "tenant = 0" if scope == "rows" else None)
    if scope == "table" and "fts4" in made:
        with pytest.raises(Refused, match="before FTS5"):
            withdraw(asked)
        return
    done = withdraw(asked)
    destroy_held(asked)
    assert done.rows == (GONE if scope == "rows" else ROWS)
    assert done.before == done.after
    assert b"ecretword" not in path.read_bytes()


def test_a_trigger_that_takes_rows_of_an_index_with_contents_of_its_own_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    """Those are rows that nobody ordered: nineteen of them went."""
    path = make(
        folder,
        "CREATE VIRTUAL TABLE notes USING fts5(note)",
        "INSERT INTO notes (rowid, note) SELECT id, 'note ' || id FROM docs",
        "CREATE TRIGGER more AFTER DELETE ON docs BEGIN DELETE FROM notes WHERE rowid = old.id + 1; END",
    )
    with pytest.raises(Refused, match="takes from another table"):
        withdraw(order(path, tmp_path))
    assert number(path, "SELECT count(*) FROM notes") == ROWS


def test_a_reference_that_is_emptied_and_that_others_refer_to_is_refused(folder: Path, tmp_path: Path) -> None:
    """They would be changed too, by ON UPDATE, and nobody counted them."""
    path = make(
        folder,
        "CREATE TABLE a (id INTEGER PRIMARY KEY, doc INTEGER UNIQUE REFERENCES docs (id) ON DELETE SET NULL)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, doc INTEGER REFERENCES a (doc) ON UPDATE CASCADE)",
        "INSERT INTO a SELECT id, id FROM docs",
        "INSERT INTO b SELECT id, id FROM docs",
    )
    with pytest.raises(Refused, match="others refer to"):
        withdraw(order(path, tmp_path))
    assert number(path, "SELECT count(doc) FROM b") == ROWS


@pytest.mark.parametrize("value", ["9223372036854775808", "-9223372036854775809", "9" * 40])
def test_a_number_that_the_engine_has_no_room_for_is_refused(folder: Path, tmp_path: Path, value: str) -> None:
    """It ended as a bug."""
    path = make(folder)
    with pytest.raises(Refused, match="64 bits"):
        withdraw(order(path, tmp_path, "tenant = :k", Parameter("k", "integer", (value,))))


def test_a_directory_that_took_the_place_of_the_held_files_is_not_written_over(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application's user cannot remove what root keeps in that user's directory, but can rename it."""
    path = make(folder)
    important = folder / "important"
    important.mkdir()
    (important / "ledger").write_text("nobody ordered this")
    real = Held.linked_elsewhere

    def swapped(held: Held) -> tuple[str, ...]:
        found = real(held)
        assert held.path is not None
        held.path.rename(folder / "aside")
        important.rename(held.path)
        return found

    monkeypatch.setattr(Held, "linked_elsewhere", swapped)
    run = CarriedOut(
        order_records("sqlite", path, tmp_path, table="docs", condition="tenant = 0", least=GONE, most=GONE)
    )
    run.go()
    assert isinstance(run.stopped, Interrupted)
    assert run.stopped.reason == "target-lost"
    (left,) = folder.glob(".expunge-*/ledger")
    assert left.read_text() == "nobody ordered this"


def swap(one: Path, other: Path) -> None:
    """Two names change places in one step, as whoever owns their directory may have them do."""
    sqlite_rewrite.swap(one, other)


@pytest.mark.parametrize("is_ahead", [True, False])
def test_another_database_that_the_name_leads_to_for_a_moment_loses_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_ahead: bool
) -> None:
    """SQLite follows links: the lock tells which file its connection has open."""
    path = make(folder)
    (folder / "other").mkdir()
    other = make(folder / "other")
    (folder / "link").symlink_to(other)
    real = sqlite_catalog.connected

    @contextmanager
    def elsewhere(at: Path, mode: str) -> Iterator[sqlite3.Connection]:
        is_meant = (at, mode) == (path, "rw")
        if is_meant:
            swap(path, folder / "link")
        with real(at, mode) as connection:
            connection.execute("PRAGMA schema_version").fetchall()
            if is_meant:
                swap(path, folder / "link")
            yield connection

    monkeypatch.setattr(sqlite_withdrawal, "connected", elsewhere)
    if not is_ahead:
        monkeypatch.setattr(sqlite_withdrawal, "write_ahead", lambda *_, **__: None)
    with pytest.raises(Lost, match="records-in-use"):
        withdraw(order(path, tmp_path))
    assert (number(other, "SELECT count(*) FROM docs"), number(path, "SELECT count(*) FROM docs")) == (ROWS, ROWS)


def test_in_the_applications_own_directory_nothing_stands_that_it_could_swap(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a link in the place of the new file had root give away what it leads to."""
    os.chown(folder, 1000, 1000)
    path = make(folder)
    os.chown(path, 1000, 1000)
    seen: list[Path] = []
    real = sqlite_rewrite.make_alike

    def alike(old: Path, new: Path) -> None:
        seen.append(new.parent)
        real(old, new)

    monkeypatch.setattr(sqlite_withdrawal, "make_alike", alike)
    done = withdraw(asked := order(path, tmp_path))
    destroy_held(asked)
    assert (done.rows, done.before) == (GONE, done.after)
    assert [one.parent for one in seen] == [folder.parent]
    assert path.stat().st_uid == 1000


def test_a_new_file_that_is_a_link_is_given_to_nobody(folder: Path) -> None:
    """Whoever can put one there has root change the owner of any file."""
    path = make(folder)
    os.chown(path, 1000, 1000)
    (folder / "precious").touch(mode=0o600)
    (folder / "new").symlink_to(folder / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        sqlite_rewrite.make_alike(path, folder / "new")
    assert (folder / "precious").stat().st_uid == 0


def test_a_database_that_is_a_mount_itself_is_left_alone(folder: Path, tmp_path: Path) -> None:
    """Containers are given single files so; nothing can take their place."""
    (folder / "inside").mkdir()
    inner = folder / "inside" / "crm.db"
    inner.touch()
    path = make(folder)
    subprocess.run(["mount", "--bind", path, inner], check=True)
    try:
        run = CarriedOut(
            order_records("sqlite", inner, tmp_path, table="docs", condition="tenant = 0", least=GONE, most=GONE)
        )
        run.go()
        assert isinstance(run.stopped, Interrupted | Refused)
        assert number(inner, "SELECT count(*) FROM docs WHERE tenant") == ROWS - GONE
    finally:
        subprocess.run(["umount", inner], check=True)


@pytest.mark.parametrize(
    ("scope", "table", "condition", "told"),
    [
        ("table", "docs", "tenant = 0", "would go whole"),
        ("database", None, "tenant = 0", "would go whole"),
        ("database", "docs", None, "a table, and the database is ordered"),
        ("rows", "docs", None, "no condition says which"),
        ("table", None, None, "none is named"),
    ],
)
def test_an_order_whose_condition_is_less_than_its_scope_is_refused(
    folder: Path, tmp_path: Path, scope: Scope, table: str | None, condition: str | None, told: str
) -> None:
    """Who approved it read the condition, and everything would have gone."""
    path = make(folder)
    ordered = order_records("sqlite", path, tmp_path, table=table, condition=condition, scope=scope)
    with pytest.raises(Refused, match=told):
        ordered.find()
    selects = {"where": str(path), "table": table, "condition": condition, "connect": (), "parameters": ()}
    with pytest.raises(Refused, match=told):
        measure_records(
            {"engine": "sqlite", "scope": scope},
            {name: value for name, value in selects.items() if value is not None},
            "C-1",
        )
    assert number(path, "SELECT count(*) FROM docs") == ROWS


@pytest.mark.parametrize("port", ["abc", "99999", "0", "-1", "\u0663", "9" * 1999])
@pytest.mark.parametrize("engine", ["redis", "mariadb", "postgresql"])
def test_a_port_that_is_none_is_refused(engine: str, port: str, tmp_path: Path) -> None:
    """It ended as a bug."""
    selects = {"where": str(tmp_path), "table": "docs", "condition": "a", "parameters": ()}
    connect = ({"name": "host", "value": "127.0.0.1"}, {"name": "port", "value": port})
    with pytest.raises(Refused) as refused:
        measure_records({"engine": engine, "scope": "rows"}, selects | {"connect": connect}, "C-1")
    assert refused.value.reason == "connect-wrong"


def test_nothing_takes_the_place_of_a_file_whose_rows_it_does_not_hold(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It did, and the certificate said afterwards that a row was lost."""
    path = make(folder)
    monkeypatch.setattr(sqlite_withdrawal, "write_ahead", lambda *_, **__: None)

    def losing(connection: sqlite3.Connection, new: Path) -> None:
        sqlite_rewrite.write_new(connection, new)
        with closing(sqlite3.connect(new)) as made, made:
            made.execute("DELETE FROM docs WHERE id = 1")

    monkeypatch.setattr(sqlite_withdrawal, "write_new", losing)
    with pytest.raises(Lost, match="engine-failed"):
        withdraw(asked := order(path, tmp_path))
    assert number(path, "SELECT count(*) FROM docs WHERE tenant") == ROWS - GONE
    monkeypatch.undo()
    done = withdraw(asked, resuming=True)
    assert (done.rows, done.before) == (GONE, done.after)


def test_a_lock_or_damage_that_is_met_while_samples_are_taken_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order was spent by then, and it ended as a bug."""
    path = make(folder)
    asked = order(path, tmp_path)
    found = asked.engine.look(asked.request)
    assert found is not None
    monkeypatch.setattr(sqlite_catalog, "LOCK_SECONDS", 0.1)
    with asked.engine.open(asked.request, found.facts, False) as session:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(Lost, match="records-in-use"):
                list(session.values(100))
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(bytes(range(256)) * 16)
        with pytest.raises((Lost, Refused)):
            list(session.values(100))


def test_a_schema_that_was_damaged_into_no_letters_is_told(folder: Path, tmp_path: Path) -> None:
    """SQLite repeats the letters in what it says of it: that was no text, and ended as a bug."""
    path = make(folder)
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE docs", b"CREATE \xaeABLE docs"))
    assert order(path, tmp_path).reasons() == {"database-unreadable"}


def damaged(path: Path) -> None:
    """Every page but the schema's is noise."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(range(256)) * ((path.stat().st_size - 4096) // 256))


def test_damage_is_told_as_damage_and_not_as_a_wrong_condition(folder: Path, tmp_path: Path) -> None:
    """Who reads that the condition is wrong corrects the order, and orders the next damaged database."""
    path = make(folder)
    damaged(path)
    assert order(path, tmp_path).reasons() == {"database-unreadable"}


def test_a_check_that_meets_a_lock_is_no_finding_of_damage(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate would say that what stays was harmed; a resume checks again."""
    monkeypatch.setattr(sqlite_catalog, "LOCK_SECONDS", 0.1)
    path = make(folder)
    asked = order(path, tmp_path)
    found = asked.engine.look(asked.request)
    assert found is not None
    with asked.engine.open(asked.request, found.facts, False) as session:
        assert session.check() == ("PRAGMA quick_check", True)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(Lost) as lost:
                session.check()
        assert lost.value.reason == "records-in-use"
        damaged(path)
        assert session.check() == ("PRAGMA quick_check", False)
