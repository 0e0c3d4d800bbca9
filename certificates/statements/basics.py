"""Words that every statement uses: identifiers, levels, media, roles, and the marks that bound a field on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8785, 3.2.2.3)."""


@dataclass(frozen=True, slots=True)
class Form:
    """The shape a string must have on the wire."""

    pattern: str
    """Regular expression that the whole value must match."""
    longest: int
    """Most characters allowed."""
    expected: str
    """What a person is told when the value does not match."""


@dataclass(frozen=True, slots=True)
class Items:
    """How many items a list may have on the wire; longer lists are files bound by digest."""

    least: int = 0
    most: int = 4096


Id = Annotated[str, Form(r"[A-Za-z0-9][A-Za-z0-9._:+-]*", 128, "an identifier of ASCII letters, digits and . _ : + -")]
Origin = Annotated[str, Form(r"[a-z0-9][a-z0-9.:/-]*", 255, "a log origin of lower-case letters, digits and . : / -")]
Text = Annotated[str, Form(r"[^\x00-\x08\x0b-\x1f\x7f]*", 2000, "text in Unicode NFC, at most 2000 characters")]
Digest = Annotated[str, Form(r"sha256:[0-9a-f]{64}", 71, "sha256: followed by 64 lower-case hex digits")]
Hex = Annotated[str, Form(r"([0-9a-f]{2})*", 8192, "lower-case hex digits, two a byte")]
Byte = Annotated[str, Form(r"[0-9a-f]{2}", 2, "one byte as two hex digits")]
Word = Annotated[str, Form(r"([0-9a-f]{2}){1,64}", 128, "1 to 64 bytes as lower-case hex digits, two a byte")]
Secret32 = Annotated[str, Form(r"[0-9a-f]{64}", 64, "32 bytes as 64 lower-case hex digits")]
Base64 = Annotated[str, Form(r"[A-Za-z0-9+/]*={0,2}", 16384, "base64 with padding (RFC 4648, 4)")]
Date = Annotated[str, Form(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", 10, "a date as YYYY-MM-DD")]
Path = Annotated[str, Form(r"/[^\x00]*", 4096, "an absolute path")]
Name = Annotated[str, Form(r"[^/\x00][^\x00]*", 4096, "a path relative to the selector's root")]
Value = Annotated[str, Form(r"[^\x00]*", 65536, "a value in Unicode NFC, at most 65536 characters")]
Uuid = Annotated[str, Form(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", 36, "a UUID in lower case")]
Time = datetime
"""An instant: aware, UTC, whole seconds; on the wire `2026-11-22T12:00:00Z`."""


class Level(StrEnum):
    """How thoroughly, in the words of NIST SP 800-88 r2."""

    CLEAR = "clear"
    PURGE = "purge"
    DESTROY = "destroy"

    @property
    def rank(self) -> int:
        """Position in the order clear < purge < destroy."""
        return list(Level).index(self)


class Grade(StrEnum):
    """Grade of data (GB/T 43697): 核心, 重要, 一般."""

    CORE = "core"
    IMPORTANT = "important"
    GENERAL = "general"


class Secrecy(StrEnum):
    """密级 declaration; anything but `none` ends in a hand-over list, never in a wipe."""

    NONE = "none"
    SUSPECTED = "suspected"
    DECLARED = "declared"


class Media(StrEnum):
    """What the bits lie on, as far as the host can tell; what cannot be told is opaque."""

    MAGNETIC = "magnetic"
    FLASH = "flash"
    OPAQUE = "opaque"


class Role(StrEnum):
    """Capacity in which a person speaks; one deciding role a person in each document."""

    REQUESTER = "requester"
    APPROVER = "approver"
    REGISTRAR = "registrar"
    SECURITY_OFFICER = "security-officer"
    EXECUTOR = "executor"
    WITNESS = "witness"
    VALIDATOR = "validator"
    KEEPER = "keeper"
    AUDITOR = "auditor"


class Outcome(StrEnum):
    """Unknown is never success."""

    PROVEN = "proven"
    NOT_REACHED = "not-reached"
    UNKNOWN = "unknown"


class Algorithm(StrEnum):
    """Signature algorithm: a property of the key in the keyring, never of the envelope."""

    ED25519 = "ed25519"
    P256 = "p256"


@dataclass(frozen=True, slots=True)
class PersonRole:
    """A person who speaks in this document, and in which one role."""

    id: Id
    """Person's id in the keyring."""
    role: Role
    """The role in which the person's signature counts."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One identity fact as the machine reports it, e.g. `serial`."""

    name: Id
    """Name of the fact."""
    value: Text
    """Value as read."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes of one stream of the target."""

    stream: int
    """Number of the stream: 0 for a device, a file's index in the plan otherwise."""
    offset: int
    """First byte, counted from the start of the stream."""
    length: int
    """Bytes."""
