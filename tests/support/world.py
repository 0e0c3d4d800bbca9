"""A whole world in memory: people, keys, keyring, orders, a host, a registry; the same bytes on every run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from certificates import bundle, envelope, merkle, notes, receipts
from certificates.encoding import digest, encode
from certificates.signers import KeySigner, spki_of
from certificates.statements import (
    Algorithm,
    Alternative,
    Appraisal,
    ApprovalDocument,
    Carrier,
    Chassis,
    DataAsset,
    Decision,
    DeviceIdentity,
    Executing,
    FullVerification,
    Grade,
    Grounds,
    Hold,
    HoldState,
    HostKey,
    Keyring,
    Level,
    LogKey,
    Order,
    Otherwise,
    Person,
    PersonKey,
    PersonRole,
    PublicKey,
    Requirement,
    Retention,
    Role,
    Rule,
    Secrecy,
    Start,
    Unit,
    Validation,
)
from certificates.trust import Trust, TrustedLog

NOW = datetime(2026, 11, 20, 10, 2, 11, tzinfo=UTC)
"""When the run of this world starts."""
BORN = datetime(2026, 1, 1, tzinfo=UTC)
DIES = datetime(2027, 1, 1, tzinfo=UTC)
"""When every key expires."""
SITE = "archive"
ORIGIN = "registry.example/expunge"
TOOL = "expunge-0.1.0"
MIB = 1 << 20

PEOPLE: dict[str, tuple[str, str, Role]] = {
    "P-0101": ("王敏", "资产管理科科长", Role.REQUESTER),
    "P-0417": ("李建国", "副局长", Role.APPROVER),
    "P-0588": ("陈静", "局长", Role.APPROVER),
    "P-0102": ("赵磊", "安全管理员", Role.SECURITY_OFFICER),
    "P-0230": ("孙浩", "运维工程师", Role.EXECUTOR),
    "P-0311": ("周倩", "档案员", Role.WITNESS),
    "P-0729": ("吴刚", "纪检干部", Role.WITNESS),
    "P-0640": ("郑伟", "信息中心主任", Role.VALIDATOR),
    "P-0001": ("冯丽", "密钥管理人", Role.KEEPER),
    "P-0002": ("褚亮", "密钥管理人", Role.KEEPER),
    "P-0003": ("卫东", "密钥管理人", Role.KEEPER),
    "P-0811": ("蒋欣", "登记员", Role.REGISTRAR),
    "P-0812": ("沈洁", "登记员", Role.REGISTRAR),
    "P-0900": ("Ada Marsh", "auditor", Role.AUDITOR),
}
"""Id -> (name, title, role)."""
ON_P256 = {"P-0588", "P-0729"}
"""People whose tokens speak P-256."""


def secret(name: str) -> bytes:
    """32 bytes that belong to a name."""
    return hashlib.sha256(f"a test key, good for nothing: {name}".encode()).digest()


@cache
def signer(name: str) -> KeySigner:
    """The key of a person, or of any other name."""
    if name.split("/", maxsplit=1)[0] in ON_P256:
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        return KeySigner(ec.derive_private_key(int.from_bytes(secret(name), "big") % order, ec.SECP256R1()))
    return KeySigner(ed25519.Ed25519PrivateKey.from_private_bytes(secret(name)))


def public(
    key: KeySigner, not_before: datetime = BORN, not_after: datetime = DIES, revoked_at: Any = None
) -> PublicKey:
    """The public half, with its validity."""
    spki = base64.b64encode(key.spki).decode()
    return PublicKey(key.key_id, key.algorithm, spki, BORN, DIES, revoked_at)


def host() -> KeySigner:
    """The host's key."""
    return signer("host arch-07")


def registry() -> KeySigner:
    """The key that signs hold states and nonces."""
    return signer("registry holds")


def log_private() -> ed25519.Ed25519PrivateKey:
    """The key that signs checkpoints."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(secret("registry log"))


def log_key() -> notes.NoteKey:
    """The log's public half, as notes name it."""
    return notes.NoteKey(ORIGIN, log_private().public_key().public_bytes_raw())


def person(name: str, **changes: Any) -> Person:
    """One of the people, with one key in their role."""
    told, title, role = PEOPLE[name]
    key = PersonKey(public(signer(name)), (role,))
    known = Person(name, told, title, "市档案馆", (key,), authority=None, contact="0571-8000 0000")
    return replace(known, **changes)


def role_of(name: str) -> PersonRole:
    """A person in their role."""
    return PersonRole(name, PEOPLE[name][2])


