"""Keys, parts of keys of every sort, databases and everything taken out of a Redis server, ended just before or after
every line that the withdrawal notes, or some milliseconds after it gave the server something long to do: agent, server,
or both."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from certificates.errors import Refused
from certificates.statements import Parameter, Scope
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import TOLD, Redis, redis
from tests.support.withdrawing import Asked, ask, destroy_held, withdraw
from wipers.linux.engines import redis_stream, redis_stroke
from wipers.linux.engines.redis_server import Argument, Reply, Server
from wipers.linux.engines.redis_stream_script import STREAMS
from wipers.linux.manifest import Manifest
from wipers.model import Lost

SCOPES: dict[str, Scope] = {"table": "table", "database": "database", "cluster": "cluster"}
PARTS = {
    "hash": ("HSET k f{n} {text}", "f{n}", "HVALS k"),
    "set": ("SADD k {text}", "{text}", "SMEMBERS k"),
    "zset": ("ZADD k {n} {text}", "{text}", "ZRANGE k 0 -1"),
    "list": ("RPUSH k {text}", "{text}", "LRANGE k 0 -1"),
    "stream": ("XADD k {n}-1 f {text}", "{n}-1", "XRANGE k - +"),
    "long stream": ("XADD k {n}-1 f {text}", "{n}-1", "XRANGE k - +"),
}
"""Sort of key -> how a part comes in, what an order calls it, and what all of them are asked with."""
KINDS = ("keys", *PARTS, *SCOPES)
LINES = 18
"""Moments before and after lines of the manifest; a withdrawal that has fewer ends before."""
VICTIMS = ("agent", "server", "both")
LONG = ("EVAL", "BGSAVE", "BGREWRITEAOF")
"""The stroke, and the two ways in which files are written anew."""
DELAYS = (0.0, 0.001, 0.003, 0.01, 0.03)
"""Seconds after such a command was given."""
BESIDE = 5000
"""Keys of another database that stay, so that such a command takes some ten milliseconds."""
SLICE = 1
NEEDS_ROOT = True
COUNT = 60
AT_ONCE = 36
"""Trials that share a server."""
Moment = int | tuple[str, float]
"""Half a line of the manifest, or a command and how long after it."""
Trial = tuple[str, Moment, str]
LINED = tuple(product(KINDS, range(1, LINES + 1), VICTIMS))
# Amid a command the agent's death is the end of its connection, also where the server died first.
AMID = tuple(product(KINDS, product(LONG, DELAYS), ("agent", "server")))
FULL = len(LINED) + len(AMID)


class Died(BaseException):
    """The agent is not there any more."""


def run(seed: int, trials: int) -> str:
    """Nothing that stays is lost, and nothing that goes is left, whoever died."""
    chosen: list[Trial] = [*LINED, *AMID]
    Random(seed).shuffle(chosen)
    chosen = chosen[:trials]
    reached = sum(_run(chosen[begin : begin + AT_ONCE]) for begin in range(0, len(chosen), AT_ONCE))
    return f"{len(chosen)} cuts, {reached} reached, 0 keys or parts lost, 0 left"


def _run(these: list[Trial]) -> int:
    """Return how many of the cuts came to be, one after the other on one server."""
    with (
        tempfile.TemporaryDirectory() as state,
        disk_for_a_server(24 << 20) as disk,
        redis(disk.root, *TOLD) as server,
    ):
        return sum(_cut(disk, server, Path(state) / str(number), trial) for number, trial in enumerate(these))


def _cut(disk: Mounted, server: Redis, state: Path, trial: Trial) -> bool:
    kind, at, victim = trial
    mark = f"VCTM{state.name}-"
    _fill(server, kind, mark)
    others = 0 if isinstance(at, int) or kind == "cluster" else BESIDE
    server.pipeline([("SELECT", 2), *(("SET", f"keep:{n}", f"KEEP{n:0200d}") for n in range(others)), ("SELECT", 0)])
    before = sorted(text for text in _texts(server, kind) if b"KEEP" in text)
    was_reached = False
    ending = _ending(server, at, victim) if isinstance(at, int) else _ending_amid(server, *at, victim)
    with _in_pieces(kind), ending as ended:
        try:
            withdraw(_order(server, state, kind, mark))
        except (Died, Lost, Refused):
            was_reached = True
    was_reached = was_reached or bool(ended)
    if was_reached and victim != "agent":
        server.start()
    if was_reached:
        is_noted = bool(_order(server, state, kind, mark).held().manifest.lines)
        with _in_pieces(kind):
            withdraw(_order(server, state, kind, mark), resuming=is_noted)
    destroy_held(_order(server, state, kind, mark))
    disk.sync()
    assert sorted(_texts(server, kind)) == before, f"{trial}: what stays is not as it was"
    assert scan(disk.image, mark.encode(), packed=False).total == 0, f"{trial}: something is left"
    assert server.do("KEYS", "expunge:*") == [], trial
    assert server.do("DBSIZE", database=2) == others, trial
    return was_reached


@contextmanager
def _in_pieces(kind: str) -> Iterator[None]:
    """A long stream is written in pieces of some six entries."""
    if kind != "long stream":
        yield
        return
    pieces = STREAMS.replace("STEP, MOST, PIECE = 20, 1000,", "STEP, MOST, PIECE = 3, 6,")
    with ExitStack() as patched:
        patched.enter_context(patch.multiple(redis_stream, LONG=0, AT_ONCE=5, NEARLY=0))
        for module, name in ((redis_stream, "BEGIN"), (redis_stream, "PIECE"), (redis_stroke, "SCRIPT")):
            patched.enter_context(patch.object(module, name, getattr(module, name).replace(STREAMS, pieces)))
        yield


@contextmanager
def _ending(server: Redis, at: int, victim: str) -> Iterator[list[int]]:
    """Whoever is to die does so before (odd) or after (even) a line of the manifest; what was reached is listed."""
    write, count = Manifest.write, 0
    ended: list[int] = []

    def die() -> None:
        ended.append(at)
        if victim != "agent":
            server.kill()
        if victim != "server":
            raise Died

    def writing(manifest: Manifest, phase: str, **facts: Any) -> None:
        nonlocal count
        count += 1
        if count * 2 - 1 == at:
            die()
        write(manifest, phase, **facts)
        if count * 2 == at:
            die()

    with patch.object(Manifest, "write", writing):
        yield ended


@contextmanager
def _ending_amid(server: Redis, command: str, delay: float, victim: str) -> Iterator[list[int]]:
    """The server is killed, or the agent's connection ends, so long after the command was first given."""
    ask_it = Server._ask
    ended: list[int] = []
    timers: list[threading.Timer] = []

    def strike(connection: socket.socket) -> None:
        ended.append(1)
        if victim == "server":
            server.kill()
        else:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def asking(one: Server, *words: Argument) -> Reply:
        if words[0] == command and not timers:
            timers.append(threading.Timer(delay, strike, (one._connection,)))
            timers[0].start()
        return ask_it(one, *words)

    with patch.object(Server, "_ask", asking):
        yield ended
    for timer in timers:
        timer.cancel()
        timer.join()


