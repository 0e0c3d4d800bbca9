"""The stroke by which data leaves a Redis server: what is noted before it, what it told, and how a resume finds out."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from hashlib import blake2b

from certificates.errors import Refused
from wipers.linux.engines import Request, Survivors, rows_outside
from wipers.linux.engines.redis_script import SCRIPT
from wipers.linux.engines.redis_selection import Selection, only, present, selection_of
from wipers.linux.engines.redis_server import Argument, Reply, Server, database_of, databases_of
from wipers.linux.engines.redis_stream import ANOTHER, WRITING, Beside, forget_noted, is_long
from wipers.linux.engines.redis_writing import Writing
from wipers.linux.held import Held
from wipers.linux.manifest import Line
from wipers.model import Lost

SUMMED = 20_000
"""Keys that stay whose content is summed before and after; all are counted."""
SUMMED_PARTS = 20_000
"""The same for parts that stay of a key of which others go; of a stream that is written in pieces all are summed."""
WAITS = 100
"""How often a stroke waits for a file that the server began to write just before it."""


def take_out(writing: Writing) -> tuple[int, Survivors, Survivors, int, int]:
    """The data is gone, at one stroke; raises Lost with everything as it was where it is not what was ordered. After a
    crash nothing more goes where the stroke was done, and else only what was there before it. Return how much went,
    what stays before and after, the milliseconds, and how much of what stays was counted and not summed."""
    server, request, held = writing.server, writing.request, writing.held
    noted = held.manifest.last("deleting")
    told: list[Reply] | None = None
    if noted is None:
        selection, noted = _noted(server, request, held)
        bounds = (request.identity.least_rows, request.identity.most_rows)
    else:
        told = _told_before(server, held, noted.facts["mark"])
        known = set(noted.facts["there"])
        selection = only(server, selection_of(server, request), lambda name: _known_as(request, name) in known)
        bounds = (0, request.identity.most_rows)
    forget_noted(server, selection, held)
    databases = sorted({*databases_of(server), database_of(request)})
    milliseconds = 0
    if told is None:
        stroke = _Stroke(writing, selection)
        told = stroke.made(databases, (*bounds, SUMMED, SUMMED_PARTS), noted.facts["mark"])
        milliseconds = stroke.longest
    if len(told) < 5:
        raise Lost("records-changed", where=str(request.where), detail=f"{told[:1]} of {selection.kind}")
    before, after = (_survivors(request, len(databases), *told[at : at + 2]) for at in (1, 3))
    rows = told[0] if isinstance(told[0], int) else 0
    unsummed = told[5] if len(told) > 5 and isinstance(told[5], int) else 0
    return max(rows, int(noted.facts["rows"])), before, after, milliseconds, unsummed


class _Stroke:
    """The script, given again until it finds nothing in its way."""

    def __init__(self, writing: Writing, selection: Selection) -> None:
        self._server, self._request = writing.server, writing.request
        self._selection, self._writing = selection, writing
        self._new = f"expunge:{os.urandom(12).hex()}"
        self._beside: Beside | None = None
        self.longest = 0
        """Milliseconds that the server was held at most, by the stroke or a piece of what was made ready for it."""
        if is_long(self._server, selection):
            writing.held.manifest.write("beside", name=self._new)
            self._beside = Beside(self._server, database_of(self._request), selection, self._new, writing.given)

    def made(self, databases: list[str], bounds: tuple[int, ...], mark: str) -> list[Reply]:
        """What the stroke answers that was done, or that will not be; raises Lost."""
        try:
            return self._made(databases, bounds, mark)
        except (Lost, Refused):
            if self._beside is not None:
                # A resume forgets it as well: whoever is gone cannot be asked.
                with suppress(Lost, Refused):
                    self._beside.abandon()
            raise

    def _made(self, databases: list[str], bounds: tuple[int, ...], mark: str) -> list[Reply]:
        for _ in range(WAITS):
            told = self._given(databases, bounds, mark)
            first = told[0] if told else 0
            if not isinstance(first, int) or not ANOTHER <= first < 0:
                if self._beside is not None and len(told) < 5:
                    self._beside.abandon()
                return told
            if first == WRITING:
                self._writing.idle()
                self._writing.take()
            elif self._beside is not None:
                self._beside.goes_on(told)
        raise Lost("records-in-use", where=str(self._request.where), detail="the server goes on writing a file")

    def _given(self, databases: list[str], bounds: tuple[int, ...], mark: str) -> list[Reply]:
        copied = ""
        if self._beside is not None:
            self._beside.advance()
            copied = self._beside.told
            self.longest = max(self.longest, self._beside.longest)
        selection = self._selection
        words: list[Argument] = ["EVAL", SCRIPT, 0, selection.mode, database_of(self._request), *bounds]
        words += [self._new, selection.key, mark, copied, len(databases), *databases, *selection.items]
        started = time.monotonic()
        told = self._server.all(*words)
        self.longest = max(self.longest, round((time.monotonic() - started) * 1000))
        return told


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


def _told_before(server: Server, held: Held, mark: str) -> list[Reply] | None:
    """How the stroke ended that a run before this one made; none where there was none, or the server lost it."""
    line = held.manifest.last("struck")
    found = server.do("GET", mark) if line is None else None
    told = line.facts["told"] if line is not None else json.loads(found) if isinstance(found, bytes) else None
    if told is None:
        return None
    return [value.encode() if isinstance(value, str) else value for value in told]


def forget_stroke(server: Server, held: Held) -> None:
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
