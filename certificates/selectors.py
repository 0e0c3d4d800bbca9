"""The private part of a carrier: its salted commitment."""

from __future__ import annotations

from certificates.encoding import digest, encode
from certificates.statements import Selector


def commitment(selector: Selector) -> str:
    """Return SHA-256(32 random bytes || canonical selector), as the order binds it."""
    return digest(bytes.fromhex(selector.salt) + encode(selector.selects))
