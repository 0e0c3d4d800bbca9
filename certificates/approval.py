"""Did the right people approve this carrier, and does a hold forbid it? Agent and auditor ask the same questions."""

from __future__ import annotations

from collections.abc import Collection

from certificates.envelope import Sealed
from certificates.errors import Untrusted
from certificates.keyring import REGISTRY, highest_grade, lacking, met_on_paper, rule_for
from certificates.statements import (
    Carrier,
    DataAsset,
    DeviceIdentity,
    Hold,
    Keyring,
    LuksIdentity,
    Order,
    PersonRole,
    Role,
    VolumeIdentity,
)


def check_approved(keyring: Keyring, order: Order, carrier: Carrier, signers: Collection[PersonRole]) -> None:
    """Return if the keyring's rule for the carrier is met by people with enough authority; raises Untrusted."""
    grade = highest_grade(order, carrier)
    rule = rule_for(keyring, order, carrier)
    if rule is None:
        raise Untrusted("rule-missing", level=carrier.level, grade=grade)
    missing = lacking(rule, order, signers)
    if missing is not None:
        raise Untrusted("rule-not-met", carrier=carrier.id, level=carrier.level, grade=grade, missing=missing)
    _check_witnesses(keyring, order, rule.witnesses)
    _check_authority(keyring, order, carrier, signers)


def _check_witnesses(keyring: Keyring, order: Order, needed: int) -> None:
    """Check that enough witnesses are named, and that each of them can sign: else no certificate would be complete."""
    able = {p.id for p in keyring.persons if any(Role.WITNESS in held.roles for held in p.keys)}
    found = len(able.intersection(order.witnesses))
    if found < max(needed, len(order.witnesses)):
        raise Untrusted("witnesses-missing", found=found, needed=max(needed, len(order.witnesses)))


def _check_authority(keyring: Keyring, order: Order, carrier: Carrier, signers: Collection[PersonRole]) -> None:
    """Check that every approver, and the approving organ, may decide on every asset's value."""
    approvers = {person.id for person in signers if person.role is Role.APPROVER}
    limits = [(person.id, person.authority) for person in keyring.persons if person.id in approvers]
    limits.append((order.approval.organ, order.approval.authority_limit))
    for asset in assets_on(order, carrier):
        for who, limit in limits:
            if limit is not None and asset.book_value > limit:
                raise Untrusted("authority-exceeded", asset=asset.card, who=who)


def assets_on(order: Order, carrier: Carrier) -> tuple[DataAsset, ...]:
    """Return the data assets that lie on a carrier."""
    return tuple(asset for asset in order.assets if asset.card in carrier.assets)


def paper_of(keyring: Keyring, order: Order, carrier: Carrier, signers: Collection[PersonRole]) -> str | None:
    """Return the paper approval that the carrier's rule rests on, in words; none where signatures alone meet it."""
    rule, paper = rule_for(keyring, order, carrier), order.paper
    if rule is None or paper is None or not met_on_paper(rule, order, signers):
        return None
    return f"{paper.number}, {paper.organ}, {paper.signatory}, {paper.date}"


def check_hold(sealed: Sealed[Hold]) -> None:
    """Return if a hold is set by who may set one: security officers, every one of whom signed, or the registry."""
    told = sealed.statement
    signed = [signature.signer for signature in sealed.signatures]
    for person in told.persons:
        if person.role is not Role.SECURITY_OFFICER:
            raise Untrusted("signature-wrong-role", person=person.id, role=person.role.value)
        if person not in signed:
            raise Untrusted("signature-missing", who=person.id)
    if not told.persons and REGISTRY not in signed:
        raise Untrusted("signature-missing", who=f"the {REGISTRY}")


def check_not_held(holds: Collection[Hold], order: Order, order_digest: str, carrier: Carrier) -> None:
    """Return if no hold covers the carrier; raises Untrusted naming the one that does."""
    covered = _covered(order, order_digest, carrier)
    for hold in holds:
        for scope in hold.scopes:
            if scope.kind == "everything" or scope.value in covered[scope.kind]:
                raise Untrusted("on-hold", hold=hold.id, carrier=carrier.id)


def _covered(order: Order, order_digest: str, carrier: Carrier) -> dict[str, set[str | None]]:
    """Return the values by which a hold of each kind covers the carrier."""
    return {
        "order": {order_digest, order.id},
        "asset": {*carrier.assets, carrier.card},
        "serial": {*_serials(carrier), carrier.label},
    }


def _serials(carrier: Carrier) -> tuple[str, ...]:
    """Return the serial numbers of the drive, or of every drive that a volume lies on."""
    identity = carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity
    below = identity.on if isinstance(identity, VolumeIdentity) else (identity,)
    return tuple(one.serial for one in below if isinstance(one, DeviceIdentity))
