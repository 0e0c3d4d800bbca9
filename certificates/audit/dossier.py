"""The documents of a bundle, each opened once; validity of keys is judged at the time of the act.

No clock is consulted anywhere: what held when it was done holds for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast

from certificates import bundle
from certificates.encoding import decode, digest, format_time
from certificates.envelope import Resolver, Sealed, unseal, unwrap
from certificates.errors import Untrusted
from certificates.keyring import Chain, check_chain, resolver
from certificates.statements import (
    Carrier,
    Certificate,
    Entry,
    HoldState,
    Keyring,
    Nonce,
    Order,
    PublicKey,
    Start,
    Validation,
)
from certificates.trust import Trust

T = TypeVar("T")


class Blocked(Exception):
    """A check needs a document that an earlier check already found not to hold."""

    def __init__(self, name: str) -> None:
        """Keep the document's name."""
        super().__init__(name)
        self.name = name


class Broken(Exception):
    """A document does not hold: told under its own name, whichever check asked for it first."""

    def __init__(self, name: str, error: Untrusted) -> None:
        """Keep the document's name, and why it does not hold."""
        super().__init__(name)
        self.name = name
        self.error = error


class Dossier:
    """A bundle's documents; asking for one that does not hold raises Broken once, and Blocked from then on."""

    def __init__(self, entries: dict[str, bytes], trust: Trust) -> None:
        """Take a bundle's entries and what the auditor trusts."""
        self.entries = entries
        self.trust = trust
        self._read: dict[str, object] = {}
        self._failed: set[str] = set()

    @property
    def chain(self) -> Chain:
        """Keyrings from a trusted root on."""
        return self._once("keyring", self._open_chain)

    @property
    def start(self) -> Sealed[Start]:
        """The executor's word before the first write."""
        return self._once("start", self._open_start)

    @property
    def order(self) -> Sealed[Order]:
        """The order, its signatures judged at the start."""
        return self._once("order", self._open_order)

    @property
    def hold_state(self) -> Sealed[HoldState] | None:
        """The hold state consulted; none where the site has no register."""
        return self._once("hold", self._open_hold_state)

    @property
    def certificate(self) -> Sealed[Certificate]:
        """The certificate."""
        return self._once("certificate", self._open_certificate)

    @property
    def validation(self) -> Sealed[Validation] | None:
        """The validator's decision, if there is one."""
        return self._once("validation", self._open_validation)

    @property
    def journal(self) -> tuple[tuple[Entry, str], ...]:
        """Entries and the digests of their lines, the chain unbroken."""
        return self._once("journal", self._open_journal)

    @property
    def keyring(self) -> Keyring:
        """The keyring in force when the run was started."""
        return self._keyring(self.start.statement.keyring)

    @property
    def carrier(self) -> Carrier:
        """The carrier that was started, as ordered; raises Untrusted when the order has none such."""
        name = self.start.statement.carrier
        for carrier in self.order.statement.carriers:
            if carrier.id == name:
                return carrier
        raise Untrusted("carrier-unknown", carrier=name)

    def nonce(self, data: bytes, at: datetime) -> Sealed[Nonce]:
        """Return the registry's nonce from an evidence file; raises Untrusted."""
        return self._unseal(data, Nonce, lambda _: (self.keyring, at))

    def _once(self, name: str, read: Callable[[], T]) -> T:
        if name in self._failed:
            raise Blocked(name)
        if name not in self._read:
            try:
                self._read[name] = read()
            except Untrusted as error:
                self._failed.add(name)
                raise Broken(name, error) from error
        return cast(T, self._read[name])

    def _open_chain(self) -> Chain:
        envelopes = bundle.keyrings(self.entries)
        root = unwrap(envelopes[0], 4 << 20).digest
        if root not in self.trust.keyrings:
            raise Untrusted("keyring-root", found=root)
        return check_chain(envelopes, root)

    def _keyring(self, identity: str) -> Keyring:
        found = self.chain.version(identity)
        if found is None:
            raise Untrusted("keyring-chain", detail=f"{identity} is not among its versions")
        return found

    def _open_start(self) -> Sealed[Start]:
        return self._unseal(self.entries[bundle.START], Start, lambda s: (self._keyring(s.keyring), s.started_at))

    def _open_order(self) -> Sealed[Order]:
        at = self.start.statement.started_at
        return self._unseal(self.entries[bundle.ORDER], Order, lambda _: (self.keyring, at))

    def _open_hold_state(self) -> Sealed[HoldState] | None:
        data = self.entries.get(bundle.HOLD_STATE)
        if data is None:
            return None
        return self._unseal(data, HoldState, lambda state: (self.keyring, state.as_of))

    def _open_certificate(self) -> Sealed[Certificate]:
        data = self.entries[bundle.CERTIFICATE]
        return self._unseal(data, Certificate, lambda c: (self._keyring(c.binding.keyring), c.issued_at))

    def _open_validation(self) -> Sealed[Validation] | None:
        data = self.entries.get(bundle.VALIDATION)
        if data is None:
            return None
        return self._unseal(data, Validation, lambda v: (self._in_force(v.decided_at), v.decided_at))

    def _in_force(self, at: datetime) -> Keyring:
        """Return the newest keyring issued by then, but not one before the run's."""
        issued = [s.statement for s in self.chain.sealed if s.statement.issued_at <= at]
        return issued[-1] if issued and issued[-1].version > self.keyring.version else self.keyring

    def _open_journal(self) -> tuple[tuple[Entry, str], ...]:
        return read_journal(self.entries[bundle.JOURNAL], bundle.JOURNAL)

    def _unseal(self, data: bytes, kind: type[T], when: Callable[[T], tuple[Keyring, datetime]]) -> Sealed[T]:
        return unseal(data, kind, cast(Resolver, partial(self._resolve, when)))

    def _resolve(
        self, when: Callable[[Any], tuple[Keyring, datetime]], statement: Any, key_id: str
    ) -> tuple[PublicKey, Any]:
        """Return key and speaker; a revocation that a later keyring dates back to before the act counts too."""
        keyring, at = when(statement)
        key, speaker = resolver(keyring, at)(statement, key_id)
        if any(
            found.id == key_id and found.revoked_at and found.revoked_at <= at for found in self._later_keys(keyring)
        ):
            raise Untrusted("key-not-valid", key=key_id, at=format_time(at))
        return key, speaker

    def _later_keys(self, keyring: Keyring) -> list[PublicKey]:
        later = [s.statement for s in self.chain.sealed if s.statement.version > keyring.version]
        keys = [held.key for known in later for person in known.persons for held in person.keys]
        keys += [host.key for known in later for host in known.hosts]
        return keys + [key for known in later for key in known.hold_keys]


def read_journal(data: bytes, name: str) -> tuple[tuple[Entry, str], ...]:
    """Return a journal's entries and the digests of their lines, the chain unbroken; raises Untrusted."""
    if not data.endswith(b"\n"):
        raise Untrusted("journal-broken", name=name, line="last", detail="it does not end")
    found: list[tuple[Entry, str]] = []
    for number, line in enumerate(data[:-1].split(b"\n"), start=1):
        try:
            entry = decode(line, Entry)
        except Untrusted as error:
            raise Untrusted(
                "journal-broken", name=name, line=number, detail=error.row.en.format_map(error.facts)
            ) from error
        last, before = found[-1] if found else (None, None)
        if entry.number != number or entry.previous != before:
            raise Untrusted("journal-broken", name=name, line=number, detail="it does not follow the line before")
        if last is not None and entry.at < last.at:
            raise Untrusted("journal-broken", name=name, line=number, detail="it is older than the line before")
        found.append((entry, digest(line)))
    return tuple(found)