def _fill(server: Redis, kind: str, mark: str) -> None:
    """What goes has the mark, what stays another."""
    server.do("FLUSHALL")
    commands: list[tuple[bytes | str | int, ...]] = []
    for n in range(1, COUNT + 1):
        text = f"{mark}{n:05d}" if n % 3 == 0 or kind in SCOPES else f"KEEP-{n:05d}"
        if kind in PARTS:
            commands.append(tuple(PARTS[kind][0].format(n=n, text=text).split()))
        elif kind == "table":
            commands.append(("RPUSH", "k", text))
        else:
            commands.append(("SET", f"{'anna' if text.startswith('VCTM') else 'ben'}:{n}", text))
    if kind != "cluster":
        server.do("SET", "other", "KEEP-of-another", database=3)
    server.pipeline([*commands, ("SAVE",)])


def _texts(server: Redis, kind: str) -> list[bytes]:
    """Every text that the server holds."""
    if kind in PARTS:
        found = server.do(*PARTS[kind][2].split())
    elif kind == "table":
        found = server.do("LRANGE", "k", 0, -1)
    else:
        names = server.do("KEYS", "*")
        found = server.do("MGET", *[name for name in names if isinstance(name, bytes)]) if names else []  # type: ignore[union-attr]
    other = server.do("GET", "other", database=3)
    return [str(one).encode() for one in [*(found if isinstance(found, list) else []), other] if one is not None]


def _order(server: Redis, state: Path, kind: str, mark: str) -> Asked:
    going = COUNT if kind in SCOPES else COUNT // 3
    rows = 1 if kind == "table" else going
    names: tuple[str, ...] = ()
    if kind in PARTS:
        names = tuple(PARTS[kind][1].format(n=n, text=f"{mark}{n:05d}") for n in range(3, COUNT + 1, 3))
    return ask(
        "redis",
        server.data,
        state,
        scope=SCOPES.get(kind, "rows"),
        database="0",
        table="k" if kind in PARTS or kind == "table" else None,
        condition=None if kind in SCOPES else ":names" if names else "anna:*",
        parameters=(Parameter("names", "text", names),) if names else (),
        connect={"socket": str(server.socket)},
        least=rows,
        most=rows,
    )
