"""Hand in what waits in the outbox; a receipt is filed only when it holds and the log still has what this host saw."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent.documents import note_text
from agent.lines import locked, read_lines, write_durably
from agent.runs import RunFolder
from agent.site import Site
from certificates import bundle, endpoints
from certificates.encoding import decode, digest
from certificates.envelope import Sealed, unseal, unwrap
from certificates.errors import Failure, Unregistered, Untrusted
from certificates.keyring import Chain, resolver
from certificates.notes import Checkpoint, NoteKey, check_checkpoint, encode_note, parse_note, parse_proof
from certificates.receipts import check_consistency_text, check_receipt
from certificates.signers import raw_ed25519
from certificates.statements import Certificate, Keyring, PersonRole


def put(site: Site, sequence: int, envelope: bytes) -> None:
    """Put a certificate into the outbox, durably."""
    write_durably(site.waiting(sequence), envelope)


def awaited(certificate: Certificate, sealed: Sealed[Certificate]) -> tuple[PersonRole, ...]:
    """Return the persons whose signatures the certificate still awaits."""
    signed = {signature.signer for signature in sealed.signatures}
    return tuple(person for person in certificate.persons if person not in signed)


def open_certificate(envelope: bytes, chain: Chain) -> Sealed[Certificate]:
    """Return a certificate whose every signature holds by the keyring in force when it was fixed; raises Untrusted."""
    told = decode(unwrap(envelope, 4 << 20).payload, Certificate)
    keyring = chain.version(told.binding.keyring)
    if keyring is None:
        raise Untrusted("keyring-chain", detail="the certificate cites a keyring that is not in the chain")
    return unseal(envelope, Certificate, resolver(keyring, told.issued_at))


def submit(site: Site, folder: RunFolder) -> Path:
    """Return the bundle of a run once its certificate has a receipt; raises Unregistered while it has not."""
    sealed = _complete(site, folder)
    if site.registry is None:
        raise Unregistered("registry-unreachable", detail="this site names no registry")
    return file_receipt(site, folder, site.registry.submit_certificate(sealed.envelope))


def file_receipt(site: Site, folder: RunFolder, receipt: str) -> Path:
    """Return the bundle with a receipt that came from the registry, over the line or on a medium, and that holds."""
    sealed = _complete(site, folder)
    _check(site, site.documents.chain(), sealed, receipt)
    folder.write(bundle.CERTIFICATE, sealed.envelope)
    folder.write(bundle.RECEIPT, receipt.encode())
    path = write_bundle(site, folder)
    site.waiting(folder.sequence).unlink()
    return path


def _complete(site: Site, folder: RunFolder) -> Sealed[Certificate]:
    """Return the certificate that waits, with every signature that it needs; raises Unregistered while one lacks."""
    sealed = open_certificate(site.waiting(folder.sequence).read_bytes(), site.documents.chain())
    if missing := awaited(sealed.statement, sealed):
        who = ", ".join(f"{person.id} ({person.role.value})" for person in missing)
        raise Unregistered("awaiting-signatures", carrier=sealed.statement.carrier, who=who)
    return sealed


def write_bundle(site: Site, folder: RunFolder) -> Path:
    """Write the run's bundle as it stands, with or without a receipt; return where it lies."""
    certificate = folder.fixed()
    if certificate is None:
        raise RuntimeError("a bundle is written only after its certificate was fixed")
    journal = read_lines(site.journals.directory / f"{folder.sequence:08d}.jsonl")
    path = site.bundle(folder.sequence, certificate.carrier)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(path, folder.pack(site.documents.chain(), journal))
    return path


def submit_validation(site: Site, folder: RunFolder, envelope: bytes) -> None:
    """Hand in a validation and file it in the bundle."""
    if site.registry is not None:
        site.registry.submit_document(endpoints.VALIDATIONS, envelope)
    folder.write(bundle.VALIDATION, envelope)
    write_bundle(site, folder)


def log_keys(keyring: Keyring) -> tuple[NoteKey, ...]:
    """Return the log keys that a keyring lists."""
    return tuple(NoteKey(log.origin, raw_ed25519(log.key)) for log in keyring.logs)


def _check(site: Site, chain: Chain, sealed: Sealed[Certificate], receipt: str) -> None:
    """Check the receipt, and that the log it shows extends the log seen before; remember the newer one."""
    keys = log_keys(chain.current)
    try:
        check_receipt(receipt, sealed.digest, digest(sealed.envelope), keys)
        # One after the other: two trees that both extend the one seen last need not extend each other.
        with locked(site.state / "checkpoint.lock"):
            _remember(site, encode_note(parse_proof(receipt).checkpoint), keys)
    except Failure as error:
        if isinstance(error, Unregistered):
            raise
        raise Unregistered("receipt-wrong", detail=error.row.en.format_map(error.facts)) from error


def _remember(site: Site, note: str, keys: Sequence[NoteKey]) -> None:
    seen = site.documents.seen
    new = check_checkpoint(parse_note(note), keys)
    if seen.checkpoint is not None:
        old = check_checkpoint(parse_note(note_text(seen.checkpoint)), keys)
        if new.size < old.size:
            _check_within(site, new, old, keys)
            return
        if new.size == old.size and new.root != old.root:
            raise Untrusted("log-inconsistent", detail="two trees of one size")
        if new.size > old.size and old.size > 0 and site.registry is not None:
            proven = check_consistency_text(site.registry.prove_consistency(old.size, new.size), old, keys)
            if (proven.size, proven.root) != (new.size, new.root):
                raise Untrusted("log-inconsistent", detail="the proof ends in another tree than the receipt")
    site.documents.remember(replace(seen, checkpoint=base64.b64encode(note.encode()).decode()))


def _check_within(site: Site, older: Checkpoint, seen: Checkpoint, keys: Sequence[NoteKey]) -> None:
    """The log seen since extends the tree of an older receipt, which is what a certificate handed in twice gets."""
    if site.registry is None:
        raise Untrusted("log-rolled-back", found=older.size, known=seen.size)
    try:
        proven = check_consistency_text(site.registry.prove_consistency(older.size, seen.size), older, keys)
    except Unregistered as error:
        if error.reason == "registry-unreachable":
            raise
        raise Untrusted("log-rolled-back", found=older.size, known=seen.size) from error
    if (proven.size, proven.root) != (seen.size, seen.root):
        raise Untrusted("log-inconsistent", detail="the receipt's tree does not lead to the one seen before")
