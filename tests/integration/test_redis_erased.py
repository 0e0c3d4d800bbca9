"""Keys and parts of keys of a real Redis server: nowhere on the raw storage afterwards, and what stays is unharmed."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import Parameter, Scope
from tests.support.ext4_image import Mounted
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import Redis, redis
from tests.support.servers.redis_scanner import found_on
from tests.support.withdrawing import Asked, ask, destroy_held, withdraw
from wipers.linux.engines.redis_lzf import Lzf
from wipers.linux.engines.redis_server import Reply

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS = 600
SETTINGS = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(64 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[Redis]:
    with redis(disk.root, *SETTINGS) as found:
        yield found


def value(kind: str, row: int) -> str:
    """A text that says what is to become of it; long enough to be packed."""
    mark = hashlib.sha256(f"{kind}{row}".encode()).hexdigest()[:12]
    return f"{'KEEP' if row % 3 else 'VCTM'}{kind}{row}-{mark} " * 4


def fill(server: Redis, kind: str) -> None:
    """Keys of every third owner, and one key of each sort with parts that go; snapshot and log hold all of it. The log
    is made durable once for all of them."""
    commands: list[tuple[bytes | str | int, ...]] = [("CONFIG", "SET", "appendfsync", "no")]
    for row in range(ROWS):
        owner = "ben" if row % 3 else "anna"
        text = value(kind, row)
        commands += [
            ("SET", f"{kind}:{owner}:{row}", text, "EX", 100_000),
            ("HSET", f"{kind}:person:{owner}:{row}", "name", text, "town", "Berlin Mitte and others"),
            ("HSET", f"{kind}:hash", f"f{row}", text),
            ("ZADD", f"{kind}:zset", row, text),
            ("RPUSH", f"{kind}:list", text),
            ("XADD", f"{kind}:stream", f"{row + 1}-1", "text", text, "row", row),
        ]
    commands += [
        ("XGROUP", "CREATE", f"{kind}:stream", "readers", "0"),
        ("XREADGROUP", "GROUP", "readers", "one", "COUNT", 10, "STREAMS", f"{kind}:stream", ">"),
        ("CONFIG", "SET", "appendfsync", "always"),
        ("BGSAVE",),
    ]
    server.pipeline(commands)
    wait_while(server, b"rdb_bgsave_in_progress:1")


def wait_while(server: Redis, line: bytes) -> None:
    """It asks seldom enough to leave the processor to the server's child."""
    while line in text_of(server.do("INFO", "persistence")):
        time.sleep(0.01)


def text_of(reply: Reply) -> bytes:
    assert isinstance(reply, bytes)
    return reply


def order(
    server: Redis,
    state: Path,
    condition: str | None,
    *listed: str,
    scope: Scope = "rows",
    table: str | None = None,
    least: int = 1,
    most: int = ROWS,
) -> Asked:
    """An order for keys, for parts of a key, or more."""
    parameters = (Parameter("names", "text", listed),) if listed else ()
    return ask(
        "redis",
        server.data,
        state,
        scope=scope,
        database="0",
        table=table,
        condition=condition,
        parameters=parameters,
        connect={"socket": str(server.socket)},
        least=least,
        most=most,
    )


def hits(disk: Mounted, kind: str) -> int:
    """How often anything of the sort that was to go stands on the raw image, plain or packed."""
    disk.sync()
    return sum(found_on(disk.image, b"VCTM" + kind.encode() + rb"[0-9]+-[0-9a-f]{4}"))


