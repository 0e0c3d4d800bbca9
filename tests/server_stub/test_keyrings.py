"""The registry's keyring: from a pinned root, one version after another, never over the network."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certificates.encoding import digest
from certificates.envelope import seal
from certificates.errors import Failure, Refused
from server_stub.keyrings import cited, in_force
from server_stub.service import Registry
from server_stub.store import Store
from tests.server_stub.world import NOW, Clock, Desk, Published, World, ports_over, signer


def test_the_next_version_is_taken_in(any_world: World) -> None:
    """Rotation: signed by the keepers of the old and of the new."""
    desk, keyrings = any_world.desk, any_world.registry.keyrings
    second = desk.sealed_keyring(2, desk.root)
    assert keyrings.add(second).statement.version == 2
    assert keyrings.add(second).statement.version == 2
    assert keyrings.chain().current.version == 2
    assert keyrings.envelope(2) == second


@pytest.mark.parametrize("version", [1, 3])
def test_a_version_that_does_not_follow_is_refused(world: World, version: int) -> None:
    """Neither another first one, nor one after a gap."""
    with pytest.raises(Failure):
        world.registry.keyrings.add(world.desk.sealed_keyring(version, world.desk.root))
    assert world.registry.keyrings.chain().current.version == 1


def test_one_keeper_is_not_enough(world: World) -> None:
    """The registry's own trust anchor follows the same rule as the hosts'."""
    keyring = world.desk.keyring(2, world.desk.root)
    with pytest.raises(Failure):
        world.registry.keyrings.add(seal(keyring, [signer("keeper-1")]))


def test_another_root_than_the_pinned_one_is_refused() -> None:
    """Whoever sends the first keyring would otherwise own the registry."""
    store = Store("sqlite://")
    registry = Registry(ports_over(store, Desk(), Clock(), Published()))
    with pytest.raises(Failure) as refusal:
        registry.keyrings.add(Desk(hosts=("other",)).sealed_keyring())
    assert refusal.value.reason == "keyring-root"
    with pytest.raises(Refused) as not_ready:
        registry.keyrings.chain()
    assert not_ready.value.reason == "registry-not-ready"
    store.close()


def test_the_keyring_in_force_is_the_newest_issued_by_then(world: World) -> None:
    """A decision is judged by the rules of its day."""
    desk = world.desk
    world.registry.keyrings.add(desk.sealed_keyring(2, desk.root))
    chain = world.registry.keyrings.chain()
    first, second = (sealed.statement for sealed in chain.sealed)
    assert in_force(chain, NOW) == second
    assert in_force(chain, first.issued_at) == first
    assert in_force(chain, first.issued_at - timedelta(days=1)) == first


def test_a_key_that_the_keyring_does_not_list_is_told(world: World) -> None:
    """A registry set up with one key and listed with another would sign what nobody believes."""
    assert world.registry.unlisted_keys() == ()
    desk = world.desk
    other = replace(desk.keyring(2, desk.root), logs=(), hold_keys=())
    world.registry.keyrings.add(seal(other, [signer("keeper-1"), signer("keeper-2")]))
    assert len(world.registry.unlisted_keys()) == 2


def test_a_version_that_is_not_there_is_not_found(world: World) -> None:
    """Rather than an empty answer."""
    with pytest.raises(Refused) as refusal:
        world.registry.keyrings.envelope(2)
    assert refusal.value.reason == "registry-unknown"
    assert cited(world.registry.keyrings.chain(), digest(world.desk.keyring()), 1).version == 1
