"""An independent check of a registry's store and log: nothing here asks the code that wrote them.

Every leaf is computed again from its document, every stored hash from the leaves, the root at every size from the
leaves before it; every checkpoint's signature is verified, every receipt and document is checked as a stranger would.
That each root follows from one list of leaves is also what makes all checkpoints consistent with each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from certificates import merkle, notes, receipts
from certificates.encoding import digest
from certificates.envelope import Sealed, unseal, unwrap
from certificates.errors import Failure
from certificates.keyring import Chain, check_chain
from certificates.notes import Checkpoint, NoteKey
from certificates.statements import Certificate, Validation
from server_stub import incidents
from server_stub.keyrings import by_citation, by_time
from server_stub.records import MOST, check_claim
from server_stub.store import Store
from server_stub.tables import CERTIFICATES, CHECKPOINTS, ENTRIES, HOLDS, KEYRINGS, NODES, ORDERS, VALIDATIONS


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked, or one thing found wrong."""

    check: str
    """What was checked."""
    holds: bool
    detail: str
    """How much was checked, or what is wrong."""


def check_store(store: Store, log_key: NoteKey, root: str, head: str | None) -> tuple[Finding, ...]:
    """Everything found about the store, one line a check; `head` is the last checkpoint given out, if any."""
    with store.read() as connection:
        return tuple(_findings(connection, log_key, root, head))


def check_head(connection: sa.Connection, log_key: NoteKey, head: str | None) -> None:
    """The database still has the last checkpoint that was given out; Untrusted when it was rolled back or forked."""
    if head is None:
        return
    given = notes.check_checkpoint(notes.parse_note(head), [log_key])
    newest = connection.execute(sa.select(CHECKPOINTS.c.note).order_by(CHECKPOINTS.c.size.desc()).limit(1)).scalar()
    held = notes.check_checkpoint(notes.parse_note(newest), [log_key]) if newest else None
    size = held.size if held else 0
    path: tuple[bytes, ...] = ()
    if given.size <= size:
        path = merkle.consistency_proof(given.size, size, _stored_node(connection))
    receipts.check_consistency(given, held or Checkpoint(given.origin, 0, merkle.EMPTY_ROOT), path)


def _findings(connection: sa.Connection, log_key: NoteKey, root: str, head: str | None) -> Iterator[Finding]:
    data = connection.execute(sa.select(ENTRIES.c.data).order_by(ENTRIES.c.number)).scalars()
    leaves = [merkle.leaf_hash(leaf) for leaf in data]
    yield _judge("entries", f"{len(leaves)} leaves", _wrong_entries(connection))
    yield _judge("hashes", f"over {len(leaves)} leaves", _wrong_nodes(connection, leaves))
    yield _judge("checkpoints", f"sizes 0 to {len(leaves)}", _wrong_checkpoints(connection, leaves, log_key))
    yield _judge("last checkpoint given out", "contained", _wrong_head(connection, log_key, head))
    envelopes = tuple(
        bytes(e) for e in connection.execute(sa.select(KEYRINGS.c.envelope).order_by(KEYRINGS.c.version)).scalars()
    )
    try:
        chain = check_chain(envelopes, root)
    except Failure as error:
        yield Finding("keyrings", holds=False, detail=error.tell())
        return
    yield Finding("keyrings", holds=True, detail=f"{len(envelopes)} versions from the pinned root")
    yield _judge("documents", "digests", _wrong_digests(connection))
    yield _judge("certificates", "signatures, claims, receipts", _wrong_certificates(connection, chain, log_key))
    yield _judge("validations", "signatures, receipts", _wrong_validations(connection, chain, log_key))
    for incident in incidents.listed(connection):
        what = f"{incident.kind} {incident.number} of {incident.host}, seen {incident.seen_at}"
        yield Finding(
            "incident", holds=True, detail=f"{what}: {incident.registered} stands, {incident.refused} does not"
        )


def _judge(check: str, told: str, wrong: Iterator[str]) -> Finding:
    """The first wrong thing found, or what was found in order."""
    found = next(wrong, None)
    return Finding(check, holds=found is None, detail=told if found is None else found)


