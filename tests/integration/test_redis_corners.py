"""Corners of a Redis server: what others hear and wait for, what a server that died left behind, odd names of files."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from certificates.errors import Refused
from certificates.statements import Parameter
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import TOLD, Redis, redis
from tests.support.withdrawing import Asked, ask, destroy_held, withdraw

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS = 40
LONGEST = 60.0
"""Seconds that anything here may take on any machine."""


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(64 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[Redis]:
    work = disk.root / "server"
    work.mkdir()
    with redis(work, *TOLD, "--rdbcompression", "no") as found:
        yield found


@pytest.fixture(autouse=True)
def empty(server: Redis) -> None:
    server.do("FLUSHALL")


def fill(server: Redis, kind: str) -> None:
    for row in range(ROWS):
        wide = f"-{row:05d}" * 300
        server.pipeline([("SET", f"anna:{row}", f"VCTM{kind}{wide}"), ("SET", f"ben:{row}", f"KEEP{kind}{wide}")])


def order(server: Redis, state: Path) -> Asked:
    connect = {"socket": str(server.socket)}
    return ask("redis", server.data, state, database="0", condition="anna:*", connect=connect, least=ROWS, most=ROWS)


def no_trace(disk: Mounted, asked: Asked, kind: str) -> None:
    destroy_held(asked)
    disk.sync()
    assert scan(disk.image, b"VCTM" + kind.encode(), packed=False).total == 0


class Client:
    """A connection of somebody else, with what it is told."""

    def __init__(self, server: Redis) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(LONGEST)
        self._socket.connect(str(server.socket))
        self.heard = b""

    def say(self, *lines: str) -> None:
        self._socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self, last: bytes) -> bytes:
        """All that was told, up to this."""
        while last not in self.heard:
            found = self._socket.recv(65536)
            assert found
            self.heard += found
        return self.heard

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_who_listens_hears_names_of_keys_and_nothing_of_what_they_held(server: Redis, tmp_path: Path) -> None:
    """Events and tracking tell of a key that goes as of any DEL; of a part that goes not even its name."""
    fill(server, "heard")
    server.pipeline([("HSET", "hash", "VCTMfield-1", "VCTMheard"), ("HSET", "hash", "other", "KEEP")])
    server.do("CONFIG", "SET", "notify-keyspace-events", "KEA")
    try:
        with Client(server) as events, Client(server) as tracking:
            events.say("PSUBSCRIBE __key* last")
            events.hear(b"psubscribe\r\n$4\r\nlast")
            tracking.say("HELLO 3", "CLIENT TRACKING ON BCAST")
            tracking.hear(b"+OK")
            asked = order(server, tmp_path / "keys")
            withdraw(asked)
            destroy_held(asked)
            listed = (Parameter("names", "text", ("VCTMfield-1",)),)
            one: dict[str, Any] = {"table": "hash", "condition": ":names", "parameters": listed}
            connect = {"socket": str(server.socket)}
            asked = ask("redis", server.data, tmp_path / "parts", database="0", connect=connect, **one)
            assert withdraw(asked).rows == 1
            destroy_held(asked)
            server.pipeline([("SET", "over", "KEEP"), ("PUBLISH", "last", "over-and-out")])
            for told in (events.hear(b"over-and-out"), tracking.hear(b"over")):
                assert b"anna:7" in told
                assert b"hash" in told
                assert b"VCTM" not in told
    finally:
        server.do("CONFIG", "SET", "notify-keyspace-events", "")


def test_who_is_shown_all_commands_is_named(server: Redis, tmp_path: Path) -> None:
    """MONITOR shows the names and texts of the stroke itself, and what shows them often writes them down."""
    fill(server, "shown")
    with Client(server) as shown:
        shown.say("MONITOR")
        shown.hear(b"+OK")
        asked = order(server, tmp_path)
        assert asked.reasons() == {"records-snapshot"}
        with pytest.raises(Refused, match="MONITOR"):
            withdraw(asked)
        assert server.do("EXISTS", "anna:1") == 1
    deadline = time.monotonic() + LONGEST
    while asked.reasons():
        assert time.monotonic() < deadline


def test_the_log_of_slow_commands_keeps_no_name(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """It kept what others gave before, and the stroke's own words, which name what goes."""
    server.do("CONFIG", "SET", "slowlog-log-slower-than", 0)
    try:
        fill(server, "slow")
        assert b"VCTMslow" in repr(server.do("SLOWLOG", "GET", 1000)).encode()
        asked = order(server, tmp_path)
        withdraw(asked)
        told = repr(server.do("SLOWLOG", "GET", 1000))
        assert "anna" not in told
        assert "VCTM" not in told
        no_trace(disk, asked, "slow")
    finally:
        server.do("CONFIG", "SET", "slowlog-log-slower-than", -1)


