"""The independent check finds every kind of damage to store and log, and nothing in a sound one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from certificates import merkle, notes
from certificates.encoding import digest
from certificates.errors import Failure
from certificates.notes import Checkpoint
from server_stub import tables
from server_stub.checking import Finding, check_head, check_store
from tests.server_stub.world import SOME, Desk, World, signer
from tests.server_stub.world import world as make_world


@pytest.fixture
def filled(world: World) -> World:
    """Five certificates, a validation, an order, a hold."""
    world.registry.orders.accept(world.desk.sealed_order())
    world.registry.holds.accept(world.desk.sealed_hold())
    for number in range(1, 6):
        world.registry.records.accept_certificate(world.desk.sealed_certificate(number))
    world.registry.records.accept_validation(world.desk.sealed_validation(world.desk.sealed_certificate(1)))
    return world


def check(world: World) -> tuple[Finding, ...]:
    return check_store(world.store, world.log_key, world.desk.root, world.published.notes[-1])


def damage(world: World, *statements: sa.Executable) -> None:
    """What an intruder with the database's password could do."""
    with world.store.write() as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_sound_registry_has_no_wrong_finding(filled: World) -> None:
    """A false alarm would teach people to ignore it."""
    findings = check(filled)
    assert all(finding.holds for finding in findings)
    assert len(findings) == 8


def first_envelope(world: World) -> bytes:
    """Another sealed certificate than any that is registered."""
    return world.desk.sealed_certificate(1, carrier_label="FORGED")


DAMAGE: dict[str, tuple[str, Callable[[World], sa.Executable]]] = {
    "a leaf changed": (
        "entries",
        lambda _: sa.update(tables.ENTRIES).where(tables.ENTRIES.c.number == 2).values(data=bytes(32)),
    ),
    "a salt changed": (
        "entries",
        lambda _: sa.update(tables.ENTRIES).where(tables.ENTRIES.c.number == 2).values(salt=bytes(32)),
    ),
    "an entry moved": (
        "entries",
        lambda _: sa.update(tables.ENTRIES).where(tables.ENTRIES.c.number == 2).values(payload=SOME),
    ),
    "a hash changed": (
        "hashes",
        lambda _: sa.update(tables.NODES).where(tables.NODES.c.level == 1).values(hash=bytes(32)),
    ),
    "a hash lost": ("hashes", lambda _: sa.delete(tables.NODES).where(tables.NODES.c.level == 1)),
    "a hash too many": ("hashes", lambda _: sa.insert(tables.NODES).values(level=9, position=0, hash=bytes(32))),
    "a checkpoint lost": ("checkpoints", lambda _: sa.delete(tables.CHECKPOINTS).where(tables.CHECKPOINTS.c.size == 3)),
    "a checkpoint too many": ("checkpoints", lambda _: sa.insert(tables.CHECKPOINTS).values(size=9, note="x")),
    "a checkpoint by another key": (
        "checkpoints",
        lambda _: sa.update(tables.CHECKPOINTS).where(tables.CHECKPOINTS.c.size == 3).values(note=forged_note()),
    ),
    "a checkpoint over another tree": (
        "checkpoints",
        lambda world: (
            sa.update(tables.CHECKPOINTS).where(tables.CHECKPOINTS.c.size == 3).values(note=equivocation(world))
        ),
    ),
    "a certificate exchanged": (
        "documents",
        lambda world: (
            sa.update(tables.CERTIFICATES)
            .where(tables.CERTIFICATES.c.number == 0)
            .values(envelope=first_envelope(world))
        ),
    ),
    "an order exchanged": ("documents", lambda _: sa.update(tables.ORDERS).values(envelope=b"{}")),
    "a receipt exchanged": (
        "certificates",
        lambda _: (
            sa.update(tables.CERTIFICATES)
            .where(tables.CERTIFICATES.c.number == 1)
            .values(receipt=sa.select(tables.VALIDATIONS.c.receipt).scalar_subquery())
        ),
    ),
    "a receipt changed": ("validations", lambda _: sa.update(tables.VALIDATIONS).values(receipt="x")),
    "the keyring lost": ("keyrings", lambda _: sa.delete(tables.KEYRINGS)),
}


def forged_note() -> str:
    """A checkpoint of size 3 under the log's name by somebody else's key."""
    thief = signer("thief")
    key = notes.NoteKey("registry.example/expunge", thief.spki[-32:])
    text = notes.checkpoint_text(Checkpoint(key.name, 3, bytes(32)))
    return notes.encode_note(notes.sign_note(text, key, thief.sign))


