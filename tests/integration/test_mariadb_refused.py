"""What stands in the way of MariaDB's records is named before anything is touched, and others go on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from certificates.errors import Refused
from certificates.statements import Parameter
from tests.support.ext4_image import Mounted
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, mariadb
from tests.support.servers.mariadb_story import Story
from tests.support.withdrawing import Asked, Told, destroy_held, withdraw
from wipers.linux.engines import mariadb_obstacles
from wipers.linux.engines.mariadb_server import Server, connect
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(360 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[MariaDB]:
    with mariadb(disk.root) as found:
        yield found


@pytest.fixture(scope="module")
def story(server: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Story:
    found = Story(server, "refused", tmp_path_factory.mktemp("state"))
    found.fill("docs", count=90)
    return found


def with_condition(asked: Asked, condition: str, *parameters: Parameter) -> Asked:
    selects = replace(asked.request.selects, condition=condition, parameters=parameters)
    return replace(asked, request=replace(asked.request, selects=selects))


def reason(asked: Asked) -> str:
    with pytest.raises(Refused) as refused:
        withdraw(asked)
    return refused.value.reason


def test_other_numbers_of_rows_are_refused(story: Story) -> None:
    """A wrong condition that selects ten times the rows, or none of them."""
    assert reason(story.ask("docs", most=3)) == "count-outside-order"
    assert reason(story.ask("docs", least=31)) == "count-outside-order"
    assert reason(story.ask("docs", who="nobody")) == "count-outside-order"
    assert story.counted("docs") == (90, 30)


def test_a_condition_is_neither_more_than_its_own_nor_of_other_tables(story: Story) -> None:
    """Values are bound, whatever they hold, and the condition stays within its brackets."""
    asked = story.ask("docs")
    for condition in ("1) OR (1", "owner = 'a'; DROP TABLE docs", "id IN (SELECT id FROM mysql.proc)"):
        assert reason(with_condition(asked, condition)) == "condition-wrong"
    injected = Parameter("who", "text", ("' OR '1'='1",))
    assert reason(with_condition(asked, "owner = :who", injected)) == "count-outside-order"
    assert story.counted("docs") == (90, 30)


def test_another_servers_directory_is_refused(story: Story, server: MariaDB, tmp_path: Path) -> None:
    """The process that answers has none of those files open; and a password that others may read is none."""
    (tmp_path / "ibdata1").write_bytes(b"of another server")
    asked = story.ask("docs")
    selects = replace(asked.request.selects, where=str(tmp_path))
    assert reason(replace(asked, request=replace(asked.request, selects=selects))) == "engine-elsewhere"
    (tmp_path / "my.cnf").write_text("[client]\nuser=root\n")
    (tmp_path / "my.cnf").chmod(0o644)
    selects = replace(asked.request.selects, credentials=str(tmp_path / "my.cnf"))
    assert reason(replace(asked, request=replace(asked.request, selects=selects))) == "engine-unreachable"
    gone = replace(asked.request.selects, connect=(replace(asked.request.selects.connect[0], value="/nowhere"),))
    assert reason(replace(asked, request=replace(asked.request, selects=gone))) == "engine-unreachable"
    assert server.query("SELECT 1") == [(1,)]


def test_what_would_keep_or_spread_the_rows_is_named(
    story: Story, server: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old snapshot, a prepared transaction, a trigger, rows that refer, versions, the wrong engine."""
    monkeypatch.setattr(mariadb_obstacles, "LONG_SECONDS", 0)
    with server.connect("refused") as session, session.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT COUNT(*) FROM docs")
        cursor.execute("DO SLEEP(1.1)")
        assert "records-snapshot" in story.ask("docs").reasons()
        cursor.execute("ROLLBACK")
    monkeypatch.undo()
    story.do("XA START 'a'", "UPDATE docs SET small = 'y' WHERE id = 1", "XA END 'a'", "XA PREPARE 'a'")
    assert "records-snapshot" in story.ask("docs").reasons()
    story.do("XA ROLLBACK 'a'")
    story.do("CREATE TRIGGER t AFTER DELETE ON docs FOR EACH ROW SET @a = OLD.owner")
    assert "records-not-offered" in story.ask("docs").reasons()
    story.do("DROP TRIGGER t")
    story.do("CREATE TABLE child (id INT, doc INT, FOREIGN KEY (doc) REFERENCES docs (id))")
    assert story.ask("docs").reasons() == set()
    assert story.ask("docs", "table").reasons() == {"records-referenced"}
    story.do("INSERT INTO child VALUES (1, 3)")
    assert story.ask("docs").reasons() == {"records-referenced"}
    story.do("DROP TABLE child")
    story.do("CREATE TABLE other (owner INT, idx INT) ENGINE = MEMORY")
    assert "records-not-offered" in story.ask("other", "table").reasons()
    story.do("CREATE TABLE kept (owner INT, idx INT) WITH SYSTEM VERSIONING")
    assert story.ask("kept", "table").reasons() == {"records-not-offered"}
    # It went with its database, and nobody had counted its rows.
    story.do("DROP TABLE other")
    assert story.ask(None, "database", most=10_000).reasons() == {"records-not-offered"}
    story.do("DROP TABLE kept")


