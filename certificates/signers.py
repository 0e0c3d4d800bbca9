"""Keys: how a signature is made and checked. The algorithm is the key's property, never the envelope's."""

from __future__ import annotations

import base64
import hashlib
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from certificates.errors import Untrusted
from certificates.statements import Algorithm, PublicKey

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


class Signer(Protocol):
    """Something that signs: a key in memory, a token, a module."""

    @property
    def key_id(self) -> str:
        """SHA-256 of the key's SubjectPublicKeyInfo."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`."""
        ...


class KeySigner:
    """Signs with a private key held in memory."""

    def __init__(self, key: PrivateKey) -> None:
        """Take an Ed25519 or P-256 private key."""
        self._key = key
        self.algorithm = algorithm_of(key.public_key())
        self.spki = spki_of(key.public_key())

    @property
    def key_id(self) -> str:
        """SHA-256 of the key's SubjectPublicKeyInfo."""
        return key_id_of(self.spki)

    def sign(self, message: bytes) -> bytes:
        """Return an Ed25519 signature (RFC 8032), or a deterministic ECDSA one in DER (RFC 6979)."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))


def algorithm_of(key: PublicKeyTypes) -> Algorithm:
    """Return the algorithm that goes with a public key; raises Untrusted for kinds that are not taken."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Algorithm.ED25519
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return Algorithm.P256
    raise Untrusted("key-kind-unknown", found=type(key).__name__)


def spki_of(key: PublicKeyTypes) -> bytes:
    """Return the SubjectPublicKeyInfo in DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id_of(spki: bytes) -> str:
    """Return the id of the key with this SubjectPublicKeyInfo."""
    return "sha256:" + hashlib.sha256(spki).hexdigest()


def load_public(key: PublicKey) -> PublicKeyTypes:
    """Return the usable key, having checked that its id and algorithm are its own; raises Untrusted."""
    spki = base64.b64decode(key.spki)
    try:
        loaded = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Untrusted("key-kind-unknown", found=key.id) from error
    if key_id_of(spki) != key.id or algorithm_of(loaded) is not key.algorithm or spki_of(loaded) != spki:
        raise Untrusted("key-kind-unknown", found=key.id)
    return loaded


def check_signature(key: PublicKey, signature: bytes, message: bytes) -> None:
    """Return if the signature holds; raises Untrusted."""
    loaded = load_public(key)
    try:
        if isinstance(loaded, ed25519.Ed25519PublicKey):
            loaded.verify(signature, message)
        elif isinstance(loaded, ec.EllipticCurvePublicKey):
            loaded.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise Untrusted("signature-bad", key=key.id) from error


def raw_ed25519(key: PublicKey) -> bytes:
    """Return the 32 bytes of an Ed25519 key, as signed notes use them; raises Untrusted for another kind."""
    loaded = load_public(key)
    if not isinstance(loaded, ed25519.Ed25519PublicKey):
        raise Untrusted("key-kind-unknown", found=key.id)
    return loaded.public_bytes(Encoding.Raw, PublicFormat.Raw)