def test_keys_are_nowhere_on_the_raw_image(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """By pattern and by name: out of the snapshot, of every part of the log, and of what they were before."""
    fill(server, "keys")
    for name in ("hash", "zset", "list", "stream"):
        server.do("DEL", f"keys:{name}")
    assert hits(disk, "keys") > 1000
    size = server.do("DBSIZE")
    asked = order(server, tmp_path / "a", "keys:*anna:*", least=2 * ROWS // 3, most=2 * ROWS // 3)
    done = withdraw(asked)
    assert (done.rows, done.before, done.left) == (400, done.after, ())
    assert isinstance(size, int)
    assert server.do("DBSIZE") == size - 400
    assert destroy_held(asked) > 100_000
    assert hits(disk, "keys") == 0
    server.kill()
    server.start()
    assert server.do("DBSIZE") == size - 400
    assert server.do("GET", "keys:ben:1") == value("keys", 1).encode()
    ttl = server.do("TTL", "keys:ben:1")
    assert isinstance(ttl, int)
    assert ttl > 90_000
    listed = ("keys:ben:1", "keys:ben:2")
    asked = order(server, tmp_path / "b", ":names", *listed)
    assert withdraw(asked).rows == 2
    destroy_held(asked)
    assert server.do("EXISTS", *listed) == 0


def test_parts_of_a_key_are_nowhere_on_the_raw_image(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """XDEL only marks an entry, so a stream is written anew: ids, groups and what they have pending stay."""
    fill(server, "parts")
    server.pipeline([("DEL", f"parts:anna:{row}", f"parts:person:anna:{row}") for row in range(0, ROWS, 3)])
    going = [value("parts", row) for row in range(0, ROWS, 3)]
    parts = {
        "hash": [f"f{row}" for row in range(0, ROWS, 3)],
        "zset": going,
        "list": going,
        "stream": [f"{row + 1}-1" for row in range(0, ROWS, 3)],
    }
    stream = server.do("XRANGE", "parts:stream", "-", "+")
    for name, listed in parts.items():
        asked = order(server, tmp_path / name, ":names", *listed, table=f"parts:{name}")
        done = withdraw(asked)
        assert (done.rows, done.before) == (200, done.after)
        destroy_held(asked)
    assert hits(disk, "parts") == 0
    server.kill()
    server.start()
    assert [server.do(*one) for one in (("HLEN", "parts:hash"), ("ZCARD", "parts:zset"))] == [400, 400]
    assert server.do("LLEN", "parts:list") == 400
    assert isinstance(stream, list)
    kept = [entry for number, entry in enumerate(stream) if number % 3]
    assert server.do("XRANGE", "parts:stream", "-", "+") == kept
    ((_, *pending),) = [server.do("XPENDING", "parts:stream", "readers")]  # type: ignore[misc]
    assert pending == [b"2-1", b"9-1", [[b"one", b"6"]]]
    assert server.do("XADD", "parts:stream", f"{ROWS + 1}-1", "a", "b") == f"{ROWS + 1}-1".encode()
    assert hits(disk, "parts") == 0


def test_a_database_is_emptied_and_the_others_stay(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """FLUSHDB does not touch the files until they are written anew."""
    fill(server, "whole")
    server.do("SET", "other", "stays", database=3)
    size = server.do("DBSIZE")
    assert isinstance(size, int)
    asked = order(server, tmp_path, None, scope="database", least=size, most=size)
    done = withdraw(asked)
    assert (done.rows, done.before.rows, done.before) == (size, 1, done.after)
    destroy_held(asked)
    assert hits(disk, "whole") == 0
    assert server.do("GET", "other", database=3) == b"stays"


def test_the_servers_own_ways_leave_thousands(disk: Mounted, server: Redis) -> None:
    """The same reader sees what DEL, BGSAVE and BGREWRITEAOF leave: it is not blind."""
    fill(server, "own")
    server.pipeline([("FLUSHALL", "SYNC"), ("BGREWRITEAOF",)])
    wait_while(server, b"aof_rewrite_in_progress:1")
    assert hits(disk, "own") > 1000


def test_what_is_not_as_ordered_is_refused(server: Redis, tmp_path: Path) -> None:
    """Ten times the keys, a condition that is none, another server's directory: nothing is touched."""
    fill(server, "refused")
    size = server.do("DBSIZE")
    asked = order(server, tmp_path / "a", "refused:*", most=10)
    with pytest.raises(Refused, match="rows"):
        withdraw(asked)
    with pytest.raises(Refused):
        withdraw(order(server, tmp_path / "b", None))
    other = tmp_path / "other"
    other.mkdir()
    asked = order(server, tmp_path / "c", "refused:*")
    selects = replace(asked.request.selects, where=str(other))
    with pytest.raises(Refused, match="does not hold the files"):
        asked.engine.look(replace(asked.request, selects=selects))
    assert server.do("DBSIZE") == size


def test_packed_texts_are_read(disk: Mounted, server: Redis) -> None:
    """A text whose value is packed in the snapshot is found by unpacking alone."""
    server.do("SET", "packed", "abcabcabcabcabc" * 20 + "VCTMpacked-needle-abcabcabc" + "abcabcabc" * 20)
    server.do("SAVE")
    data = (server.data / "dump.rdb").read_bytes()
    found = [Lzf().unpack(memoryview(data)[one.start() :]) for one in re.finditer(Lzf.anchor, data, re.DOTALL)]
    assert any(b"VCTMpacked-needle-abcabcabc" in one for one in found)
