"""What the registry delivers is taken in only as far as its signers, not the registry, vouch for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.intake import Taken, fetch
from certificates.errors import Refused
from tests.support import world
from tests.support.agent_site import agent, approved, order


def test_keyrings_come_first_then_hold_state_then_orders(tmp_path: Path) -> None:
    """An order may be signed by somebody whom only the new keyring knows."""
    desk = agent(tmp_path)
    newer = world.next_keyring(desk.ring)
    desk.line.registry.keyrings.add(world.seal_keyring(newer))
    desk.line.registry.orders.accept(approved(order()))
    taken = fetch(desk.site)
    assert [one.kind for one in taken] == ["keyring", "hold-state", "order"]
    assert taken[0] == Taken("keyring", "version 2")
    assert desk.site.documents.chain().current == newer
    assert [one.kind for one in fetch(desk.site)] == ["hold-state", "order"]


def test_a_keyring_that_its_keepers_did_not_sign_is_refused(tmp_path: Path) -> None:
    """The registry, or who took it over, cannot add people."""
    desk = agent(tmp_path)
    forged = world.seal(world.next_keyring(desk.ring), "P-0001")
    desk.line.forged["keyrings"] = lambda: (forged,)
    with pytest.raises(Refused) as refused:
        fetch(desk.site)
    assert refused.value.reason == "keyring-chain"
    assert desk.site.documents.chain().current == desk.ring


def test_a_registry_that_is_away_leaves_nothing_destroyed_to_be_told_of(tmp_path: Path) -> None:
    """What a run says of its certificate would be untrue here: nobody destroyed anything."""
    desk = agent(tmp_path)
    desk.line.is_cut = True
    with pytest.raises(Refused) as refused:
        fetch(desk.site)
    assert refused.value.reason == "nothing-fetched"
    assert "the line is cut" in str(refused.value)
