"""What a database engine offers to the frame of records: look, open, and in a session take out what is ordered.

The frame (`wipers/linux/records.py`) finds, holds, overwrites, reads back and releases; an engine says where things
are, takes them out of its live files, and hands the files that held them over. Who implements what:

    Engine.look       reads only: what is there for an order, and why it must not be touched
    Engine.recover    a run begun earlier may have been cut anywhere: undo or complete, before anything connects
    Engine.open       a session with the engine, identified as the one whose files are here
    Session.values    samples of what is to be destroyed
    Session.withdraw  take it out, hand over the files that held it, count what stays
    Session.check     the engine's own check of its files, afterwards
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from certificates.encoding import digest
from certificates.errors import Refused
from certificates.statements import (
    Consequence,
    Digest,
    Fact,
    Id,
    Method,
    Parameter,
    Place,
    RecordsIdentity,
    RecordsSelector,
    Residual,
)
from wipers.acts import Given
from wipers.linux.engines.connecting import check_connect
from wipers.linux.held import Held
from wipers.linux.machine import Machine
from wipers.model import Obstacle
from wipers.packings import Packing


@dataclass(frozen=True, slots=True)
class Request:
    """What an order names, as an engine needs it."""

    carrier: Id
    """Carrier's id in the order."""
    identity: RecordsIdentity
    """What the order says of it in the open."""
    selects: RecordsSelector
    """Its private part."""
    machine: Machine
    """Where it is looked for."""
    destroy: tuple[str, ...] = ()
    """What the order wants gone besides the contents: names, history."""

    @property
    def where(self) -> Path:
        """Data directory, or database file."""
        return Path(self.selects.where)

    @property
    def connect(self) -> dict[str, str]:
        """How to connect: socket, host, port, user; no secret is among them."""
        return {fact.name: fact.value for fact in self.selects.connect}

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Values of the condition; `wipers.conditions.bind` puts a driver's marks in their place."""
        return self.selects.parameters

    @property
    def key(self) -> bytes:
        """Key of labels and digests."""
        return bytes.fromhex(self.selects.label_key)


@dataclass(frozen=True, slots=True)
class CopyKnown:
    """Another place that the engine knows to hold the same data: a carrier of its own, or refused."""

    what: str
    """replica, archive, slot, backup, dump: the word by which the order's `copies` names it."""
    place: str
    """Where, for people on this host only: a host name, a slot, a directory."""


@dataclass(frozen=True, slots=True)
class Look:
    """What an engine has for a request now. Nothing of it may change by itself from one look to the next on a server
    that others use, but for rows, size, description and copies."""

    facts: tuple[Fact, ...]
    """engine, system, filesystem, inode, database, object, in this order; `facts_of` makes them. `object` is what the
    engine calls the table for its lifetime (an oid), `-` where the scope is no table."""
    rows: int
    """Rows, or objects, that the condition selects or the table holds."""
    size: int
    """Bytes of the files that are going to be held and overwritten, logs among them: an estimate."""
    preferred: Method
    """The way that suits, from the pages touched."""
    obstacles: tuple[Obstacle, ...] = ()
    """Why it must not be touched now: a long snapshot, a slot, a prepared transaction, a copy behind, ..."""
    residual: tuple[Residual, ...] = ()
    """What this way does not reach: server memory, replicas, temporary files, ..."""
    consequences: tuple[Consequence, ...] = ()
    """What goes with it, or is written anew for it."""
    copies: tuple[CopyKnown, ...] = ()
    """The census: every copy that the engine knows."""
    room: int = 0
    """Bytes that must be free on its file system before rows are taken out, for what the engine writes beside what is
    held: less is an obstacle, for an engine whose disk is full may end. 0: not asked for."""
    description: tuple[Fact, ...] = ()
    """For people: pages, lock-milliseconds (expected), offline-phase, way and why; numbers and words, no names."""


@dataclass(frozen=True, slots=True)
class Survivors:
    """What no order names, counted and summed."""

    tables: int
    """Tables, or other collections."""
    rows: int
    """Rows in them."""
    digest: Digest
    """`Tally` makes it; any digest under the request's key that does not depend on the order of rows will do."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """How a withdrawal ended."""

    rows: int
    """Rows or objects taken out."""
    locked_milliseconds: int
    """The longest time that an exclusive lock was held."""
    before: Survivors
    """What had to survive, under the lock or in the snapshot in which the rows went."""
    after: Survivors
    """The same, in what is in use now, before others could change it."""
    consequences: tuple[Consequence, ...] = ()
    """What went with it, or was written anew."""
    left: tuple[Id, ...] = ()
    """Places of the engine that were not reached, by residual code."""


class Session(Protocol):
    """An engine that was opened for one request; whoever leaves it without `withdraw` has changed nothing."""

    def facts(self) -> tuple[Fact, ...]:
        """Identity, read again now, except that an object which this run took out is told as it was; raises Lost."""
        ...

    def files(self) -> Iterable[tuple[Path, Place]]:
        """The engine's live files: `engine` for data files, `engine-log` for logs; for telling where a hit lies."""
        ...

    def packings(self) -> tuple[Packing, ...]:
        """Forms in which this engine packs values, beside those that every hunt knows."""
        ...

    def values(self, most: int) -> Iterator[bytes]:
        """At most so many values of what is ordered, as bytes in the engine's own encoding and uncompressed, spread
        over columns, types and pages; the frame drops what is too short to be looked for. Only before `withdraw`."""
        ...

    def withdraw(self, held: Held, given: Given, method: Method) -> Withdrawn:
        """What is ordered is, by the way that the plan chose, in none of the engine's live files; `held` has every
        file that held it, and nobody else reaches those (each has the one name there). Counts again under lock: raises
        Lost("records-changed") where rows are more or fewer than ordered, before anything is changed. Begun again
        after a crash it completes what `recover` left. Locks are waited for at most `LOCK_SECONDS`; then
        Lost("records-in-use")."""
        ...

    def check(self) -> tuple[str, bool]:
        """The name of the engine's own check that was made now, and whether it found its files whole. The frame asks
        for it in a thread of its own, and nothing else of the session meanwhile."""
        ...

    def cut_check(self) -> None:
        """A check that another thread is at ends soon; what it says then is nobody's. May be asked for again."""
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A session that can use for its samples what the withdrawal will need."""

    def foresee(self, held: Held, given: Given) -> None:
        """The values that are asked for next are samples: the withdrawal may be prepared by them, as far as nothing of
        it shows in the engine's files, and `recover` undoes it."""
        ...


