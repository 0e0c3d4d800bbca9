"""What this host has taken in and must not forget: keyrings, hold state, holds, and the highest of each that it saw."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from agent.files import unreadable
from agent.lines import locked, write_durably
from certificates.approval import check_hold
from certificates.encoding import decode, encode
from certificates.envelope import Sealed, unseal, unwrap
from certificates.errors import Refused, Untrusted
from certificates.keyring import Chain, check_chain, resolver
from certificates.statements import Base64, Digest, Hold, HoldState, Keyring, Time

_VERSION = re.compile(r"([1-9][0-9]{0,5})\.dsse\.json")
"""Name of a keyring; a copy that somebody laid beside it under another name is none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The highest that this host has seen; fsynced, and never lowered."""

    keyring_version: int = 0
    """Version of the newest keyring."""
    keyring: Digest | None = None
    """Its digest."""
    hold_sequence: int = 0
    """Sequence of the newest hold state."""
    at: Time | None = None
    """Latest instant that a signed document or the registry showed."""
    checkpoint: Base64 | None = None
    """Last checkpoint of the registry's log, as its note text in base64."""


class Documents:
    """The keyring chain and the hold documents of one site."""

    def __init__(self, keyrings: Path, state: Path, root: str) -> None:
        """Take where keyrings lie, where state lies, and the trusted digest of keyring version 1."""
        self.keyrings = keyrings
        self._state = state
        self._root = root

    @property
    def seen(self) -> Seen:
        """What this host has seen; nothing, if it has seen nothing. Raises Refused: who cannot tell cannot compare."""
        path = self._state / "seen.json"
        try:
            return decode(path.read_bytes(), Seen)
        except FileNotFoundError:
            return Seen()
        except OSError as error:
            raise unreadable(path, error) from error
        except Untrusted as error:
            raise Refused("file-unreadable", where=path, detail=error.row.en.format_map(error.facts)) from error

    def remember(self, seen: Seen) -> None:
        """Make `seen` what this host has seen, durably; what another process saw meanwhile is not forgotten."""
        if seen != self.seen:
            with locked(self._state / "seen.lock"):
                write_durably(self._state / "seen.json", encode(_highest(self.seen, seen)))

    def chain(self) -> Chain:
        """Return the keyring chain; raises Refused when it is older than, or not the one, this host has seen."""
        chain = self._check_chain(self._read_keyrings())
        seen = self.seen
        if chain.current.version < seen.keyring_version:
            raise Refused("keyring-rollback", found=chain.current.version, known=seen.keyring_version)
        if seen.keyring and chain.version(seen.keyring) is None:
            raise Refused("keyring-fork", version=seen.keyring_version)
        self.remember(replace(seen, keyring_version=chain.current.version, keyring=chain.digest))
        return chain

    def _read_keyrings(self) -> list[bytes]:
        found = {path: _VERSION.fullmatch(path.name) for path in self.keyrings.glob("*.dsse.json")}
        names = sorted((int(match[1]), path) for path, match in found.items() if match)
        return [_read(path) for _, path in names]

    def _check_chain(self, envelopes: list[bytes]) -> Chain:
        try:
            return check_chain(envelopes, self._root)
        except Untrusted as error:
            raise Refused(error.reason, **error.facts) from error

    def take_keyring(self, envelope: bytes) -> int:
        """File the next keyring, having checked that it follows; an older or forked one raises Refused."""
        envelopes = self._read_keyrings()
        version = _version_of(envelope)
        if version <= len(envelopes):
            if unwrap(envelopes[version - 1], 4 << 20).digest != unwrap(envelope, 4 << 20).digest:
                raise Refused("keyring-fork", version=version)
            if version < len(envelopes):
                raise Refused("keyring-rollback", found=version, known=len(envelopes))
            return version
        self._check_chain([*envelopes, envelope])
        self.keyrings.mkdir(parents=True, exist_ok=True)
        write_durably(self.keyrings / f"{version}.dsse.json", envelope)
        self.chain()
        return version

    def hold_state(self, chain: Chain) -> Sealed[HoldState] | None:
        """Return the newest hold state; raises Refused when the one at hand is older than one seen before."""
        path = self._state / "holds" / "state.dsse.json"
        envelope = _read(path) if path.exists() else None
        if envelope is None:
            return None
        return self._check_hold_state(envelope, chain)

    def take_hold_state(self, envelope: bytes, chain: Chain) -> int:
        """File a hold state that is not older than the newest seen; raises Refused otherwise."""
        state = self._check_hold_state(envelope, chain)
        write_durably(self._state / "holds" / "state.dsse.json", envelope)
        self._remember_state(state.statement)
        return state.statement.sequence

    def _check_hold_state(self, envelope: bytes, chain: Chain) -> Sealed[HoldState]:
        try:
            told = decode(unwrap(envelope).payload, HoldState)
            state = unseal(envelope, HoldState, resolver(chain.current, told.as_of))
        except Untrusted as error:
            raise Refused(error.reason, **error.facts) from error
        known = self.seen.hold_sequence
        if state.statement.sequence < known:
            raise Refused("hold-state-replayed", found=state.statement.sequence, known=known)
        self._remember_state(state.statement)
        return state

    def _remember_state(self, state: HoldState) -> None:
        seen = self.seen
        self.remember(replace(seen, hold_sequence=state.sequence, at=later(seen.at, state.as_of)))

    def take_hold(self, envelope: bytes, chain: Chain) -> Hold:
        """File a hold that lies on this host only; it denies from now on."""
        hold = self._check_hold(envelope, chain)
        write_durably(self._state / "holds" / f"{hold.digest.removeprefix('sha256:')}.dsse.json", envelope)
        return hold.statement

    def local_holds(self, chain: Chain) -> tuple[Hold, ...]:
        """Return the holds that lie on this host; one that cannot be read is a refusal, for it may deny."""
        names = sorted((self._state / "holds").glob("[0-9a-f]" * 64 + ".dsse.json"))
        return tuple(self._check_hold(_read(path), chain).statement for path in names)

    def _check_hold(self, envelope: bytes, chain: Chain) -> Sealed[Hold]:
        try:
            told = decode(unwrap(envelope).payload, Hold)
            hold = unseal(envelope, Hold, resolver(chain.current, told.set_at))
            check_hold(hold)
        except Untrusted as error:
            raise Refused(error.reason, **error.facts) from error
        return hold


def _read(path: Path) -> bytes:
    """Return what a file holds; raises Refused: what cannot be read may deny."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _highest(known: Seen, seen: Seen) -> Seen:
    """Return the higher of each; of checkpoints the one of the larger log, which another process may have filed."""
    newest = max((seen, known), key=lambda one: one.keyring_version)
    return Seen(
        newest.keyring_version,
        newest.keyring,
        max(known.hold_sequence, seen.hold_sequence),
        later(known.at, seen.at),
        max((seen.checkpoint, known.checkpoint), key=_size_of_log),
    )


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two instants, either of which may be missing."""
    return max((at for at in (one, other) if at is not None), default=None)


def _version_of(envelope: bytes) -> int:
    """Return the version that a keyring envelope says it has."""
    try:
        return decode(unwrap(envelope, 4 << 20).payload, Keyring).version
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error


def note_text(checkpoint: str) -> str:
    """Return the note of a remembered checkpoint."""
    return base64.b64decode(checkpoint).decode()


def _size_of_log(checkpoint: str | None) -> int:
    """Return the tree size on a checkpoint's second line; -1 for none."""
    return int(note_text(checkpoint).split("\n")[1]) if checkpoint else -1
