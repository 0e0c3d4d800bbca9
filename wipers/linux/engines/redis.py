"""Redis: keys, parts of a key, databases or everything, out of the server and out of its files on disk.

The files that hold what was there have a further name; the data is taken out at one stroke; the server writes its files
anew. It goes on serving. What it freed stays in its memory until it is started again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from certificates.errors import Refused
from certificates.statements import Consequence, Fact, Method, Place, Residual
from wipers.acts import Given
from wipers.linux.beneath import open_root
from wipers.linux.engines import CopyKnown, Look, Request, Withdrawn, facts_of, rows_outside
from wipers.linux.engines.redis_lzf import Lzf
from wipers.linux.engines.redis_script import NEEDED, NEEDED_FOR, READING, WIDEST
from wipers.linux.engines.redis_selection import (
    Selection,
    elements_of,
    selection_of,
    texts_of,
    widest_entry,
)
from wipers.linux.engines.redis_server import Server, connect, database_of, databases_of
from wipers.linux.engines.redis_stroke import SUMMED, SUMMED_PARTS, forget_stroke, take_out
from wipers.linux.engines.redis_writing import Writing, files, links
from wipers.linux.engines.telling import telling_apart
from wipers.linux.filesystems import file_system_of
from wipers.linux.held import Held
from wipers.model import Obstacle
from wipers.packings import Packing

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
    beside = sum(databases_of(server).values())
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
            Fact("lock-milliseconds", str(20 + min(beside, SUMMED) // 100 + _milliseconds(server, selection))),
            Fact("offline-phase", "declined: only a restart clears the server's memory"),
        ),
    )


def _milliseconds(server: Server, selection: Selection) -> int:
    """Return how long the parts of a key take besides: a list is read, a stream has its last entries and what is
    pending written, of others so many are summed."""
    match selection.kind if selection.mode == "elements" else "":
        case "list":
            return server.number("LLEN", selection.key) // 2500
        case "stream":
            return 20
        case "":
            return 0
    return SUMMED_PARTS // 200


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
    if any(re.search(rb" flags=\w*O", line) for line in _clients(server)):
        yield Obstacle(
            "records-snapshot", (("detail", "a client that is shown all commands (MONITOR)"), ("where", where))
        )
    if server.info("persistence").get("loading") == "1":
        yield Obstacle("records-snapshot", (("detail", "the server still reads its files"), ("where", where)))
    for one in server.forbidden(*NEEDED, *READING, *NEEDED_FOR.get(selection.kind, ())):
        detail = f"its user may not {one}, or it has another name there"
        yield Obstacle("records-not-offered", (("detail", detail), ("where", where)))
    if selection.kind == "stream" and widest_entry(server, selection.key) > WIDEST:
        detail = f"an entry of the stream has more than {WIDEST // 2} fields"
        yield Obstacle("records-not-offered", (("detail", detail), ("where", where)))
    yield from _obstacles_of_files(server, request)


def _clients(server: Server) -> list[bytes]:
    found = server.do("CLIENT", "LIST")
    return found.splitlines() if isinstance(found, bytes) else []


def _obstacles_of_files(server: Server, request: Request) -> Iterator[Obstacle]:
    where = str(request.where)
    device = request.where.stat().st_dev
    if any(path.stat().st_dev != device for path in files(server, request)):
        yield Obstacle("records-not-offered", (("detail", "files on another file system"), ("where", where)))
    if found := links(server, request):
        detail = f"{found[0].name} is a symbolic link, and what it leads to would stay"
        yield Obstacle("records-not-offered", (("detail", detail), ("where", where)))


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
        writing = Writing(server, request, held, given, folder)
        writing.idle()
        writing.take()
        given.note("the data is taken out of the server")
        rows, before, after, milliseconds, unsummed = take_out(writing)
        writing.idle()
        writing.take()
        given.note("the server's files are written anew")
        count = writing.anew()
        forget_stroke(server, held)
        server.do("SLOWLOG", "RESET")
        server.do("ACL", "LOG", "RESET")
        server.do("MEMORY", "PURGE")
        writing.let_go()
        os.sync()
        told = (Consequence("files-rewritten", count), Consequence("rows-counted-only", unsummed))
        return Withdrawn(rows, milliseconds, before, after, tuple(one for one in told if one.count))

    def check(self) -> tuple[str, bool]:
        told = self._server.info("persistence")
        sound = {told.get("rdb_last_bgsave_status", "ok"), told.get("aof_last_bgrewrite_status", "ok")} == {"ok"}
        return "INFO persistence", sound and self._server.do("PING") == b"PONG"

    def cut_check(self) -> None:
        """It takes no time."""