def rule(level: Level, grade: Grade, approvers: int = 2, witnesses: int = 2) -> Rule:
    """So many approvers and one security officer; or two registrars with a paper and the security officer."""
    officer = Requirement(Role.SECURITY_OFFICER, 1)
    keys = Alternative((Requirement(Role.APPROVER, approvers), officer))
    paper = Alternative((Requirement(Role.REGISTRAR, 2), officer), paper=True)
    return Rule(level, grade, (keys, paper), witnesses)


def keyring(**changes: Any) -> Keyring:
    """Version 1 of the site's keyring."""
    return replace(_keyring(), **changes)


@cache
def _keyring() -> Keyring:
    log = log_private().public_key()
    log_public = public(KeySigner(log_private()))
    assert spki_of(log) == base64.b64decode(log_public.spki)
    return Keyring(
        site=SITE,
        version=1,
        previous=None,
        issued_at=BORN,
        persons=tuple(person(name) for name in PEOPLE),
        hosts=(HostKey("arch-07", public(host())),),
        logs=(LogKey(ORIGIN, log_public),),
        hold_keys=(public(registry()),),
        rules=tuple(rule(level, grade) for level in (Level.CLEAR, Level.PURGE) for grade in Grade),
        keepers=2,
        signers=(role_of("P-0001"), role_of("P-0002")),
    )


def seal(statement: object, *names: str | KeySigner) -> bytes:
    """The statement sealed by people or keys."""
    return envelope.seal(statement, [signer(name) if isinstance(name, str) else name for name in names])


@cache
def seal_keyring(made: Keyring) -> bytes:
    """A keyring sealed by the keepers it names."""
    return seal(made, *(named.id for named in made.signers))


def next_keyring(old: Keyring, **changes: Any) -> Keyring:
    """The keyring that follows, a month later."""
    follows: dict[str, Any] = {
        "version": old.version + 1,
        "previous": digest(old),
        "issued_at": old.issued_at + timedelta(days=30),
    }
    return replace(old, **(follows | changes))


ASSET = DataAsset(
    card="ZC-2019-00431",
    code_system="GB/T 14885-2022",
    code="A02010500",
    name="档案数字化成果库（2009-2018）",
    grade=Grade.IMPORTANT,
    personal_information=True,
    secrecy=Secrecy.NONE,
    secrecy_declared_by="P-0101",
    book_value=1_280_000_00,
    catalogue_id="330100-DA-0007",
)


def carrier(**changes: Any) -> Carrier:
    """A drive of 1 TB, to be cleared and read back whole."""
    made = Carrier(
        id="C-1",
        label="ZC-2019-00431-D1",
        assets=("ZC-2019-00431",),
        identity=DeviceIdentity("ATA", "ST1000NM0008-2F2100", "WD-WX11A123", "5000c500a1b2c3d4", 1_000_204_886_016),
        hosts=(host().key_id,),
        level=Level.CLEAR,
        verification=FullVerification(),
        destination="internal-reuse",
        technique="random-1",
        card="ZC-2019-00431-D1",
        chassis=Chassis("CN-0F7GT2-74261", "AT-55120"),
        otherwise=Otherwise("physical-destruction", "市国家保密局销毁中心"),
    )
    return replace(made, **changes)


def order(**changes: Any) -> Order:
    """An order for one carrier, which the rule for clear and important data allows."""
    made = Order(
        id="2026-0117",
        version=1,
        supersedes=None,
        issued_at=datetime(2026, 11, 18, 1, 0, 0, tzinfo=UTC),
        expires_at=datetime(2026, 12, 1, 10, 0, 0, tzinfo=UTC),
        unit=Unit("杭州市档案馆", "12330100470100000X", "杭州市人民政府办公厅"),
        reason="保管期限届满，设备更新",
        decision=Decision(
            "第 14 次馆务会", "2026-11-10", "杭州市档案馆", ("陈静", "李建国", "赵磊"), "sha256:" + "4d" * 32
        ),
        approval=ApprovalDocument("财资处〔2026〕31号", "杭州市财政局", "2026-11-16"),
        appraisal=Appraisal("保管期限届满，无继续保存价值", "档案鉴定委员会", "2026-11-05"),
        legal_basis=("财资〔2024〕1号", "行政事业性国有资产管理条例"),
        retention=Retention("DA-30Y", "2026-10-01"),
        persons=tuple(role_of(name) for name in ("P-0101", "P-0417", "P-0588", "P-0102")),
        assets=(ASSET,),
        carriers=(carrier(),),
        executing=Executing("P-0230", "信息中心"),
        witnesses=("P-0311", "P-0729"),
        validator="P-0640",
        place="杭州市档案馆 3 号机房",
        not_before=datetime(2026, 11, 20, 0, 0, 0, tzinfo=UTC),
        not_after=datetime(2026, 11, 30, 0, 0, 0, tzinfo=UTC),
        keep_until="2056-12-31",
        report_tags=("annual-2026",),
    )
    return replace(made, **changes)


