"""Holds: they deny at once, are lifted by two, and the state's sequence only rises."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from certificates.encoding import digest
from certificates.envelope import seal, unseal
from certificates.errors import Failure
from certificates.keyring import resolver
from certificates.statements import HoldState
from server_stub.service import Registry
from server_stub.store import Store
from tests.server_stub.world import NOW, SOME, Clock, Desk, Published, World, ports_over, signer
from tests.server_stub.world import world as make_world


def state(world: World) -> HoldState:
    """The state that the registry gives out now, its seal checked as an agent would."""
    by = resolver(world.desk.keyring(), world.clock.at)
    return unseal(world.registry.holds.state(), HoldState, by).statement


def test_a_hold_is_in_the_next_state(any_world: World) -> None:
    """A stop that waited for a batch would come too late."""
    assert state(any_world).holds == ()
    name, is_new = any_world.registry.holds.accept(any_world.desk.sealed_hold())
    assert is_new
    assert state(any_world).holds == (any_world.desk.hold(),)
    assert any_world.registry.holds.envelope(name) == any_world.desk.sealed_hold()
    assert any_world.registry.holds.accept(any_world.desk.sealed_hold()) == (name, False)


def test_the_registry_itself_can_set_a_hold(world: World) -> None:
    """It may stop everything; it can start nothing."""
    world.registry.holds.accept(world.desk.sealed_hold(by=()))
    assert len(state(world).holds) == 1


def test_two_lift_a_hold(any_world: World) -> None:
    """One of them in the role that set it."""
    name, _ = any_world.registry.holds.accept(any_world.desk.sealed_hold())
    lift, is_new = any_world.registry.holds.lift(any_world.desk.sealed_lift(name))
    assert is_new
    assert state(any_world).holds == ()
    assert any_world.registry.holds.lift(any_world.desk.sealed_lift(name)) == (lift, False)
    assert any_world.registry.holds.envelope(name)


@pytest.mark.parametrize("by", [("approver", "requester"), ("officer", "officer"), ("validator", "executor")])
def test_a_hold_is_not_lifted_without_the_role_that_set_it(world: World, by: tuple[str, ...]) -> None:
    """Two people who were never asked cannot clear the way."""
    name, _ = world.registry.holds.accept(world.desk.sealed_hold())
    with pytest.raises(Failure):
        world.registry.holds.lift(world.desk.sealed_lift(name, by))
    assert len(state(world).holds) == 1


def test_a_lift_that_one_of_two_signed_is_refused(world: World) -> None:
    """Naming a second person is not having one."""
    from certificates.statements import HoldLift
    from tests.server_stub.world import person

    name, _ = world.registry.holds.accept(world.desk.sealed_hold())
    lift = HoldLift(name, "settled", NOW, (person("officer"), person("approver")))
    with pytest.raises(Failure) as refusal:
        world.registry.holds.lift(seal(lift, [signer("officer")]))
    assert refusal.value.reason == "signature-missing"


def test_a_lift_of_nothing_is_refused(world: World) -> None:
    """There is no such hold."""
    with pytest.raises(Failure) as refusal:
        world.registry.holds.lift(world.desk.sealed_lift(SOME))
    assert refusal.value.reason == "registry-unknown"


@pytest.mark.parametrize("by", [("approver",), ("requester",), ("officer", "approver")])
def test_only_a_security_officer_sets_a_hold(world: World, by: tuple[str, ...]) -> None:
    """Or the registry; a hold by anybody would be a way to stop the house."""
    with pytest.raises(Failure):
        world.registry.holds.accept(world.desk.sealed_hold(by=by))


def test_the_sequence_rises_with_every_state(world: World) -> None:
    """An agent refuses a lower one, so an old state cannot be replayed."""
    seen = []
    for _ in range(3):
        world.clock.at += timedelta(seconds=1)
        seen.append(state(world))
    assert [item.sequence for item in seen] == [1, 2, 3]
    assert [item.as_of for item in seen] == [NOW + timedelta(seconds=number) for number in (1, 2, 3)]


def test_a_hold_within_the_same_second_makes_another_state(world: World) -> None:
    """States of one second are told apart by their sequence."""
    first = state(world)
    assert state(world) == first
    world.registry.holds.accept(world.desk.sealed_hold())
    assert state(world).sequence == first.sequence + 1


def test_a_clock_set_back_does_not_turn_the_state_back(world: World) -> None:
    """The time of a state never falls while its sequence rises."""
    first = state(world)
    world.clock.at -= timedelta(hours=1)
    again = state(world)
    assert (again.sequence, again.as_of) == (first.sequence + 1, first.as_of)


def test_the_sequence_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Starting from one again would lock every agent out."""
    url = f"sqlite:///{tmp_path / 'registry.sqlite'}"
    first = make_world(url)
    before = state(first).sequence
    first.store.close()
    clock = Clock(NOW + timedelta(minutes=1))
    store = Store(url)
    registry = Registry(ports_over(store, Desk(), clock, Published()))
    again = unseal(registry.holds.state(), HoldState, resolver(Desk().keyring(), NOW)).statement
    assert again.sequence == before + 1
    store.close()


def test_a_held_digest_is_the_documents(world: World) -> None:
    """What a lift names is the digest of what was signed."""
    name, _ = world.registry.holds.accept(world.desk.sealed_hold())
    assert name == digest(world.desk.hold())
    assert [found for found, _ in world.registry.holds.in_force()] == [name]
