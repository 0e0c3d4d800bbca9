"""Redis: keys, parts of a key, databases or everything, out of the server and out of its files on disk.

The files that hold what was there have a further name; the data is taken out at one stroke; the server writes its files
anew. It goes on serving. What it freed stays in its memory until it is started again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from certificates.errors import Refused
from certificates.statements import Consequence, Fact, Method, Place, Residual
from wipers.acts import Given, Halted
from wipers.linux.beneath import open_root
from wipers.linux.engines import CopyKnown, Look, Request, Survivors, Withdrawn, facts_of, rows_outside
from wipers.linux.engines.redis_lzf import Lzf
from wipers.linux.engines.redis_script import NEEDED, NEEDED_FOR, SCRIPT, WIDEST
from wipers.linux.engines.redis_selection import (
    Selection,
    elements_of,
    only,
    present,
    selection_of,
    texts_of,
    widest_entry,
)
from wipers.linux.engines.redis_server import Argument, Reply, Server, connect, database_of
from wipers.linux.engines.telling import telling_apart
from wipers.linux.filesystems import file_system_of
from wipers.linux.held import Held
from wipers.linux.manifest import Line
from wipers.model import Lost, Obstacle
from wipers.packings import Packing

WAIT_SECONDS = 600.0
"""Longest wait for the server to write a file anew."""
SUMMED = 100_000
"""Keys that stay whose content is summed before and after; all are counted."""
COMPARED = 2000
"""Keys that stay with which the samples are compared."""


def look(request: Request) -> Look | None:
    """What is there now; reads only."""
    server = connect(request)
    try:
        return _look(server, request)
    finally:
        server.close()


def _look(server: Server, request: Request) -> Look:
    selection = selection_of(server, request)
    beside = sum(_databases(server).values())
    return Look(
        facts=_facts(request),
        rows=selection.rows,
        size=sum(path.stat().st_blocks * 512 for path in files(server, request)),
        preferred=Method.COPY_FORWARD,
        obstacles=tuple(_obstacles(server, request, selection)),
        residual=(Residual("server-memory"), Residual("values-not-sampled")),
        consequences=(Consequence("files-rewritten", len(files(server, request))),),
        copies=tuple(_copies(server, request)),
        description=(
            Fact("kind", selection.kind),
            # About 200,000 keys a second are summed, twice.
            Fact("lock-milliseconds", str(20 + min(beside, SUMMED) // 100)),
            Fact("offline-phase", "declined: only a restart clears the server's memory"),
        ),
    )


def _facts(request: Request) -> tuple[Fact, ...]:
    root = open_root(str(request.where))
    try:
        filesystem = file_system_of(root, request.machine).uuid or ""
        inode = os.fstat(root).st_ino
    finally:
        os.close(root)
    return facts_of("redis", system="-", filesystem=filesystem, inode=inode, database=database_of(request))


def _obstacles(server: Server, request: Request, selection: Selection) -> Iterator[Obstacle]:
    where = str(request.where)
    if server.info("cluster").get("cluster_enabled") == "1":
        yield Obstacle("records-not-offered", (("detail", "a node of a cluster"), ("where", where)))
    if selection.kind not in ("none", "keys", "hash", "set", "zset", "list", "stream"):
        yield Obstacle("records-not-offered", (("detail", f"a key of type {selection.kind}"), ("where", where)))
    told = server.info("replication")
    if told.get("role") != "master":
        detail = "this is a replica, and its primary gives it back what is taken out here"
        yield Obstacle("records-not-offered", (("detail", detail), ("where", where)))
    for name, state in told.items():
        if name.startswith("slave") and name[5:].isdigit() and "state=online" not in state:
            yield Obstacle("records-snapshot", (("detail", "a replica that is behind"), ("where", where)))
    if server.info("persistence").get("loading") == "1":
        yield Obstacle("records-snapshot", (("detail", "the server still reads its files"), ("where", where)))
    for one in server.forbidden(*NEEDED, *NEEDED_FOR.get(selection.kind, ())):
        detail = f"its user may not {one}, or it has another name there"
        yield Obstacle("records-not-offered", (("detail", detail), ("where", where)))
    if selection.kind == "stream" and widest_entry(server, selection.key) > WIDEST:
        detail = f"an entry of the stream has more than {WIDEST // 2} fields"
        yield Obstacle("records-not-offered", (("detail", detail), ("where", where)))
    device = request.where.stat().st_dev
    if any(path.stat().st_dev != device for path in files(server, request)):
        yield Obstacle("records-not-offered", (("detail", "files on another file system"), ("where", where)))


def _copies(server: Server, request: Request) -> Iterator[CopyKnown]:
    """Yield the replicas, and further files of its sort beside the server's own."""
    for name, told in server.info("replication").items():
        if name.startswith("slave") and name[5:].isdigit():
            facts = dict(one.split("=", 1) for one in told.split(",") if "=" in one)
            yield CopyKnown("replica", f"{facts.get('ip', '')}:{facts.get('port', '')}")
    own = set(files(server, request))
    for pattern in ("*.rdb", "*.aof"):
        for path in sorted(request.where.glob(pattern)):
            if path not in own and not path.name.startswith("temp-"):
                yield CopyKnown("backup", path.name)


