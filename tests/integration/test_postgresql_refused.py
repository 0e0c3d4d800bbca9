"""What stands in the way of taking records out of a PostgreSQL server: found and named before anything is touched."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from certificates.errors import Refused
from certificates.selectors import commitment
from certificates.statements import Fact, KnownCopy, Method, RecordsIdentity
from tests.support.real_site import Charge, RealSite, records_carrier
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import USER, PostgreSQL, beginning, own, postgresql, standby
from tests.support.servers.postgresql_standby_cut import wait_for
from tests.support.servers.postgresql_story import Story, withdraw
from tests.support.withdrawing import Asked, Told
from wipers.linux.engines import (
    postgresql_checks,
    postgresql_files,
    postgresql_obstacles,
    postgresql_rewrite,
    postgresql_server,
    postgresql_withdraw,
)
from wipers.linux.engines.postgresql import Opened
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    folder = tmp_path_factory.mktemp("postgresql-refused")
    with (
        disk_for_a_server(192 << 20) as disk,
        postgresql(disk.root, archive_mode="on", archive_command="'true --key=of-an-archive'") as found,
    ):
        story = Story(found, "people", folder / "state")
        story.fill(90)
        yield found


@pytest.fixture
def story(server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setattr(postgresql_obstacles, "LONG_SECONDS", 0)
    return Story(server, "people", tmp_path)


@pytest.fixture
def site(tmp_path: Path) -> RealSite:
    return RealSite(tmp_path / "site")


@contextmanager
def refusing(reason: str) -> Iterator[pytest.ExceptionInfo[Refused]]:
    """What is done inside is refused for that reason."""
    with pytest.raises(Refused) as caught:
        yield caught
    assert caught.value.reason == reason


def asked_of(story: Story) -> Asked:
    return story.ask(most=30)


def ordered(story: Story, site: RealSite, table: str = "docs", *, where: Path | None = None) -> Charge:
    """An approved order, measured now, for every third row of a table; perhaps with the files of another server."""
    selects = story.ask(table=table).request.selects
    copies = (KnownCopy("archive", None), KnownCopy("replica", None), KnownCopy("slot", None))
    carrier, selector = records_carrier(selects, engine="postgresql", scope="rows", database="postgres", copies=copies)
    if where is not None:
        assert isinstance(carrier.identity, RecordsIdentity)
        assert carrier.selector is not None
        selector = replace(selector, selects=replace(selects, where=str(where)))
        identity = replace(carrier.identity, inode=where.stat().st_ino)
        bound = replace(carrier.selector, commitment=commitment(selector))
        carrier = replace(carrier, identity=identity, selector=bound)
    return site.charge((carrier, selector))


def check_refused(site: RealSite, charge: Charge, told: str) -> None:
    """The command `run` says why, ends with exit 3, and there is no certificate."""
    done = site.run(charge)
    assert (done.returncode, told in done.stdout) == (3, True), done.stdout
    assert not site.certificates()


def test_nothing_stands_in_the_way(story: Story) -> None:
    """The tests below show something only because of this one."""
    assert asked_of(story).reasons() == set()


def test_a_transaction_that_still_sees_the_rows_is_named(story: Story, site: RealSite) -> None:
    """A rewrite would carry every dead row along for it. The command asks for one of five seconds."""
    with story.server.connect() as old:
        # Whatever it calls itself.
        old.execute("SET application_name = 'expunge'")
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT 1")
        assert asked_of(story).reasons() == {"records-snapshot"}
        old.execute("SELECT pg_sleep(5)")
        check_refused(site, ordered(story, site), "a transaction")
        old.execute("ROLLBACK")


def test_a_prepared_transaction_is_named(story: Story) -> None:
    """Nobody waits for it, and it holds its horizon through every restart."""
    story.do("BEGIN", "CREATE TABLE waiting (n int)", "PREPARE TRANSACTION 'waiting'")
    try:
        assert asked_of(story).reasons() == {"records-snapshot"}
    finally:
        story.do("ROLLBACK PREPARED 'waiting'")


def test_a_slot_that_nobody_reads_is_named(story: Story, site: RealSite) -> None:
    """It keeps the log, and with it what every change wrote there."""
    story.do("SELECT pg_create_logical_replication_slot('stuck', 'pgoutput')")
    try:
        found = asked_of(story)
        assert found.reasons() == {"records-snapshot"}
        look = found.engine.look(found.request)
        assert look is not None
        # A base backup of a test before this one may be noted there still.
        assert {(one.what, one.place) for one in look.copies if one.what != "backup"} == {
            ("slot", "stuck"),
            ("archive", "true"),
        }
        check_refused(site, ordered(story, site), "stuck")
    finally:
        story.do("SELECT pg_drop_replication_slot('stuck')")


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE TRIGGER holds BEFORE DELETE ON {} FOR EACH ROW EXECUTE FUNCTION holds()", "trigger"),
        ("CREATE TRIGGER holds AFTER DELETE ON {} FOR EACH STATEMENT EXECUTE FUNCTION holds()", "trigger"),
        ("CREATE RULE holds AS ON DELETE TO {} DO ALSO INSERT INTO kept VALUES (OLD.note)", "rule"),
    ],
)
@pytest.mark.parametrize("table", ["held", "under"])
def test_what_acts_when_rows_are_deleted_is_named(story: Story, table: str, made: str, named: str) -> None:
    """It kept half of the rows, took others along or wrote them elsewhere, and the sums that were compared told nothing
    of it. Behind a foreign key likewise."""
    story.do("CREATE FUNCTION holds() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    story.do(
        "CREATE TABLE kept (note text)",
        "CREATE TABLE held (id int PRIMARY KEY, who text, note text)",
        "CREATE TABLE under (id int REFERENCES held ON DELETE CASCADE, note text)",
        "INSERT INTO held SELECT id, who, who FROM docs",
        "INSERT INTO under SELECT id, who FROM docs",
    )
    try:
        asked = story.ask(table="held", most=30)
        look = asked.engine.look(asked.request)
        assert look is not None
        assert look.obstacles == ()
        story.do(made.format(table))
        found = asked.engine.look(asked.request)
        assert found is not None
        assert [(one.reason, named in dict(one.facts)["detail"]) for one in found.obstacles] == [
            ("records-not-offered", True)
        ]
        # One that was made since it was looked for is found where the rows are deleted, and they are not.
        asked.held().manifest.write("target", facts=[[one.name, one.value] for one in look.facts])
        with asked.engine.open(asked.request, look.facts, True) as session, pytest.raises(Lost) as lost:
            session.withdraw(asked.held(), Told().given(), Method.COPY_FORWARD)
        assert lost.value.reason == "records-changed"
        assert story.counted("held") == (90, 30)
    finally:
        story.do("DROP TABLE under, held, kept", "DROP FUNCTION holds()")
        shutil.rmtree(next(story.server.data.glob(".expunge-*")))


@pytest.mark.parametrize(
    "used",
    [
        "CREATE TABLE public.others (id int, mood people.mood)",
        "CREATE TABLE public.others (id int DEFAULT nextval('people.numbers'))",
        "CREATE TABLE public.others (id int, CHECK (people.is_well(id)))",
    ],
    ids=["type", "sequence", "function"],
)
def test_what_a_schema_would_drag_along_is_named(story: Story, used: str) -> None:
    """A column, a default or a rule of somebody else's table went with the schema, and what stayed was said to be
    unharmed. Its own table that refers to another's is none of it."""
    story.do(
        "CREATE TYPE mood AS ENUM ('well')",
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION is_well(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'",
        "CREATE TABLE public.apart (id int PRIMARY KEY)",
        "CREATE TABLE own (id serial PRIMARY KEY, mood mood, apart int REFERENCES public.apart)",
    )
    asked = story.ask("schema", table=None)
    try:
        assert asked.reasons() == set()
        story.do(used)
        assert asked.reasons() == {"records-referenced"}
    finally:
        story.do(
            "DROP TABLE IF EXISTS public.others, own, public.apart",
            "DROP FUNCTION is_well",
            "DROP SEQUENCE numbers",
            "DROP TYPE mood",
        )


def test_an_index_on_another_file_system_is_named(story: Story) -> None:
    """The table lies beside the rest: its rows went, and then the index could not be held."""
    with disk_for_a_server(16 << 20) as other:
        space = other.root / "space"
        space.mkdir()
        own(space)
        story.server.query(f"CREATE TABLESPACE far LOCATION '{space}'")
        story.do("CREATE INDEX far ON docs (body) TABLESPACE far")
        try:
            assert asked_of(story).reasons() == {"records-not-offered"}
        finally:
            story.do("DROP INDEX far", "DROP TABLESPACE far")


def test_a_disk_without_room_for_the_new_files_is_refused(story: Story, site: RealSite) -> None:
    """A server whose log finds no room ends, with all that it serves."""
    charge = ordered(story, site)
    full = story.server.data.parent / "full"
    try:
        about = os.statvfs(full.parent)
        with full.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, about.f_bavail * about.f_frsize - (2 << 20))
        # How many exactly is the server's matter: its own log grows.
        check_refused(site, charge, "bytes are free")
    finally:
        full.unlink()
    assert asked_of(story).reasons() == set()


