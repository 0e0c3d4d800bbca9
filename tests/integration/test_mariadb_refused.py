"""What stands in the way of MariaDB's records is named before anything is touched, and others go on meanwhile."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from certificates.errors import Refused
from certificates.statements import Parameter
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.foreground import LONGEST
from tests.support.servers.mariadb import MariaDB, mariadb, own, reserved_port
from tests.support.servers.mariadb_story import Story
from tests.support.withdrawing import Asked, Told, destroy_held, withdraw
from wipers.linux.engines import mariadb_obstacles, mariadb_values
from wipers.linux.engines.mariadb import Session
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
    # In one session: another one could not roll it back before the server has noticed that the first is gone.
    with server.connect("refused") as session, session.cursor() as cursor:
        for statement in ("XA START 'a'", "UPDATE docs SET small = 'y' WHERE id = 1", "XA END 'a'", "XA PREPARE 'a'"):
            cursor.execute(statement)
        assert "records-snapshot" in story.ask("docs").reasons()
        cursor.execute("XA ROLLBACK 'a'")
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
    for asked in (story.ask("docs"), story.ask(None, "cluster")):
        found = asked.engine.look(asked.request)
        assert found is not None
        assert [(one.reason, "binary log" in dict(one.facts)["detail"]) for one in found.obstacles] == [
            ("records-not-offered", True)
        ]


@pytest.mark.parametrize("large", [mariadb_values.LARGE, 0])
def test_samples_stand_in_no_row_that_stays(story: Story, monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    """Also inside a longer value, in another column, of the last row of thousands: it would be found for ever. A server
    that sends an error in the place of rows is heard."""
    # A large table is read by two sessions.
    monkeypatch.setattr(mariadb_values, "LARGE", large)
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


def test_samples_come_from_the_end_of_what_goes_too(story: Story) -> None:
    """Of many rows a part is sampled: what undo keeps of those at the end would be seen by nobody otherwise."""
    story.fill("many", count=900)
    asked = story.ask("many", "table", least=900, most=900)
    found = asked.engine.look(asked.request)
    assert found is not None
    with asked.engine.open(asked.request, found.facts, False) as session:
        # The server draws some 200 rows: that fewer than three are of the last 200 is out of the question.
        rows = [int(re.findall(rb"many([0-9]+)-", value)[0]) for value in session.values(400) if b"many" in value]
    assert len(rows) > 100
    assert max(rows) > 700
    assert sum(row > 450 for row in rows) > 30
    story.do("DROP TABLE many")


def test_a_check_that_waits_ends_when_it_is_cut_and_tells_of_no_damage(story: Story, server: MariaDB) -> None:
    """A run that is to stop does not wait for whoever holds the table, and a table that could not be looked at is not
    called corrupt, as the server does."""
    asked, raised = story.ask("docs"), []
    found = asked.engine.look(asked.request)
    assert found is not None
    waiting = f"SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'CHECK TABLE%{story.database}%'"

    def check(session: Session) -> None:
        with pytest.raises(Lost) as lost:
            session.check()
        raised.append(lost.value.reason)

    with asked.engine.open(asked.request, found.facts, False) as session, server.connect(story.database) as other:
        assert isinstance(session, Session)
        # Longer than anything here takes: it is the cut that ends it.
        session._here.run("SET SESSION lock_wait_timeout = 600")
        other.cursor().execute("LOCK TABLES docs WRITE")
        checking = threading.Thread(target=check, args=(session,))
        checking.start()
        while server.query(waiting) == [(0,)]:
            assert checking.is_alive()
        session.cut_check()
        checking.join(120)
        # This one nobody cuts: it ends with the longest wait for a lock.
        session._here.run("SET SESSION lock_wait_timeout = 1")
        check(session)
    assert raised == ["records-in-use"] * 2


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


def test_what_lies_on_another_file_system_is_named_for_everything_too(story: Story) -> None:
    """It was listed as left behind, while the claim spoke of all that the server holds."""
    with tempfile.TemporaryDirectory(prefix="expunge-server-") as elsewhere:
        own(Path(elsewhere))
        story.do(f"CREATE TABLE far (owner INT, idx INT) ENGINE = InnoDB DATA DIRECTORY = '{elsewhere}'")
        try:
            assert story.ask(None, "cluster").reasons() == {"records-not-offered"}
        finally:
            story.do("DROP TABLE far")
    assert story.ask(None, "cluster").reasons() == set()


def test_a_node_of_a_galera_cluster_is_refused(story: Story, server: MariaDB) -> None:
    """Other nodes have the rows, and would send them again; the node was a cluster of one, with Debian's provider."""
    settings = dict(server.settings)
    with reserved_port() as port:
        check_node(story, server, port)
    server.settings = settings
    server.start()
    assert story.ask("docs").reasons() == set()


