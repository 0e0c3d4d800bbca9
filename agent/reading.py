"""Any document of ours: what it is and what it says, by its bytes alone. Nothing here is trusted yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.journal import Journal, replay
from certificates import bundle
from certificates.encoding import decode
from certificates.envelope import KINDS, kind_of, unwrap
from certificates.errors import Failure, Untrusted
from certificates.statements import Matching, Selector, Survey

MOST = bundle.MAX_SIZE
BARE: dict[bytes, type] = {b'{"drives":': Survey, b'{"cards":': Matching}
"""How documents begin that nobody signed -> what they are."""
BY_NAME = {name.rpartition(".")[0]: kind for kind, name in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Document:
    """A document taken apart."""

    kind: str
    """order, keyring, ..., selector, journal, bundle, receipt, public key, private key."""
    digest: str | None
    """Its identity, where it has one."""
    statement: Any
    """What it says: a statement, a Journal, a bundle's entries, a key's id, a receipt's text."""
    key_ids: tuple[str, ...]
    """Keys that signed, unchecked."""


def read_document(name: str, data: bytes) -> Document:
    """Return the document in `data`; raises Untrusted where it is none of ours."""
    if data.startswith(b"PK\x03\x04"):
        return Document("bundle", None, bundle.unpack(data), ())
    if data.startswith(b"-----BEGIN "):
        return _key(name, data)
    if data.startswith(b'{"payload":'):
        return read_envelope(data)
    if data.startswith(b"c2sp.org/tlog-proof"):
        return Document("receipt", None, data.decode("utf-8", "replace"), ())
    if data.startswith(b'{"at":'):
        return Document("journal", None, _journal(name, data), ())
    for mark, bare in BARE.items():
        if data.startswith(mark):
            return Document(bare.__name__.lower(), None, decode(data, bare), ())
    try:
        return Document("selector", None, decode(data, Selector), ())
    except Untrusted as error:
        raise Untrusted("document-wrong-kind", found=f"file of another kind ({name})", expected="document") from error


def read_envelope(data: bytes) -> Document:
    """Return the sealed document in an envelope, its signatures unchecked; raises Untrusted."""
    wrapped = unwrap(data, 4 << 20)
    kind = kind_of(wrapped)
    if kind not in BY_NAME:
        raise Untrusted("document-wrong-kind", found=kind, expected="document of this version")
    statement: Any = decode(wrapped.payload, BY_NAME[kind])
    return Document(kind, wrapped.digest, statement, tuple(key_id for key_id, _ in wrapped.signatures))


def expect(data: bytes, kind: type, most: int = 4 << 20) -> Document:
    """Return the sealed document of one kind; raises Untrusted for any other."""
    if len(data) > most:
        raise Untrusted("document-too-large", size=len(data), most=most)
    document = read_envelope(data)
    if not isinstance(document.statement, kind):
        expected = KINDS[kind].rpartition(".")[0]
        raise Untrusted("document-wrong-kind", found=document.kind, expected=expected)
    return document


def _journal(name: str, data: bytes) -> Journal:
    return replay(name, data.split(b"\n")[:-1])


def _key(name: str, data: bytes) -> Document:
    """Return a key by its id; a private one only by its kind, for it may be locked."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from certificates.signers import algorithm_of, key_id_of, spki_of

    if b"PUBLIC KEY" not in data.split(b"\n", 1)[0]:
        return Document("private key", None, None, ())
    try:
        key = load_pem_public_key(data)
        return Document("public key", None, f"{key_id_of(spki_of(key))}  {algorithm_of(key).value}", ())
    except (ValueError, UnsupportedAlgorithm, Failure) as error:
        raise Untrusted("key-kind-unknown", found=name) from error
