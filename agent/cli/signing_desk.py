"""Certificates signed and judged by persons."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from agent import signing
from agent.cli.desk import chain_at_hand, now, signer_of, site_of
from agent.cli.screen import Screen
from agent.cli.sheets import local, rows
from agent.files import check_absent, read_file, write_new
from agent.forms import Form
from agent.reading import Document, expect
from certificates import bundle
from certificates.envelope import seal
from certificates.errors import Refused, Untrusted
from certificates.keyring import Chain
from certificates.render.words import number, term
from certificates.statements import Certificate, Grounds, Keyring, PersonRole, Role, Validation

LARGEST = 4 << 20


def sign(
    screen: Screen, files: tuple[Path, ...], is_waiting: bool, key_files: tuple[str, ...], keyrings: tuple[Path, ...]
) -> None:
    """Show certificates, check that every key may sign every one, and only then add the signatures; raises Refused."""
    if is_waiting:
        files += tuple(sorted((site_of(screen).state / "outbox").glob("*.dsse.json")))
    if not files:
        raise Refused("nothing-to-sign")
    chain = chain_at_hand(screen, keyrings)
    signers = [signer_of(screen, name) for name in key_files]
    read = [(path, read_file(path, LARGEST)) for path in files]
    documents = [(path, data, expect(data, Certificate)) for path, data in read]
    for path, _, document in documents:
        screen.tell("\n".join(_sheet(screen, path, document.statement)) + "\n")
        for signer in signers:
            _check(screen, document, signer.key_id, chain)
    rows_of_json = []
    for path, data, _ in documents:
        signed = expect(signing.add(path, data, signers), Certificate)
        rows_of_json.append(_told(path, signed, chain))
    lines = [_line(screen, row) for row in rows_of_json]
    screen.show("\n".join(lines), rows_of_json)


def _line(screen: Screen, row: dict[str, Any]) -> str:
    missing = ", ".join(row["missing"] or ()) or screen.word("signers.nobody")
    return screen.word("certificate.signed", **row | {"missing": missing})


def _check(screen: Screen, document: Document, key_id: str, chain: Chain | None) -> None:
    """Check that a key speaks in a certificate, by the keyring that it cites; raises Refused."""
    if chain is None:
        screen.tell(screen.word("sign.unchecked"))
        return
    if key_id in document.key_ids:
        raise Refused("signature-twice", key=key_id)
    certificate: Certificate = document.statement
    signing.check_speaker(certificate, key_id, _keyring(chain, certificate), certificate.issued_at)


def _keyring(chain: Chain, certificate: Certificate) -> Keyring:
    keyring = chain.version(certificate.binding.keyring)
    if keyring is None:
        raise Refused("keyring-chain", detail="the certificate cites a keyring that is not in the chain")
    return keyring


def _sheet(screen: Screen, path: Path, certificate: Certificate) -> list[str]:
    """Return what a person must have read before signing a certificate."""
    say, language, claim = screen.word, screen.language, certificate.claim
    level = term("level", claim.level.value if claim.level else "none", language)
    outcome = f"{term('outcome', claim.outcome.value, language)}  {level}"
    why = "; ".join(term("reason", one.code, language, count=number(one.count or 0)) for one in claim.reasons)
    return rows(
        [
            (say("certificate"), f"{certificate.id}  {path.name}"),
            (say("order"), certificate.binding.order_id),
            (say("carrier"), f"{certificate.carrier}  {say('label')} {certificate.carrier_label}"),
            (say("carrier.level"), term("level", claim.ordered.value, language)),
            (say("outcome"), f"{outcome}  {why}".rstrip()),
            (say("time"), f"{local(certificate.started_at)} - {local(certificate.ended_at)}"),
        ]
    )


def _told(path: Path, document: Document, chain: Chain | None) -> dict[str, Any]:
    certificate: Certificate = document.statement
    missing = None
    if chain is not None:
        keyring = _keyring(chain, certificate)
        owners = {held.key.id: person.id for person in keyring.persons for held in person.keys}
        signed = {owners.get(key_id) for key_id in document.key_ids}
        missing = [person.id for person in certificate.persons if person.id not in signed]
    return {"file": str(path), "certificate": document.digest, "signatures": len(document.key_ids), "missing": missing}


def validate(screen: Screen, file: Path, key_file: str, judged: tuple[str, Path], output: Path | None) -> None:
    """Make a Validation, hand it in where this site ran the carrier, and write it where asked for; raises Refused."""
    document = _certificate(file)
    certificate: Certificate = document.statement
    if output is not None:
        check_absent(output)
    screen.tell("\n".join(_sheet(screen, file, certificate)) + "\n")
    signer = signer_of(screen, key_file)
    grounds, reason = read_grounds(judged[1], judged[0])
    site = site_of(screen) if output is None or chain_at_hand(screen, ()) is not None else None
    validator = PersonRole(_validator(file, certificate), Role.VALIDATOR)
    decision: Any = judged[0]
    at = site.clock() if site is not None else now()
    statement = Validation(str(document.digest), decision, grounds, reason, at, (validator,))
    if site is not None:
        signing.check_speaker(statement, signer.key_id, site.documents.chain().current, at)
    envelope = seal(statement, (signer,))
    if output is not None:
        write_new(output, envelope)
    filed = _file(site, certificate, document, envelope) if site is not None else None
    told = {"certificate": document.digest, "decision": decision, "bundle": filed}
    screen.show(screen.word("validated", **told), told)


def _certificate(file: Path) -> Document:
    """Return the certificate in a bundle or in an envelope."""
    data = read_file(file, bundle.MAX_SIZE)
    if data.startswith(b"PK\x03\x04"):
        data = bundle.unpack(data)[bundle.CERTIFICATE]
    return expect(data, Certificate)


def _validator(file: Path, certificate: Certificate) -> str:
    """Return who validates, as the certificate says; raises Untrusted where it names nobody."""
    for participant in certificate.participants:
        if participant.act == "validating":
            return participant.person
    raise Untrusted("field-missing", field=f"{file.name}: validator")


def _file(site: Any, certificate: Certificate, document: Document, envelope: bytes) -> str | None:
    """Hand the validation in and file it with its run, where this site ran it; return the bundle's place."""
    from agent.submission import submit_validation

    folder = site.folder(certificate.binding.journal_sequence)
    fixed = folder.fixed() if folder.path.exists() else None
    if fixed != certificate:
        return None
    submit_validation(site, folder, envelope)
    return str(site.bundle(folder.sequence, certificate.carrier))


def read_grounds(path: Path, decision: str) -> tuple[Grounds, str]:
    """Return the answers to the five grounds and the reason; raises Refused where doubt is accepted."""
    form = Form(path)
    reason = form.tree.get("reason")
    if not isinstance(reason, str) or not reason:
        form.fault("reason", "must be text: why the result is accepted or rejected")
    grounds = form.read(form.table(form.tree, "grounds"), Grounds, "grounds")
    form.check()
    if grounds is None:
        raise RuntimeError("a form without faults has its grounds")
    doubts = [field.name for field in dataclasses.fields(grounds) if getattr(grounds, field.name)]
    if doubts and decision == "accept":
        raise Refused("doubt-accepted", grounds=", ".join(doubts))
    return grounds, str(reason)
