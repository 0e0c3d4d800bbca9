"""Does an order hold together? Checks that need nothing but the order itself: agent and auditor ask the same ones."""

from __future__ import annotations

import re

from certificates.errors import Untrusted
from certificates.statements import (
    Carrier,
    ComplementOf,
    DatabaseIdentity,
    DeviceIdentity,
    DrawnByte,
    FilesIdentity,
    ImageIdentity,
    Level,
    LuksIdentity,
    Order,
    RecordsIdentity,
    Role,
    SampledVerification,
    VolumeIdentity,
)

CODES = {"GB/T 14885-2010": r"[0-9]{7}", "GB/T 14885-2022": r"[A-Z][0-9]{8}"}
"""Shape of a classification code in each edition."""


def check_order(order: Order) -> None:
    """Return if the order's parts fit together; raises Untrusted naming the part that does not."""
    _check_persons(order)
    _check_times(order)
    _check_assets(order)
    _refuse_twice("carrier", [carrier.id for carrier in order.carriers])
    for carrier in order.carriers:
        _check_carrier(order, carrier)


def parts_of(order: Order) -> list[tuple[str, str]]:
    """Return (person, part) for everybody whom the order gives a part that decides or watches."""
    parts = [(person.id, person.role.value) for person in order.persons]
    parts.append((order.executing.person, Role.EXECUTOR.value))
    parts += [(witness, Role.WITNESS.value) for witness in order.witnesses]
    parts.append((order.validator, Role.VALIDATOR.value))
    return parts


def _check_persons(order: Order) -> None:
    """One deciding role a person: requester, approver, executor, witness and validator all differ."""
    seen: dict[str, str] = {}
    for person, part in parts_of(order):
        if person in seen:
            if seen[person] == part:
                raise Untrusted("same-person-twice", person=person)
            raise Untrusted("roles-not-distinct", person=person, first=seen[person], second=part)
        seen[person] = part
    deciding = {Role.REQUESTER, Role.APPROVER, Role.REGISTRAR, Role.SECURITY_OFFICER}
    for named in order.persons:
        if named.role not in deciding:
            raise _inconsistent(f"person {named.id} signs an order as {named.role.value}")
    if not any(named.role is Role.REQUESTER for named in order.persons):
        raise _inconsistent("nobody is its requester")


def _check_times(order: Order) -> None:
    if not order.issued_at < order.expires_at:
        raise _inconsistent("it expires before it is issued")
    if not order.not_before < order.not_after:
        raise _inconsistent("its window is empty")
    if order.version < 1:
        raise _inconsistent("versions count from 1")


def _check_assets(order: Order) -> None:
    _refuse_twice("asset card", [asset.card for asset in order.assets])
    for asset in order.assets:
        if not re.fullmatch(CODES[asset.code_system], asset.code):
            raise _inconsistent(f"code {asset.code} of asset {asset.card} is not of {asset.code_system}")
        if not any(asset.card in carrier.assets for carrier in order.carriers):
            raise _inconsistent(f"asset {asset.card} lies on no carrier")


def _check_carrier(order: Order, carrier: Carrier) -> None:
    cards = {asset.card for asset in order.assets}
    carriers = {other.id for other in order.carriers}
    if unknown := set(carrier.assets) - cards:
        raise _inconsistent(f"carrier {carrier.id} names asset {min(unknown)}, which the order does not describe")
    for copy in carrier.copies:
        if copy.carrier is not None and copy.carrier not in carriers - {carrier.id}:
            raise _inconsistent(f"carrier {carrier.id} names copy {copy.carrier}, which the order does not describe")
    if carrier.level is Level.DESTROY:
        raise Untrusted("level-not-reachable", level="destroy", media="any", technique="software")
    _check_bounds(carrier)
    _check_scheme(carrier)


def _check_bounds(carrier: Carrier) -> None:
    identity, verification = carrier.identity, carrier.verification
    if isinstance(verification, SampledVerification) and not (
        500_000 <= verification.confidence_ppm < 1_000_000 and 0 < verification.fraction_ppm <= 500_000
    ):
        raise _inconsistent(f"carrier {carrier.id}: confidence or fraction is out of range")
    if isinstance(identity, FilesIdentity) and not 0 < identity.least_count <= identity.most_count:
        raise _inconsistent(f"carrier {carrier.id}: least_count and most_count do not fit")
    if isinstance(identity, DatabaseIdentity | RecordsIdentity) and identity.least_rows > identity.most_rows:
        raise _inconsistent(f"carrier {carrier.id}: least_rows and most_rows do not fit")
    is_in_file_system = isinstance(identity, FilesIdentity | DatabaseIdentity | RecordsIdentity)
    if (carrier.destroy or carrier.hunt) and not is_in_file_system:
        raise _inconsistent(f"carrier {carrier.id}: only of files and databases can names, history or a hunt be wanted")
    volume = identity.container if isinstance(identity, LuksIdentity) else identity
    if isinstance(volume, VolumeIdentity):
        _check_volume(carrier, volume)


def _check_volume(carrier: Carrier, volume: VolumeIdentity) -> None:
    """Only a partition begins anywhere, only compressed memory lies on nothing, and nothing lies on a drive twice."""
    if volume.offset and volume.layer != "partition":
        raise _inconsistent(f"carrier {carrier.id}: a volume of {volume.layer} has no offset")
    if bool(volume.on) == (volume.layer == "zram"):
        raise _inconsistent(f"carrier {carrier.id}: what a volume of {volume.layer} lies on does not fit")
    if len(set(volume.on)) != len(volume.on):
        raise _inconsistent(f"carrier {carrier.id}: it lies on the same drive twice")
    if volume.size < 1 or volume.offset < 0:
        raise _inconsistent(f"carrier {carrier.id}: its volume has no size")


def _check_scheme(carrier: Carrier) -> None:
    """A scheme stands in place of a technique, and takes complements of bytes that it draws before."""
    if carrier.scheme is None:
        return
    if carrier.technique is not None:
        raise _inconsistent(f"carrier {carrier.id} names a technique and brings a scheme")
    drawn: set[str] = set()
    for filling in carrier.scheme.passes:
        if isinstance(filling, DrawnByte):
            drawn.add(filling.name)
        if isinstance(filling, ComplementOf) and filling.name not in drawn:
            raise _inconsistent(f"scheme {carrier.scheme.id} complements {filling.name} before a pass draws it")


def needs_selector(carrier: Carrier) -> bool:
    """Tell whether the carrier cannot be found by its identity alone."""
    return selector_kind(carrier) is not None and not _is_attached(carrier)


def selector_kind(carrier: Carrier) -> str | None:
    """Return the kind of selector that goes with the carrier; none for a device or volume."""
    match carrier.identity:
        case FilesIdentity():
            return "files"
        case LuksIdentity():
            return "luks"
        case DatabaseIdentity() | ImageIdentity():
            return "path"
        case RecordsIdentity():
            return "records"
        case DeviceIdentity() | VolumeIdentity():
            return None


def _is_attached(carrier: Carrier) -> bool:
    """Tell whether it is a device or volume, or a loop device that its backing file's identity finds."""
    identity = carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity
    if isinstance(identity, ImageIdentity):
        return identity.attached
    return isinstance(identity, DeviceIdentity | VolumeIdentity)


def _refuse_twice(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise _inconsistent(f"{what} {name} stands twice")


def _inconsistent(detail: str) -> Untrusted:
    return Untrusted("order-inconsistent", detail=detail)
