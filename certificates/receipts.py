"""Check a registry's receipt: that a document is entry N of a log whose checkpoint a known key signed.

A receipt is a tlog-proof. Its `extra` line carries the 32-byte salt that the registry drew, so that a leaf alone says
nothing about the document behind it, and the log can stay whole after a document had to be erased.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from certificates import merkle, notes
from certificates.errors import Untrusted
from certificates.notes import Checkpoint, NoteKey

SALT_SIZE = 32


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Where a document stands in the log, after the receipt was checked."""

    index: int
    """Counted from 0."""
    leaf: bytes
    """The leaf hash, RFC 6962."""
    checkpoint: Checkpoint


def leaf_data(salt: bytes, payload_digest: str, envelope_digest: str) -> bytes:
    """What the log hashes for one document; digests in `sha256:` form. Raises Untrusted on a salt of another size."""
    if len(salt) != SALT_SIZE:
        raise Untrusted("receipt-wrong", detail=f"a salt of {len(salt)} bytes")
    return hashlib.sha256(salt + raw_digest(payload_digest) + raw_digest(envelope_digest)).digest()


def raw_digest(digest: str) -> bytes:
    """The 32 bytes behind a `sha256:` digest, or Untrusted."""
    name, _, digits = digest.partition(":")
    if name != "sha256" or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise Untrusted("receipt-wrong", detail=f"digest {digest[:80]}")
    return bytes.fromhex(digits)


def check_receipt(
    text: str,
    payload_digest: str,
    envelope_digest: str,
    log_keys: Sequence[NoteKey],
    cosigners: Sequence[NoteKey] = (),
) -> LogEntry:
    """The entry that holds exactly this payload in exactly this envelope, or Untrusted; every byte of `text` counts."""
    proof = notes.parse_proof(text)
    checkpoint = notes.check_checkpoint(proof.checkpoint, log_keys, cosigners)
    leaf = merkle.leaf_hash(leaf_data(proof.extra or b"", payload_digest, envelope_digest))
    merkle.check_inclusion(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root)
    return LogEntry(proof.index, leaf, checkpoint)


def check_consistency(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> None:
    """The log at `new` still holds everything it held at `old`, in the same order, or Untrusted."""
    if old.origin != new.origin:
        raise Untrusted("note-origin", origin=new.origin, name=old.origin)
    merkle.check_consistency(old.size, new.size, old.root, new.root, path)


def check_consistency_text(
    text: str, old: Checkpoint, log_keys: Sequence[NoteKey], cosigners: Sequence[NoteKey] = ()
) -> Checkpoint:
    """The newer checkpoint in a consistency body, after it was shown to extend `old`; Untrusted otherwise."""
    proof = notes.parse_consistency(text)
    new = notes.check_checkpoint(proof.checkpoint, log_keys, cosigners)
    if proof.old != old.size:
        raise Untrusted("log-inconsistent", detail=f"the proof starts from size {proof.old}, not from {old.size}")
    check_consistency(old, new, proof.path)
    return new
