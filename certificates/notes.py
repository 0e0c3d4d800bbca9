"""C2SP signed notes, tlog-checkpoints, tlog-proofs and consistency bodies: the text forms in which a log speaks.

Stricter than C2SP on one point, on purpose: a verifier of live notes ignores signatures by keys that it does not know,
but these texts are filed as evidence, where nothing may stand that nobody vouched for. So every signature line must be
by a key that was given, the log's own first; and a text is accepted only if it is byte for byte what the parsed values
encode to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from certificates.errors import Untrusted
from certificates.merkle import HASH_SIZE, MAX_SIZE

MAX_TEXT = 64 * 1024
"""Bytes of one note or proof: 63 hashes and dozens of signatures fit in an eighth of it."""

LOG_KEY = 0x01
"""Signature type of plain Ed25519 notes (c2sp.org/signed-note)."""
COSIGNER_KEY = 0x04
"""Signature type of timestamped Ed25519 cosignatures (c2sp.org/tlog-cosignature)."""

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_DASH = "\N{EM DASH}"
_SIGNATURE_SIZES = {LOG_KEY: 64, COSIGNER_KEY: 72}
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[^\s+\x00-\x1f]+")

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class NoteKey:
    """The public half of an Ed25519 key that signs notes under a name."""

    name: str
    """For a log, its origin: a schema-less URL."""
    public: bytes
    """32 bytes, RFC 8032."""
    kind: int = LOG_KEY
    """The signature type byte."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.public) != 32 or self.kind not in _SIGNATURE_SIZES:
            raise Untrusted("note-key", name=self.name)

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys apart; no protection by itself, the full key is what verifies."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The verifier key's text form, for trust files and other tools."""
        return f"{self.name}+{self.key_id.hex()}+{_encode(bytes([self.kind]) + self.public)}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures under it."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: its name, how many leaves it has, and the root over them."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """A tlog-proof: an index and a path below a checkpoint note, not yet checked against any leaf."""

    extra: bytes | None
    index: int
    path: tuple[bytes, ...]
    checkpoint: Note


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """From an older size to the checkpoint's, in the form that witnesses are sent (c2sp.org/tlog-witness)."""

    old: int
    path: tuple[bytes, ...]
    checkpoint: Note


def parse_vkey(text: str) -> NoteKey:
    """The key that a verifier key's text names, or Untrusted; its key id must be the recommended hash."""
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    material = _decode(encoded)
    key = NoteKey(name, material[1:], material[0] if material else 0)
    if key.vkey != text:
        raise Untrusted("note-key", name=name)
    return key


def encode_note(note: Note) -> str:
    """The note as text: body, blank line, signature lines."""
    lines = (f"{_DASH} {line.name} {_encode(line.key_id + line.signature)}\n" for line in note.signatures)
    return f"{note.text}\n{''.join(lines)}"


def parse_note(text: str) -> Note:
    """The note that `text` is, or Untrusted when it is not in canonical form; signatures are not checked yet."""
    body, found, tail = text.rpartition("\n\n")
    if not found or not body or not tail.endswith("\n"):
        raise Untrusted("note-malformed", part="body")
    note = Note(body + "\n", tuple(_parse_signature(line) for line in tail[:-1].split("\n")))
    _check_canonical(text, encode_note(note), "signature line")
    return note


def sign_note(text: str, key: NoteKey, sign: Sign) -> Note:
    """`text` as a note signed by one log key; `sign` gives the raw Ed25519 signature of bytes."""
    return Note(text, (Signature(key.name, key.key_id, sign(text.encode())),))


def check_note(note: Note, log_keys: Sequence[NoteKey], cosigners: Sequence[NoteKey] = ()) -> NoteKey:
    """The log key whose signature stands first, after every line was found to be by a different given key and to hold.

    Raises Untrusted on a line by an unknown key too: see the module's text.
    """
    known = {(key.name, key.key_id): key for key in (*log_keys, *cosigners)}
    signers = []
    for line in note.signatures:
        key = known.pop((line.name, line.key_id), None)
        if key is None:
            raise Untrusted("note-signer", name=line.name)
        _check_signature(note.text, line, key)
        signers.append(key)
    if not signers or signers[0] not in log_keys:
        raise Untrusted("note-signer", name=signers[0].name if signers else "")
    return signers[0]


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """The three lines that a log signs (c2sp.org/tlog-checkpoint)."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{_encode(checkpoint.root)}\n"


def parse_checkpoint(note: Note) -> Checkpoint:
    """The checkpoint in a note's text, or Untrusted; extension lines are refused, for no monitor could audit them."""
    lines = note.text.split("\n")
    if len(lines) != 4 or not lines[0]:
        raise Untrusted("note-malformed", part="checkpoint")
    checkpoint = Checkpoint(lines[0], _number(lines[1], "tree size"), _hash(lines[2]))
    _check_canonical(note.text, checkpoint_text(checkpoint), "checkpoint")
    return checkpoint


