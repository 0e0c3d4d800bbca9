"""The envelope: every signature known and good, and identity in the payload alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from certificates.encoding import canonical, digest
from certificates.envelope import add_signatures, payload_type, seal, unseal, unwrap
from certificates.errors import Untrusted
from certificates.keyring import resolver
from certificates.statements import Certificate, HoldState, Order
from tests.support import world

RESOLVE = resolver(world.keyring(), world.NOW)
ENVELOPE = world.seal(world.order(), "P-0417", "P-0588")


def reason_of(envelope: bytes, kind: type = Order) -> str:
    with pytest.raises(Untrusted) as refused:
        unseal(envelope, kind, RESOLVE)
    return refused.value.reason


def edited(change: Callable[[dict[str, Any]], None]) -> bytes:
    tree = json.loads(ENVELOPE)
    change(tree)
    return canonical(tree)


def test_a_sealed_order_opens_with_its_signers_in_their_roles() -> None:
    """Ed25519 and P-256 alike."""
    opened = unseal(ENVELOPE, Order, RESOLVE)
    assert opened.statement == world.order()
    assert [s.signer for s in opened.signatures] == [world.role_of("P-0417"), world.role_of("P-0588")]


def test_identity_is_the_payloads_whoever_signed() -> None:
    """So an order cannot be used again in another wrapping."""
    assert unwrap(ENVELOPE).digest == unwrap(world.seal(world.order(), "P-0102")).digest == digest(world.order())


def test_signatures_can_be_added_later_and_only_once_a_key() -> None:
    """Executor and witnesses sign when they can."""
    more = add_signatures(ENVELOPE, [world.signer("P-0102")])
    assert len(unseal(more, Order, RESOLVE).signatures) == 3
    with pytest.raises(Untrusted, match="signed twice"):
        add_signatures(more, [world.signer("P-0102")])


def test_a_kind_cannot_pass_for_another() -> None:
    """The payload type is under the signature."""
    assert reason_of(ENVELOPE, HoldState) == "document-wrong-kind"
    relabelled = edited(lambda tree: tree.update(payloadType=payload_type(Certificate)))
    assert reason_of(relabelled, Certificate) == "field-unknown"
    next_version = edited(lambda tree: tree.update(payloadType="application/vnd.expunge.order.v2+json"))
    assert reason_of(next_version) == "document-wrong-kind"


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("bit", [0, 3, 100, 300, 500])
def test_a_flipped_bit_of_a_signature_fails_the_document(number: int, bit: int) -> None:
    """A bad signature beside good ones fails it too."""

    def flip(tree: dict[str, Any]) -> None:
        made = bytearray(base64.b64decode(tree["signatures"][number]["sig"]))
        made[bit // 8 % len(made)] ^= 1 << bit % 8
        tree["signatures"][number]["sig"] = base64.b64encode(made).decode()

    assert reason_of(edited(flip)) == "signature-bad"


def test_a_signature_under_another_persons_key_id_fails() -> None:
    """Key and signature belong together."""

    def swap(tree: dict[str, Any]) -> None:
        one, two = tree["signatures"]
        one["keyid"], two["keyid"] = two["keyid"], one["keyid"]

    assert reason_of(edited(swap)) == "signature-bad"


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree.update(payload=tree["payload"] + "="),
        lambda tree: tree.update(payload=tree["payload"][:8] + "\n" + tree["payload"][8:]),
        lambda tree: tree.update(payload=7),
        lambda tree: tree.update(signatures={}),
        lambda tree: tree.update(signatures=[1]),
        lambda tree: tree["signatures"][0].pop("sig"),
        lambda tree: tree.update(comment="hello"),
        lambda tree: tree["signatures"][0].update(cert="hello"),
        lambda tree: tree.update(payloadType=7),
        lambda tree: tree["signatures"][0].update(keyid=["a"]),
        lambda tree: tree.update(signatures=[{"keyid": str(n), "sig": ""} for n in range(20_000)]),
    ],
)
def test_an_envelope_has_one_form(change: Callable[[dict[str, Any]], None]) -> None:
    """Slack in it would let two files be one document."""
    assert reason_of(edited(change)) in ("document-malformed", "document-not-canonical")


def test_certificates_may_be_longer_than_orders_and_neither_is_endless() -> None:
    """Read at most 1 MiB of an order, 4 MiB of a certificate."""
    assert reason_of(b" " * ((1 << 20) + 1)) == "document-too-large"
    assert reason_of(b" " * ((1 << 20) + 1), Certificate) == "document-malformed"
    assert reason_of(b" " * ((4 << 20) + 1), Certificate) == "document-too-large"


def test_sealing_twice_gives_the_same_bytes() -> None:
    """Deterministic signatures: a crash between two attempts cannot make two envelopes."""
    signers = [world.signer("P-0417"), world.signer("P-0588")]
    assert seal(world.order(), signers) == seal(world.order(), signers)
