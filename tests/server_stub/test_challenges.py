"""Sampling nonces: signed, bound to what was asked, and given once."""

from __future__ import annotations

import json

import pytest

from certificates.encoding import digest
from certificates.envelope import unseal
from certificates.errors import Failure, Refused
from certificates.keyring import resolver
from certificates.statements import Nonce
from server_stub.challenges import parse_challenge
from tests.server_stub.world import NOW, World

HEAD, COMMITMENT = digest(b"journal"), digest(b"seed")


def test_a_nonce_is_bound_to_commitment_and_journal(any_world: World) -> None:
    """An auditor sees that the host had committed itself before it knew the nonce."""
    envelope = any_world.registry.challenges.answer(COMMITMENT, HEAD)
    nonce = unseal(envelope, Nonce, resolver(any_world.desk.keyring(), NOW)).statement
    assert (nonce.commitment, nonce.journal_head, nonce.issued_at) == (COMMITMENT, HEAD, NOW)
    assert len(bytes.fromhex(nonce.nonce)) == 32


def test_the_same_question_gets_the_same_answer(any_world: World) -> None:
    """A host whose answer got lost asks again; one that dislikes its answer gains nothing by asking again."""
    first = any_world.registry.challenges.answer(COMMITMENT, HEAD)
    assert any_world.registry.challenges.answer(COMMITMENT, HEAD) == first


def test_a_second_commitment_for_one_journal_is_refused(world: World) -> None:
    """Otherwise a host would try seeds until the samples fall where it likes."""
    world.registry.challenges.answer(COMMITMENT, HEAD)
    with pytest.raises(Refused) as refusal:
        world.registry.challenges.answer(digest(b"other seed"), HEAD)
    assert refusal.value.reason == "registry-conflict"


def test_two_journals_get_two_nonces(world: World) -> None:
    """Each run draws for itself."""
    other = world.registry.challenges.answer(digest(b"other seed"), digest(b"other journal"))
    assert other != world.registry.challenges.answer(COMMITMENT, HEAD)


def test_a_run_that_was_interrupted_and_resumed_gets_the_nonce_that_it_had(any_world: World) -> None:
    """Its journal has grown by then; whoever interrupts until the positions please gains nothing by it."""
    first = any_world.registry.challenges.answer(COMMITMENT, HEAD)
    assert any_world.registry.challenges.answer(COMMITMENT, digest(b"longer journal")) == first


BODIES = {
    "not JSON": b"{",
    "no head": json.dumps({"commitment": COMMITMENT}).encode(),
    "more than asked": json.dumps({"commitment": COMMITMENT, "journal_head": HEAD, "host": "x"}).encode(),
    "no digest": json.dumps({"commitment": "x", "journal_head": HEAD}).encode(),
    "a list": b"[]",
    "a key twice": b'{"commitment":"x","commitment":"x"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_question_in_another_form_is_refused(body: bytes) -> None:
    """It comes from the network."""
    with pytest.raises(Failure):
        parse_challenge(body)


def test_a_question_need_not_be_canonical() -> None:
    """It is not signed, so its spacing means nothing."""
    body = json.dumps({"journal_head": HEAD, "commitment": COMMITMENT}, indent=2).encode()
    assert parse_challenge(body) == (COMMITMENT, HEAD)
