"""Checks of what people, hosts and the registry signed."""

from __future__ import annotations

from datetime import datetime

from certificates import bundle, consistency
from certificates.approval import assets_on, check_approved, check_not_held
from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, Verdict, holds, short, unknown
from certificates.audit.telling import code_people
from certificates.encoding import digest, format_time
from certificates.envelope import Sealed
from certificates.errors import Untrusted
from certificates.keyring import HOST, highest_grade
from certificates.receipts import check_receipt
from certificates.statements import (
    Carrier,
    Certificate,
    Order,
    PersonRole,
    Role,
    Secrecy,
    Start,
)

_RECOMPUTABLE = Basis.RECOMPUTABLE


def check_keyrings(case: Dossier) -> Finding:
    """The chain leads from a trusted root to the newest keyring in the bundle."""
    current = case.chain.current
    return holds("keyring", _RECOMPUTABLE, "keyring-holds", site=current.site, versions=current.version)


def check_keyring_used(case: Dossier) -> tuple[Finding, ...]:
    """The keyring in force at the start was the newest issued by then; a host may not have had a newer one yet."""
    used, at = case.keyring.version, case.start.statement.started_at
    newer = [one.statement for one in case.chain.sealed if one.statement.version > used]
    if all(keyring.issued_at > at for keyring in newer):
        return ()
    facts = {"site": case.keyring.site, "used": used}
    return (unknown("keyring", _RECOMPUTABLE, "keyring-newer", **facts),)


def check_start(case: Dossier) -> Finding:
    """The executor named in the order declared the start of this order, on a host that it allows."""
    start, order, carrier = case.start.statement, case.order, case.carrier
    (executor,) = start.persons
    if executor != PersonRole(order.statement.executing.person, Role.EXECUTOR):
        raise Untrusted("executor-not-named", executor=order.statement.executing.person)
    if not case.start.signatures or start.order != order.digest:
        raise _unbound("start", "order")
    if start.host not in carrier.hosts:
        raise Untrusted("order-other-host", carrier=carrier.id)
    if start.keyring_version != case.keyring.version:
        raise _unbound("start", "keyring_version")
    if start.selector != (carrier.selector.commitment if carrier.selector else None):
        raise _unbound("start", "selector")
    at = format_time(start.started_at)
    return holds("start", Basis.ATTESTED, "start-holds", person=executor.id, at=at)


def check_order(case: Dossier) -> Finding:
    """The people whom the keyring's rule asks for signed the order, each in one part, and it was valid at the start."""
    order, carrier, at = case.order.statement, case.carrier, case.start.statement.started_at
    signers = signers_of(case.order)
    consistency.check_order(order)
    _check_valid(order, at)
    _check_secrecy(order, carrier)
    grade = highest_grade(order, carrier)
    check_approved(case.keyring, order, carrier, signers)
    facts = {"order": order.id, "persons": code_people(signers), "level": carrier.level.value, "grade": grade.value}
    return holds("order", _RECOMPUTABLE, "order-holds", **facts, at=format_time(at))


def check_hold_state(case: Dossier) -> Finding:
    """The hold state consulted is the registry's, was there at the start, and covers nothing of this run."""
    start, state = case.start.statement, case.hold_state
    if start.hold_state != (state.digest if state else None):
        raise _unbound("start", "hold_state")
    if state is None:
        return unknown("hold", Basis.ATTESTED, "hold-none")
    if state.statement.site != case.keyring.site or state.statement.as_of > start.started_at:
        raise _unbound("hold-state", "as_of")
    check_not_held(state.statement.holds, case.order.statement, case.order.digest, case.carrier)
    facts = {"sequence": state.statement.sequence, "at": format_time(state.statement.as_of)}
    return holds("hold", Basis.ATTESTED, "hold-holds", **facts)


