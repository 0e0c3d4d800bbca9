"""The registry's data directory: its name, its two keys, the pinned keyring root, and the last checkpoint given out.

origin        the log's origin line
keyring-root  digest of keyring version 1
log.key       Ed25519, PKCS #8 in PEM, readable by its owner only: signs checkpoints
hold.key      the same: signs hold states and sampling nonces
head          the newest checkpoint that anyone was given; a database behind it was rolled back
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from certificates import notes
from certificates.errors import Refused
from certificates.notes import NoteKey
from certificates.receipts import raw_digest
from certificates.signers import KeySigner
from server_stub.log import LogSigner

LOG_KEY, HOLD_KEY = "log.key", "hold.key"
_ORIGIN, _ROOT, _HEAD = "origin", "keyring-root", "head"
_DATABASE = "registry.sqlite"


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The files of one registry."""

    path: Path

    def initialise(self, origin: str) -> None:
        """The directory exists with a fresh key each for log and holds; Refused when it is in use already."""
        NoteKey(origin, bytes(32))  # refuses an origin that no note could carry, before anything is written
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (self.path / _ORIGIN).exists():
            raise Refused("registry-exists", where=str(self.path))
        for name in (LOG_KEY, HOLD_KEY):
            self.make_key(name)
        _write(self.path / _ORIGIN, f"{origin}\n".encode())

    def make_key(self, name: str) -> None:
        """A fresh key lies in the file; Refused when there is one: a key is never replaced in place."""
        private = Ed25519PrivateKey.generate()
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = self.path / name
        if file.exists():
            raise Refused("registry-exists", where=str(file))
        _write(file, pem)

    @property
    def database(self) -> str:
        """URL of the embedded database."""
        return f"sqlite:///{self.path / _DATABASE}"

    @property
    def origin(self) -> str:
        """The log's origin line; Refused before `init`."""
        return self._line(_ORIGIN, "run init")

    @property
    def root(self) -> str:
        """Digest of keyring version 1; Refused before one was pinned."""
        return self._line(_ROOT, "it trusts no keyring root")

    def pin_root(self, digest: str) -> None:
        """The registry trusts this keyring root for good; Refused when it trusts another, or this is no digest."""
        raw_digest(digest)
        file = self.path / _ROOT
        if file.exists() and self.root != digest:
            raise Refused("registry-exists", where=str(file))
        _write(file, f"{digest}\n".encode())

    def log_signer(self) -> LogSigner:
        """The log's voice, from its key file."""
        signer = self.signer(LOG_KEY)
        return LogSigner(NoteKey(self.origin, signer.spki[-32:]), signer.sign)

    def signer(self, name: str) -> KeySigner:
        """The key in a file; Refused when it is missing, open to others, or not Ed25519."""
        file = self.path / name
        try:
            if file.stat().st_mode & 0o077:
                raise Refused("key-unreadable", where=str(file), detail="others may read it")
            key = load_pem_private_key(file.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise Refused("key-unreadable", where=str(file), detail=str(error)) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise Refused("key-unreadable", where=str(file), detail="it is not an Ed25519 key")
        return KeySigner(key)

    def head(self) -> Head:
        """The last checkpoint given out."""
        return Head(self.path / _HEAD)

    def _line(self, name: str, missing: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Refused("registry-not-ready", what=missing) from error


class Head:
    """The newest checkpoint given out, kept outside the database so that an older database shows."""

    def __init__(self, file: Path) -> None:
        """Take the file that it lies in."""
        self._file = file
        self._turn = threading.Lock()
        self._size = -1

    def read(self) -> str | None:
        """The checkpoint note, or None before the first."""
        return self._file.read_text(encoding="utf-8") if self._file.exists() else None

    def advance(self, note: str) -> None:
        """The file holds this checkpoint, unless it holds a larger one already."""
        size = _size(note)
        with self._turn:
            if size <= self._size:
                return
            held = self.read()
            if held is None or _size(held) < size:
                _write(self._file, note.encode())
            self._size = size


def _size(note: str) -> int:
    return notes.parse_checkpoint(notes.parse_note(note)).size


def _write(file: Path, content: bytes) -> None:
    """The file holds the content, whole, or what it held before, also after a power cut; only its owner may read it."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    except OSError:
        draft.unlink()
        raise
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