def check_node(story: Story, server: MariaDB, port: str) -> None:
    here = f"base_host=127.0.0.1;base_port={port};gmcast.listen_addr=tcp://127.0.0.1:{port};ist.recv_addr=127.0.0.1"
    server.stop()
    server.settings |= {
        "wsrep-on": "ON",
        "wsrep-provider": "/usr/lib/galera/libgalera_smm.so",
        "wsrep-cluster-address": "gcomm://",
        "wsrep-node-address": "127.0.0.1",
        "wsrep-provider-options": f"{here};gcache.size=2M",
        "innodb-autoinc-lock-mode": "2",
    }
    try:
        server.start()
        wait_for_node(server)
        assert server.query("SHOW STATUS LIKE 'wsrep_cluster_size'") == [("wsrep_cluster_size", "1")]
        for asked in (story.ask("docs"), story.ask(None, "cluster")):
            assert asked.reasons() == {"records-not-offered"}
        assert (server.data / "galera.cache").exists()
    finally:
        server.stop()


def wait_for_node(server: MariaDB) -> None:
    """A node greets before it is ready for work."""
    wait_until(lambda: server.query("SHOW STATUS LIKE 'wsrep_ready'") == [("wsrep_ready", "ON")])


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
        wait_until(lambda: min(committed.values()) > 20 or bool(errors))
    finally:
        stop.set()
        for worker in workers:
            worker.join(120)
    destroy_held(story.ask("busy", most=100))
    # Of the cluster that this server was in: row changes, kept for nodes that were away.
    assert not (server.data / "galera.cache").exists()
    assert not errors
    assert (done.rows, done.before) == (100, done.after)
    assert story.do("SELECT COUNT(*) FROM beside") == [(committed["beside"],)]
    assert story.do("SELECT COUNT(*) FROM busy WHERE owner = 'cy'") == [(committed["busy"],)]
    with server.connect("refused") as session, session.cursor() as cursor:
        cursor.execute("LOCK TABLES docs READ")
        with pytest.raises(Lost) as lost:
            withdraw(story.ask("docs"), Told())
        assert lost.value.reason == "records-in-use"
    assert story.counted("docs") == (90, 30)
    assert withdraw(story.ask("docs"), resuming=True).rows == 30
    destroy_held(story.ask("docs"))
    assert story.counted("docs") == (60, 0)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_everything_goes_with_its_server(disk: Mounted, tmp_path: Path) -> None:
    """The server is told to end, and every file of it is held, wherever on this file system its settings, directories
    of tables and links lead; so is what it removes in its end."""
    places = {name: disk.root / "all" / name for name in ("logs", "undo", "tables", "linked")}
    for place in (disk.root / "all", *places.values()):
        place.mkdir()
        own(place)
    (places["logs"] / "of-somebody-else").write_text("stays")
    how = {
        "log-bin": str(places["logs"] / "binlog"),
        "general-log-file": str(places["logs"] / "general.log"),
        "innodb-log-group-home-dir": str(places["logs"]),
        "innodb-undo-directory": str(places["undo"]),
        "innodb-undo-tablespaces": "2",
        "aria-log-dir-path": str(places["undo"]),
    }
    with mariadb(disk.root / "all", **how) as server:
        story = Story(server, "everything", tmp_path)
        story.fill("docs", count=60)
        story.fill("apart", f"ENGINE = InnoDB DATA DIRECTORY = '{places['tables']}'", count=60)
        story.fill("mine", f"ENGINE = MyISAM DATA DIRECTORY = '{places['linked']}'", count=60)
        assert (server.data / "everything" / "mine.MYD").is_symlink()
        disk.sync()
        assert scan(disk.image, story.pattern(), packed=False).total > 100
        asked = story.ask(None, "cluster", least=180, most=180)
        assert asked.reasons() == set()
        reaper = threading.Thread(target=lambda: server.process and server.process.wait())
        reaper.start()
        done = withdraw(asked)
        reaper.join(120)
        assert (done.rows, done.left) == (180, ())
        assert destroy_held(asked) > 10 << 20
        left = [path for path in (disk.root / "all").rglob("*") if path.is_file() or path.is_symlink()]
        assert {path.name for path in left} <= {"of-somebody-else", "start.log"}
        assert (places["logs"] / "of-somebody-else").read_text() == "stays"
        disk.sync()
        assert scan(disk.image, story.pattern(), packed=False).total == 0