def equivocation(world: World) -> str:
    """Another tree of size 3, signed by the log itself."""
    text = notes.checkpoint_text(Checkpoint(world.log_key.name, 3, bytes(32)))
    return notes.encode_note(notes.sign_note(text, world.log_key, world.ports.log.sign))


@pytest.mark.parametrize(("where", "make"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_found_where_it_is(filled: World, where: str, make: Callable[[World], sa.Executable]) -> None:
    """Each kind of damage alone, named by the check that it breaks."""
    damage(filled, make(filled))
    assert where in [finding.check for finding in check(filled) if not finding.holds]


def test_a_log_cut_short_is_told_by_the_last_checkpoint_given_out(filled: World) -> None:
    """A database restored from a backup is whole in itself; only what lies outside it shows the loss."""
    cut_to(filled, 4)
    assert [finding.check for finding in check(filled) if not finding.holds] == ["last checkpoint given out"]


@pytest.mark.parametrize("left", [0, 1, 4])
def test_a_registry_does_not_start_on_a_database_that_was_rolled_back(filled: World, left: int) -> None:
    """Serving on would sign a second history under the same key."""
    cut_to(filled, left)
    with filled.store.read() as connection, pytest.raises(Failure) as refusal:
        check_head(connection, filled.log_key, filled.published.notes[-1])
    assert refusal.value.reason == "log-rolled-back"


def test_a_registry_does_not_start_on_a_database_with_another_past() -> None:
    """As large as the one before, but with another certificate in it."""
    first, second = make_world(), make_world()
    for number in range(1, 4):
        first.registry.records.accept_certificate(first.desk.sealed_certificate(number))
        second.registry.records.accept_certificate(second.desk.sealed_certificate(4 - number))
    with second.store.read() as connection, pytest.raises(Failure) as refusal:
        check_head(connection, first.log_key, first.published.notes[-2])
    assert refusal.value.reason == "log-inconsistent"
    first.store.close()
    second.store.close()


def test_an_incident_is_listed_and_is_no_damage(world: World) -> None:
    """The store did right; a person has to look at the host."""
    world.registry.records.accept_certificate(world.desk.sealed_certificate())
    twice = world.desk.sealed_certificate(carrier_label="OTHER")
    with pytest.raises(Failure):
        world.registry.records.accept_certificate(twice)
    assert [finding.check for finding in check(world) if not finding.holds] == []
    assert "host sequence number 1" in check(world)[-1].detail


def test_the_check_passes_after_keys_expired_and_keyrings_rotated(filled: World) -> None:
    """Validity is judged at the time of the act, for ever."""
    later = Desk()
    filled.registry.keyrings.add(later.sealed_keyring(2, filled.desk.root))
    assert all(finding.holds for finding in check(filled))


def test_a_wrong_root_is_told(filled: World) -> None:
    """The pinned digest is part of what is checked."""
    findings = check_store(filled.store, filled.log_key, digest(b"other"), None)
    assert [finding.check for finding in findings if not finding.holds] == ["keyrings"]


def cut_to(world: World, size: int) -> None:
    """The database as it was at an earlier size."""
    with world.store.write() as connection:
        connection.execute(sa.delete(tables.VALIDATIONS).where(tables.VALIDATIONS.c.number >= size))
        connection.execute(sa.delete(tables.CERTIFICATES).where(tables.CERTIFICATES.c.number >= size))
        connection.execute(sa.delete(tables.ENTRIES).where(tables.ENTRIES.c.number >= size))
        connection.execute(sa.delete(tables.CHECKPOINTS).where(tables.CHECKPOINTS.c.size > size))
        for level in range(4):
            whole = tables.NODES.c.position >= size >> level
            connection.execute(sa.delete(tables.NODES).where(tables.NODES.c.level == level, whole))


def test_the_newest_root_follows_from_every_leaf(filled: World) -> None:
    """The same number by the arithmetic alone."""
    with filled.store.read() as connection:
        data = connection.execute(sa.select(tables.ENTRIES.c.data).order_by(tables.ENTRIES.c.number)).scalars()
        root = merkle.root_of([merkle.leaf_hash(leaf) for leaf in data])
    assert notes.parse_checkpoint(notes.parse_note(filled.registry.checkpoint())).root == root