@contextmanager
def filled_up(story: Story, left: int) -> Iterator[None]:
    """Others left so many bytes on the server's file system."""
    full = story.server.data.parent / "full"
    try:
        about = os.statvfs(full.parent)
        with full.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, about.f_bavail * about.f_frsize - left)
        yield
    finally:
        full.unlink()


def test_a_disk_that_filled_up_since_it_was_looked_at_stops_the_run_untouched(
    server: PostgreSQL, tmp_path: Path
) -> None:
    """Between the plan and the taking out lie approvals, and others write."""
    story = Story(server, "crowded", tmp_path)
    story.fill(90)
    asked = story.ask(most=30)
    look = asked.engine.look(asked.request)
    assert look is not None
    with asked.engine.open(asked.request, look.facts, False) as session, filled_up(story, 2 << 20):
        with pytest.raises(Lost) as caught:
            session.withdraw(asked.held(), Told().given(), Method.COPY_FORWARD)
        assert caught.value.reason == "records-space-low"
        assert story.counted() == (90, 30)
        assert asked.held().manifest.last("deleting") is None
    with filled_up(story, 2 << 20), refusing("records-space-low"), asked.engine.open(asked.request, look.facts, False):
        pytest.fail("it was opened")
    held = asked.held().path
    assert held is not None
    shutil.rmtree(held)
    story.do("DROP TABLE docs")