def check_checkpoint(note: Note, log_keys: Sequence[NoteKey], cosigners: Sequence[NoteKey] = ()) -> Checkpoint:
    """The checkpoint in a note whose signatures hold and whose origin is the name of the log key that signed."""
    key = check_note(note, log_keys, cosigners)
    checkpoint = parse_checkpoint(note)
    if checkpoint.origin != key.name:
        raise Untrusted("note-origin", origin=checkpoint.origin, name=key.name)
    return checkpoint


def encode_proof(proof: InclusionProof) -> str:
    """The tlog-proof as text (c2sp.org/tlog-proof)."""
    extra = "" if proof.extra is None else f"extra {_encode(proof.extra)}\n"
    return f"{PROOF_HEADER}\n{extra}index {proof.index}\n{_paths(proof.path)}\n{encode_note(proof.checkpoint)}"


def parse_proof(text: str) -> InclusionProof:
    """The tlog-proof that `text` is, or Untrusted when it is not in canonical form; nothing else is checked yet."""
    _check_size(text)
    head, _, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    extra = lines.pop(1) if len(lines) > 1 and lines[1].startswith("extra ") else None
    if len(lines) < 2 or not lines[1].startswith("index "):
        raise Untrusted("note-malformed", part="index")
    proof = InclusionProof(
        extra=None if extra is None else _decode(extra.removeprefix("extra ")),
        index=_number(lines[1].removeprefix("index "), "index"),
        path=tuple(_hash(line) for line in lines[2:]),
        checkpoint=parse_note(checkpoint),
    )
    parse_checkpoint(proof.checkpoint)
    _check_canonical(text, encode_proof(proof), "proof")
    return proof


def encode_consistency(proof: ConsistencyProof) -> str:
    """The consistency proof and the checkpoint it leads to, as text."""
    return f"old {proof.old}\n{_paths(proof.path)}\n{encode_note(proof.checkpoint)}"


def parse_consistency(text: str) -> ConsistencyProof:
    """The consistency proof that `text` is, or Untrusted when it is not in canonical form; nothing else is checked."""
    _check_size(text)
    head, _, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not lines[0].startswith("old "):
        raise Untrusted("note-malformed", part="old size")
    old = _number(lines[0].removeprefix("old "), "old size")
    proof = ConsistencyProof(old, tuple(_hash(line) for line in lines[1:]), parse_note(checkpoint))
    parse_checkpoint(proof.checkpoint)
    _check_canonical(text, encode_consistency(proof), "consistency proof")
    return proof


def _check_signature(text: str, line: Signature, key: NoteKey) -> None:
    """One line's signature is `key`'s over the note's text, or Untrusted."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(line.signature) != _SIGNATURE_SIZES[key.kind]:
        raise Untrusted("note-signature", name=key.name)
    signature, message = line.signature, text.encode()
    if key.kind == COSIGNER_KEY:
        stamp, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        message = f"cosignature/v1\ntime {stamp}\n".encode() + message
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise Untrusted("note-signature", name=key.name) from error


def _parse_signature(line: str) -> Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _DASH or not _NAME.fullmatch(parts[1]):
        raise Untrusted("note-malformed", part="signature line")
    raw = _decode(parts[2])
    if len(raw) <= 4:
        raise Untrusted("note-malformed", part="signature line")
    return Signature(parts[1], raw[:4], raw[4:])


def _check_canonical(text: str, again: str, part: str) -> None:
    _check_size(text)
    if text != again or any(character < " " and character != "\n" for character in text):
        raise Untrusted("note-malformed", part=part)


def _check_size(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise Untrusted("note-malformed", part="size")


def _paths(path: Sequence[bytes]) -> str:
    return "".join(f"{_encode(item)}\n" for item in path)


def _number(text: str, part: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > MAX_SIZE:
        raise Untrusted("note-malformed", part=part)
    return int(text)


def _hash(text: str) -> bytes:
    value = _decode(text)
    if len(value) != HASH_SIZE:
        raise Untrusted("note-malformed", part="hash")
    return value


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Untrusted("note-malformed", part="base64") from error