def _wrong_entries(connection: sa.Connection) -> Iterator[str]:
    registered = set(connection.execute(sa.select(CERTIFICATES.c.digest)).scalars())
    registered |= set(connection.execute(sa.select(VALIDATIONS.c.digest)).scalars())
    for number, row in enumerate(connection.execute(sa.select(ENTRIES).order_by(ENTRIES.c.number))):
        if row.number != number:
            yield f"entry {number} is missing"
        if row.salt is not None and receipts.leaf_data(row.salt, row.payload, row.envelope) != row.data:
            yield f"entry {row.number} is not the leaf of its document"
        if row.payload not in registered:
            yield f"entry {row.number} has no document"


def _wrong_nodes(connection: sa.Connection, leaves: list[bytes]) -> Iterator[str]:
    expected = {(level, at): value for level, hashes in enumerate(_levels(leaves)) for at, value in enumerate(hashes)}
    for level, position, value in connection.execute(sa.select(NODES.c.level, NODES.c.position, NODES.c.hash)):
        if expected.pop((level, position), None) != value:
            yield f"the hash at level {level}, position {position} does not follow from the leaves"
    for level, position in expected:
        yield f"the hash at level {level}, position {position} is missing"


def _levels(leaves: list[bytes]) -> Iterator[list[bytes]]:
    while leaves:
        yield leaves
        leaves = [merkle.node_hash(leaves[at], leaves[at + 1]) for at in range(0, len(leaves) - 1, 2)]


def _wrong_checkpoints(connection: sa.Connection, leaves: list[bytes], log_key: NoteKey) -> Iterator[str]:
    rows = connection.execute(sa.select(CHECKPOINTS.c.size, CHECKPOINTS.c.note))
    texts: dict[int, str] = {row.size: row.note for row in rows}
    for size, root in enumerate(merkle.roots_of(leaves)):
        text = texts.pop(size, None)
        if text is None:
            yield f"there is no checkpoint at size {size}"
            continue
        try:
            if notes.check_checkpoint(notes.parse_note(text), [log_key]) != Checkpoint(log_key.name, size, root):
                yield f"the checkpoint at size {size} does not follow from the leaves"
        except Failure as error:
            yield f"checkpoint at size {size}: {error.tell()}"
    for size in texts:
        yield f"there is a checkpoint at size {size}, but there are {len(leaves)} entries"


def _wrong_head(connection: sa.Connection, log_key: NoteKey, head: str | None) -> Iterator[str]:
    try:
        check_head(connection, log_key, head)
    except Failure as error:
        yield error.tell()
    except KeyError as error:
        yield f"a stored hash is missing: {error}"


def _wrong_digests(connection: sa.Connection) -> Iterator[str]:
    for table in (ORDERS, HOLDS, CERTIFICATES, VALIDATIONS, KEYRINGS):
        for named, envelope in connection.execute(sa.select(table.c.digest, table.c.envelope)):
            try:
                if unwrap(bytes(envelope), MOST).digest != named:
                    yield f"{named} in {table.name} is another document"
            except Failure as error:
                yield f"{named} in {table.name}: {error.tell()}"


def _wrong_certificates(connection: sa.Connection, chain: Chain, log_key: NoteKey) -> Iterator[str]:
    for row in connection.execute(sa.select(CERTIFICATES).order_by(CERTIFICATES.c.number)):
        try:
            sealed = unseal(bytes(row.envelope), Certificate, by_citation(chain))
            check_claim(sealed.statement)
            if _check_receipt(sealed, row.receipt, log_key) != row.number:
                yield f"certificate {row.digest} is not entry {row.number}"
        except Failure as error:
            yield f"certificate {row.digest}: {error.tell()}"


def _wrong_validations(connection: sa.Connection, chain: Chain, log_key: NoteKey) -> Iterator[str]:
    for row in connection.execute(sa.select(VALIDATIONS).order_by(VALIDATIONS.c.number)):
        try:
            sealed = unseal(bytes(row.envelope), Validation, by_time(chain))
            if _check_receipt(sealed, row.receipt, log_key) != row.number:
                yield f"validation {row.digest} is not entry {row.number}"
        except Failure as error:
            yield f"validation {row.digest}: {error.tell()}"


def _check_receipt(sealed: Sealed[Any], receipt: str, log_key: NoteKey) -> int:
    return receipts.check_receipt(receipt, sealed.digest, digest(sealed.envelope), [log_key]).index


def _stored_node(connection: sa.Connection) -> merkle.Node:
    def node(level: int, position: int) -> bytes:
        query = sa.select(NODES.c.hash).where(NODES.c.level == level, NODES.c.position == position)
        found = connection.execute(query).scalar()
        if found is None:
            raise KeyError(f"level {level}, position {position}")
        return bytes(found)

    return node