def files(server: Server, request: Request) -> tuple[Path, ...]:
    """The server's files that hold data: the snapshot, the parts of the log, and what was begun and left."""
    where = request.where
    folder = where / (server.setting("appenddirname") or "appendonlydir")
    found = {where / (server.setting("dbfilename") or "dump.rdb"), *where.glob("temp-*.rdb"), *where.glob("temp-*.aof")}
    found |= {where / (server.setting("appendfilename") or "appendonly.aof"), *folder.glob("*")}
    return tuple(sorted(path for path in found if path.is_file() and not path.is_symlink()))


def _databases(server: Server) -> dict[str, int]:
    """Databases that hold keys, with how many."""
    told = server.info("keyspace").items()
    return {name[2:]: int(text.split(",")[0].partition("=")[2]) for name, text in told if name.startswith("db")}


def recover(request: Request, held: Held) -> None:
    """Nothing is to be undone: the data goes at one stroke, and a further name of a file that the server still uses is
    given up when the withdrawal comes to its end."""
    held.finish()
    held.keep()


@contextmanager
def open(request: Request, expected: tuple[Fact, ...], resuming: bool) -> Iterator[Session]:  # noqa: A001 - the port's
    """A connection to the server, identified and counted; raises Refused."""
    server = connect(request)
    try:
        if not resuming:
            found = _look(server, request)
            outside = rows_outside(request, found.rows)
            for one in (*([outside] if outside is not None else []), *found.obstacles):
                raise Refused(one.reason, **dict(one.facts))
        yield Session(server, request)
    finally:
        server.close()


class Session:
    """A server that was opened for one order."""

    def __init__(self, server: Server, request: Request) -> None:
        """Change nothing yet."""
        self._server = server
        self._request = request

    def facts(self) -> tuple[Fact, ...]:
        return _facts(self._request)

    def files(self) -> Iterator[tuple[Path, Place]]:
        for path in files(self._server, self._request):
            yield path, "engine" if path.suffix == ".rdb" else "engine-log"

    def packings(self) -> tuple[Packing, ...]:
        return (Lzf(),)

    def values(self, most: int) -> Iterator[bytes]:
        selection = selection_of(self._server, self._request)
        going = (text for text in elements_of(self._server, selection, most))
        yield from telling_apart(going, texts_of(self._server, selection, COMPARED))[:most]

    def withdraw(self, held: Held, given: Given, method: Method) -> Withdrawn:
        del method
        server, request = self._server, self._request
        server.failure = server.lost
        folder = held.begin(request.where, given.entropy(8).hex())
        writing = _Writing(server, request, held, given, folder)
        writing.idle()
        writing.take()
        given.note("the data is taken out of the server")
        rows, before, after, milliseconds = _take_out(server, request, held)
        writing.idle()
        writing.take()
        given.note("the server's files are written anew")
        count = writing.anew()
        _forget_stroke(server, held)
        server.do("SLOWLOG", "RESET")
        server.do("MEMORY", "PURGE")
        writing.let_go()
        os.sync()
        return Withdrawn(rows, milliseconds, before, after, (Consequence("files-rewritten", count),))

    def check(self) -> tuple[str, bool]:
        told = self._server.info("persistence")
        sound = {told.get("rdb_last_bgsave_status", "ok"), told.get("aof_last_bgrewrite_status", "ok")} == {"ok"}
        return "INFO persistence", sound and self._server.do("PING") == b"PONG"


def _take_out(server: Server, request: Request, held: Held) -> tuple[int, Survivors, Survivors, int]:
    """The data is gone, at one stroke; raises Lost with everything as it was where it is not what was ordered. After a
    crash nothing more goes where the stroke was done, and else only what was there before it."""
    noted = held.manifest.last("deleting")
    told: list[Reply] | None = None
    if noted is None:
        selection, noted = _noted(server, request, held)
        bounds = (request.identity.least_rows, request.identity.most_rows)
    else:
        told = _stroke(server, held, noted.facts["mark"])
        known = set(noted.facts["there"])
        selection = only(server, selection_of(server, request), lambda name: _known_as(request, name) in known)
        bounds = (0, request.identity.most_rows)
    databases = sorted({*_databases(server), database_of(request)})
    milliseconds = 0
    if told is None:
        started = time.monotonic()
        new = selection.key + b":" + os.urandom(8).hex().encode()
        head: list[Argument] = ["EVAL", SCRIPT, 0, selection.mode, database_of(request), *bounds, SUMMED, new]
        head += [selection.key, noted.facts["mark"], len(databases), *databases, *selection.items]
        told = server.all(*head)
        milliseconds = round((time.monotonic() - started) * 1000)
    if len(told) < 5:
        raise Lost("records-changed", where=str(request.where), detail=f"{told[:1]} of {selection.kind}")
    before, after = (_survivors(request, len(databases), *told[at : at + 2]) for at in (1, 3))
    rows = told[0] if isinstance(told[0], int) else 0
    return max(rows, int(noted.facts["rows"])), before, after, milliseconds


