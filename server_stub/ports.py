"""What one registry is wired to: its database, its two keys, its trust anchor, and the world's clock and chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from certificates.signers import Signer
from server_stub.log import LogSigner
from server_stub.store import Store


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside the registry's decisions."""

    store: Store
    log: LogSigner
    """Signs checkpoints."""
    hold: Signer
    """Signs hold states and sampling nonces."""
    root: str
    """Digest of keyring version 1, pinned by whoever set the registry up."""
    now: Callable[[], datetime]
    """The registry's time: aware, UTC, whole seconds."""
    draw: Callable[[int], bytes]
    """So many bytes that nobody can foresee."""
    publish: Callable[[str], None]
    """Told each new checkpoint after it is on disk and before anyone gets a receipt under it."""


def current_time() -> datetime:
    """The clock's time in UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
