"""Parts of a key that has very many: everybody waits for the stroke, so it must stay short, and what was not summed is
told."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates.statements import Parameter
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import Redis, redis
from tests.support.withdrawing import Asked, ask, destroy_held, withdraw
from wipers.linux.engines import redis_stroke as engine

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

PARTS = int(os.environ.get("EXPUNGE_REDIS_PARTS", "60000"))
GOING = 300
FILL = {
    "hash": "for i = a, b do redis.call('hset', KEYS[1], 'f' .. i, 'value-' .. i) end",
    "set": "for i = a, b do redis.call('sadd', KEYS[1], 'member-' .. i) end",
    "zset": "for i = a, b do redis.call('zadd', KEYS[1], i, 'member-' .. i) end",
    "list": "for i = a, b do redis.call('rpush', KEYS[1], 'member-' .. i) end",
    "stream": "for i = a, b do redis.call('xadd', KEYS[1], i .. '-1', 'f', 'value-' .. i) end",
}
NAME = {"hash": "f{}", "set": "member-{}", "zset": "member-{}", "list": "member-{}", "stream": "{}-1"}
SIZE = {"hash": "HLEN", "set": "SCARD", "zset": "ZCARD", "list": "LLEN", "stream": "XLEN"}


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with disk_for_a_server(max(32, PARTS // 4000) << 20) as disk, redis(disk.root) as found:
        yield found


def order(server: Redis, state: Path, kind: str) -> Asked:
    names = tuple(NAME[kind].format(number) for number in range(7, PARTS, PARTS // GOING))[:GOING]
    return ask(
        "redis",
        server.data,
        state,
        database="0",
        table=kind,
        condition=":names",
        parameters=(Parameter("names", "text", names),),
        connect={"socket": str(server.socket)},
        least=GOING,
        most=GOING,
    )


@pytest.mark.parametrize("kind", FILL)
def test_of_very_many_parts_all_are_counted_and_some_are_summed(
    server: Redis, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stays is whole, of every sort; the certificate says how many parts were counted and not
    summed."""
    monkeypatch.setattr(engine, "SUMMED_PARTS", min(PARTS // 10, engine.SUMMED_PARTS))
    server.do("FLUSHALL")
    for begin, end in itertools.pairwise([*range(0, PARTS, 20_000), PARTS]):
        text = f"local a, b = {begin + 1}, {end} " + FILL[kind]
        server.do("EVAL", text, 1, kind)
    server.do("SET", "beside", "KEEP")
    done = withdraw(order(server, tmp_path, kind))
    destroy_held(order(server, tmp_path, kind))
    assert (done.rows, done.before, done.before.rows) == (GOING, done.after, PARTS - GOING + 1)
    told = {one.count for one in done.consequences if one.code == "rows-counted-only"}
    # A stream is written in pieces, and all of it is summed by the way.
    assert told == (set() if kind == "stream" else {PARTS - GOING - engine.SUMMED_PARTS})
    assert server.do(SIZE[kind], kind) == PARTS - GOING
    print(kind, done.locked_milliseconds, "ms")


@pytest.mark.parametrize("kind", FILL)
def test_a_large_key_beside_is_not_copied_within_the_stroke(server: Redis, tmp_path: Path, kind: str) -> None:
    """A copy of it takes as long as it is large, and everybody waits; its parts are counted, and some are summed."""
    server.do("FLUSHALL")
    wide = (
        FILL[kind]
        .replace("'value-' .. i", "string.rep('v', 400) .. i")
        .replace("-' .. i", "-' .. string.rep('m', 400) .. i")
    )
    server.do("EVAL", f"local a, b = 1, 45000 {wide}", 1, "beside")
    size = server.do("MEMORY", "USAGE", "beside")
    assert isinstance(size, int)
    assert size > 16 << 20
    server.do("SET", "small", "KEEP")
    server.do("SET", "anna:1", "VCTM-of-anna-000001")
    server.do("CONFIG", "RESETSTAT")
    asked = ask(
        "redis", server.data, tmp_path, database="0", condition="anna:*", connect={"socket": str(server.socket)}
    )
    done = withdraw(asked)
    told = server.do("INFO", "commandstats")
    assert isinstance(told, bytes)
    destroy_held(asked)
    # The small one, before and after; the script asks for no other copy.
    assert "cmdstat_dump:calls=2," in told.decode()
    assert done.before == done.after
    assert done.rows == 1
    assert server.do(SIZE[kind], "beside") == 45_000


def test_few_wide_parts_are_not_all_asked_for_at_once(server: Redis, tmp_path: Path) -> None:
    """A thousand of them may be a gibibyte: neither an answer nor what is summed within the stroke grows with them."""
    server.do("FLUSHALL")
    fill = {
        "hash": "redis.call('hset', 'hash', 'f' .. i, text .. i)",
        "list": "redis.call('rpush', 'list', text .. i)",
        "stream": "redis.call('xadd', 'stream', i .. '-1', 'f', text .. i)",
    }
    for kind, command in fill.items():
        server.do("EVAL", f"local text = string.rep('v', 150000) for i = 1, 40 do {command} end", 1, kind)
    connect = {"socket": str(server.socket)}
    server.do("SET", "anna:1", "VCTM-of-anna-000001")
    asked = ask("redis", server.data, tmp_path, database="0", condition="anna:*", connect=connect)
    with asked.engine.open(asked.request, (), resuming=True) as session:
        assert [one for one in session.values(10) if one.startswith(b"VCTM")] == [b"VCTM-of-anna-000001"]
    told: Any = server.do("INFO", "commandstats")
    calls = {kind: int(re.search(rb"cmdstat_%b:calls=(\d+)" % kind, told)[1]) for kind in (b"lrange", b"xrange")}  # type: ignore[index]
    assert min(calls.values()) > 6
    done = withdraw(asked)
    destroy_held(asked)
    assert (done.rows, done.before == done.after, done.before.rows) == (1, True, 3)