def _noted(server: Server, request: Request, held: Held) -> tuple[Selection, Line]:
    """What goes is noted before anything does: how much, how its names are known again, and the key that will tell that
    it went; raises Lost."""
    selection = selection_of(server, request)
    if rows_outside(request, selection.rows) is not None:
        raise Lost("records-changed", where=str(request.where), detail=f"{selection.rows} of {selection.kind}")
    there = [_known_as(request, name) for name in present(server, selection)]
    mark = f"expunge:{os.urandom(12).hex()}"
    held.manifest.write("deleting", rows=selection.rows, mark=mark, there=there)
    return selection, held.manifest.lines[-1]


def _known_as(request: Request, name: bytes) -> str:
    """What a name is known by to whoever has the order's key, and to nobody else."""
    return blake2b(name, key=request.key, digest_size=16, person=b"redis-name").hexdigest()


def _stroke(server: Server, held: Held, mark: str) -> list[Reply] | None:
    """How the stroke ended that a run before this one made; none where there was none, or the server lost it."""
    line = held.manifest.last("struck")
    found = server.do("GET", mark) if line is None else None
    told = line.facts["told"] if line is not None else json.loads(found) if isinstance(found, bytes) else None
    if told is None:
        return None
    return [value.encode() if isinstance(value, str) else value for value in told]


def _forget_stroke(server: Server, held: Held) -> None:
    """The files hold the stroke for good: what told of it is gone from the server."""
    line = held.manifest.last("deleting")
    mark = line.facts["mark"] if line is not None else ""
    found = server.do("GET", mark)
    if isinstance(found, bytes):
        held.manifest.write("struck", told=json.loads(found))
        server.do("DEL", mark)


def _survivors(request: Request, databases: int, rows: object, told: object) -> Survivors:
    keyed = blake2b(told if isinstance(told, bytes) else b"", key=request.key, digest_size=32).hexdigest()
    return Survivors(databases, rows if isinstance(rows, int) else 0, f"sha256:{keyed}")


class _Writing:
    """The server's files while they are written anew."""

    def __init__(self, server: Server, request: Request, held: Held, given: Given, folder: Path) -> None:
        self._server = server
        self._request = request
        self._held = held
        self._given = given
        self._folder = folder

    def take(self) -> None:
        """Every file that holds data has a further name in the held directory, once."""
        known = {(self._folder / name).lstat().st_ino for name in self._held.names()}
        self._held.link(
            path for path in files(self._server, self._request) if path.is_file() and path.lstat().st_ino not in known
        )
        self._held.keep()

    def idle(self) -> None:
        """The server writes no file anew."""
        self._wait(lambda: not self._is_writing(), "the server goes on writing a file")

    def anew(self) -> int:
        """No file of the server is one that is held; return how many it has now."""
        server, request = self._server, self._request
        is_logged = server.setting("appendonly") == "yes"
        log = request.where / (server.setting("appenddirname") or "appendonlydir")
        if (request.where / (server.setting("dbfilename") or "dump.rdb")).exists() or server.setting("save"):
            self._write("BGSAVE", "rdb_last_bgsave_status")
        if is_logged:
            self._write("BGREWRITEAOF", "aof_last_bgrewrite_status")
        for path in files(server, request):
            # A log that is switched off, and what a server that died had begun, is of no use to anybody.
            if path.name.startswith("temp-") or (path.parent == log and not is_logged):
                path.unlink()
        held = {(self._folder / name).lstat().st_ino for name in self._held.names()}
        kept = [path.name for path in files(server, request) if path.is_file()]
        self._wait(
            lambda: not held & {path.lstat().st_ino for path in files(server, request) if path.is_file()},
            "a file of the server was not written anew",
        )
        return len(kept)

    def let_go(self) -> None:
        """No held file has another name, and the server has none of them open."""
        folder = self._request.machine.proc / str(self._server.process()) / "fd"

        def is_free() -> bool:
            opened = set()
            for name in os.listdir(folder):
                try:
                    found = (folder / name).stat()
                except OSError:
                    continue
                opened.add((found.st_dev, found.st_ino))
            held = [(self._folder / name).lstat() for name in self._held.names()]
            return not self._held.linked_elsewhere() and not opened & {(one.st_dev, one.st_ino) for one in held}

        self._wait(is_free, "the server still has a file that it wrote anew")

    def _is_writing(self) -> bool:
        told = self._server.info("persistence")
        marks = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled", "loading")
        return any(told.get(mark) == "1" for mark in marks)

    def _write(self, command: str, status: str) -> None:
        """The server wrote a file anew, begun after now; raises Lost where it failed."""
        self.idle()
        self._server.do(command)
        self.idle()
        if self._server.info("persistence").get(status) != "ok":
            raise Lost("engine-failed", where=str(self._request.where), detail=f"{command} failed")

    def _wait(self, is_done: Callable[[], bool], detail: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_done():
            if self._given.stop.is_set():
                raise Halted
            if time.monotonic() > deadline:
                raise Lost("records-in-use", where=str(self._request.where), detail=detail)
            time.sleep(0.02)
