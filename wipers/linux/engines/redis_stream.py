"""A long stream is written anew beside the old one in pieces, so that others are served between them; the stroke alone
puts it in the old one's place, and only where it holds exactly what stays."""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from wipers.acts import Given, Halted
from wipers.linux.engines.redis_selection import Selection, id_of
from wipers.linux.engines.redis_server import Argument, Reply, Server
from wipers.linux.engines.redis_stream_script import BEGIN, PIECE, SWEEP
from wipers.linux.held import Held

LONG = 2000
"""Entries from which a stream is written anew in pieces."""
LONG_BYTES = 1 << 20
"""The same in bytes."""
AT_ONCE = 500
"""Entries that go which a piece is told."""
NEARLY = 200
"""Entries that a piece may have copied at most for the rest to be left to the stroke."""
STARTS = 3
"""How often a copy is begun; after that the stroke makes all of it, and others wait."""
SWEEPS = 10
"""How often others' deletions are looked for in all of a copy, before the stroke makes all of it."""
CHANGED, BEHIND, WRITING, ANOTHER = -1, -2, -3, -4
"""What a stroke answers that did nothing."""


def is_long(server: Server, selection: Selection) -> bool:
    """Whether everybody would wait for it to be written anew at one stroke."""
    if selection.mode != "elements" or selection.kind != "stream":
        return False
    if server.number("XLEN", selection.key) > LONG:
        return True
    return server.number("MEMORY", "USAGE", selection.key) > LONG_BYTES


class Beside:
    """The copy of a stream, and how far it is."""

    def __init__(self, server: Server, database: str, selection: Selection, new: str, given: Given) -> None:
        """Change nothing yet; `new` is a name that nobody else has."""
        self._server, self._given = server, given
        self._where: tuple[Argument, ...] = (database, selection.key, new)
        going = ((id_of(one), one) for one in selection.items)
        self._going = sorted((at, one) for at, one in going if at is not None)
        self._told: dict[str, Any] = {}
        self._starts = self._sweeps = 0
        self.longest = 0
        """Milliseconds that the longest piece held the server."""

    @property
    def told(self) -> str:
        """How far it is, in the words of the scripts; empty where there is none."""
        return json.dumps(self._told) if self._told else ""

    def advance(self) -> None:
        """The copy has all but the last entries, or there is none and the stroke has to make it."""
        while self._starts < STARTS or self._told:
            if not self._told:
                self._starts += 1
                self._told = json.loads(_text(self._run(BEGIN)))
            if self._copied():
                return

    def goes_on(self, told: Sequence[Reply]) -> None:
        """Whatever kept a stroke from being done is out of its way, or there is no copy any more."""
        if told[0] == ANOTHER:
            self.abandon()
            return
        self._told = json.loads(_text(told[1]))
        if told[0] == CHANGED:
            self._sweeps += 1
            if self._sweeps > SWEEPS:
                self._starts = STARTS
                self.abandon()
            else:
                self._sweep()

    def abandon(self) -> None:
        """There is no copy, and no group of ours in the stream."""
        self._told = {}
        forget(self._server, *self._where[1:])

    def _copied(self) -> bool:
        """All but the last entries were copied; false where it has to be begun anew."""
        while True:
            to, gone = self._next()
            told = self._list(PIECE, self.told, to, *gone)
            if told[0] == ANOTHER:
                self.abandon()
                return False
            self._told = json.loads(_text(told[1]))
            if to == b"+" and (told[0] == 0 or _number(told[2]) <= NEARLY):
                return True

    def _next(self) -> tuple[bytes, tuple[bytes, ...]]:
        """Return up to which entry a piece may go, and what goes up to there."""
        after = id_of(self._told["from"].encode())
        begin = bisect_right(self._going, after, key=lambda one: one[0]) if after is not None else 0
        these = tuple(one for _, one in self._going[begin : begin + AT_ONCE])
        return (these[-1] if begin + AT_ONCE < len(self._going) else b"+"), these

    def _sweep(self) -> None:
        """What others deleted is not in the copy."""
        begin: Argument = "-"
        while True:
            told = self._list(SWEEP, self.told, begin)
            if told[0] == ANOTHER:
                self.abandon()
                return
            self._told = json.loads(_text(told[1]))
            if told[0] == 0:
                return
            begin = _text(told[2])

    def _list(self, script: str, *words: Argument) -> list[Reply]:
        found = self._run(script, *words)
        return found if isinstance(found, list) else [found]

    def _run(self, script: str, *words: Argument) -> Reply:
        """One piece, after which others have their turn; raises Halted where the run is to stop."""
        if self._given.stop.is_set():
            self.abandon()
            raise Halted
        started = time.monotonic()
        found = self._server.do("EVAL", script, 0, *self._where, *words)
        took = time.monotonic() - started
        self.longest = max(self.longest, round(took * 1000))
        time.sleep(took / 2)
        return found


def forget(server: Server, key: Argument, new: Argument) -> None:
    """No copy of that name is there, and no group of it in the stream; raises what the server's failures raise."""
    server.do("UNLINK", new)
    if server.do("TYPE", key) == b"stream":
        server.do("XGROUP", "DESTROY", key, new)


def forget_noted(server: Server, selection: Selection, held: Held) -> None:
    """What a run before this one had begun to copy is gone."""
    for line in held.manifest.lines:
        if line.phase == "beside":
            forget(server, selection.key, str(line.facts["name"]))


def _text(reply: Reply) -> bytes:
    return reply if isinstance(reply, bytes) else b"{}"


def _number(reply: Reply) -> int:
    return reply if isinstance(reply, int) else 0
