"""The private part of a carrier: its salted commitment, and labels that only its owner can open."""

from __future__ import annotations

import hashlib
import hmac

from certificates.encoding import digest, encode
from certificates.statements import Selector


def commitment(selector: Selector) -> str:
    """Return SHA-256(32 random bytes || canonical selector), as the order binds it."""
    return digest(bytes.fromhex(selector.salt) + encode(selector.selects))


def label(selector: Selector, name: str) -> str:
    """Return the label of a name: 16 hex digits of its HMAC-SHA-256 under the selector's label key."""
    key = bytes.fromhex(selector.selects.label_key)
    return hmac.new(key, name.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:16]