@pytest.mark.parametrize("left", [1 << 20, 3 << 20])
def test_a_disk_that_fills_up_under_the_rewrite_leaves_the_table_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """The server gives the rewrite up, or ends where its log found no room. With room again a resume completes it."""
    with disk_for_a_server(128 << 20) as disk, postgresql(disk.root) as server, ExitStack() as full:
        story = Story(server, "cramped", tmp_path)
        story.fill(3000)
        staying = story.summed()
        asked = story.ask(most=1000)
        crowds = iter((lambda: full.enter_context(filled_up(story, left)),))
        monkeypatch.setattr(postgresql_withdraw, "check_room", lambda *_, **__: next(crowds, lambda: None)())
        with pytest.raises(Lost) as caught:
            withdraw(asked)
        assert caught.value.reason == "records-space-low"
        full.close()
        server.start_anew()
        assert (story.summed(), story.counted()[0] in (2000, 3000)) == (staying, True)
        assert withdraw(asked, resuming=True).rows == 1000
        assert (story.summed(), story.counted()) == (staying, (2000, 0))


def test_a_check_that_waits_is_cut_and_is_no_damage(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is to stop does not wait for a check of minutes; a lock of others tells nothing of the files."""
    asked = asked_of(story)
    look = asked.engine.look(asked.request)
    assert look is not None
    monkeypatch.setitem(postgresql_server.QUIET, "lock_timeout", "0")
    with asked.engine.open(asked.request, look.facts, False) as session, story.server.connect() as other:
        assert isinstance(session, Opened)
        other.execute("BEGIN")
        other.execute(f"LOCK TABLE {story.schema}.docs IN ACCESS EXCLUSIVE MODE".encode())
        with ThreadPoolExecutor(1) as beside:
            checking = beside.submit(session.check)
            while not checking.done():
                session.cut_check()
                wait((checking,), 0.1)
            with pytest.raises(Lost) as caught:
                checking.result()
        assert caught.value.reason == "engine-failed"
        session.working.execute("SET lock_timeout = 500")
        with pytest.raises(Lost) as caught:
            session.check()
        assert caught.value.reason == "records-in-use"
        other.execute("ROLLBACK")
        assert session.check()[1]


def test_an_index_that_lacks_rows_is_damage(story: Story) -> None:
    """Its keys are made by a function that says something else now: what the check finds is told, not raised."""
    story.do(
        "CREATE FUNCTION said(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n'",
        "CREATE TABLE broken AS SELECT g AS id FROM generate_series(1, 900) g",
        "CREATE INDEX ON broken (said(id))",
        "CREATE OR REPLACE FUNCTION said(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n + 1000'",
    )
    try:
        with story.server.connect() as session:
            ((oid,),) = story.server.query(f"SELECT '{story.schema}.broken'::regclass::oid::int8")
            assert postgresql_checks.check_whole(session, (int(oid),)) == ("amcheck", False)
            # Its tree is sound, which is all that is asked of one that the server compared with its rows itself.
            ((index,),) = story.server.query(f"SELECT '{story.schema}.broken_said_idx'::regclass::oid::int8")
            compared = frozenset((int(index),))
            assert postgresql_checks.check_whole(session, (int(oid),), compared) == ("amcheck", True)
    finally:
        story.do("DROP TABLE broken", "DROP FUNCTION said")


def test_a_table_that_is_being_made_is_no_orphan(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file would be held and overwritten: of a prepared transaction, which no process has, and of one that commits
    while the server is asked."""

    def commits(session: Any, statement: str, *values: Any) -> Any:
        if "xact_start" in statement:
            story.do("CREATE TABLE made AS SELECT 1 AS a")
            time.sleep(0.05)
        return one(session, statement, *values)

    one = postgresql_server.one
    monkeypatch.setattr(postgresql_files, "COARSE", 0.0)
    with story.server.connect() as session:
        monkeypatch.setattr(postgresql_files, "one", commits)
        assert postgresql_files.orphans(session, story.server.data) == ()
        monkeypatch.setattr(postgresql_files, "one", one)
        story.do(
            "DROP TABLE made", "CHECKPOINT", "BEGIN", "CREATE TABLE made AS SELECT 1", "PREPARE TRANSACTION 'made'"
        )
        try:
            time.sleep(0.05)
            assert postgresql_files.orphans(session, story.server.data) == ()
        finally:
            story.do("ROLLBACK PREPARED 'made'")


def test_a_slot_of_a_session_is_named(story: Story) -> None:
    """It goes with its session, and holds its horizon until then."""
    with story.server.connect() as other:
        other.execute("SELECT pg_create_logical_replication_slot('passing', 'pgoutput', true)")
        assert asked_of(story).reasons() == {"records-snapshot"}
    # The backend goes a moment later than its session, and the slot with it.
    wait_for(lambda: story.server.query("SELECT count(*) FROM pg_replication_slots") == [(0,)])


@pytest.mark.parametrize(("least", "most"), [(31, 300), (1, 3)])
def test_more_or_fewer_rows_are_refused(story: Story, least: int, most: int) -> None:
    """A wrong condition matches ten times the rows."""
    asked = story.ask(least=least, most=most)
    look = asked.engine.look(asked.request)
    assert look is not None
    with refusing("count-outside-order"), asked.engine.open(asked.request, look.facts, False):
        pass


def test_ten_times_the_rows_are_refused_by_the_command(story: Story, site: RealSite) -> None:
    """The order was measured before they came."""
    story.do("CREATE TABLE more AS SELECT * FROM docs")
    try:
        charge = ordered(story, site, "more")
        story.do("INSERT INTO more SELECT d.* FROM docs d, generate_series(1, 9)")
        check_refused(site, charge, "Found 300 rows")
        assert story.counted("more") == (900, 300)
    finally:
        story.do("DROP TABLE more")


def test_rows_that_changed_in_number_under_the_lock_change_nothing(story: Story) -> None:
    """Counted again inside the transaction that deletes: it is rolled back."""
    asked = asked_of(story)
    narrow = replace(asked.request.identity, most_rows=29)
    look = asked.engine.look(asked.request)
    assert look is not None
    before = story.summed()
    with pytest.raises(Lost, match="records-changed"):
        withdraw(replace(asked, request=replace(asked.request, identity=narrow)), unchecked=True)
    assert (story.summed(), story.counted()[1]) == (before, 30)
    held = asked.held().path
    assert held is not None
    shutil.rmtree(held)


def test_a_table_that_was_made_anew_is_another(story: Story, site: RealSite) -> None:
    """The same name, and another oid: what was approved is gone."""
    story.do("CREATE TABLE twice AS SELECT * FROM docs")
    asked = story.ask(most=30, table="twice")
    look = asked.engine.look(asked.request)
    assert look is not None
    charge = ordered(story, site, "twice")
    story.do("DROP TABLE twice", "CREATE TABLE twice AS SELECT * FROM docs")
    try:
        check_refused(site, charge, "Nothing on this host is carrier")
        assert story.counted("twice") == (90, 30)
        with refusing("identity-changed"), asked.engine.open(asked.request, look.facts, False):
            pass
    finally:
        story.do("DROP TABLE twice")


def test_the_files_of_another_server_are_refused(story: Story, site: RealSite) -> None:
    """A base backup calls itself as its origin does; where the server's processes stand decides."""
    copy = story.server.data.parent / "copy"
    copy.mkdir()
    own(copy)
    (copy / "global").mkdir()
    for name in ("PG_VERSION", "global/pg_control"):
        shutil.copy(story.server.data / name, copy / name)
    try:
        asked = asked_of(story)
        selects = replace(asked.request.selects, where=str(copy))
        with refusing("engine-elsewhere"):
            asked.engine.look(replace(asked.request, selects=selects))
        check_refused(site, ordered(story, site, where=copy), "another directory")
        with (copy / "global/pg_control").open("r+b") as file:
            file.write(bytes(8))
        with refusing("engine-elsewhere"):
            asked.engine.look(replace(asked.request, selects=selects))
    finally:
        shutil.rmtree(copy)


def test_a_stopped_server_is_refused_with_the_order_that_destroys_it(story: Story, tmp_path: Path) -> None:
    """What it names is what `test_a_stopped_standby_goes_with_its_files_and_is_seeded_anew` carries out."""
    for name in ("PG_VERSION", "global/pg_control"):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(story.server.data / name, tmp_path / "data" / name)
    asked = asked_of(story)
    whole = replace(asked.request.identity, scope="cluster")
    stopped = replace(asked.request.selects, where=str(tmp_path / "data"))
    with refusing("records-not-offered") as caught:
        asked.engine.look(replace(asked.request, identity=whole, selects=stopped))
    assert f'root = "{tmp_path}", names = ["data"], destroy = ["history"]' in str(caught.value.facts)


def test_a_version_that_is_not_known_is_refused(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """How it goes about its files was never looked at."""
    monkeypatch.setattr(postgresql_server, "VERSIONS", range(180000, 200000))
    asked = asked_of(story)
    with refusing("records-not-offered") as caught:
        asked.engine.look(asked.request)
    number = (story.server.data / "PG_VERSION").read_text().strip()
    assert f"it is PostgreSQL {number}, and 18 to 19 are known" in str(caught.value.facts)


def test_a_standby_that_is_behind_is_named(story: Story, site: RealSite) -> None:
    """It needs the segments that are to go."""
    # None of them is removed at a checkpoint in between: a standby that lost its place is no standby any more.
    story.server.query("ALTER SYSTEM SET max_wal_size = '1GB'")
    story.server.query("SELECT pg_reload_conf()")
    try:
        with standby(story.server) as copy:
            copy.query("SELECT pg_wal_replay_pause()")
            wait_for(lambda: copy.query("SELECT pg_get_wal_replay_pause_state()") == [("paused",)])
            story.server.query("SELECT pg_logical_emit_message(false, 'load', repeat('x', 17 << 20))")
            look = asked_of(story).engine.look(asked_of(story).request)
            assert look is not None
            assert [dict(one.facts)["where"] for one in look.obstacles] == ["a standby"]
            check_refused(site, ordered(story, site), "a standby")
    finally:
        story.server.query("ALTER SYSTEM RESET max_wal_size")
        story.server.query("SELECT pg_reload_conf()")


def test_a_server_that_does_not_answer_is_refused(story: Story) -> None:
    """Wrong socket, wrong password: the reason tells neither."""
    asked = asked_of(story)
    elsewhere = replace(asked.request.selects, connect=(Fact("socket", "/nowhere"), Fact("user", "postgres")))
    with refusing("engine-unreachable"):
        asked.engine.look(replace(asked.request, selects=elsewhere))


def test_rows_that_others_refer_to_are_refused(story: Story) -> None:
    """The server would refuse too, but only under the lock."""
    story.do("CREATE TABLE bills (doc int REFERENCES docs)", "INSERT INTO bills VALUES (3)")
    try:
        assert asked_of(story).reasons() == {"records-referenced"}
    finally:
        story.do("DROP TABLE bills")


def test_a_condition_that_is_none_is_refused(story: Story) -> None:
    """What the server says of it holds a value, and is not told."""
    asked = asked_of(story)
    wrong = replace(asked.request.selects, condition="nobody = :three OR who LIKE :like")
    with refusing("condition-wrong") as caught:
        asked.engine.look(replace(asked.request, selects=wrong))
    assert "nobody" not in str(caught.value.facts)


def test_an_archive_whose_command_fails_is_named(story: Story) -> None:
    """Every segment is kept until it was archived, and what every change wrote there with it."""
    story.server.query("ALTER SYSTEM SET archive_command = 'false'")
    story.server.query("SELECT pg_reload_conf()")
    try:
        wait_for(lambda: archived(story) == ["the archive of the log"])
    finally:
        story.server.query("ALTER SYSTEM RESET archive_command")
        story.server.query("SELECT pg_reload_conf()")
        wait_for(lambda: archived(story) == [])


def archived(story: Story) -> list[str]:
    """What stands in the way once there was something to archive: the archiver hears of a new command at some time, and
    after failures only of a new segment."""
    story.server.query("SELECT pg_logical_emit_message(false, 'expunge', '')")
    story.server.query("SELECT pg_switch_wal()")
    time.sleep(0.2)
    found = asked_of(story)
    look = found.engine.look(found.request)
    assert look is not None
    return [dict(one.facts)["where"] for one in look.obstacles]


def test_a_base_backup_that_runs_is_named(story: Story) -> None:
    """It carries every file along as it was."""
    folder = story.server.data.parent / "backup"
    command = (
        "pg_basebackup",
        "-h",
        story.server.socket,
        "-U",
        USER,
        "-D",
        folder,
        "-r",
        "32k",
        "-X",
        "none",
        "-c",
        "fast",
    )
    with beginning(*command) as backup:
        wait_for(lambda: bool(asked_of(story).reasons()) or backup.poll() is not None)
        assert backup.poll() is None
        found = asked_of(story)
        look = found.engine.look(found.request)
        assert look is not None
        assert {dict(one.facts)["where"] for one in look.obstacles} == {"a base backup"}
    # The server notices a moment later that nobody takes the backup any more.
    wait_for(lambda: asked_of(story).reasons() == set())
    shutil.rmtree(folder)


def test_rows_that_go_by_too_many_foreign_keys_in_a_row_are_refused(story: Story) -> None:
    """Those at the end would go uncounted, and nobody would fill or search their pages."""
    story.do(
        "CREATE TABLE tree (id int PRIMARY KEY, who text, above int REFERENCES tree ON DELETE CASCADE)",
        "INSERT INTO tree SELECT g, 'VCTM', CASE WHEN g > 301 THEN g - 1 END FROM generate_series(301, 313) g",
    )
    try:
        assert "records-not-offered" in story.ask(table="tree").reasons()
        story.do("DELETE FROM tree WHERE id > 305")
        assert story.ask(table="tree").reasons() == set()
    finally:
        story.do("DROP TABLE tree")


def test_what_a_long_chain_of_views_ends_in_is_found(story: Story) -> None:
    """A materialised view keeps copies of rows however many views it reads them through."""
    chain = [f"CREATE VIEW v{number} AS SELECT * FROM v{number - 1}" for number in range(1, 71)]
    story.do("CREATE VIEW v0 AS SELECT who FROM docs", *chain, "CREATE MATERIALIZED VIEW far AS SELECT * FROM v70")
    try:
        asked = asked_of(story)
        look = asked.engine.look(asked.request)
        assert look is not None
        assert {one.code: one.count for one in look.consequences}["materialized-views-refreshed"] == 1
    finally:
        story.do("DROP VIEW v0 CASCADE")


def test_large_objects_that_rows_point_to_are_told(story: Story) -> None:
    """They stay: the certificate lists them."""
    story.do(
        "CREATE TABLE scans (id int, who text, scan oid)", "INSERT INTO scans VALUES (3, 'VCTM', lo_from_bytea(0, 'x'))"
    )
    try:
        asked = story.ask(table="scans")
        look = asked.engine.look(asked.request)
        assert look is not None
        assert "large-objects" in {one.code for one in look.residual}
    finally:
        story.do("SELECT lo_unlink(scan) FROM scans", "DROP TABLE scans")


def test_a_tablespace_on_another_file_system_is_refused(story: Story) -> None:
    """A file cannot be held where its file system is another."""
    folder = Path(tempfile.mkdtemp(prefix="expunge-space-", dir="/dev/shm"))
    own(folder)
    story.server.query(f"CREATE TABLESPACE far LOCATION '{folder}'")
    story.do("CREATE TABLE far TABLESPACE far AS SELECT * FROM docs")
    try:
        assert "records-not-offered" in story.ask(most=30, table="far").reasons()
    finally:
        story.do("DROP TABLE far", "DROP TABLESPACE far")
        shutil.rmtree(folder)


def test_a_standby_is_named_and_is_not_the_place_to_begin(story: Story) -> None:
    """It replays every change and keeps its own log: a copy. One that holds the horizon stands in the way besides."""
    with standby(story.server, hot_standby_feedback="on", wal_receiver_status_interval="1") as copy:
        asked = asked_of(story)
        wait_for(lambda: "records-snapshot" in asked.reasons())
        look = asked.engine.look(asked.request)
        assert look is not None
        # Of base backups each is noted until the archive has the note, those of tests before this one too.
        assert {one.what for one in look.copies} == {"replica", "archive", "backup"}
        assert "replicas" in {one.code for one in look.residual}
        connect = (Fact("socket", str(copy.socket)), Fact("user", "postgres"))
        there = replace(asked.request.selects, where=str(copy.data), connect=connect)
        apart = asked.engine.look(replace(asked.request, selects=there))
        assert apart is not None
        assert {one.reason for one in apart.obstacles} == {"records-not-offered"}
        with refusing("engine-elsewhere"):
            asked.engine.look(replace(asked.request, selects=replace(there, connect=asked.request.selects.connect)))


def test_a_lock_that_is_not_to_be_had_is_waited_for_shortly(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle reader holds the table: the run comes to rest with the rows deleted, and goes on later."""
    monkeypatch.setattr(postgresql_rewrite, "LOCK_SECONDS", 0.5)
    story.do("CREATE TABLE busy AS SELECT * FROM docs")
    asked = story.ask(most=30, table="busy")
    with story.server.connect() as reader:
        reader.execute("BEGIN")
        monkeypatch.setattr(postgresql_obstacles, "LONG_SECONDS", 60)
        reader.execute("SELECT count(*) FROM people.busy")
        with pytest.raises(Lost, match="records-in-use"):
            withdraw(asked)
        reader.execute("ROLLBACK")
    assert withdraw(asked, resuming=True).rows == 30
    assert story.counted("busy") == (60, 0)
