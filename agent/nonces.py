"""The registry's part in the sampling seed: asked after the last barrier, checked, and kept as evidence."""

from __future__ import annotations

from collections.abc import Callable

from agent.registry import Registry
from agent.runs import RunFolder
from certificates.encoding import decode
from certificates.envelope import unseal, unwrap
from certificates.errors import Unregistered, Untrusted
from certificates.keyring import resolver
from certificates.statements import Keyring, Nonce

NONCE = "nonce.dsse.json"


class RegistryNonces:
    """Asks the registry; without an answer that holds, positions are this host's choice alone, and evidence says so."""

    def __init__(
        self, registry: Registry, keyring: Keyring, folder: RunFolder, heads: Callable[[], frozenset[str]]
    ) -> None:
        """Take the registry, the keyring its key stands in, the run's folder, and all heads that its journal had."""
        self._registry = registry
        self._keyring = keyring
        self._folder = folder
        self._heads = heads

    def ask(self, commitment: str, journal_head: str) -> tuple[str, str] | None:
        """Return the nonce and the digest of its document, which is kept first; none when it cannot be had."""
        try:
            envelope = self._registry.challenge({"commitment": commitment, "journal_head": journal_head})
            told = decode(unwrap(envelope).payload, Nonce)
            nonce = unseal(envelope, Nonce, resolver(self._keyring, told.issued_at))
        except (Unregistered, Untrusted):
            return None
        # A run that was resumed may get the answer that it had, and did not keep, before its journal grew.
        if nonce.statement.commitment != commitment or nonce.statement.journal_head not in self._heads():
            return None
        self._folder.save_evidence(NONCE, envelope)
        return nonce.statement.nonce, nonce.digest
