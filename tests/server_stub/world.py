"""A registry with everything around it in memory: people, a host, a keyring, an order, and the documents they make.

Keys, salts and times repeat on every run. `Desk` writes the documents; `world()` is a registry that trusts its keyring.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from certificates import claims, statements
from certificates.encoding import digest
from certificates.envelope import seal, unwrap
from certificates.notes import NoteKey
from certificates.signers import KeySigner
from certificates.statements import PersonRole, Role
from server_stub.log import LogSigner
from server_stub.ports import Ports
from server_stub.service import Registry
from server_stub.store import Store

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORIGIN = "registry.example/expunge"
SOME = "sha256:" + "0" * 64
ROLES = {
    "requester": Role.REQUESTER,
    "approver": Role.APPROVER,
    "officer": Role.SECURITY_OFFICER,
    "executor": Role.EXECUTOR,
    "witness": Role.WITNESS,
    "validator": Role.VALIDATOR,
    "keeper-1": Role.KEEPER,
    "keeper-2": Role.KEEPER,
}


def signer(name: str) -> KeySigner:
    """A key that follows from its owner's name."""
    return KeySigner(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


def public(name: str, revoked_at: datetime | None = None) -> statements.PublicKey:
    """The public half of a key, good for a century: commands run by the real clock, on any day."""
    key = signer(name)
    return statements.PublicKey(
        id=key.key_id,
        algorithm=key.algorithm,
        spki=base64.b64encode(key.spki).decode(),
        not_before=NOW - timedelta(days=180),
        not_after=NOW + timedelta(days=36500),
        revoked_at=revoked_at,
    )


def person(name: str) -> PersonRole:
    """Somebody in the one role they have."""
    return PersonRole(name, ROLES[name])


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Published:
    """What the registry said it gave out."""

    notes: list[str] = field(default_factory=list)

    def __call__(self, note: str) -> None:
        self.notes.append(note)


@dataclass
class Desk:
    """Writes sealed documents that fit together, or differ by what a test asks for."""

    hosts: tuple[str, ...] = ("host",)
    revoked: dict[str, datetime] = field(default_factory=dict)

    def keyring(self, version: int = 1, previous: str | None = None) -> statements.Keyring:
        people = tuple(
            statements.Person(
                name, name, "title", "unit", (statements.PersonKey(self._public(name), (role,)),), None, None
            )
            for name, role in ROLES.items()
        )
        return statements.Keyring(
            site="site-1",
            version=version,
            previous=previous,
            issued_at=NOW - timedelta(days=30 - version),
            persons=people,
            hosts=tuple(statements.HostKey(name, self._public(name)) for name in self.hosts),
            logs=(statements.LogKey(ORIGIN, public("log")),),
            hold_keys=(public("hold"),),
            rules=(),
            keepers=2,
            signers=(person("keeper-1"), person("keeper-2")),
        )

    def sealed_keyring(self, version: int = 1, previous: str | None = None) -> bytes:
        return seal(self.keyring(version, previous), [signer("keeper-1"), signer("keeper-2")])

    @property
    def root(self) -> str:
        return digest(self.keyring())

    def order(self, number: str = "order-1", **changes: object) -> statements.Order:
        carrier = statements.Carrier(
            id="disk-1",
            label="LABEL-1",
            assets=("card-1",),
            identity=statements.DeviceIdentity("vendor", "model", "serial-1", None, 1 << 20),
            hosts=tuple(signer(name).key_id for name in self.hosts),
            level=statements.Level.CLEAR,
            verification=statements.FullVerification(),
            destination="internal-reuse",
        )
        order = statements.Order(
            id=number,
            version=1,
            supersedes=None,
            issued_at=NOW - timedelta(days=1),
            expires_at=NOW + timedelta(days=30),
            unit=statements.Unit("unit"),
            reason="retired",
            decision=statements.Decision("meeting 7", "2026-11-01", "board", ("a", "b"), SOME),
            approval=statements.ApprovalDocument("2026-7", "bureau", "2026-11-02"),
            appraisal=statements.Appraisal("nothing to keep", "archive", "2026-11-03"),
            legal_basis=("law",),
            retention=statements.Retention("schedule-1", "2026-01-01"),
            persons=(person("requester"), person("approver")),
            assets=(
                statements.DataAsset(
                    card="card-1",
                    code_system="GB/T 14885-2022",
                    code="A02010100",
                    name="register",
                    grade=statements.Grade.GENERAL,
                    personal_information=True,
                    secrecy=statements.Secrecy.NONE,
                    secrecy_declared_by="requester",
                    book_value=100,
                ),
            ),
            carriers=(carrier,),
            executing=statements.Executing("executor", "unit"),
            witnesses=("witness",),
            validator="validator",
            place="room 1",
            not_before=NOW - timedelta(days=1),
            not_after=NOW + timedelta(days=20),
            keep_until="2036-01-01",
        )
        return replace(order, **changes)  # type: ignore[arg-type]

    def sealed_order(self, number: str = "order-1", by: tuple[str, ...] = ("requester", "approver")) -> bytes:
        return seal(self.order(number), [signer(name) for name in by])

    def certificate(self, sequence: int = 1, host: str = "host", **changes: object) -> statements.Certificate:
        """A proven clear of the order's disk; `sequence` numbers the run and the ledger entry."""
        evidence = self.evidence()
        certificate = statements.Certificate(
            id=f"host-{sequence}",
            issued_at=NOW - timedelta(minutes=1),
            host=signer(host).key_id,
            unit=statements.Unit("unit"),
            carrier="disk-1",
            carrier_label="LABEL-1",
            assets=self.order().assets,
            grade=statements.Grade.GENERAL,
            binding=self.binding(sequence),
            medium=statements.Medium("vendor", "model", "serial-1", None, "magnetic (device)", None, "host", ()),
            applied=statements.Applied(
                statements.Level.CLEAR,
                "zeros",
                "zeros",
                "none",
                (statements.PassDescription(1, "0x00"),),
                "0x00",
                "expunge",
                "1",
                statements.FullVerification(),
            ),
            evidence=evidence,
            claim=claims.claim(evidence, statements.Level.CLEAR),
            started_at=NOW - timedelta(minutes=9),
            ended_at=NOW - timedelta(minutes=2),
            destination="internal-reuse",
            otherwise=None,
            participants=self.participants(),
            persons=(person("executor"), person("witness")),
            approved_by=(person("requester"), person("approver")),
            paper=None,
            keep_until="2036-01-01",
            limits=("software cannot destroy",),
        )
        return replace(certificate, **changes)  # type: ignore[arg-type]

    def participants(self) -> tuple[statements.Participant, ...]:
        """Everybody whom the order gives a part in the act."""
        performing = statements.Participant("executor", "performing", "executor", "title", "unit", "room 1", None)
        others = (("witness", "witnessing"), ("validator", "validating"))
        return (
            performing,
            replace(performing, act="verifying"),
            *(statements.Participant(name, act, name, "title", "unit", "room 1", None) for name, act in others),  # type: ignore[arg-type]
        )

    def binding(self, sequence: int = 1, **changes: object) -> statements.Binding:
        binding = statements.Binding(
            order=digest(self.order()),
            order_id="order-1",
            order_version=1,
            selector=None,
            keyring=self.root,
            keyring_version=1,
            hold_state=None,
            start=SOME,
            plan=SOME,
            journal_sequence=sequence,
            journal_entries=9,
            journal_head=SOME,
            ledger_number=sequence,
            ledger_head=SOME,
            evidence_files=(),
        )
        return replace(binding, **changes)  # type: ignore[arg-type]

    def evidence(self, mismatched: int = 0) -> statements.Evidence:
        size = 1 << 20
        told = {"vendor": "vendor", "model": "model", "serial": "serial-1", "wwn": "", "size": str(size)}
        facts = tuple(statements.Fact(name, value) for name, value in told.items())
        return statements.Evidence(
            kind="device",
            method=statements.Method.DEVICE_OVERWRITE,
            technique="zeros",
            media=statements.Media.MAGNETIC,
            size=size,
            sector_size=512,
            objects=1,
            before=facts,
            after=facts,
            passes=1,
            records=(
                statements.OverwriteRecord(
                    0, "whole", statements.ConstantPattern("00"), size, size, (), 0, NOW, NOW, 0
                ),
            ),
            checks=(
                statements.FullReadBack(1, 0, "whole", "device", size, size - mismatched, (), mismatched, (), 0, NOW),
            ),
            destroy=(),
            residual=(),
            copies=(),
        )

    def seal_certificate(self, certificate: statements.Certificate, host: str = "host") -> bytes:
        return seal(certificate, [signer(host), signer("executor"), signer("witness")])

    def sealed_certificate(self, sequence: int = 1, host: str = "host", **changes: object) -> bytes:
        return self.seal_certificate(self.certificate(sequence, host, **changes), host)

    def validation(self, certificate: bytes, by: PersonRole | None = None) -> statements.Validation:
        return statements.Validation(
            certificate=unwrap(certificate, 4 << 20).digest,
            decision="accept",
            grounds=statements.Grounds(False, False, False, False, False),
            reason="as ordered",
            decided_at=NOW,
            persons=(by or person("validator"),),
        )

    def sealed_validation(self, certificate: bytes) -> bytes:
        return seal(self.validation(certificate), [signer("validator")])

    def hold(self, number: str = "hold-1", by: tuple[str, ...] = ("officer",)) -> statements.Hold:
        scopes = (statements.HoldScope("serial", "serial-1"),)
        return statements.Hold(number, scopes, "lawsuit", "court", NOW, tuple(person(name) for name in by))

    def sealed_hold(self, number: str = "hold-1", by: tuple[str, ...] = ("officer",)) -> bytes:
        return seal(self.hold(number, by), [signer(name) for name in by] or [signer("hold")])

    def sealed_lift(self, hold: str, by: tuple[str, ...] = ("officer", "approver")) -> bytes:
        lift = statements.HoldLift(hold, "settled", NOW, tuple(person(name) for name in by))
        return seal(lift, [signer(name) for name in by])

    def _public(self, name: str) -> statements.PublicKey:
        return public(name, self.revoked.get(name))


@dataclass
class World:
    """A registry and what stands around it."""

    registry: Registry
    store: Store
    desk: Desk
    clock: Clock
    published: Published
    ports: Ports

    @property
    def log_key(self) -> NoteKey:
        return self.ports.log.key


def ports_over(store: Store, desk: Desk, clock: Clock, published: Published) -> Ports:
    """The ports of a registry in memory; its chance is a counter."""
    log, counter = signer("log"), itertools.count()

    def draw(size: int) -> bytes:
        return hashlib.sha256(b"draw %d" % next(counter)).digest()[:size]

    voice = LogSigner(NoteKey(ORIGIN, log.spki[-32:]), log.sign)
    return Ports(store, voice, signer("hold"), desk.root, clock, draw, published)


def world(url: str = "sqlite://", desk: Desk | None = None) -> World:
    """A registry over a database, its keyring imported."""
    desk, clock, published, store = desk or Desk(), Clock(), Published(), Store(url)
    ports = ports_over(store, desk, clock, published)
    registry = Registry(ports)
    registry.keyrings.add(desk.sealed_keyring())
    return World(registry, store, desk, clock, published, ports)


def opened(url: str = "sqlite://") -> Iterator[World]:
    """A world for a fixture: closed afterwards."""
    found = world(url)
    yield found
    found.store.close()
