"""Key files: PKCS#8 PEM for the secret half, SubjectPublicKeyInfo PEM for the public one, beside it as FILE.pub."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from agent.files import PRIVATE, check_absent, read_file, write_new
from certificates.errors import Refused, Untrusted
from certificates.signers import KeySigner, PrivateKey, algorithm_of, key_id_of, spki_of
from certificates.statements import Algorithm

LARGEST = 64 << 10
AskPassphrase = Callable[[Path], str]
"""Returns the passphrase of a key file, asked of a person."""


def generate(kind: Algorithm) -> PrivateKey:
    """Return a fresh private key."""
    if kind is Algorithm.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def public_path(path: Path) -> Path:
    """Return where the public half of a key file lies."""
    return path.with_name(path.name + ".pub")


def write_key(path: Path, key: PrivateKey, passphrase: str | None = None) -> str:
    """Write both halves as new files, the secret one for its owner alone; return the key's id. Raises Refused."""
    check_absent(path, public_path(path))
    lock: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase.encode()) if passphrase is not None else NoEncryption()
    )
    write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock), PRIVATE)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_new(public_path(path), public)
    return key_id_of(spki_of(key.public_key()))


def load_signer(path: Path, ask: AskPassphrase | None = None) -> KeySigner:
    """Return what signs with a key file; raises Refused as `load_key` does."""
    return KeySigner(load_key(path, ask))


def load_key(path: Path, ask: AskPassphrase | None = None) -> PrivateKey:
    """Return the key in a key file; raises Refused when it is not one, others may read it, or it stays locked."""
    data = read_file(path, LARGEST)
    if path.stat().st_mode & 0o077:
        raise Refused("key-unreadable", where=path, detail="others may read it; run chmod 600 on it first")
    try:
        key: object = load_pem_private_key(data, None)
    except TypeError:
        key = _unlock(path, data, ask)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("key-unreadable", where=path, detail="it is not a private key in PKCS#8 PEM") from error
    is_p256 = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
    if not is_p256 and not isinstance(key, ed25519.Ed25519PrivateKey):
        raise Refused("key-unreadable", where=path, detail="its kind is neither Ed25519 nor P-256")
    return cast(PrivateKey, key)


def _unlock(path: Path, data: bytes, ask: AskPassphrase | None) -> object:
    """Return the private key in an encrypted file, having asked for its passphrase; raises Refused."""
    if ask is None:
        raise Refused("key-unreadable", where=path, detail="it is locked by a passphrase")
    try:
        return load_pem_private_key(data, ask(path).encode())
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise Refused("key-unreadable", where=path, detail="the passphrase does not open it") from error


def parse_public(text: str) -> tuple[bytes, Algorithm]:
    """Return SubjectPublicKeyInfo and algorithm of a public key in base64 DER; raises Refused."""
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
        return spki_of(key), algorithm_of(key)
    except (ValueError, UnsupportedAlgorithm, Untrusted) as error:
        detail = "it is not an Ed25519 or P-256 SubjectPublicKeyInfo in base64"
        raise Refused("key-unreadable", where="spki", detail=detail) from error


def load_public(path: Path) -> tuple[bytes, Algorithm]:
    """Return SubjectPublicKeyInfo and algorithm of a public key file; raises Refused."""
    data = read_file(path, LARGEST)
    try:
        key = load_pem_public_key(data)
        return spki_of(key), algorithm_of(key)
    except (ValueError, UnsupportedAlgorithm, Untrusted) as error:
        detail = "it is not an Ed25519 or P-256 public key in PEM"
        raise Refused("key-unreadable", where=path, detail=detail) from error
