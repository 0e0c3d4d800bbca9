"""The log: every size it ever had can be proven, cheaply, and its tiles are the same tree."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from certificates import merkle, notes, receipts
from certificates.encoding import digest
from certificates.errors import Refused
from server_stub import log
from server_stub.tables import ENTRIES
from tests.server_stub.world import NOW, Desk, Published, World, opened, ports_over

COUNT = 300


@pytest.fixture(scope="module")
def grown() -> Iterator[World]:
    """A log of 300 leaves: more than one tile."""
    for world in opened():
        with world.store.write() as connection:
            for number in range(COUNT):
                log.append(connection, leaf(number), world.ports.log, NOW)
        yield world


def leaf(number: int) -> log.Leaf:
    salt = number.to_bytes(32, "big")
    return log.Leaf("certificate", salt, digest(b"payload %d" % number), digest(b"envelope %d" % number))


def leaves() -> list[bytes]:
    made = (leaf(number) for number in range(COUNT))
    return [merkle.leaf_hash(receipts.leaf_data(item.salt, item.payload, item.envelope)) for item in made]


def test_each_size_has_a_signed_checkpoint_with_the_right_root(grown: World) -> None:
    """An agent may hold a checkpoint of any size, and must be able to go on from it."""
    with grown.store.read() as connection:
        for size, root in enumerate(merkle.roots_of(leaves())):
            note = log.checkpoint_note(connection, size)
            assert notes.check_checkpoint(note, [grown.log_key]).root == root


@pytest.mark.parametrize("number", [0, 1, 127, 255, 256, 298, 299])
def test_an_inclusion_proof_made_later_holds_too(grown: World, number: int) -> None:
    """A receipt that was lost can be made again under any later checkpoint."""
    with grown.store.read() as connection:
        for size in (None, number + 1):
            text = notes.encode_proof(log.prove_inclusion(connection, number, size))
            entry = receipts.check_receipt(text, leaf(number).payload, leaf(number).envelope, [grown.log_key])
            assert entry.index == number


@pytest.mark.parametrize("old", [0, 1, 2, 3, 128, 255, 256, 257, 299, 300])
def test_every_size_is_proven_to_be_a_prefix(grown: World, old: int) -> None:
    """What an agent saw is still there."""
    with grown.store.read() as connection:
        before = notes.parse_checkpoint(log.checkpoint_note(connection, old))
        text = notes.encode_consistency(log.prove_consistency(connection, old))
    assert receipts.check_consistency_text(text, before, [grown.log_key]).size == COUNT


def test_a_proof_is_one_query(grown: World) -> None:
    """O(log n) rows in one round trip, whatever the size (performance target 6)."""
    statements: list[str] = []

    def listen(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    with grown.store.read() as connection:
        sa.event.listen(connection, "before_cursor_execute", listen)
        log.prove_inclusion(connection, 17)
    assert sum("FROM nodes" in statement for statement in statements) == 1


def test_tiles_are_the_tree_that_checkpoints_sign(grown: World) -> None:
    """A stranger rebuilds the root from tiles alone (c2sp.org/tlog-tiles)."""
    with grown.store.read() as connection:
        full, partial = log.tile(connection, 0, 0, 256), log.tile(connection, 0, 1, COUNT - 256)
        above = log.tile(connection, 1, 0, 1)
        root = notes.parse_checkpoint(log.checkpoint_note(connection)).root
    hashes = [data[at : at + 32] for data in (full, partial) for at in range(0, len(data), 32)]
    assert len(full) == 8192
    assert hashes == leaves()
    assert merkle.root_of(hashes) == root
    assert above == merkle.root_of(hashes[:256])


def test_entry_bundles_hash_to_the_tiles(grown: World) -> None:
    """Each entry is length-prefixed and hashes to its place in the tile."""
    with grown.store.read() as connection:
        bundle, tile = log.entries(connection, 1, 44), log.tile(connection, 0, 1, 44)
    assert len(bundle) == 44 * 34
    entries = [bundle[at + 2 : at + 34] for at in range(0, len(bundle), 34)]
    assert b"".join(merkle.leaf_hash(entry) for entry in entries) == tile


@pytest.mark.parametrize(("level", "position", "width"), [(0, 1, 256), (0, 2, 1), (1, 0, 2), (2, 0, 1), (63, 0, 1)])
def test_a_tile_that_is_not_there_yet_is_not_served(grown: World, level: int, position: int, width: int) -> None:
    """An empty or short tile would be cached for ever."""
    with grown.store.read() as connection, pytest.raises(Refused):
        log.tile(connection, level, position, width)


def test_a_size_that_never_was_has_no_proof(grown: World) -> None:
    """Neither larger than the log, nor backwards."""
    with grown.store.read() as connection:
        for old, new in ((301, None), (5, 301), (5, 4)):
            with pytest.raises(Refused):
                log.prove_consistency(connection, old, new)
        with pytest.raises(Refused):
            log.prove_inclusion(connection, COUNT)


def test_an_erased_salt_leaves_the_tree_whole(world: World) -> None:
    """Personal data can still be erased: the leaf stays, what tied it to a document is gone."""
    with world.store.write() as connection:
        for number in range(3):
            log.append(connection, leaf(number), world.ports.log, NOW)
        connection.execute(sa.update(ENTRIES).where(ENTRIES.c.number == 1).values(salt=None))
        with pytest.raises(Refused):
            log.prove_inclusion(connection, 1)
        assert notes.encode_proof(log.prove_inclusion(connection, 2))
        assert len(log.tile(connection, 0, 0, 3)) == 96


def test_an_empty_log_has_a_checkpoint_and_a_second_start_adds_none(world: World) -> None:
    """Agents can begin from size 0; restarting signs nothing new."""
    assert notes.parse_checkpoint(notes.parse_note(world.registry.checkpoint())).size == 0
    with world.store.write() as connection:
        log.begin(connection, ports_over(world.store, Desk(), world.clock, Published()).log)
    assert notes.parse_checkpoint(notes.parse_note(world.registry.checkpoint())).size == 0
