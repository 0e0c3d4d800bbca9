"""The append-only log over the store: what a leaf is, where its hashes lie, and the proofs that are read from them.

Each append stores the hashes of the subtrees that it completes (two on average). A proof first asks the arithmetic
which hashes it needs, then reads them all with one query: O(log n) rows, whatever the size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from certificates import merkle, notes, receipts
from certificates.encoding import format_time
from certificates.errors import Refused
from certificates.merkle import Node
from certificates.notes import Checkpoint, ConsistencyProof, InclusionProof, Note, NoteKey, Sign
from server_stub.tables import CHECKPOINTS, ENTRIES, NODES
from server_stub.tile_paths import TILE_WIDTH

T = TypeVar("T")
TILE_HEIGHT = 8


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The log's voice: its public key under its origin, and what signs with the private half."""

    key: NoteKey
    sign: Sign


@dataclass(frozen=True, slots=True)
class Leaf:
    """A document about to become an entry."""

    kind: str
    """`certificate` or `validation`."""
    salt: bytes
    """32 random bytes, never used before."""
    payload: str
    """Digest of the payload."""
    envelope: str
    """Digest of the envelope."""


@dataclass(frozen=True, slots=True)
class Grown:
    """What a new leaf makes of the tree."""

    completed: tuple[bytes, ...]
    """Hashes of the subtrees that it completes, level 0 upwards."""
    root: bytes
    path: tuple[bytes, ...]
    """Its own inclusion path."""


def size_of(connection: sa.Connection) -> int:
    """How many entries the log has."""
    last = connection.execute(sa.select(sa.func.max(CHECKPOINTS.c.size))).scalar()
    return int(last or 0)


def begin(connection: sa.Connection, signer: LogSigner) -> None:
    """The empty log has a signed checkpoint, so that every size has one."""
    if connection.execute(sa.select(CHECKPOINTS.c.size).limit(1)).first() is None:
        _sign_checkpoint(connection, signer, 0, merkle.EMPTY_ROOT)


def append(connection: sa.Connection, leaf: Leaf, signer: LogSigner, now: datetime) -> tuple[int, str]:
    """The leaf is the log's last entry under a new checkpoint: its number and its receipt. Part of one transaction."""
    number = size_of(connection)
    data = receipts.leaf_data(leaf.salt, leaf.payload, leaf.envelope)
    grown = _gather(connection, lambda node: _grow(number, merkle.leaf_hash(data), node))
    connection.execute(
        sa.insert(ENTRIES).values(
            number=number,
            kind=leaf.kind,
            data=data,
            salt=leaf.salt,
            payload=leaf.payload,
            envelope=leaf.envelope,
            appended_at=format_time(now),
        )
    )
    rows = [{"level": level, "position": number >> level, "hash": value} for level, value in enumerate(grown.completed)]
    connection.execute(sa.insert(NODES), rows)
    note = _sign_checkpoint(connection, signer, number + 1, grown.root)
    return number, notes.encode_proof(InclusionProof(leaf.salt, number, grown.path, note))


def checkpoint_note(connection: sa.Connection, size: int | None = None) -> Note:
    """The signed checkpoint at `size`, or the newest; Refused when the log was never published at that size."""
    wanted = size_of(connection) if size is None else size
    text = connection.execute(sa.select(CHECKPOINTS.c.note).where(CHECKPOINTS.c.size == wanted)).scalar()
    if text is None:
        raise Refused("registry-unknown", what=f"checkpoint at size {wanted}")
    return notes.parse_note(text)


def prove_consistency(connection: sa.Connection, old: int, new: int | None = None) -> ConsistencyProof:
    """That the log at `new` (or now) extends the log at `old`; Refused when there is no such size."""
    note = checkpoint_note(connection, new)
    size = notes.parse_checkpoint(note).size
    if old > size:
        raise Refused("registry-unknown", what=f"tree of {old} within a tree of {size}")
    path = _gather(connection, lambda node: merkle.consistency_proof(old, size, node))
    return ConsistencyProof(old, path, note)


def prove_inclusion(connection: sa.Connection, number: int, size: int | None = None) -> InclusionProof:
    """Entry `number` in the log at `size` (or now), with its salt; Refused when it is not there or was erased."""
    note = checkpoint_note(connection, size)
    salt = connection.execute(sa.select(ENTRIES.c.salt).where(ENTRIES.c.number == number)).scalar()
    within = notes.parse_checkpoint(note).size
    if salt is None or number >= within:
        raise Refused("registry-unknown", what=f"entry {number}")
    path = _gather(connection, lambda node: merkle.inclusion_proof(number, within, node))
    return InclusionProof(salt, number, path, note)


def tile(connection: sa.Connection, level: int, position: int, width: int) -> bytes:
    """The first `width` hashes of a tile (c2sp.org/tlog-tiles); Refused when the log does not reach that far yet."""
    first = position * TILE_WIDTH
    query = (
        sa.select(NODES.c.hash)
        .where(NODES.c.level == level * TILE_HEIGHT, NODES.c.position >= first, NODES.c.position < first + width)
        .order_by(NODES.c.position)
    )
    hashes = connection.execute(query).scalars().all()
    if len(hashes) != width:
        raise Refused("registry-unknown", what=f"tile {level}/{position} of width {width}")
    return b"".join(hashes)


def entries(connection: sa.Connection, position: int, width: int) -> bytes:
    """The first `width` leaves of an entry bundle, each after its length in two bytes; Refused when not all there."""
    first = position * TILE_WIDTH
    query = (
        sa.select(ENTRIES.c.data)
        .where(ENTRIES.c.number >= first, ENTRIES.c.number < first + width)
        .order_by(ENTRIES.c.number)
    )
    leaves = connection.execute(query).scalars().all()
    if len(leaves) != width:
        raise Refused("registry-unknown", what=f"entry bundle {position} of width {width}")
    return b"".join(len(data).to_bytes(2, "big") + data for data in leaves)


def current(connection: sa.Connection) -> Checkpoint:
    """What the newest checkpoint says."""
    return notes.parse_checkpoint(checkpoint_note(connection))


def _sign_checkpoint(connection: sa.Connection, signer: LogSigner, size: int, root: bytes) -> Note:
    text = notes.checkpoint_text(Checkpoint(signer.key.name, size, root))
    note = notes.sign_note(text, signer.key, signer.sign)
    connection.execute(sa.insert(CHECKPOINTS).values(size=size, note=notes.encode_note(note)))
    return note


def _grow(number: int, leaf: bytes, node: Node) -> Grown:
    """What leaf hash `leaf` at `number` makes of the tree, from the hashes stored before it."""
    completed = merkle.completed(number, leaf, node)

    def with_own(level: int, position: int) -> bytes:
        is_own = level < len(completed) and position == number >> level
        return completed[level] if is_own else node(level, position)

    size = number + 1
    return Grown(completed, merkle.root(size, with_own), merkle.inclusion_proof(number, size, with_own))


def _gather(connection: sa.Connection, make: Callable[[Node], T]) -> T:
    """What `make` makes of stored hashes, read with one query: a first, dry call only notes which ones it asks for."""
    wanted: list[tuple[int, int]] = []

    def note_down(level: int, position: int) -> bytes:
        wanted.append((level, position))
        return merkle.EMPTY_ROOT

    dry = make(note_down)
    if not wanted:
        return dry
    where = sa.tuple_(NODES.c.level, NODES.c.position).in_(wanted)
    rows = connection.execute(sa.select(NODES.c.level, NODES.c.position, NODES.c.hash).where(where))
    stored = {(level, position): value for level, position, value in rows}
    return make(lambda level, position: stored[level, position])
