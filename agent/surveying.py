"""A survey: what a machine is and which drives are in it. Made from what a host found, read back from files."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from agent.files import read_file
from agent.reading import read_document
from agent.version import VERSION
from certificates.claims import ceiling
from certificates.encoding import digest
from certificates.envelope import LARGEST, unseal
from certificates.errors import Failure, Refused, Untrusted
from certificates.keyring import Chain, resolver
from certificates.statements import (
    DeviceIdentity,
    Fact,
    ImageIdentity,
    Level,
    Media,
    Survey,
    SurveyedDrive,
    SurveyedMachine,
)
from wipers.model import Host, Target
from wipers.techniques import techniques_for

TOLD = (
    "ama",
    "ata-security",
    "boot-partition",
    "bridge-serial",
    "bus",
    "controller",
    "dco",
    "drive-",
    "firmware",
    "health",
    "hidden",
    "hpa",
    "members",
    "namespace",
    "partitions",
    "paths",
    "physical-sector",
    "power",
    "protection-information",
    "read-only",
    "removable",
    "rotation",
    "rpmb",
    "sanitize",
    "subsystem",
    "temperature",
    "transport",
    "wear",
    "write",
    "zoned",
)
"""How the names of facts begin that a survey passes on: never what is stored on a drive, or who has it open."""
UNREACHABLE = frozenset({"drive-locked", "sector-size-foreign"})
"""Obstacles that no waiting removes: with one of them a drive reaches no level here."""
NAMELESS = "device-nameless"
"""Obstacle of a drive that says nothing which tells it from its neighbour."""
SUFFIX = ".survey.json"
"""How the names of survey files end."""


def take_survey(host: Host, key: str | None, now: datetime, *, with_images: bool = False) -> Survey:
    """Return what the host is and has at that moment; `key` is its id, `with_images` adds loop devices over files."""
    kinds = ("device", "image") if with_images else ("device",)
    listed = (one for one in host.list_targets(with_contents=False) if one.kind in kinds)
    return make_survey(host.describe(), filter(_can_be_named, listed), key, now)


def make_survey(machine: SurveyedMachine, targets: Iterable[Target], key: str | None, now: datetime) -> Survey:
    """Return the survey of a machine; several paths of one unit are one drive, and units that are the spitting image
    of each other are drives that no order can name."""
    units: dict[tuple[str, str], SurveyedDrive] = {}
    for target in targets:
        drive = _drive(target)
        units.setdefault((drive.id, target.unit), drive)
    alike = Counter(name for name, _ in units)
    drives = tuple(
        _nameless(drive, number) if alike[drive.id] > 1 else drive for number, drive in enumerate(units.values(), 1)
    )
    return Survey(now, key, machine, drives, VERSION)


def _can_be_named(target: Target) -> bool:
    """Tell whether an order could name it: not a loop device whose file is out of sight."""
    return target.kind != "image" or all(fact.value for fact in target.facts)


def _nameless(drive: SurveyedDrive, number: int) -> SurveyedDrive:
    """Return a drive, under an id of its own, that says nothing which tells it from its neighbour."""
    return replace(drive, id=f"{drive.id}-{number}", obstacles=tuple(dict.fromkeys((*drive.obstacles, NAMELESS))))


def drive_id(identity: DeviceIdentity | ImageIdentity) -> str:
    """Return the id of a drive in every survey and order: it depends on the identity alone."""
    return "drive-" + digest(identity).removeprefix("sha256:")[:16]


def _drive(target: Target) -> SurveyedDrive:
    identity = identity_of(target)
    obstacles = tuple(dict.fromkeys(one.reason for one in target.obstacles))
    highest = None if UNREACHABLE & set(obstacles) else highest_level(target)
    return SurveyedDrive(
        id=drive_id(identity),
        identity=identity,
        media=target.media,
        sector_size=target.sector_size,
        reaches=highest,
        why_not_more=tuple(_why_not_more(target, highest)),
        not_reached=tuple(dict.fromkeys(one.code for one in target.residual)),
        obstacles=obstacles,
        facts=tuple(Fact(one.name, _text(one.value)) for one in target.description if one.name.startswith(TOLD)),
    )


def identity_of(target: Target) -> DeviceIdentity | ImageIdentity:
    """Return the identity by which an order names a drive or a loop device."""
    facts = {fact.name: _text(fact.value) for fact in target.facts}
    size = int(facts["size"])
    if target.kind == "image":
        return ImageIdentity(facts["filesystem"], int(facts["inode"]), size, facts["attached"] == "true")
    return DeviceIdentity(facts["vendor"], facts["model"], facts["serial"], facts["wwn"] or None, size)


def highest_level(target: Target) -> Level | None:
    """Return the highest level that some technique could reach on a target by the rule book; none: no level."""
    found = (ceiling(row.method[target.kind], target.media) for row in techniques_for(target.kind))
    return max((level for level in found if level is not None), key=lambda level: level.rank, default=None)


def _why_not_more(target: Target, highest: Level | None) -> Iterator[str]:
    if highest is None:
        yield from (one.reason for one in target.obstacles if one.reason in UNREACHABLE)
        return
    if highest is Level.CLEAR:
        yield "overwriting-alone"
    if target.media is Media.OPAQUE:
        yield "medium-opaque"


def _text(value: str) -> str:
    """Return a text as documents hold it: printable, in NFC."""
    return unicodedata.normalize("NFC", "".join(letter for letter in value if letter.isprintable()))[:2000]


Doubt = Literal["unsigned", "no-keyring", "unknown-host", "key-not-valid"]
"""Nobody signed it; nothing at hand to judge by; its host is not in the keyring; its host's key is revoked or old."""


@dataclass(frozen=True, slots=True)
class Read:
    """A survey that was read from a file."""

    path: Path
    """File."""
    digest: str
    """Digest of what it says."""
    survey: Survey
    """What it says."""
    doubt: Doubt | None
    """Why nobody known here vouches for it; none: its host does."""


def read_survey(path: Path, chain: Chain | None, now: datetime) -> Read:
    """Return the survey in a file; raises Refused for another document and for a signature that does not hold."""
    try:
        data = read_file(path, LARGEST[Survey])
        document = read_document(path.name, data)
        if not isinstance(document.statement, Survey):
            raise Untrusted("document-wrong-kind", found=document.kind, expected="survey")
        survey: Survey = document.statement
        told = document.digest or digest(data)
        return Read(path, told, survey, _doubt(survey, data if document.key_ids else None, chain, now))
    except Failure as error:
        raise Refused("survey-unusable", where=path, detail=error.row.en.format_map(error.facts)) from error


def _doubt(survey: Survey, envelope: bytes | None, chain: Chain | None, now: datetime) -> Doubt | None:
    """Return why nobody vouches for a survey, none where its host does; raises Untrusted for a forged one."""
    if envelope is None:
        return "unsigned"
    if chain is None:
        return "no-keyring"
    if survey.host not in {host.key.id for host in chain.current.hosts}:
        return "unknown-host"
    try:
        unseal(envelope, Survey, resolver(chain.current, now))
    except Untrusted as error:
        if error.reason == "key-not-valid":
            return "key-not-valid"
        raise
    return None


def find_surveys(named: Iterable[Path]) -> tuple[Path, ...]:
    """Return the survey files named, and those in the folders named; raises Refused for a folder without one."""
    found: list[Path] = []
    for path in named:
        inside = sorted(path.glob("*" + SUFFIX)) if path.is_dir() else [path]
        if not inside:
            raise Refused("survey-unusable", where=path, detail=f"no file in it ends in {SUFFIX}")
        found += inside
    return tuple(dict.fromkeys(found))
