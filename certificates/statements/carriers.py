"""Where data lies: carriers, the facts that recognise them, and the selector that stays beside the order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from certificates.statements.basics import (
    Digest,
    Fact,
    Id,
    Items,
    Level,
    Text,
    Uuid,
)
from certificates.statements.schemes import Scheme


@dataclass(frozen=True, slots=True)
class Chassis:
    """The machine a carrier sits in."""

    serial: Text | None = None
    """Chassis serial number."""
    asset_tag: Text | None = None
    """Asset tag."""


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Facts of a drive that survive its erasure."""

    vendor: Text
    """As reported."""
    model: Text
    """As reported."""
    serial: Text
    """As reported."""
    wwn: Text | None
    """WWN, EUI-64 or NGUID, whichever the drive reports."""
    size: int
    """Bytes."""
    kind: Literal["device"] = "device"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """An image file, or the loop device over it."""

    filesystem: Uuid
    """UUID of the file system that the backing file lies on."""
    inode: int
    """Inode number of the backing file."""
    size: int
    """Bytes of the image, or of the loop device."""
    attached: bool
    """True: the loop device over the file is the carrier; false: the file itself."""
    kind: Literal["image"] = "image"
    """Mark of this kind."""


Layer = Literal["partition", "lvm", "md", "dm-crypt", "device-mapper", "zram"]
"""What makes a volume: a partition table, the logical volume manager, the kernel's own RAID, an encrypting mapping,
another mapping of the device mapper, compressed memory."""


@dataclass(frozen=True, slots=True)
class VolumeIdentity:
    """A whole block device that is no drive: a part of drives, or made of several. All of it survives its erasure."""

    layer: Layer
    """What makes it."""
    uuid: Id
    """Partition: id that its table gives it (GPT: the partition's GUID; MBR: disk id and number). LVM: `LVM-` with the
    ids of group and volume. md: the array's id. dm-crypt: `CRYPT-`, type and container id. Other mappings: the id that
    the device mapper holds. zram: id of this boot and number, since it does not outlive the boot."""
    offset: int
    """Partition: its first byte on the device that its table divides; 0 for every other layer."""
    size: int
    """Bytes."""
    on: Annotated[tuple[DeviceIdentity | ImageIdentity, ...], Items(0, 48)]
    """Every drive and image that it lies on, through every layer between; none for zram."""
    kind: Literal["volume"] = "volume"
    """Mark of this kind."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What a host reads on the open device, in this order; what it lies on is told in a fixed order."""
        pairs = (("layer", self.layer), ("uuid", self.uuid), ("offset", str(self.offset)), ("size", str(self.size)))
        lies_on = sorted(_in_a_line(one) for one in self.on)
        below = (Fact(f"on-{number}", line) for number, line in enumerate(lies_on, start=1))
        return (*(Fact(name, value) for name, value in pairs), *below)


def _in_a_line(identity: DeviceIdentity | ImageIdentity) -> str:
    """All facts of an identity between slashes, so written that no two identities share a line."""
    if isinstance(identity, DeviceIdentity):
        parts = (identity.vendor, identity.model, identity.serial, identity.wwn or "", str(identity.size))
    else:
        attached = "true" if identity.attached else "false"
        parts = (identity.filesystem, str(identity.inode), str(identity.size), attached, "")
    return "/".join((identity.kind, *(part.replace("%", "%25").replace("/", "%2F") for part in parts)))


def volume_of(facts: Iterable[Fact]) -> VolumeIdentity:
    """Return the identity whose facts these are; raises ValueError where they are no volume's."""
    told = {fact.name: fact.value for fact in facts}
    layer = next((layer for layer in get_args(Layer) if layer == told.get("layer")), None)
    if layer is None:
        raise ValueError(f"{told.get('layer')} makes no volume")
    below = tuple(_from_line(value) for name, value in told.items() if name.startswith("on-"))
    return VolumeIdentity(layer, told["uuid"], int(told["offset"]), int(told["size"]), below)


def _from_line(line: str) -> DeviceIdentity | ImageIdentity:
    kind, *parts = (part.replace("%2F", "/").replace("%25", "%") for part in line.split("/"))
    if kind == "device":
        vendor, model, serial, wwn, size = parts
        return DeviceIdentity(vendor, model, serial, wwn or None, int(size))
    filesystem, inode, size, attached, _ = parts
    return ImageIdentity(filesystem, int(inode), int(size), attached == "true")


@dataclass(frozen=True, slots=True)
class FilesIdentity:
    """Files of one host and file system; their paths stand in the selector."""

    filesystem: Uuid
    """File-system UUID."""
    parent_inode: int
    """Inode of the selector's root directory."""
    least_count: int
    """Fewest regular files; fewer found is a refusal."""
    most_count: int
    """Most regular files; more found is a refusal."""
    most_bytes: int
    """Most bytes by st_size; more found is a refusal."""
    kind: Literal["files"] = "files"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """A database; where it lies stands in the selector."""

    engine: Literal["sqlite"]
    """Database engine."""
    filesystem: Uuid
    """UUID of the file system that the database file lies on."""
    inode: int
    """Inode number of the main database file: SQLite has no system id of its own."""
    scope: Literal["database"]
    """The whole database."""
    least_rows: int
    """Fewest rows over all tables."""
    most_rows: int
    """Most rows over all tables."""
    kind: Literal["database"] = "database"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class LuksIdentity:
    """A LUKS2 container; the header does not survive, so the container is what names it."""

    luks_uuid: Uuid
    """UUID in the LUKS header, checked before the first write only."""
    container: DeviceIdentity | ImageIdentity | VolumeIdentity
    """What the container lies in."""
    kind: Literal["luks"] = "luks"
    """Mark of this kind."""


