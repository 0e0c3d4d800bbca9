"""What the keyring commands share: make, sign, check, and say how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent import keyring_files
from agent.cli.desk import now, signer_of
from agent.cli.screen import Screen
from agent.files import check_absent, read_file, write_new
from agent.signing import add, check_speaker
from certificates.envelope import seal, unwrap
from certificates.errors import Refused, Untrusted
from certificates.keyring import Chain
from certificates.statements import Keyring, PersonRole


def make(screen: Screen, file: Path, output: Path, key_files: tuple[str, ...], previous: tuple[Path, ...]) -> None:
    """Write the next keyring after `previous`, signed with the keys given; say who still has to sign."""
    check_absent(output)
    chain = keyring_files.read_chain(previous) if previous else None
    keyring = keyring_files.read_keyring(file, now(), chain.sealed[-1] if chain else None)
    signers = [signer_of(screen, name) for name in key_files]
    for signer in signers:
        _check_keeper(keyring, signer.key_id, chain)
    envelope = seal(keyring, signers)
    write_new(output, envelope)
    _tell(screen, output, envelope, previous)


def sign(screen: Screen, file: Path, key_files: tuple[str, ...], previous: tuple[Path, ...]) -> None:
    """Add keepers' signatures; say who still has to sign."""
    envelope = read_file(file, keyring_files.LARGEST)
    keyring = keyring_files.peek(envelope)
    chain = keyring_files.read_chain(previous) if previous else None
    signers = [signer_of(screen, name) for name in key_files]
    for signer in signers:
        _check_keeper(keyring, signer.key_id, chain)
    _tell(screen, file, add(file, envelope, signers), previous)


def check(screen: Screen, paths: tuple[Path, ...], root: str | None) -> None:
    """Say what a chain holds, a line a version; raises Untrusted where it does not hold."""
    chain = keyring_files.read_chain(paths)
    if root is not None and root != chain.root:
        raise Untrusted("keyring-root", found=chain.root)
    rows = [
        keyring_files.told(one.statement) | {"digest": one.digest, "signed_by": _signed(one)} for one in chain.sealed
    ]
    lines = [
        screen.word("keyring.version", **row | {"signed_by": ", ".join(_signed(one))})
        for row, one in zip(rows, chain.sealed, strict=True)
    ]
    trust = screen.word("keyring.trusted" if root else "keyring.root", root=chain.root)
    screen.show("\n".join([*lines, trust]), {"root": chain.root, "versions": rows})


def _signed(one: object) -> list[str]:
    return sorted({signature.signer.id for signature in getattr(one, "signatures", ())})


def _check_keeper(keyring: Keyring, key_id: str, chain: Chain | None) -> None:
    """Check that the key is a keeper's, in this version or the one before."""
    try:
        check_speaker(_Speakers(keyring.signers), key_id, keyring, keyring.issued_at)
    except Refused:
        if chain is None:
            raise
        check_speaker(_Speakers(keyring.signers), key_id, chain.current, keyring.issued_at)


@dataclass(frozen=True, slots=True)
class _Speakers:
    """A keyring's signers in the shape in which other statements name those who speak in them."""

    persons: tuple[PersonRole, ...]


def _tell(screen: Screen, path: Path, envelope: bytes, previous: tuple[Path, ...]) -> None:
    """Say the keyring's digest, and whether enough keepers have signed."""
    missing = None
    try:
        if previous or keyring_files.peek(envelope).version == 1:
            keyring_files.read_chain((*previous, path))
    except Untrusted as error:
        missing = str(error.facts.get("detail", error))
    found = unwrap(envelope, keyring_files.LARGEST).digest
    screen.show(
        screen.word("keyring.made", file=path, digest=found),
        {"file": str(path), "digest": found, "missing": missing},
    )
    if missing:
        screen.tell(screen.word("keyring.unfinished", missing=missing))
