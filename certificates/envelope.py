"""DSSE, our own: many signatures on one payload, every one of which must be known and hold.

The payload type binds kind and schema version. A document's identity is the digest of its payload, never of the
envelope, so that another signature, or another wrapping, does not make another document.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from certificates import encoding
from certificates.errors import Untrusted
from certificates.signers import Signer, check_signature
from certificates.statements import (
    Certificate,
    Hold,
    HoldLift,
    HoldState,
    Keyring,
    Nonce,
    Order,
    PublicKey,
    Selector,
    Start,
    Survey,
    Validation,
)

S = TypeVar("S")
MIB = 1 << 20
PREFIX = "application/vnd.expunge."

KINDS: dict[type, str] = {
    Keyring: "keyring.v1",
    Order: "order.v1",
    Hold: "hold.v1",
    HoldLift: "hold-lift.v1",
    HoldState: "hold-state.v1",
    Start: "start.v1",
    Certificate: "certificate.v1",
    Validation: "validation.v1",
    Nonce: "nonce.v1",
    Selector: "selector.v1",
    Survey: "survey.v1",
}
"""Kind and schema version of every statement that travels sealed. The selector travels bare, and so does a survey that
nobody signs."""

MOST_SIGNATURES = 256
"""Signatures read at most: no document names more people, and each costs a look through the keyring."""
LARGEST: dict[type, int] = {Certificate: 4 * MIB, Keyring: 4 * MIB, Survey: 4 * MIB}
"""Bytes read at most, where more than the 1 MiB of all others."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature that holds."""

    key_id: str
    """Key that made it."""
    signer: Any
    """Whom the resolver says it speaks for."""


@dataclass(frozen=True, slots=True)
class Sealed(Generic[S]):
    """A document whose every signature is known and holds."""

    statement: S
    """What it says."""
    payload: bytes
    """Its canonical bytes."""
    digest: str
    """Digest of the payload: the document's identity."""
    envelope: bytes
    """The envelope as read."""
    signatures: tuple[Signature, ...]
    """Who signed."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """An envelope taken apart; nothing in it is trusted yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def digest(self) -> str:
        """Digest of the payload."""
        return encoding.digest(self.payload)


Resolver = Callable[[Any, str], tuple[PublicKey, Any]]
"""(statement, key id) -> (key, whom it speaks for); raises Untrusted when the key may not sign this statement."""


def payload_type(kind: type) -> str:
    """Return the payload type of a statement's kind."""
    return f"{PREFIX}{KINDS[kind]}+json"


def message(kind: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding that is signed (DSSE v1)."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def seal(statement: object, signers: Iterable[Signer]) -> bytes:
    """Return the canonical envelope of the statement with the signers' signatures."""
    return wrap(payload_type(type(statement)), encoding.encode(statement), signers)


def wrap(kind: str, payload: bytes, signers: Iterable[Signer]) -> bytes:
    """Return the canonical envelope of a payload with the signers' signatures."""
    signatures = tuple((signer.key_id, signer.sign(message(kind, payload))) for signer in signers)
    return _dump(Wrapped(kind, payload, signatures))


def add_signatures(envelope: bytes, signers: Iterable[Signer]) -> bytes:
    """Return the envelope with further signatures on the same payload; raises Untrusted if a key signed before."""
    wrapped = unwrap(envelope, max(LARGEST.values()))
    added = tuple((s.key_id, s.sign(message(wrapped.payload_type, wrapped.payload))) for s in signers)
    _refuse_twice(wrapped.signatures + added)
    return _dump(Wrapped(wrapped.payload_type, wrapped.payload, wrapped.signatures + added))


def unwrap(envelope: bytes, most: int = MIB) -> Wrapped:
    """Take an envelope apart without trusting it; raises Untrusted unless it is in canonical form."""
    if len(envelope) > most:
        raise Untrusted("document-too-large", size=len(envelope), most=most)
    tree = encoding.parse(envelope)
    try:
        if set(tree) != {"payload", "payloadType", "signatures"}:
            raise KeyError("names")
        signatures = tuple((item["keyid"], base64.b64decode(item["sig"], validate=True)) for item in tree["signatures"])
        if not all(isinstance(text, str) for text in (tree["payloadType"], *(key for key, _ in signatures))):
            raise TypeError("payloadType, keyid")
        if len(signatures) > MOST_SIGNATURES:
            raise ValueError("signatures")
        wrapped = Wrapped(tree["payloadType"], base64.b64decode(tree["payload"], validate=True), signatures)
        is_canonical = _dump(wrapped) == envelope
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise Untrusted("document-malformed", detail="not an envelope of ours") from error
    if not is_canonical:
        raise Untrusted("document-not-canonical", kind="envelope")
    return wrapped


def unseal(envelope: bytes, kind: type[S], resolve: Resolver) -> Sealed[S]:
    """Return the document whose every signature is known to `resolve` and holds; raises Untrusted."""
    wrapped = unwrap(envelope, LARGEST.get(kind, MIB))
    if wrapped.payload_type != payload_type(kind):
        raise Untrusted("document-wrong-kind", found=kind_of(wrapped), expected=KINDS[kind].split(".")[0])
    statement = encoding.decode(wrapped.payload, kind)
    if not wrapped.signatures:
        raise Untrusted("signature-missing", who="anybody")
    _refuse_twice(wrapped.signatures)
    signatures = tuple(_check(wrapped, statement, resolve, key_id, made) for key_id, made in wrapped.signatures)
    return Sealed(statement, wrapped.payload, wrapped.digest, envelope, signatures)


def kind_of(wrapped: Wrapped) -> str:
    """Return the kind that the payload type names, for messages."""
    found = re.fullmatch(re.escape(PREFIX) + r"([a-z-]+)\.v[0-9]+\+json", wrapped.payload_type)
    return found.group(1) if found else "document of another kind"


def _check(wrapped: Wrapped, statement: object, resolve: Resolver, key_id: str, made: bytes) -> Signature:
    key, signer = resolve(statement, key_id)
    check_signature(key, made, message(wrapped.payload_type, wrapped.payload))
    return Signature(key_id, signer)


def _refuse_twice(signatures: tuple[tuple[str, bytes], ...]) -> None:
    seen: set[str] = set()
    for key_id, _ in signatures:
        if key_id in seen:
            raise Untrusted("signature-twice", key=key_id)
        seen.add(key_id)


def _dump(wrapped: Wrapped) -> bytes:
    return encoding.canonical(
        {
            "payload": base64.b64encode(wrapped.payload).decode(),
            "payloadType": wrapped.payload_type,
            "signatures": [{"keyid": k, "sig": base64.b64encode(s).decode()} for k, s in wrapped.signatures],
        }
    )
