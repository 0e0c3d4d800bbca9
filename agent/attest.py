"""Warrant and evidence in, certificate out. Pure: the claim is derived here by the rule book, never asserted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from certificates.answers import volume_words
from certificates.claims import claim
from certificates.keyring import highest_grade
from certificates.statements import (
    Applied,
    Binding,
    Carrier,
    Certificate,
    ConstantPattern,
    DeviceIdentity,
    Evidence,
    EvidenceFile,
    Fact,
    ImageIdentity,
    Keyring,
    KeystreamPattern,
    LuksIdentity,
    Medium,
    Order,
    OverwriteRecord,
    Participant,
    PassDescription,
    Person,
    PersonRole,
    RepeatedPattern,
    Role,
    VolumeIdentity,
)
from wipers.model import Plan, Technique, Warrant

Act = Literal["performing", "verifying", "witnessing", "validating"]
TOOL = "expunge"
LIMITS = (
    "Root on the host can forge what it sees; token keys, witnesses, registry nonces and re-reading raise the price.",
    "Remapped sectors, over-provisioned areas and storage below virtual devices cannot be addressed and were not read.",
)
NO_REGISTER = "This site keeps no hold register: no hold was looked up."


@dataclass(frozen=True, slots=True)
class Run:
    """What a certificate binds of the run besides the evidence."""

    start: str
    """Digest of the Start."""
    started_at: datetime
    sequence: int
    entries: int
    """Journal entries, and the digest of the last of them."""
    head: str
    ledger_number: int
    ledger_head: str
    ended_at: datetime
    evidence_files: tuple[EvidenceFile, ...]
    description: tuple[Fact, ...]
    """More about the medium, as found."""


def attest(
    warrant: Warrant,
    plan: Plan,
    technique: Technique,
    evidence: Evidence,
    run: Run,
    *,
    keyring: Keyring,
    version: str,
    now: datetime,
) -> Certificate:
    """Return the certificate of one carrier: what was ordered, done, seen, and what that supports."""
    order, carrier = warrant.order, warrant.carrier
    return Certificate(
        id=f"{warrant.host.removeprefix('sha256:')[:12]}-{run.sequence:08d}",
        issued_at=now,
        host=warrant.host,
        unit=order.unit,
        carrier=carrier.id,
        carrier_label=carrier.label,
        assets=tuple(asset for asset in order.assets if asset.card in carrier.assets),
        grade=highest_grade(order, carrier),
        binding=_binding(warrant, plan, run),
        medium=_medium(warrant, evidence, run, keyring),
        applied=_applied(carrier, technique, evidence, plan.policies, version),
        evidence=evidence,
        claim=claim(evidence, carrier.level),
        started_at=run.started_at,
        ended_at=run.ended_at,
        destination=carrier.destination,
        otherwise=carrier.otherwise,
        participants=_participants(order, keyring),
        persons=signers_of(order),
        approved_by=warrant.counted,
        paper=warrant.paper,
        keep_until=order.keep_until,
        limits=LIMITS if warrant.hold_state else (*LIMITS, NO_REGISTER),
    )


def signers_of(order: Order) -> tuple[PersonRole, ...]:
    """Return who signs the certificate besides the host."""
    witnesses = tuple(PersonRole(witness, Role.WITNESS) for witness in order.witnesses)
    return (PersonRole(order.executing.person, Role.EXECUTOR), *witnesses)


def _binding(warrant: Warrant, plan: Plan, run: Run) -> Binding:
    order, carrier = warrant.order, warrant.carrier
    return Binding(
        order=warrant.order_digest,
        order_id=order.id,
        order_version=order.version,
        selector=carrier.selector.commitment if carrier.selector else None,
        keyring=warrant.keyring_digest,
        keyring_version=warrant.keyring_version,
        hold_state=warrant.hold_state,
        start=run.start,
        plan=plan.digest,
        journal_sequence=run.sequence,
        journal_entries=run.entries,
        journal_head=run.head,
        ledger_number=run.ledger_number,
        ledger_head=run.ledger_head,
        evidence_files=run.evidence_files,
    )


def _medium(warrant: Warrant, evidence: Evidence, run: Run, keyring: Keyring) -> Medium:
    carrier = warrant.carrier
    identity = carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity
    match identity:
        case DeviceIdentity(vendor=maker, model=model, serial=serial):
            pass
        case ImageIdentity(filesystem=place, inode=inode):
            maker, model, serial = (
                "none (image file)",
                "loop device" if identity.attached else "image",
                f"{place}/{inode}",
            )
        case VolumeIdentity():
            maker, model, serial = volume_words(identity)
        case _:
            maker, model, serial = "none (below a file system)", carrier.identity.kind, identity.filesystem
    return Medium(
        manufacturer=maker,
        model=model,
        serial=serial,
        property_number=carrier.card,
        media_type=f"{evidence.media.value} ({carrier.identity.kind})",
        source=carrier.chassis,
        host_name=next((host.name for host in keyring.hosts if host.key.id == warrant.host), warrant.host),
        facts=run.description,
    )


def _applied(
    carrier: Carrier, technique: Technique, evidence: Evidence, policies: tuple[str, ...] | None, version: str
) -> Applied:
    passes = tuple(
        PassDescription(number, f"{_writes(record)} over the {record.area} ({record.written:,} bytes)")
        for number, record in enumerate(_overwrites(evidence), start=1)
    )
    return Applied(
        level=carrier.level,
        technique=technique.id,
        name=technique.name,
        citation=source_of(technique),
        passes=passes,
        final_state=_writes(_overwrites(evidence)[-1]) if passes else "not overwritten",
        tool=TOOL,
        tool_version=version,
        verification=carrier.verification,
        policies=policies,
    )


def source_of(technique: Technique) -> str:
    """Return where the passes come from; a scheme's name must not be read as a statement of compliance."""
    if technique.is_offered:
        return technique.citation
    known = {"text": "", "code": "; known from programs alone", "order": "; on the order's word alone"}[technique.basis]
    return f"{technique.citation}{known}; the name is a label for these passes, not a statement of compliance"


def _overwrites(evidence: Evidence) -> tuple[OverwriteRecord, ...]:
    return tuple(record for record in evidence.records if isinstance(record, OverwriteRecord))


def _writes(record: OverwriteRecord) -> str:
    """Return what a pass wrote, byte for byte."""
    match record.pattern:
        case ConstantPattern(byte=byte):
            return f"0x{byte}"
        case RepeatedPattern(word=word):
            return f"0x{word} repeated from offset 0"
        case KeystreamPattern(key=key):
            return f"AES-256-CTR keystream, key {key}"


def _participants(order: Order, keyring: Keyring) -> tuple[Participant, ...]:
    """Return people and their parts; the executor also operates the verification, a validator decides later."""
    persons = {person.id: person for person in keyring.persons}
    parts: list[tuple[str, Act]] = [(order.executing.person, "performing"), (order.executing.person, "verifying")]
    parts += [(witness, "witnessing") for witness in order.witnesses] + [(order.validator, "validating")]
    return tuple(_participant(persons.get(name), name, act, order.place) for name, act in parts)


def _participant(person: Person | None, name: str, act: Act, place: str) -> Participant:
    if person is None:
        return Participant(name, act, name, "", "", place, None)
    return Participant(name, act, person.name, person.title, person.unit, place, person.contact)
