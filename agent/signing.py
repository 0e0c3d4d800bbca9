"""A person adds a signature: only to what its payload lets that person sign, where a keyring is at hand to tell."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.files import replace_file
from certificates.envelope import add_signatures
from certificates.errors import Refused, Untrusted
from certificates.keyring import resolver
from certificates.signers import Signer
from certificates.statements import Keyring, PersonRole


def add(path: Path, envelope: bytes, signers: Iterable[Signer]) -> bytes:
    """Return the envelope with the signers' signatures, having put it in its file's place; raises Refused."""
    try:
        signed = add_signatures(envelope, tuple(signers))
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
    replace_file(path, signed)
    return signed


def check_speaker(statement: Any, key_id: str, keyring: Keyring, at: datetime) -> PersonRole:
    """Return whom the key speaks for in this statement at that time; raises Refused when for nobody."""
    try:
        _, speaker = resolver(keyring, at)(statement, key_id)
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
    if not isinstance(speaker, PersonRole):
        raise Refused("signature-unknown-key", key=key_id)
    return speaker