Engine = Literal["sqlite", "postgresql", "mariadb", "redis"]
"""Database engines whose records can be destroyed."""
Scope = Literal["rows", "table", "schema", "database", "cluster"]
"""Rows that a condition selects, a table, all tables of a schema, a database, or everything that a server holds."""


@dataclass(frozen=True, slots=True)
class RecordsIdentity:
    """Part of what a database engine holds, or all of it; which part stands in the selector."""

    engine: Engine
    """Database engine."""
    system: Text
    """What the engine calls itself for its lifetime (PostgreSQL: system identifier; MariaDB: server uid); `-` for an
    engine that has no such name."""
    filesystem: Uuid
    """UUID of the file system that the data directory, or the database file, lies on."""
    inode: int
    """Inode number of the data directory, or of the database file's directory where the file is written anew."""
    database: Text
    """Database within the engine, as the engine calls it."""
    scope: Scope
    """How much of it."""
    least_rows: int
    """Fewest rows; fewer found is a refusal."""
    most_rows: int
    """Most rows; more found is a refusal."""
    object: Text | None = None
    """What the engine calls the table for its lifetime (PostgreSQL: its oid), so that one dropped and made again is
    another; none where the scope is no table, or the engine has no such name."""
    kind: Literal["records"] = "records"
    """Mark of this kind."""


Identity = (
    DeviceIdentity | ImageIdentity | VolumeIdentity | FilesIdentity | DatabaseIdentity | LuksIdentity | RecordsIdentity
)


@dataclass(frozen=True, slots=True)
class SelectorCommitment:
    """What approvers sign of the selector: its salted hash and its extent."""

    commitment: Digest
    """SHA-256(32 random bytes || canonical selector)."""
    count: int
    """Objects selected."""
    size: int
    """Bytes selected, by st_size."""


@dataclass(frozen=True, slots=True)
class FullVerification:
    """Read everything back."""

    kind: Literal["full"] = "full"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class SampledVerification:
    """Read a sample back that would find a differing fraction with the stated confidence."""

    confidence_ppm: int
    """Confidence C in parts per million, e.g. 990000."""
    fraction_ppm: int
    """Fraction p in parts per million, e.g. 1000."""
    kind: Literal["sampled"] = "sampled"
    """Mark of this kind."""


Verification = FullVerification | SampledVerification


@dataclass(frozen=True, slots=True)
class CryptoEraseConditions:
    """The seven conditions of cryptographic erase (NIST SP 800-88 r2, 3.2.2-3.2.5), on the order's word."""

    always_encrypted: bool
    """1: no plaintext ever reached the medium."""
    key_strength: bool
    """2: keys of 128 bits or more from an adequate random source."""
    validated_module: bool
    """3: the cryptographic module is validated, or the policy does not ask for it."""
    all_copies_known: bool
    """4: every copy of the keys, wrapped or not, is known and in this order."""
    zeroization: bool
    """5: keys are zeroized by ISO/IEC 19790 or an equal rule."""
    no_escrow: bool
    """6: keys are not escrowed or backed up elsewhere."""
    no_known_flaws: bool
    """7: no known flaw of this encryption."""


@dataclass(frozen=True, slots=True)
class KnownCopy:
    """Another place that holds the same data or key."""

    what: Text
    """replica, backup, snapshot, header backup, escrowed key..."""
    carrier: Id | None = None
    """Carrier of this order that covers it; none: outside this order, so not reached."""
    place: Id | None = None
    """Host, slot or other name by which a database server tells this copy from others; none: any of its kind."""


@dataclass(frozen=True, slots=True)
class Otherwise:
    """The pre-approved fallback for a carrier that proves unreachable."""

    action: Literal["physical-destruction", "hand-over"]
    """What is done then, by people."""
    note: Text
    """To whom, where."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """One place (载体) where data assets lie, and what is ordered for it."""

    id: Id
    """Id within the order."""
    label: Id
    """What stands on the object; a person types it to confirm."""
    assets: Annotated[tuple[Id, ...], Items(1, 1024)]
    """Cards of the data assets on it."""
    identity: Identity
    """Facts by which it is recognised, also after the erasure."""
    hosts: Annotated[tuple[Digest, ...], Items(1, 256)]
    """Hosts where it may be destroyed."""
    level: Level
    """Minimum level."""
    verification: Verification
    """How it is read back."""
    destination: Literal["internal-reuse", "external-reuse", "recycling", "manufacturer", "destruction-body", "storage"]
    """Where it goes afterwards."""
    selector: SelectorCommitment | None = None
    """Commitment to the private part."""
    technique: Id | None = None
    """Technique wanted; none: the least that reaches the level."""
    scheme: Scheme | None = None
    """Overwrite scheme of this order's own, in place of a technique."""
    policy: Id | None = None
    """Policy whose techniques alone may be used; none: whatever reaches the level."""
    destroy: Annotated[tuple[Literal["names", "history"], ...], Items(0, 2)] = ()
    """What must be gone besides the contents."""
    disclosure: Literal["none", "names"] = "none"
    """Whether the selector travels in the bundle."""
    card: Id | None = None
    """The carrier's own asset card."""
    chassis: Chassis | None = None
    """Machine it sits in."""
    copies: Annotated[tuple[KnownCopy, ...], Items(0, 1024)] = ()
    """Known copies."""
    crypto_erase: CryptoEraseConditions | None = None
    """Conditions of cryptographic erase, attested by this order."""
    hunt: bool | None = None
    """True: values are sampled before and looked for on the whole storage afterwards, though nothing else asks it."""
    otherwise: Otherwise | None = None
    """Fallback."""