def check_certificate(case: Dossier) -> Finding:
    """The host sealed the certificate, and executor and witnesses signed the same bytes; who is missing is told."""
    sealed, order = case.certificate, case.order.statement
    told, signers = sealed.statement, signers_of(sealed)
    key = next((s.key_id for s in sealed.signatures if s.signer == HOST), None)
    if key is None:
        raise Untrusted("signature-missing", who="host")
    named = {PersonRole(order.executing.person, Role.EXECUTOR)} | {PersonRole(w, Role.WITNESS) for w in order.witnesses}
    if set(told.persons) != named:
        raise _unbound("certificate", "persons")
    facts = {"number": told.id, "host": told.medium.host_name, "key": f"{key[7:19]}…"}
    missing = [person for person in told.persons if person not in signers]
    if missing:
        facts["missing"] = code_people(tuple(missing))
        return unknown("certificate", _RECOMPUTABLE, "certificate-awaits", Verdict.NOT_PROVEN, **facts)
    return holds("certificate", _RECOMPUTABLE, "certificate-holds", **facts, persons=code_people(signers))


def check_registered(case: Dossier) -> Finding:
    """The certificate in exactly this envelope is an entry of a log that the auditor trusts."""
    data = case.entries.get(bundle.RECEIPT)
    if data is None:
        return unknown("receipt", _RECOMPUTABLE, "receipt-none", Verdict.NOT_PROVEN)
    if not case.trust.logs:
        return unknown("receipt", _RECOMPUTABLE, "receipt-untrusted", Verdict.NOT_PROVEN)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Untrusted("note-malformed", part="encoding") from error
    sealed, keys = case.certificate, case.trust.log_keys
    entry = check_receipt(text, sealed.digest, digest(sealed.envelope), keys, case.trust.cosigner_keys)
    checkpoint = entry.checkpoint
    facts = {"number": f"{entry.index + 1:,}", "origin": checkpoint.origin, "size": f"{checkpoint.size:,}"}
    cosignatures = text.count("\n\N{EM DASH} ") - 1
    return holds("receipt", _RECOMPUTABLE, "receipt-holds", **facts, cosignatures=cosignatures)


def check_validation(case: Dossier) -> Finding:
    """The validator named in the order accepted or rejected this certificate."""
    sealed = case.validation
    if sealed is None:
        return unknown("validation", Basis.ATTESTED, "validation-none")
    told = sealed.statement
    if told.certificate != case.certificate.digest or told.decided_at < case.certificate.statement.issued_at:
        raise _unbound("validation", "certificate")
    (person,) = told.persons
    if person != PersonRole(case.order.statement.validator, Role.VALIDATOR):
        raise Untrusted("signature-wrong-role", person=person.id, role=person.role.value)
    facts = {"person": person.id, "at": format_time(told.decided_at), "reason": told.reason}
    if told.decision == "reject":
        return short("validation", Basis.ATTESTED, "validation-reject", **facts)
    return holds("validation", Basis.ATTESTED, "validation-accept", **facts)


def signers_of(sealed: Sealed[Order] | Sealed[Start] | Sealed[Certificate]) -> tuple[PersonRole, ...]:
    """Return the persons who signed, each once, by id."""
    persons = {s.signer for s in sealed.signatures if isinstance(s.signer, PersonRole)}
    return tuple(sorted(persons, key=lambda person: person.id))


def _check_valid(order: Order, at: datetime) -> None:
    if at < order.issued_at:
        raise Untrusted("order-not-yet-valid", at=format_time(order.issued_at))
    if at >= order.expires_at:
        raise Untrusted("order-expired", at=format_time(order.expires_at))
    if not order.not_before <= at < order.not_after:
        raise Untrusted("order-window", begin=format_time(order.not_before), end=format_time(order.not_after))
    if at.strftime("%Y-%m-%d") < order.retention.due:
        raise Untrusted("retention-not-ended", due=order.retention.due)


def _check_secrecy(order: Order, carrier: Carrier) -> None:
    for asset in assets_on(order, carrier):
        if asset.secrecy is not Secrecy.NONE:
            raise Untrusted("secrecy-gate", asset=asset.card, where="-")


def _unbound(document: str, field: str) -> Untrusted:
    return Untrusted("binding-broken", document=document, field=field)
