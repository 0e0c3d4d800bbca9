"""One document for each way to be refused: everything in order but one thing, and the reason that must be told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from certificates import envelope
from certificates.encoding import digest, encode, format_time
from certificates.statements import (
    Alternative,
    ApprovalDocument,
    Carrier,
    Grade,
    Hold,
    HoldScope,
    HoldState,
    Keyring,
    Level,
    Order,
    PersonKey,
    PersonRole,
    Role,
    Rule,
    Secrecy,
)
from tests.support import world
from tests.support.world import NOW, seal


@dataclass(frozen=True)
class Flawed:
    """A document as an agent meets it, and what it must say."""

    reason: str
    order: bytes
    at: datetime = NOW
    keyring: bytes | None = None
    """None: the golden one."""
    hold_state: bytes | None = None
    """None: the golden one."""

    def write(self, flaw: str) -> bytes:
        """The vector's file."""
        tree: dict[str, Any] = {
            "at": format_time(self.at),
            "flaw": flaw,
            "order": _text(self.order),
            "reason": self.reason,
        }
        if self.keyring:
            tree["keyring"] = _text(self.keyring)
        if self.hold_state:
            tree["hold_state"] = _text(self.hold_state)
        return (json.dumps(tree, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _text(data: bytes) -> str:
    return data.decode("utf-8")


def _signed(order: Order) -> bytes:
    return seal(order, *world.APPROVERS)


def _order(reason: str, **changes: Any) -> Callable[[], Flawed]:
    return lambda: Flawed(reason, _signed(world.order(**changes)))


def _carrier(reason: str, **changes: Any) -> Callable[[], Flawed]:
    carrier: Carrier = world.carrier(**changes)
    return _order(reason, carriers=(carrier,))


def _asset(reason: str, **changes: Any) -> Callable[[], Flawed]:
    return _order(reason, assets=(replace(world.ASSET, **changes),))


def _signers(reason: str, *names: str) -> Callable[[], Flawed]:
    return lambda: Flawed(reason, seal(world.order(), *names))


def _bytes(reason: str, old: str, new: str) -> Callable[[], Flawed]:
    """The signed payload with some bytes replaced: its signatures were made over the changed bytes."""

    def make() -> Flawed:
        payload = encode(world.order())
        changed = payload.replace(old.encode(), new.encode(), 1)
        assert changed != payload
        signers = [world.signer(name) for name in world.APPROVERS]
        return Flawed(reason, envelope.wrap(envelope.payload_type(Order), changed, signers))

    return make


def _ring(reason: str, ring: Keyring, *names: str) -> Callable[[], Flawed]:
    names = names or world.APPROVERS
    state = world.hold_state()
    return lambda: Flawed(
        reason, seal(world.order(), *names), keyring=world.seal_keyring(ring), hold_state=seal(state, world.registry())
    )


def _rules(*rules: Rule) -> Keyring:
    return world.keyring(rules=rules)


def _two_keys() -> Keyring:
    """A keyring in which one approver holds two keys."""
    person = world.person("P-0417")
    second = PersonKey(world.public(world.signer("P-0417/second")), (Role.APPROVER,))
    others = tuple(world.person(name) for name in world.PEOPLE if name != "P-0417")
    return world.keyring(persons=(replace(person, keys=(*person.keys, second)), *others))


def _revoked() -> Keyring:
    key = PersonKey(world.public(world.signer("P-0588"), revoked_at=NOW - timedelta(days=1)), (Role.APPROVER,))
    others = tuple(world.person(name) for name in world.PEOPLE if name != "P-0588")
    return world.keyring(persons=(world.person("P-0588", keys=(key,)), *others))


def _edited() -> Flawed:
    """One byte of the payload changed after it was signed."""
    wrapped = envelope.unwrap(_signed(world.order()))
    payload = wrapped.payload.replace(b"WD-WX11A123", b"WD-WX11A124")
    changed = replace(wrapped, payload=payload)
    return Flawed("signature-bad", envelope._dump(changed))


def _on_hold() -> Flawed:
    scope = HoldScope("asset", "ZC-2019-00431")
    hold = Hold("H-7", (scope,), "诉讼保全", "（2026）浙01民初77号", NOW - timedelta(days=2), ())
    return _with_state(world.hold_state(hold), "on-hold")


def _with_state(state: HoldState, reason: str) -> Flawed:
    return Flawed(reason, _signed(world.order()), hold_state=seal(state, world.registry()))


def _at(reason: str, at: datetime) -> Callable[[], Flawed]:
    return lambda: Flawed(reason, _signed(world.order()), at=at, hold_state=_state_at(at))


def _state_at(at: datetime) -> bytes:
    return seal(world.hold_state(as_of=at - timedelta(minutes=2)), world.registry())


_POOR = ApprovalDocument("31", "财政局", "2026-11-16", 100)
_PERSONS = world.order().persons
_PLAIN = world.rule(Level.CLEAR, Grade.IMPORTANT)

FLAWS: dict[str, Callable[[], Flawed]] = {
    # who signed
    "one-signature-short": _signers("rule-not-met", "P-0101", "P-0417", "P-0102"),
    "no-security-officer": _signers("rule-not-met", "P-0101", "P-0417", "P-0588"),
    "one-person-under-two-keys": _ring("rule-not-met", _two_keys(), "P-0101", "P-0417", "P-0417/second", "P-0102"),
    "wrong-role": _order("signature-wrong-role", persons=(*_PERSONS[:3], PersonRole("P-0102", Role.APPROVER))),
    "extra-signature-of-a-stranger": _signers("signature-unknown-key", *world.APPROVERS, "a stranger"),
    "extra-signature-of-a-person-not-named": _signers("signature-unknown-key", *world.APPROVERS, "P-0640"),
    "one-key-twice": _signers("signature-twice", *world.APPROVERS, "P-0417"),
    "no-signature": _signers("signature-missing"),
    "key-revoked": _ring("key-not-valid", _revoked()),
    # what the keyring asks for
    "no-rule": _ring("rule-missing", _rules(world.rule(Level.PURGE, Grade.IMPORTANT))),
    "empty-rule": _ring("rule-not-met", _rules(replace(_PLAIN, alternatives=()))),
    "empty-alternative": _ring("rule-not-met", _rules(replace(_PLAIN, alternatives=(Alternative(()),)))),
    "one-witness-short": _order("witnesses-missing", witnesses=("P-0311",)),
    "beyond-the-organs-authority": _order(
        "authority-exceeded", approval=ApprovalDocument("31", "财政局", "2026-11-16", 100)
    ),
    # when
    "expired": _at("order-expired", datetime(2026, 12, 1, 10, 0, 0, tzinfo=NOW.tzinfo)),
    "not-yet-valid": _at("order-not-yet-valid", datetime(2026, 11, 18, 0, 59, 59, tzinfo=NOW.tzinfo)),
    "before-its-window": _at("order-window", datetime(2026, 11, 19, 12, 0, 0, tzinfo=NOW.tzinfo)),
    "after-its-window": _at("order-window", datetime(2026, 11, 30, 0, 0, 0, tzinfo=NOW.tzinfo)),
    "key-expired": _at("key-not-valid", world.DIES),
    "retention-not-ended": _order("retention-not-ended", retention=replace(world.order().retention, due="2027-01-01")),
    # what and where
    "other-host": _carrier("order-other-host", hosts=("sha256:" + "0" * 64,)),
    "state-secret-declared": _asset("secrecy-gate", secrecy=Secrecy.DECLARED),
    "state-secret-suspected": _asset("secrecy-gate", secrecy=Secrecy.SUSPECTED),
    "core-data": _asset("core-data-gate", grade=Grade.CORE),
    "destroy-by-software": _carrier("level-not-reachable", level=Level.DESTROY),
    "on-hold": _on_hold,
    "hold-state-too-old": lambda: _with_state(world.hold_state(as_of=NOW - timedelta(days=3)), "hold-state-old"),
    # parts that do not fit
    "requester-executes": _order("roles-not-distinct", executing=replace(world.order().executing, person="P-0101")),
    "executor-validates": _order("roles-not-distinct", validator="P-0230"),
    "executor-witnesses": _order("roles-not-distinct", witnesses=("P-0311", "P-0230")),
    "one-witness-twice": _order("same-person-twice", witnesses=("P-0311", "P-0311")),
    "asset-on-no-carrier": _order("order-inconsistent", assets=(world.ASSET, replace(world.ASSET, card="ZC-2"))),
    "carrier-of-an-unknown-asset": _carrier("order-inconsistent", assets=("ZC-3",)),
    "one-carrier-twice": _order("order-inconsistent", carriers=(world.carrier(), world.carrier())),
    "code-of-the-other-edition": _asset("order-inconsistent", code="2010500"),
    # bytes
    "one-byte-edited": _edited,
    "duplicate-key": _bytes("document-malformed", '{"appraisal"', '{"version":1,"appraisal"'),
    "number-1e400": _bytes("document-malformed", '"version":1', '"version":1e400'),
    "number-not-whole": _bytes("document-malformed", '"version":1', '"version":1.0'),
    "number-too-wide": _bytes("document-malformed", '"version":1', '"version":9007199254740992'),
    "number-below-zero": _bytes("field-wrong", '"version":1', '"version":-1'),
    "unknown-field": _bytes("field-unknown", '"version":1', '"version":1,"why":"not"'),
    "missing-field": _bytes("field-missing", ',"validator":"P-0640"', ""),
    "wrong-word": _bytes("field-wrong", '"internal-reuse"', '"resale"'),
    "time-without-seconds": _bytes("field-wrong", "2026-11-18T01:00:00Z", "2026-11-18T01:00Z"),
    "text-not-nfc": _bytes("field-wrong", "ZC-2019", "e\u0301"),
    "not-canonical": _bytes("document-not-canonical", '"version":1', '"version": 1'),
    "another-kind-of-document": lambda: Flawed("document-wrong-kind", seal(world.hold_state(), world.registry())),
    "newline-behind-the-envelope": lambda: Flawed("document-not-canonical", _signed(world.order()) + b"\n"),
}
"""Flaw -> the document that has it."""


def root_of(flawed: Flawed) -> str:
    """Digest of the keyring that the vector's agent trusts."""
    ring = flawed.keyring or world.seal_keyring(world.keyring())
    return digest(envelope.unwrap(ring, 4 << 20).payload)