class Engine(Protocol):
    """One database engine; its module offers these three as functions of these names."""

    def look(self, request: Request) -> Look | None:
        """What is there now; none where there is nothing at that place. Reads only. Raises Refused: cannot connect,
        the server holds other files than those named, the condition is wrong."""
        ...

    def recover(self, request: Request, held: Held) -> None:
        """Whatever a run that was cut left half done is undone (`held.put_back()`) or completed, before anybody
        connects; called only where `held` says that a withdrawal began and did not end. Raises Refused."""
        ...

    def open(self, request: Request, expected: tuple[Fact, ...], resuming: bool) -> AbstractContextManager[Session]:
        """A session, identified as `expected`, counted under lock where that is bounded; raises Refused: in use, other
        rows than ordered, dropped and created again, of another server. `resuming`: a withdrawal may have ended
        already, so rows may be gone."""
        ...


LOCK_SECONDS = 5.0
"""Longest wait for a lock of an engine."""
FACTS = ("engine", "system", "filesystem", "inode", "database", "object")


def facts_of(
    engine: str, *, system: str, filesystem: str, inode: int, database: str, thing: str = "-"
) -> tuple[Fact, ...]:
    """Identity of records, in its one order."""
    return tuple(map(Fact, FACTS, (engine, system, filesystem, str(inode), database, thing)))


def rows_outside(request: Request, rows: int) -> Obstacle | None:
    """Why a number of rows is not what was ordered; none where it is."""
    identity = request.identity
    if identity.least_rows <= rows <= identity.most_rows:
        return None
    facts = (("found", str(rows)), ("what", "rows"), ("least", str(identity.least_rows)))
    return Obstacle("count-outside-order", (*facts, ("most", str(identity.most_rows))))


def room_missing(where: Path, needed: int) -> Obstacle | None:
    """Why the file system of a place has too little room for what an engine writes there, as users who are not the
    superuser find it; none where it has enough; raises OSError."""
    about = os.statvfs(where)
    free = about.f_bavail * about.f_frsize
    if not needed or free >= needed:
        return None
    return Obstacle("records-space-low", (("free", str(free)), ("needed", str(needed)), ("where", str(where))))


@dataclass(slots=True)
class Tally:
    """Counts rows and sums them under a key, so that neither their order nor their number of reads matters."""

    key: bytes
    tables: int = 0
    rows: int = 0
    total: int = 0

    def add(self, table: bytes, row: bytes) -> None:
        """One row of a table, in bytes that tell its values apart."""
        hashed = hashlib.blake2b(row, digest_size=32, key=self.key, person=hashlib.sha256(table).digest()[:16])
        self.total = (self.total + int.from_bytes(hashed.digest(), "big")) & _MODULUS
        self.rows += 1

    def result(self) -> Survivors:
        """What was counted."""
        hashed = hashlib.blake2b(self.total.to_bytes(32, "big"), digest_size=32, key=self.key)
        return Survivors(self.tables, self.rows, digest(hashed.digest()))


_MODULUS = (1 << 256) - 1
"""Sums stay within 256 bits."""


ENGINES = {
    "sqlite": "wipers.linux.engines.sqlite",
    "postgresql": "wipers.linux.engines.postgresql",
    "mariadb": "wipers.linux.engines.mariadb",
    "redis": "wipers.linux.engines.redis",
}
"""Module of each engine. A table: installing a package must not teach this program a new way to destroy."""


def look_at(request: Request) -> Look | None:
    """What the engine has for the request now, see `Engine.look`; raises Refused, also where the selector names less
    than the scope: who reads the condition takes it for the whole of what goes."""
    scope, selects = request.identity.scope, request.selects
    if scope == "rows" and not selects.condition:
        raise Refused("condition-wrong", detail="rows are ordered, and no condition says which")
    if scope != "rows" and (selects.condition or selects.parameters):
        raise Refused("condition-wrong", detail=f"a condition, and the {scope} is ordered, which would go whole")
    if scope in ("schema", "database", "cluster") and selects.table is not None:
        raise Refused("condition-wrong", detail=f"a table, and the {scope} is ordered, which would go whole")
    if scope in ("database", "cluster") and selects.schema is not None:
        raise Refused("condition-wrong", detail=f"a schema, and the {scope} is ordered, which would go whole")
    if scope == "table" and selects.table is None:
        raise Refused("condition-wrong", detail="a table is ordered, and none is named")
    check_connect(request.carrier, request.identity.engine, selects)
    return engine_of(request).look(request)


def engine_of(request: Request) -> Engine:
    """The engine that an order names, loaded when it is first needed."""
    return cast("Engine", import_module(ENGINES[request.identity.engine]))