def test_who_waits_or_is_amid_something_goes_on(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """A transaction on a key that went is not done, as its client asked for; who waits for a list waits on; functions
    are code, and stay."""
    fill(server, "amid")
    server.do("FUNCTION", "LOAD", "REPLACE", "#!lua name=own\nredis.register_function('own', function() return 7 end)")
    with Client(server) as waiting, Client(server) as amid:
        waiting.say("BLPOP queue 0")
        amid.say("WATCH anna:1", "MULTI", "SET anna:1 KEEP-again")
        amid.hear(b"+QUEUED")
        asked = order(server, tmp_path)
        assert withdraw(asked).rows == ROWS
        amid.say("EXEC")
        amid.hear(b"*-1")
        server.do("RPUSH", "queue", "KEEP-come")
        waiting.hear(b"KEEP-come")
    assert server.do("EXISTS", "anna:1") == 0
    assert server.do("FCALL", "own", 0) == 7
    no_trace(disk, asked, "amid")


def test_a_server_that_is_at_a_script_for_long_is_refused(server: Redis, tmp_path: Path) -> None:
    """It serves nobody; nothing was touched."""
    fill(server, "busy")
    server.do("CONFIG", "SET", "busy-reply-threshold", 1)
    with Client(server) as busy:
        busy.say("EVAL 'while true do end' 0")
        with Client(server) as asking:
            deadline = time.monotonic() + LONGEST
            while b"-BUSY" not in asking.heard:
                assert time.monotonic() < deadline
                asking.heard = b""
                asking.say("PING")
                asking.hear(b"\r\n")
        with pytest.raises(Refused, match="BUSY"):
            order(server, tmp_path).reasons()
        with Client(server) as ending:
            ending.say("SCRIPT KILL")
            ending.hear(b"+OK")
        busy.hear(b"\r\n")
    server.do("CONFIG", "SET", "busy-reply-threshold", 5000)
    assert order(server, tmp_path).reasons() == set()


def begun(server: Redis, kind: str, delay: int) -> Path:
    """A snapshot that the server began, with something of what goes in it, and so many microseconds a key; where it
    came to its end before anybody looked, the next."""
    server.do("CONFIG", "SET", "rdb-key-save-delay", delay)
    deadline = time.monotonic() + LONGEST
    while True:
        assert time.monotonic() < deadline
        if server.is_idle():
            server.do("BGSAVE")
        for path in server.data.glob("temp-*.rdb"):
            with suppress(FileNotFoundError):
                if b"VCTM" + kind.encode() in path.read_bytes():
                    return path
        time.sleep(0.01)


def test_what_a_killed_snapshot_left_is_held_and_goes(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """Server and child died amid it: the file has a name that no server ever looks at again, and holds what goes."""
    fill(server, "left")
    left = begun(server, "left", 500_000)
    server.kill()
    os.kill(int(left.name[len("temp-") : -len(".rdb")]), signal.SIGKILL)
    server.start()
    assert left.exists()
    asked = order(server, tmp_path)
    withdraw(asked)
    assert not left.exists()
    no_trace(disk, asked, "left")


def test_a_snapshot_that_outlives_its_server_is_waited_for(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """The child of a server that was killed writes on and gives its file the snapshot's name at its end, at any moment:
    it would bring back what went."""
    fill(server, "alone")
    left = begun(server, "alone", 20_000)
    server.kill()
    server.start()
    asked = order(server, tmp_path)
    withdraw(asked)
    assert not left.exists()
    no_trace(disk, asked, "alone")
    assert b"VCTM" not in (server.data / "dump.rdb").read_bytes()


def test_files_of_odd_names_in_odd_places_are_the_servers_own(disk: Mounted, tmp_path: Path) -> None:
    """Another directory for the log, spaces, brackets, quotes and stars, and a data directory behind a link."""
    work = disk.root / "odd"
    work.mkdir()
    (work / "link").symlink_to("redis/data")
    names = ("--appenddirname", "the log's [parts]", "--appendfilename", "log é.aof", "--dbfilename", "a [b]*?.rdb")
    with redis(work, *TOLD, *names, "--dir", str(work / "link")) as found:
        fill(found, "odd")
        found.do("SAVE")
        assert (found.data / "a [b]*?.rdb").exists()
        asked = order(found, tmp_path)
        withdraw(asked)
        no_trace(disk, asked, "odd")
        found.kill()
        found.start()
        assert found.do("DBSIZE") == ROWS
