"""What a machine is and which drives are in it; and how asset cards and surveyed drives were brought together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import Digest, Fact, Id, Items, Level, Media, Text, Time
from certificates.statements.carriers import DeviceIdentity, ImageIdentity


@dataclass(frozen=True, slots=True)
class SurveyedMachine:
    """A machine as its firmware and kernel describe it; a maker's placeholder counts as absent."""

    name: Text
    """Name that the machine gives itself on its network."""
    kernel: Text
    """Release of the running kernel."""
    vendor: Text | None = None
    """Maker of the system."""
    product: Text | None = None
    """Product name."""
    serial: Text | None = None
    """Serial number of the system."""
    uuid: Text | None = None
    """UUID of the system's board."""
    chassis_serial: Text | None = None
    """Serial number of the chassis."""
    asset_tag: Text | None = None
    """Asset tag of the chassis."""
    board_vendor: Text | None = None
    """Maker of the board."""
    board_product: Text | None = None
    """Name of the board."""
    board_serial: Text | None = None
    """Serial number of the board."""
    unread: Annotated[tuple[Id, ...], Items(0, 16)] = ()
    """Facts that the machine has and this account may not read."""


@dataclass(frozen=True, slots=True)
class SurveyedDrive:
    """One drive: what it is, what an erasure here would reach, and what stood in the way at that moment."""

    id: Id
    """Made from the identity alone, so the same in every survey."""
    identity: DeviceIdentity | ImageIdentity
    """Facts that survive its erasure."""
    media: Media
    """What the bits lie on, as far as the host can tell."""
    sector_size: int
    """Smallest unit of read and write, in bytes."""
    reaches: Level | None
    """Highest level that this program could reach on it; none: no level."""
    why_not_more: Annotated[tuple[Id, ...], Items(0, 16)]
    """Codes of why no higher level."""
    not_reached: Annotated[tuple[Id, ...], Items(0, 64)]
    """Codes of what an erasure here does not reach."""
    obstacles: Annotated[tuple[Id, ...], Items(0, 64)]
    """Codes of what stood in the way when the survey was made; by whom is told on the host alone."""
    facts: Annotated[tuple[Fact, ...], Items(0, 64)]
    """Bus, firmware, sectors, health, temperature, hidden areas; never anything that is stored on it."""


@dataclass(frozen=True, slots=True)
class Survey:
    """One machine and its drives at one moment, signed by the host where it has a key."""

    made_at: Time
    """When."""
    host: Digest | None
    """Host id; none: the machine has no site yet, and nobody signs."""
    machine: SurveyedMachine
    """The machine."""
    drives: Annotated[tuple[SurveyedDrive, ...], Items(0, 1024)]
    """Its drives."""
    tool_version: Text
    """Version of the program."""


Match = Literal["drive-serial", "chassis-serial", "asset-tag", "by-hand"]
"""What brought a card and a drive together."""
Finding = Literal[
    "card-unmatched",
    "card-ambiguous",
    "card-left-out",
    "drive-unmatched",
    "drive-ambiguous",
    "drive-in-two-surveys",
    "drive-without-identity",
    "drive-left-out",
    "level-unreachable",
    "system-disk",
    "in-use",
    "no-host",
    "secrecy",
    "survey-superseded",
    "survey-stale",
    "survey-unverified",
]
"""What approvers should know before they sign."""


@dataclass(frozen=True, slots=True)
class MatchedDrive:
    """A card and a drive that belong together."""

    card: Id
    """Asset card."""
    drive: Id
    """Drive's id in the survey, and the carrier's in the order."""
    serial: Text
    """Drive's serial number; the image's inode where it is none."""
    machine: Text
    """Name of the machine that it was found in."""
    by: Match
    """What brought them together."""
    order: Id | None = None
    """Number of the order that names it; none: it was left out."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that is not as it should be, or that approvers should know."""

    finding: Finding
    """What it is."""
    stops: bool
    """Whether a whole draft is refused for it; what has it is left out of a partial one."""
    card: Id | None = None
    """Asset card."""
    row: int | None = None
    """Its line in the list of cards, counted from 1."""
    drive: Id | None = None
    """Drive's id."""
    serial: Text | None = None
    """Drive's serial number."""
    machine: Text | None = None
    """Name of the machine."""
    detail: Text | None = None
    """More."""


@dataclass(frozen=True, slots=True)
class DraftedOrder:
    """An order as it was drafted."""

    id: Id
    """Order number."""
    digest: Digest
    """Digest of the order."""
    carriers: int
    """Carriers that it names."""


@dataclass(frozen=True, slots=True)
class Matching:
    """How a list of cards and some surveys were brought together, for those who approve the orders."""

    made_at: Time
    """When."""
    cards_file: Digest
    """Digest of the list of cards."""
    cards: int
    """Cards in it."""
    ignored_columns: Annotated[tuple[Text, ...], Items(0, 512)]
    """Columns of the list that were not used."""
    surveys: Annotated[tuple[Digest, ...], Items(0, 65536)]
    """Digests of the surveys."""
    drives: int
    """Drives in them, each counted once."""
    orders: Annotated[tuple[DraftedOrder, ...], Items(0, 4096)]
    """Orders drafted from it; none where the draft was refused."""
    matched: Annotated[tuple[MatchedDrive, ...], Items(0, 262144)]
    """Cards and drives that belong together."""
    noticed: Annotated[tuple[Noticed, ...], Items(0, 262144)]
    """Everything else."""