APPROVERS = ("P-0101", "P-0417", "P-0588", "P-0102")
"""Who signs the order."""


def hold_state(*holds: Hold, **changes: Any) -> HoldState:
    """The registry's hold state, two minutes before the run."""
    return replace(HoldState(SITE, 41, NOW - timedelta(minutes=2), holds), **changes)


def trust(*roots: bytes) -> Trust:
    """What an auditor trusts: the root of this world's keyring, and its log."""
    spki = base64.b64encode(spki_of(log_private().public_key())).decode()
    roots = roots or (seal_keyring(keyring()),)
    return Trust(tuple(envelope.unwrap(root, 4 << 20).digest for root in roots), (TrustedLog(ORIGIN, spki),))


def trust_file(given: Trust) -> bytes:
    """The trust file that an auditor writes."""
    return encode(given)


def receipt_for(sealed: bytes, before: int = 7, after: int = 4) -> str:
    """The registry's receipt for an envelope: some entries came before it, some after."""
    salt = secret("salt of a leaf")
    leaf = merkle.leaf_hash(receipts.leaf_data(salt, envelope.unwrap(sealed, 4 << 20).digest, digest(sealed)))
    others = [merkle.leaf_hash(f"entry {number}".encode()) for number in range(before + after)]
    leaves = [*others[:before], leaf, *others[before:]]
    checkpoint = notes.Checkpoint(ORIGIN, len(leaves), merkle.root_of(leaves))
    note = notes.sign_note(notes.checkpoint_text(checkpoint), log_key(), log_private().sign)
    path = merkle.inclusion_proof(before, len(leaves), merkle.nodes_over(leaves))
    return notes.encode_proof(notes.InclusionProof(salt, before, path, note))


def start(made: Order, ring: Keyring, state: HoldState | None, place: Carrier, sequence: int = 1) -> Start:
    """The executor's word that the carrier of this order is begun."""
    return Start(
        order=digest(made),
        carrier=place.id,
        plan="sha256:" + "7c" * 32,
        host=host().key_id,
        keyring=digest(ring),
        keyring_version=ring.version,
        hold_state=digest(state) if state else None,
        selector=place.selector.commitment if place.selector else None,
        sequence=sequence,
        started_at=NOW,
        tool=TOOL,
        persons=(PersonRole(made.executing.person, Role.EXECUTOR),),
    )


def validation(certificate: str, at: datetime, decision: str = "accept") -> Validation:
    """The validator's decision."""

    grounds = (
        Grounds(False, False, False, False, False)
        if decision == "accept"
        else Grounds(True, False, False, False, False)
    )
    reason = "回读完整，人员与方法符合要求" if decision == "accept" else "存在未达区域"
    return Validation(
        certificate, "accept" if decision == "accept" else "reject", grounds, reason, at, (role_of("P-0640"),)
    )


@dataclass(frozen=True)
class Papers:
    """The documents of one run as entries of a bundle, and what an auditor needs."""

    entries: dict[str, bytes]
    trust: Trust = field(default_factory=trust)

    @property
    def packed(self) -> bytes:
        """The bundle."""
        return bundle.pack(self.entries)

    def changed(self, **documents: bytes) -> Papers:
        """The same papers with some entries replaced; `order` stands for order.dsse.json, and so on."""
        names = {
            "order": bundle.ORDER,
            "start": bundle.START,
            "certificate": bundle.CERTIFICATE,
            "journal": bundle.JOURNAL,
        }
        names |= {"hold_state": bundle.HOLD_STATE, "receipt": bundle.RECEIPT, "validation": bundle.VALIDATION}
        return replace(self, entries={**self.entries, **{names[name]: data for name, data in documents.items()}})

    def without(self, *names: str) -> Papers:
        """The same papers without some entries."""
        return replace(self, entries={name: data for name, data in self.entries.items() if name not in names})


def keyring_entries(envelopes: Sequence[bytes]) -> Mapping[str, bytes]:
    """The chain as entries of a bundle."""
    return {bundle.keyring_name(version): data for version, data in enumerate(envelopes, start=1)}


def algorithm_of(name: str) -> Algorithm:
    """The algorithm of somebody's key."""
    return signer(name).algorithm
