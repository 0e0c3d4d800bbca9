"""What an auditor trusts: accepted keyring roots and log keys, from a file that came by another way than the bundle."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

from certificates.encoding import canonical, decode, parse
from certificates.errors import Untrusted
from certificates.notes import COSIGNER_KEY, LOG_KEY, NoteKey
from certificates.statements import Base64, Digest, Items, Origin

MAX_TRUST_FILE = 1 << 20
# SubjectPublicKeyInfo of an Ed25519 key in DER (RFC 8410, 4): this prefix, then the 32 bytes of the key.
_ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """A registry log, or a witness that cosigns logs."""

    origin: Origin
    """Name under which it signs: a log's origin line."""
    key: Base64
    """Ed25519 SubjectPublicKeyInfo in DER."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What the auditor accepts without proof."""

    keyrings: Annotated[tuple[Digest, ...], Items(1, 64)]
    """Digests of version 1 of the keyrings accepted."""
    logs: Annotated[tuple[TrustedLog, ...], Items(0, 64)]
    """Registry logs accepted."""
    cosigners: Annotated[tuple[TrustedLog, ...], Items(0, 64)] | None = None
    """Log cosigners known."""

    @property
    def log_keys(self) -> tuple[NoteKey, ...]:
        """Keys that may sign checkpoints; raises Untrusted on one that is not Ed25519."""
        return tuple(_note_key(log, LOG_KEY) for log in self.logs)

    @property
    def cosigner_keys(self) -> tuple[NoteKey, ...]:
        """Keys that may cosign checkpoints; raises Untrusted on one that is not Ed25519."""
        return tuple(_note_key(log, COSIGNER_KEY) for log in self.cosigners or ())


def parse_trust(data: bytes) -> Trust:
    """Return the trust that a file states; spacing is free, all else strict. Raises Untrusted naming the field."""
    if len(data) > MAX_TRUST_FILE:
        raise Untrusted("document-too-large", size=len(data), most=MAX_TRUST_FILE)
    trust = decode(canonical(parse(data)), Trust)
    _ = trust.log_keys, trust.cosigner_keys  # a wrong key is told here, where the file is at hand
    return trust


def _note_key(log: TrustedLog, kind: int) -> NoteKey:
    try:
        der = base64.b64decode(log.key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Untrusted("note-key", name=log.origin) from error
    if len(der) != 44 or not der.startswith(_ED25519_PREFIX):
        raise Untrusted("note-key", name=log.origin)
    return NoteKey(log.origin, der[len(_ED25519_PREFIX) :], kind)
