"""A withdrawal from Redis that is cut, with or without its server, and copies that the server knows of."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.errors import Refused
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import TOLD, Redis, redis, reserved_port
from tests.support.withdrawing import Asked, ask, destroy_held, withdraw
from wipers.linux.engines import redis_writing
from wipers.linux.manifest import Manifest
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


AT_ONCE = ("--repl-diskless-sync-delay", "0")
"""No replica is waited for before the first is filled."""


class Died(BaseException):
    """The agent is not there any more."""


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(48 << 20) as found:
        yield found


@pytest.fixture
def server(disk: Mounted, tmp_path: Path) -> Iterator[Redis]:
    work = disk.root / tmp_path.name
    work.mkdir()
    # A server that is killed has told the kernel what it wrote, whether or not that is on the disk.
    with redis(work, *TOLD) as found:
        yield found


def fill(server: Redis, kind: str) -> None:
    going = [word for row in range(300) for word in (f"anna:{row}", f"VCTM{kind}-{row:05d}-of-anna")]
    staying = [word for row in range(300) for word in (f"ben:{row}", f"KEEP{kind}-{row:05d}-of-ben")]
    server.do("MSET", *going, *staying)
    server.do("SAVE")


def order(server: Redis, state: Path, **more: str) -> Asked:
    connect = {"socket": str(server.socket)} | more
    return ask("redis", server.data, state, database="0", condition="anna:*", connect=connect, least=300, most=300)


class Cut:
    """The agent ends when it has written a line of its manifest, or is about to; the server with it, or alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, server: Redis, victim: str) -> None:
        self.at = self.written = 0
        self.phases: list[str] = []
        write = Manifest.write

        def cutting(manifest: Manifest, phase: str, **facts: object) -> None:
            self.phases.append(phase)
            self.written += 1
            if self.written * 2 - 1 == self.at:
                self._die(server, victim)
            write(manifest, phase, **facts)
            if self.written * 2 == self.at:
                self._die(server, victim)

        monkeypatch.setattr(Manifest, "write", cutting)

    def arm(self, at: int) -> None:
        """It ends before (odd) or after (even) that line, counted from 1; at 0 it does not."""
        self.at, self.written, self.phases = at, 0, []

    def _die(self, server: Redis, victim: str) -> None:
        self.at = 0
        if victim != "agent":
            server.kill()
        if victim != "server":
            raise Died


@pytest.mark.parametrize("victim", ["agent", "server", "both"])
def test_a_cut_withdrawal_goes_on(
    disk: Mounted, server: Redis, tmp_path: Path, victim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after every line that is noted: what stays is there, what goes is nowhere, whoever died. What others
    made since is theirs: under any name where the stroke was done by then, under new names where it was not."""
    cut = Cut(monkeypatch, server, victim)
    at, last = 0, 0
    while at <= last:
        kind = f"{victim}{at:02d}"
        fill(server, kind)
        state = tmp_path / f"state-{at}"
        cut.arm(at)
        try:
            withdraw(order(server, state))
        except (Died, Lost, Refused):
            if victim != "agent":
                server.start()
            resumed(server, state, cut)
        # The first is cut nowhere, and says how many lines there are.
        last = last or cut.written * 2
        at += 1
        server.do("DEL", "anna:new", "anna:7")
        disk.sync()
        assert destroy_held(order(server, state)) > 10_000
        disk.sync()
        assert scan(disk.image, b"VCTM" + kind.encode(), packed=False).total == 0, cut.phases
        assert server.do("DBSIZE") == 300
        assert server.do("GET", "ben:299") == f"KEEP{kind}-00299-of-ben".encode()
        assert server.do("KEYS", "expunge:*") == []
    assert last >= 12


def resumed(server: Redis, state: Path, cut: Cut) -> None:
    """What somebody makes meanwhile is not what was ordered, as far as it can be told apart."""
    was_struck = server.do("EXISTS", "anna:1") == 0
    is_noted = any(line.phase == "deleting" for line in order(server, state).held().manifest.lines)
    server.do("SET", "anna:new", "made later")
    if was_struck:
        server.do("SET", "anna:7", "made again")
    cut.arm(0)
    if not order(server, state).held().manifest.lines:
        server.do("DEL", "anna:new")
        done = withdraw(order(server, state))
    elif not is_noted:
        server.do("DEL", "anna:new")
        done = withdraw(order(server, state), resuming=True)
    else:
        done = withdraw(order(server, state), resuming=True)
        assert server.do("GET", "anna:new") == b"made later"
        assert server.do("GET", "anna:7") == (b"made again" if was_struck else None)
    assert (done.rows, done.before) == (300, done.after)


def test_a_log_that_a_server_had_begun_when_it_died_is_left_behind(
    disk: Mounted, server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes up that very file with its next rewrite: it would write on in what is held."""
    monkeypatch.setattr(redis_writing, "WAIT_SECONDS", 5.0)
    fill(server, "begun")
    server.kill()
    log = server.data / "appendonlydir"
    (current,) = log.glob("*.incr.aof")
    following = log / f"appendonly.aof.{int(current.name.split('.')[2]) + 1}.incr.aof"
    following.touch()
    shutil.chown(following, "nobody", "nogroup")
    server.start()
    withdraw(order(server, tmp_path / "state"))
    assert destroy_held(order(server, tmp_path / "state")) > 10_000
    disk.sync()
    assert scan(disk.image, b"VCTMbegun", packed=False).total == 0
    server.kill()
    server.start()
    assert server.do("DBSIZE") == 300


def test_a_replica_is_found_and_named(disk: Mounted, tmp_path: Path) -> None:
    """It has files of its own, which nothing here reaches; and what is taken out of it alone comes back."""
    for name in ("first", "second"):
        (disk.root / name).mkdir()
    with (
        reserved_port() as port,
        redis(disk.root / "first", *AT_ONCE, "--bind", "127.0.0.1", "--port", port) as primary,
        redis(disk.root / "second", "--replicaof", "127.0.0.1", port) as replica,
    ):
        replica.wait_for(primary)
        fill(primary, "replica")
        deadline = time.monotonic() + 60
        while replica.do("DBSIZE") != 600:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        found = (asked := order(primary, tmp_path / "a", user="default")).engine.look(asked.request)
        assert found is not None
        assert [copy.what for copy in found.copies] == ["replica"]
        assert order(replica, tmp_path / "b").reasons() == {"records-not-offered"}
        (primary.data / "old.rdb").write_bytes(b"REDIS0011")
        found = asked.engine.look(asked.request)
        assert found is not None
        assert sorted(copy.what for copy in found.copies) == ["backup", "replica"]


def test_everything_is_emptied(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """All databases, at one stroke; the server goes on, with nothing in it."""
    fill(server, "all")
    server.do("SET", "other", "VCTMall-of-another", database=5)
    asked = ask(
        "redis",
        server.data,
        tmp_path / "state",
        scope="cluster",
        database="0",
        connect={"socket": str(server.socket)},
        least=601,
        most=601,
    )
    assert withdraw(asked).rows == 601
    destroy_held(asked)
    disk.sync()
    assert scan(disk.image, b"VCTMall-", packed=False).total == 0
    assert server.do("PING") == b"PONG"