def test_a_log_on_another_file_system_is_named(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was purged to the free blocks of a storage on which nothing is written over or looked for."""
    variable = Server.variable
    elsewhere = "/proc/binlog"
    monkeypatch.setattr(
        Server, "variable", lambda self, name: elsewhere if name == "log_bin_basename" else variable(self, name)
    )
    asked = story.ask("docs")
    found = asked.engine.look(asked.request)
    assert found is not None
    assert [(one.reason, "binary log" in dict(one.facts)["detail"]) for one in found.obstacles] == [
        ("records-not-offered", True)
    ]


def test_samples_stand_in_no_row_that_stays(story: Story) -> None:
    """Also inside a longer value, in another column, of the last row of thousands: it would be found for ever. A server
    that sends an error in the place of rows is heard."""
    story.do(
        "CREATE TABLE sampled (id INT PRIMARY KEY, owner VARCHAR(20), idx VARCHAR(90), note VARCHAR(200))",
        "INSERT INTO sampled SELECT seq, 'ben', MD5(seq), MD5(-seq) FROM seq_100_to_5000",
        "INSERT INTO sampled SELECT seq, 'anna', CONCAT('VCTM', MD5(MD5(seq))), MD5(-seq) FROM seq_1_to_3",
        "INSERT INTO sampled SELECT 6000, 'ben', 'none', CONCAT('see ', idx, ' there') FROM sampled WHERE id = 2",
    )
    asked = story.ask("sampled", most=3)
    look = asked.engine.look(asked.request)
    assert look is not None
    with asked.engine.open(asked.request, look.facts, False) as session:
        values = b" ".join(session.values(100)).decode()
    (told,) = story.do("SELECT GROUP_CONCAT(SUBSTR(idx, 5, 20) ORDER BY id) FROM sampled WHERE id < 4")
    first, second, third = str(told[0]).split(",")
    assert first in values
    assert third in values
    assert second not in values
    with closing(connect(asked.request)) as server, pytest.raises(Refused) as refused:
        list(server.stream("SELECT id FROM refused.nowhere", 1))
    assert "1146" in str(refused.value.facts["detail"])
    story.do("DROP TABLE sampled")


def test_a_run_that_is_not_finished_is_in_the_way_of_the_next(story: Story, server: MariaDB) -> None:
    """The files that it holds are logs too, in which rows of the next one may stand; and nothing would take them."""
    (server.data / ".expunge-ab").mkdir()
    try:
        assert story.ask("docs").reasons() == {"in-use"}
    finally:
        (server.data / ".expunge-ab").rmdir()


def test_a_table_made_anew_since_the_plan_is_another(story: Story) -> None:
    """Its name is the same, its rows may be somebody else's."""
    story.fill("again", count=30)
    asked = story.ask("again")
    before = asked.engine.look(asked.request)
    story.do("DROP TABLE again")
    story.fill("again", count=30)
    after = asked.engine.look(asked.request)
    assert before is not None
    assert after is not None
    assert before.facts != after.facts


def test_others_go_on_and_lose_nothing(story: Story, server: MariaDB) -> None:
    """Inserts and reads into another table, and into the same one, while rows are taken out; nobody sees an error, and
    whatever was committed is there. A lock that somebody holds is waited for so long, and no longer."""
    story.fill("busy", count=300)
    story.do("CREATE TABLE beside (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(40))")
    stop, committed, errors = threading.Event(), {"beside": 0, "busy": 0}, []

    def work(table: str, columns: str, values: str) -> None:
        try:
            with server.connect("refused") as session, session.cursor() as cursor:
                while not stop.is_set():
                    cursor.execute(f"INSERT INTO {table} {columns} VALUES {values % committed[table]}")
                    cursor.execute(f"SELECT COUNT(*) FROM {table}")
                    committed[table] += 1
        except pymysql.err.Error as error:
            errors.append(error)

    workers = [
        threading.Thread(target=work, args=("beside", "(a)", "('row %d')")),
        threading.Thread(target=work, args=("busy", "(id, owner, idx)", "(10000 + %d, 'cy', 'KEEP')")),
    ]
    for worker in workers:
        worker.start()
    try:
        done = withdraw(story.ask("busy", most=100))
    finally:
        stop.set()
        for worker in workers:
            worker.join(30)
    destroy_held(story.ask("busy", most=100))
    assert not errors
    assert (done.rows, done.before) == (100, done.after)
    assert story.do("SELECT COUNT(*) FROM beside") == [(committed["beside"],)]
    assert story.do("SELECT COUNT(*) FROM busy WHERE owner = 'cy'") == [(committed["busy"],)]
    assert min(committed.values()) > 20
    with server.connect("refused") as session, session.cursor() as cursor:
        cursor.execute("LOCK TABLES docs READ")
        with pytest.raises(Lost) as lost:
            withdraw(story.ask("docs"), Told())
        assert lost.value.reason == "records-in-use"
    assert story.counted("docs") == (90, 30)


def test_everything_goes_with_its_server(disk: Mounted, tmp_path: Path) -> None:
    """The server is told to end, and every file of it is held."""
    folder = disk.root / "all"
    folder.mkdir()
    with mariadb(folder) as server:
        story = Story(server, "everything", tmp_path)
        story.fill("docs", count=60)
        asked = story.ask(None, "cluster", least=60, most=60)
        reaper = threading.Thread(target=lambda: server.process and server.process.wait())
        reaper.start()
        done = withdraw(asked)
        reaper.join(30)
        assert done.rows == 60
        assert destroy_held(asked) > 10 << 20
        assert not [path for path in server.data.rglob("*") if path.is_file()]
