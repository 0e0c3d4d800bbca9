"""What a selector of files selects: names letter by letter, by patterns, or in a list or manifest bound by digest."""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple

from wipers.linux.beneath import open_beneath

READING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
CHUNK = 1 << 20


class Named(NamedTuple):
    """One name of an order."""

    name: str
    """Relative to the root."""
    is_literal: bool = True
    """Whether the order names it letter by letter; a pattern leads to what it leads to."""
    digest: bytes = b""
    """SHA-256 that its contents must have; empty where nobody said so."""


def has_digest(folder: int, name: str, digest: bytes) -> bool:
    """Tell whether the file's contents have the SHA-256; raises OSError."""
    descriptor = open_beneath(folder, name, READING)
    with open(descriptor, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").digest() == digest
