"""A withdrawal from Redis that is cut, with or without its server, and copies that the server knows of."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import Redis, redis
from tests.support.withdrawing import Asked, Told, ask, destroy_held, withdraw
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


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
    with redis(work, "--appendonly", "yes", "--appendfsync", "always") as found:
        yield found


def fill(server: Redis, kind: str) -> None:
    server.pipeline([("SET", f"anna:{row}", f"VCTM{kind}-{row:05d}-of-anna") for row in range(300)])
    server.pipeline([("SET", f"ben:{row}", f"KEEP{kind}-{row:05d}-of-ben") for row in range(300)])
    server.do("SAVE")


def order(server: Redis, state: Path, **more: str) -> Asked:
    connect = {"socket": str(server.socket)} | more
    return ask("redis", server.data, state, database="0", condition="anna:*", connect=connect, least=300, most=300)


@pytest.mark.parametrize("note", [1, 2])
@pytest.mark.parametrize("victim", ["agent", "server", "both"])
def test_a_cut_withdrawal_goes_on(disk: Mounted, server: Redis, tmp_path: Path, note: int, victim: str) -> None:
    """Before the data goes and after it: what stays is there, what goes is nowhere, whoever died."""
    kind = f"{victim}{note}"
    fill(server, kind)

    def die(number: int) -> None:
        if number != note:
            return
        if victim != "agent":
            server.kill()
        if victim != "server":
            raise Died

    asked = order(server, tmp_path / "state")
    with pytest.raises((Died, Lost)):
        withdraw(asked, Told(at_note=die))
    if victim != "agent":
        server.start()
    done = withdraw(order(server, tmp_path / "state"), resuming=True)
    assert (done.rows, done.before) == (300, done.after)
    assert destroy_held(asked) > 10_000
    disk.sync()
    assert scan(disk.image, b"VCTM" + kind.encode(), packed=False).total == 0
    server.kill()
    server.start()
    assert server.do("DBSIZE") == 300
    assert server.do("GET", "ben:299") == f"KEEP{kind}-00299-of-ben".encode()


def test_a_replica_is_found_and_named(disk: Mounted, tmp_path: Path) -> None:
    """It has files of its own, which nothing here reaches; and what is taken out of it alone comes back."""
    for name in ("first", "second"):
        (disk.root / name).mkdir()
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = str(trial.getsockname()[1])
    with (
        redis(disk.root / "first", "--bind", "127.0.0.1", "--port", port) as primary,
        redis(disk.root / "second", "--replicaof", "127.0.0.1", port) as replica,
    ):
        fill(primary, "replica")
        deadline = time.monotonic() + 30
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
