"""What stands in the way at a Redis server is named in the plan, and nothing is touched; what does not, does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import Method, Parameter
from tests.support.ext4_image import Mounted
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import Redis, redis
from tests.support.withdrawing import Asked, Told, ask, destroy_held, withdraw
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(192 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[Redis]:
    work = disk.root / "server"
    work.mkdir()
    with redis(work, "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0") as found:
        yield found


@pytest.fixture(autouse=True)
def empty(server: Redis) -> None:
    server.pipeline([("CONFIG", "SET", "maxmemory", "0"), ("FLUSHALL",)])


def order(server: Redis, state: Path, least: int = 1, most: int = 100, **connect: str) -> Asked:
    given = {"socket": str(server.socket)} | connect
    return ask("redis", server.data, state, database="0", condition="anna:*", connect=given, least=least, most=most)


def details(asked: Asked) -> set[str]:
    """What stands in the way, in words."""
    found = asked.engine.look(asked.request)
    assert found is not None
    return {dict(one.facts)["detail"] for one in found.obstacles}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (("--rename-command", "BGREWRITEAOF", "other"), "BGREWRITEAOF"),
        (("--rename-command", "FLUSHALL", "", "--rename-command", "EVAL", "other"), "EVAL"),
        (("--cluster-enabled", "yes"), "a node of a cluster"),
    ],
    ids=["renamed", "taken away", "cluster"],
)
def test_a_server_that_cannot_do_its_part_is_refused(
    disk: Mounted, tmp_path: Path, settings: tuple[str, ...], named: str
) -> None:
    """A command that fails once the data is out would leave the files as they are."""
    work = disk.root / tmp_path.name
    work.mkdir()
    with redis(work, *settings) as found:
        assert any(named in detail for detail in details(order(found, tmp_path / "state")))


@pytest.mark.parametrize("command", ["CONFIG", "INFO", "ACL", "CLIENT"])
def test_what_cannot_be_asked_is_refused_by_the_commands_name(disk: Mounted, tmp_path: Path, command: str) -> None:
    """Without it nobody knows where the files are, who else is there, or what may be done."""
    work = disk.root / tmp_path.name
    work.mkdir()
    with redis(work, "--rename-command", command, "") as found, pytest.raises(Refused, match=command):
        details(order(found, tmp_path / "state"))


def test_a_user_needs_every_right_and_the_password_comes_from_a_file(server: Redis, tmp_path: Path) -> None:
    """The file is the owner's alone; a right that is missing is named, and with all of them the work is done."""
    secret = tmp_path / "password"
    secret.write_text("a long secret\n", encoding="ascii")
    secret.chmod(0o600)
    server.do("ACL", "SETUSER", "clerk", "reset", "on", ">a long secret", "~*", "+@all", "-bgsave")
    server.do("SET", "anna:1", "VCTM-of-anna-000001")
    asked = order(server, tmp_path / "state", user="clerk")
    with pytest.raises(Refused, match="neither credentials nor REDISCLI_AUTH"):
        # Else the default user would be asked, who may do more.
        details(asked)
    selects = replace(asked.request.selects, credentials=str(secret))
    asked = replace(asked, request=replace(asked.request, selects=selects))
    assert details(asked) == {"its user may not BGSAVE, or it has another name there"}
    server.do("ACL", "SETUSER", "clerk", "+bgsave")
    assert details(asked) == set()
    secret.chmod(0o644)
    with pytest.raises(Refused, match="others may read"):
        details(asked)
    secret.chmod(0o600)
    secret.write_text("wrong\n", encoding="ascii")
    with pytest.raises(Refused, match="AUTH: WRONGPASS"):
        details(asked)
    assert server.do("EXISTS", "anna:1") == 1


def test_a_stream_that_cannot_be_written_anew_is_left_as_it_is(server: Redis, tmp_path: Path) -> None:
    """A script that fails takes nothing back: its entries were marked deleted, stood in the files for ever, and every
    resume failed again. One that came too wide since it was looked at is seen before anything goes."""
    server.pipeline([("XADD", "stream", "1-1", "a", "goes"), ("XADD", "stream", "2-1", "a", "stays")])
    listed = (Parameter("names", "text", ("1-1",)),)
    asked = ask(
        "redis",
        server.data,
        tmp_path / "state",
        database="0",
        table="stream",
        condition=":names",
        parameters=listed,
        connect={"socket": str(server.socket)},
    )
    with asked.engine.open(asked.request, (), False) as session:
        server.do("XADD", "stream", "3-1", *(f"{one}" for one in range(10_000)))
        with pytest.raises(Lost):
            session.withdraw(asked.held(), Told().given(), Method.COPY_FORWARD)
    assert server.do("XLEN", "stream") == 3
    assert server.do("KEYS", "stream*") == [b"stream"]
    assert asked.reasons() == {"records-not-offered"}
    server.pipeline([("XDEL", "stream", "3-1"), ("ACL", "SETUSER", "default", "-xsetid")])
    try:
        assert asked.reasons() == {"records-not-offered"}
    finally:
        server.do("ACL", "SETUSER", "default", "+@all")
    asked.engine.recover(asked.request, asked.held())
    with asked.engine.open(asked.request, (), True) as session:
        assert session.withdraw(asked.held(), Told().given(), Method.COPY_FORWARD).rows == 1
    assert server.do("XRANGE", "stream", "-", "+") == [[b"2-1", [b"a", b"stays"]]]
    destroy_held(asked)


