"""Does a certificate answer its order? All that the order decides, compared: registry and auditor ask the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from certificates.approval import assets_on
from certificates.errors import Untrusted
from certificates.keyring import highest_grade
from certificates.statements import (
    Carrier,
    Certificate,
    DatabaseIdentity,
    DeviceIdentity,
    Evidence,
    FilesIdentity,
    FullVerification,
    Identity,
    ImageIdentity,
    Kind,
    LuksIdentity,
    Media,
    Method,
    Order,
    OverwriteRecord,
    RecordsIdentity,
    Role,
    SampledReadBack,
    VolumeIdentity,
    WithdrawalRecord,
)
from certificates.written import check_written

Pairs = Mapping[str, tuple[object, object]]
"""Field -> (what the certificate says, what it has to say)."""

METHODS: dict[Kind, tuple[Method, ...]] = {
    "device": (Method.DEVICE_OVERWRITE,),
    "image": (Method.DEVICE_OVERWRITE,),
    "volume": (Method.DEVICE_OVERWRITE,),
    "files": (Method.IN_PLACE_OVERWRITE,),
    "database": (Method.IN_PLACE_OVERWRITE,),
    "luks": (Method.KEY_DESTRUCTION,),
    "records": (Method.COPY_FORWARD, Method.HOLE_FILLING),
}
"""What may be done in principle to each kind of carrier."""
BEFORE_HUNTS = frozenset({"expunge-rules-1"})
"""Rule books that ask for no hunt: a claim on records, or on an order that wants a hunt, cannot rest on them."""
_NAMELESS = {"kind", "least_count", "most_count", "most_bytes", "scope", "least_rows", "most_rows"}
"""Fields of an identity that no single fact on the open descriptor repeats."""


def check_answers(told: Certificate, order: Order, carrier: Carrier) -> None:
    """Return if the certificate repeats its order truly; raises Untrusted naming the field that it does not."""
    check_pairs(_of_order(told, order, carrier))
    check_pairs(_of_medium(told, carrier))
    check_pairs(_of_people(told, order))


def check_pairs(pairs: Pairs) -> None:
    """Return if a certificate says what it has to say; raises Untrusted naming the first field that differs."""
    for field, (found, wanted) in pairs.items():
        if found != wanted:
            raise Untrusted("binding-broken", document="certificate", field=field)


def _of_order(told: Certificate, order: Order, carrier: Carrier) -> Pairs:
    evidence = told.evidence
    return {
        "order_id": (told.binding.order_id, order.id),
        "order_version": (told.binding.order_version, order.version),
        "carrier": (told.carrier, carrier.id),
        "carrier_label": (told.carrier_label, carrier.label),
        "unit": (told.unit, order.unit),
        "assets": (set(told.assets), set(assets_on(order, carrier))),
        "grade": (told.grade, highest_grade(order, carrier)),
        "level": (told.applied.level, carrier.level),
        "claim.ordered": (told.claim.ordered, carrier.level),
        "verification": (told.applied.verification, carrier.verification),
        "destination": (told.destination, carrier.destination),
        "otherwise": (told.otherwise, carrier.otherwise),
        "keep_until": (told.keep_until, order.keep_until),
        "evidence.kind": (evidence.kind, carrier.identity.kind),
        "evidence.method": (evidence.method in METHODS[carrier.identity.kind], True),
        "evidence.destroy": (evidence.destroy, carrier.destroy),
        "evidence.hunt": (evidence.hunt, carrier.hunt),
        "claim.rule_book": (_needs_hunt(carrier) and told.claim.rule_book in BEFORE_HUNTS, False),
        "evidence.copies": (evidence.copies, carrier.copies),
        "evidence.crypto_erase": (evidence.crypto_erase, carrier.crypto_erase),
        "evidence.technique": (evidence.technique, _technique(carrier) or evidence.technique),
        "technique": (told.applied.technique, evidence.technique),
        "passes": (len(told.applied.passes), sum(isinstance(one, OverwriteRecord) for one in evidence.records)),
    }


def _needs_hunt(carrier: Carrier) -> bool:
    return carrier.hunt or carrier.identity.kind == "records"


def _technique(carrier: Carrier) -> str | None:
    """Return the technique that the order names, or its own scheme."""
    return carrier.scheme.id if carrier.scheme is not None else carrier.technique


def _of_medium(told: Certificate, carrier: Carrier) -> Pairs:
    medium, identity = told.medium, _container(carrier)
    pairs: dict[str, tuple[object, object]] = {
        "medium.property_number": (medium.property_number, carrier.card),
        "medium.source": (medium.source, carrier.chassis),
        "medium.media_type": (medium.media_type, f"{told.evidence.media.value} ({carrier.identity.kind})"),
    }
    if isinstance(identity, DeviceIdentity):
        said = (medium.manufacturer, medium.model, medium.serial)
        pairs["medium"] = (said, (identity.vendor, identity.model, identity.serial))
    elif isinstance(identity, ImageIdentity):
        pairs["medium"] = (medium.serial, f"{identity.filesystem}/{identity.inode}")
    elif isinstance(identity, VolumeIdentity):
        pairs["medium"] = ((medium.manufacturer, medium.model, medium.serial), volume_words(identity))
    else:
        pairs["medium"] = (medium.serial, getattr(identity, "filesystem", None))
    return pairs


def volume_words(volume: VolumeIdentity) -> tuple[str, str, str]:
    """Return what stands for manufacturer, model and serial number of a volume: the drives that it lies on, its layer,
    and its own id. NIST SP 800-88 r2 knows media alone, so the words name what the volume is a part of."""
    drives = [one for one in volume.on if isinstance(one, DeviceIdentity)]
    makers = sorted({drive.vendor for drive in drives}) or ["none"]
    serials = sorted(drive.serial for drive in drives)
    on = f" on {', '.join(serials)}" if serials else ""
    return ", ".join(makers)[:2000], f"{volume.layer}{on}"[:2000], volume.uuid


def _of_people(told: Certificate, order: Order) -> Pairs:
    executor = order.executing.person
    parts = {(executor, "performing"), (executor, "verifying"), (order.validator, "validating")}
    parts |= {(witness, "witnessing") for witness in order.witnesses}
    signing = {(executor, Role.EXECUTOR), *((witness, Role.WITNESS) for witness in order.witnesses)}
    return {
        "participants": ({(one.person, one.act) for one in told.participants}, parts),
        "persons": ({(one.id, one.role) for one in told.persons}, signing),
        "participants.place": ({one.place for one in told.participants}, {order.place}),
    }


def check_seen(evidence: Evidence, carrier: Carrier) -> None:
    """Return if what was seen is the ordered carrier, whole, read back as ordered; raises Untrusted."""
    _check_identity(evidence, carrier)
    _check_scope(evidence, carrier)
    _check_verification(evidence, carrier)
    if carrier.scheme is not None:
        check_written(evidence, carrier.scheme)


def _check_identity(evidence: Evidence, carrier: Carrier) -> None:
    """The identity before the first write is the ordered one, every fact of it; an image can never be told to be more
    than opaque."""
    identity = _container(carrier)
    if isinstance(identity, VolumeIdentity):
        _check_volume(evidence, identity)
        return
    found = {fact.name: fact.value for fact in evidence.before}
    for field in fields(identity):
        name, value = field.name.replace("_", "-"), getattr(identity, field.name)
        if not _is_unrepeated(identity, field.name) and found.get(name, "") != _as_fact(value):
            facts = {"fact": name, "found": found.get(name, ""), "expected": _as_fact(value)}
            raise Untrusted("identity-changed", where="-", **facts)
    if isinstance(identity, ImageIdentity) and evidence.media is not Media.OPAQUE:
        raise Untrusted("binding-broken", document="evidence", field="media")


def _is_unrepeated(identity: Identity, name: str) -> bool:
    """Tell whether the open descriptor has nothing to say of a field: a SQLite file does not name its engine, and an
    order need not name a table by what its engine calls it."""
    is_open = name == "object" and getattr(identity, "object", None) is None
    return name in _NAMELESS or is_open or (name == "engine" and isinstance(identity, DatabaseIdentity))


def _check_volume(evidence: Evidence, volume: VolumeIdentity) -> None:
    """Every fact is the ordered one, and it lies on nothing more; a part of one drive alone may be on known media."""
    found = {fact.name: fact.value for fact in evidence.before}
    wanted = {fact.name: fact.value for fact in volume.facts}
    more = {name for name in found if name.startswith("on-")}
    for name in sorted(wanted.keys() | more):
        if found.get(name, "") != wanted.get(name, ""):
            facts = {"fact": name, "found": found.get(name, ""), "expected": wanted.get(name, "")}
            raise Untrusted("identity-changed", where="-", **facts)
    is_of_one_drive = len(volume.on) == 1 and isinstance(volume.on[0], DeviceIdentity)
    if evidence.media is not Media.OPAQUE and not (volume.layer == "partition" and is_of_one_drive):
        raise Untrusted("binding-broken", document="evidence", field="media")


def _check_scope(evidence: Evidence, carrier: Carrier) -> None:
    """A device, image or volume was addressed whole, of files neither more nor fewer than ordered.

    A zoned device has fewer blocks than addresses; how many, is told as not reached.
    """
    identity = carrier.identity
    whole = evidence.size + sum(one.count or 0 for one in evidence.residual if one.code == "zone-gaps")
    if isinstance(identity, DeviceIdentity | ImageIdentity | VolumeIdentity) and whole != identity.size:
        raise Untrusted("evidence-scope", found=f"{whole:,}", expected=f"{identity.size:,}")
    if isinstance(identity, FilesIdentity) and not identity.least_count <= evidence.objects <= identity.most_count:
        raise Untrusted("binding-broken", document="evidence", field="objects")
    if isinstance(identity, RecordsIdentity):
        taken = sum(record.rows for record in evidence.records if isinstance(record, WithdrawalRecord))
        if taken and not identity.least_rows <= taken <= identity.most_rows:
            raise Untrusted("binding-broken", document="evidence", field="rows")
    for record in evidence.records:
        if isinstance(record, OverwriteRecord) and record.area == "whole" and record.size < evidence.size:
            raise Untrusted("evidence-scope", found=f"{record.size:,}", expected=f"{evidence.size:,}")


def _check_verification(evidence: Evidence, carrier: Carrier) -> None:
    """Everything was read back where that was ordered, and no sample is weaker than the ordered one."""
    ordered = carrier.verification
    for check in evidence.checks:
        if not isinstance(check, SampledReadBack):
            continue
        if (
            isinstance(ordered, FullVerification)
            or check.confidence_ppm < ordered.confidence_ppm
            or check.fraction_ppm > ordered.fraction_ppm
        ):
            raise Untrusted("binding-broken", document="evidence", field="verification")


def _container(carrier: Carrier) -> Identity:
    return carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity


def _as_fact(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
