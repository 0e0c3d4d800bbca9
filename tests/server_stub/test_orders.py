"""Orders: delivered as they came, gathered signature by signature, never made or judged here."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certificates.encoding import digest
from certificates.envelope import seal
from certificates.errors import Failure, Refused
from tests.server_stub.world import NOW, SOME, World, signer

HOST = signer("host").key_id


def test_an_order_is_delivered_to_its_host_byte_for_byte(any_world: World) -> None:
    """What people signed is what the host counts."""
    envelope = any_world.desk.sealed_order()
    name, is_new = any_world.registry.orders.accept(envelope)
    assert (name, is_new) == (digest(any_world.desk.order()), True)
    assert any_world.registry.orders.envelope(name) == envelope
    assert any_world.registry.orders.delivered(HOST) == ((envelope,), 1)
    assert any_world.registry.orders.delivered(SOME) == ((), 0)


def test_further_signatures_replace_the_envelope_and_wake_the_host(any_world: World) -> None:
    """An order gathers signatures over days; a host that waits must hear of each."""
    orders = any_world.registry.orders
    orders.accept(any_world.desk.sealed_order(by=("requester",)))
    both = any_world.desk.sealed_order()
    assert orders.accept(both)[1]
    assert orders.delivered(HOST, after=1) == ((both,), 2)
    assert not orders.accept(both)[1]
    assert not orders.accept(any_world.desk.sealed_order(by=("requester",)))[1]
    assert orders.delivered(HOST, after=2) == ((), 2)


def test_an_envelope_that_drops_signatures_does_not_replace_one(world: World) -> None:
    """Nobody can make an approved order unapproved by posting it again."""
    world.registry.orders.accept(world.desk.sealed_order(by=("requester",)))
    with pytest.raises(Refused) as refusal:
        world.registry.orders.accept(world.desk.sealed_order(by=("approver",)))
    assert refusal.value.reason == "registry-conflict"


@pytest.mark.parametrize("by", [("stranger",), ("requester", "stranger"), ("officer",), ("validator",)])
def test_an_order_with_a_signature_that_does_not_count_is_refused(world: World, by: tuple[str, ...]) -> None:
    """Every signature present must be known and hold, in the role that the order gives the person."""
    with pytest.raises(Failure):
        world.registry.orders.accept(world.desk.sealed_order(by=by))
    assert world.registry.orders.listed() == ()


def test_an_unsigned_order_is_refused(world: World) -> None:
    """A draft belongs on the clerk's desk."""
    with pytest.raises(Failure):
        world.registry.orders.accept(seal(world.desk.order(), []))


def test_expired_orders_are_not_delivered_but_stay(world: World) -> None:
    """The register keeps them; no host could use them."""
    name, _ = world.registry.orders.accept(world.desk.sealed_order())
    world.clock.at = NOW + timedelta(days=30)
    assert world.registry.orders.delivered(HOST) == ((), 0)
    assert [row.digest for row in world.registry.orders.listed()] == [name]


def test_lists_go_on_from_the_position_reached(world: World) -> None:
    """A client that comes back gets only what changed."""
    for number in range(3):
        world.registry.orders.accept(world.desk.sealed_order(f"order-{number}"))
    assert [row.id for row in world.registry.orders.listed(after=1)] == ["order-1", "order-2"]
    envelopes, reached = world.registry.orders.delivered(HOST, after=2)
    assert (len(envelopes), reached) == (1, 3)


def test_an_unknown_order_is_not_found(world: World) -> None:
    """Rather than an empty answer."""
    with pytest.raises(Refused) as refusal:
        world.registry.orders.envelope(SOME)
    assert refusal.value.reason == "registry-unknown"
    assert world.registry.orders.find(SOME) is None