def test_keys_that_end_or_are_evicted_meanwhile_are_no_longer_what_was_ordered(server: Redis, tmp_path: Path) -> None:
    """Fewer than the order allows: whoever counts on them has to look again."""
    server.pipeline([("SET", f"anna:{row}", f"VCTM-of-anna-{row:06d}") for row in range(10)])
    asked = order(server, tmp_path / "a", least=10, most=10)
    found = asked.engine.look(asked.request)
    assert found is not None
    assert (found.rows, found.obstacles) == (10, ())
    server.do("PEXPIRE", "anna:3", 1)
    time.sleep(0.05)
    with pytest.raises(Refused, match="9 rows"):
        withdraw(asked)
    server.do("SET", "anna:3", "VCTM-of-anna-again")
    server.pipeline([("CONFIG", "SET", "maxmemory-policy", "allkeys-random"), ("CONFIG", "SET", "maxmemory", "1")])
    while server.do("DBSIZE"):
        # It evicts for half a millisecond at a time.
        time.sleep(0.01)
    with pytest.raises(Refused, match="0 rows"):
        withdraw(order(server, tmp_path / "b", least=10, most=10))
    server.pipeline([("CONFIG", "SET", "maxmemory", "0"), ("CONFIG", "SET", "maxmemory-policy", "noeviction")])


def test_a_full_memory_keeps_nothing_from_going(server: Redis, tmp_path: Path) -> None:
    """Where nothing may be evicted, writes are refused: taking out is no such write, nor is what tells of it."""
    server.pipeline([("SET", f"anna:{row}", f"VCTM-of-anna-{row:06d}") for row in range(10)])
    server.do("SET", "ben", "KEEP")
    server.do("CONFIG", "SET", "maxmemory", "1")
    asked = order(server, tmp_path / "state")
    done = withdraw(asked)
    assert (done.rows, done.before == done.after) == (10, True)
    destroy_held(asked)
    assert server.do("KEYS", "*") == [b"ben"]


def test_long_texts_go_and_stay_without_a_copy_of_them(server: Redis, tmp_path: Path) -> None:
    """A text may have 512 MiB: neither samples nor sums take all of it."""
    for name in ("anna:long", "ben:long"):
        server.do("SET", name, name)
        server.do("SETRANGE", name, 24 << 20, "the end of " + name)
    asked = order(server, tmp_path / "state")
    with asked.engine.open(asked.request, (), resuming=True) as session:
        values = list(session.values(100))
    assert max(len(value) for value in values) < 1 << 16
    assert b"the end of anna:long" in b"".join(values)
    done = withdraw(asked)
    assert (done.rows, done.before == done.after) == (1, True)
    destroy_held(asked)
    assert server.do("STRLEN", "ben:long") == (24 << 20) + len("the end of ben:long")


def test_a_database_is_named_by_its_number(server: Redis, tmp_path: Path) -> None:
    """The first where none is named; a name is no database of Redis."""
    asked = order(server, tmp_path / "state")
    plain = replace(asked.request, identity=replace(asked.request.identity, database="-"))
    found = asked.engine.look(plain)
    assert found is not None
    assert {fact.name: fact.value for fact in found.facts}["database"] == "0"
    with pytest.raises(Refused, match="have numbers"):
        asked.engine.look(replace(plain, identity=replace(plain.identity, database="main")))


def test_a_snapshot_behind_a_link_is_refused(server: Redis, tmp_path: Path) -> None:
    """The server puts a new file in the link's place, and what the link led to would keep everything."""
    server.pipeline([("SET", "anna:1", "VCTM-of-anna-000001"), ("SAVE",)])
    snapshot = server.data / "dump.rdb"
    snapshot.rename(server.data / "elsewhere")
    snapshot.symlink_to("elsewhere")
    try:
        assert details(order(server, tmp_path / "state")) == {
            "dump.rdb is a symbolic link, and what it leads to would stay"
        }
    finally:
        snapshot.unlink()
        (server.data / "elsewhere").unlink()


def test_credentials_that_hold_no_password_are_refused(server: Redis, tmp_path: Path) -> None:
    """They were passed over, and the default user was asked."""
    empty_file = tmp_path / "password"
    empty_file.write_text("\n", encoding="ascii")
    empty_file.chmod(0o600)
    asked = order(server, tmp_path / "state")
    selects = replace(asked.request.selects, credentials=str(empty_file))
    with pytest.raises(Refused, match="without a password"):
        details(replace(asked, request=replace(asked.request, selects=selects)))
