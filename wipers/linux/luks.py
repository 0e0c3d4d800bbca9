"""LUKS2 containers in an image file or on a device: the header area is the first stream, its backups the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from certificates.errors import Refused
from certificates.statements import (
    Area,
    Carrier,
    Check,
    Extent,
    Fact,
    ImageIdentity,
    LuksIdentity,
    LuksSelector,
    Residual,
    Selector,
    StepRecord,
)
from wipers.acts import Act, Given
from wipers.linux import blocks, cryptsetup, images
from wipers.linux.direct import error_name, page_aligned
from wipers.linux.identity import check_free, check_same
from wipers.linux.inplace import FileInPlace, open_in_place
from wipers.linux.luks_backups import Backup, find_backups, header_reader
from wipers.linux.luks_header import Header, find_headers
from wipers.linux.luks_state import Begun, StateFile
from wipers.linux.machine import THIS_MACHINE, Machine
from wipers.linux.usage import in_use
from wipers.model import Advice, KeyState, MediumError, Obstacle, Target

NOT_THERE = "ENXIO"
"""Error of a read below the file system where no block lies."""

Container = blocks.DeviceWriter | images.ImageWriter


@dataclass(frozen=True, slots=True)
class Survey:
    """What the container's header area and its backups are, now or as the run found them when it began."""

    header_size: int
    """Bytes of the container's own header area; 0 where it cannot be told."""
    backups: tuple[Backup, ...]
    """Header backups that can be overwritten in place and read back."""
    obstacles: tuple[Obstacle, ...]
    """Why nothing must be touched."""

    @property
    def total(self) -> int:
        """Bytes of the area `header`: the container's own, and every backup."""
        return self.header_size + sum(backup.found.size for backup in self.backups)


def find(carrier: Carrier, selector: Selector | None, machine: Machine = THIS_MACHINE) -> tuple[Target, ...]:
    """Every container that lies in what the carrier's identity names; reads only."""
    identity = carrier.identity
    if not isinstance(identity, LuksIdentity):
        return ()
    found = _containers(identity, selector, machine)
    return tuple(_target(target, identity, selector, machine) for target in found)


@contextmanager
def open(  # noqa: A001 - the name of the port
    target: Target, carrier: Carrier, selector: Selector | None, resuming: bool, machine: Machine = THIS_MACHINE
) -> Iterator[LuksWriter]:
    """Hold container and backups, identified again; `resuming` accepts a header that this host began to destroy."""
    identity = carrier.identity
    if not isinstance(identity, LuksIdentity):
        raise Refused("open-failed", where=target.location, error="not a LUKS carrier")
    with ExitStack() as held:
        container = held.enter_context(_hold(target, identity, machine, resuming=resuming))
        headers = find_headers(container.peek, container.size)
        begun = _state(identity, machine).load() if resuming else None
        survey = _survey(target.location, identity, selector, machine, begun=begun, headers=headers)
        check_free(survey.obstacles)
        check_same(target.location, "header-size", target.header_size, survey.total)
        files = [
            held.enter_context(open_in_place(backup.found, machine, stream, resuming=resuming))
            for stream, backup in enumerate(survey.backups, start=1)
        ]
        writer = LuksWriter(container, target.location, survey.header_size, tuple(files), len(_named(selector)))
        check_same(target.location, "sector-size", target.sector_size, writer.sector_size)
        _state(identity, machine).save(survey.header_size, survey.backups)
        yield writer


class LuksWriter:
    """A container as stream 0 and its header backups as streams 1 and up."""

    def __init__(
        self, container: Container, location: str, header_size: int, backups: tuple[FileInPlace, ...], named: int
    ) -> None:
        """Read and write through what is held."""
        self._container = container
        self._location = location
        self._header_size = header_size
        self._backups = backups
        self._named = named

    @property
    def sector_size(self) -> int:
        return max(self._container.sector_size, *(file.sector_size for file in self._backups), 1)

    @property
    def place(self) -> Literal["device", "below-file-system"]:
        return self._container.place

    def facts(self) -> tuple[Fact, ...]:
        return self._container.facts()

    def layout(self, area: Area) -> Iterable[Extent]:
        if area == "whole":
            return self._container.layout("whole")
        backups = (Extent(stream, 0, file.size) for stream, file in enumerate(self._backups, start=1))
        return (Extent(0, 0, self._header_size), *backups)

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        if stream == 0:
            self._container.read(0, offset, buffer)
        else:
            self._backup(stream).read(offset, buffer)

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        if stream == 0:
            self._container.write(0, offset, buffer)
        else:
            self._backup(stream).write(offset, buffer)

    def flush(self) -> None:
        for held in (self._container, *self._backups):
            held.flush()

    def settle(self) -> None:
        for held in (self._container, *self._backups):
            held.settle()

    def moved(self) -> tuple[Extent, ...]:
        return (*self._container.moved(), *(extent for file in self._backups for extent in file.moved()))

    def physical_extents(self) -> Iterable[bytes] | None:
        own = self._container.physical_extents()
        lines = [f"{line}\n".encode("ascii") for file in self._backups for line in file.extent_lines()]
        return None if own is None and not lines else chain(own or (), lines)

    def release(self) -> int:
        """Nothing: container and backups keep their names, with nothing of the key in them."""
        return 0

    def advice(self) -> Advice:
        return self._container.advice()

    def temperature(self) -> int | None:
        return self._container.temperature()

    def act(self, step: Act, given: Given) -> StepRecord | Check:
        raise TypeError(f"{step.kind} is not done on a device or image")

    def status(self) -> bytes:
        return self._container.status()

    def prepare(self, extent: Extent) -> None:
        self._container.prepare(extent)

    def key_state(self) -> KeyState:
        self.settle()
        headers = self._headers(0, self._container.size)
        opener, refused = cryptsetup.ask(self._location)
        destroyed = sum(
            not self._headers(stream, file.size) for stream, file in enumerate(self._backups, start=1) if file.size
        )
        return KeyState(
            keyslots=max((header.keyslots for header in headers), default=0),
            header_copies=len(headers),
            opener=opener,
            opener_refused=refused,
            backups_destroyed=destroyed,
            backups_unreached=self._named - destroyed,
        )

    def _headers(self, stream: int, size: int) -> tuple[Header, ...]:
        def read(offset: int, length: int) -> bytes:
            buffer = page_aligned(length)
            try:
                self.read(stream, offset, buffer)
            except MediumError as error:
                if error.error != NOT_THERE:
                    raise
                self._read_with_holes(stream, offset, buffer)
            return bytes(buffer)

        return find_headers(read, size)

    def _read_with_holes(self, stream: int, offset: int, buffer: memoryview) -> None:
        """Fill the buffer sector by sector: a place of an image file without a block holds nothing."""
        sector = page_aligned(self.sector_size)
        for begin in range(0, len(buffer), self.sector_size):
            part = sector[: min(self.sector_size, len(buffer) - begin)]
            try:
                self.read(stream, offset + begin, part)
            except MediumError as error:
                if error.error != NOT_THERE:
                    raise
                continue
            buffer[begin : begin + len(part)] = part

    def _backup(self, stream: int) -> FileInPlace:
        if not 1 <= stream <= len(self._backups):
            raise ValueError(f"this container has no stream {stream}")
        return self._backups[stream - 1]


def _containers(identity: LuksIdentity, selector: Selector | None, machine: Machine) -> tuple[Target, ...]:
    """What the container lies in."""
    container = identity.container
    if not isinstance(container, ImageIdentity) or container.attached:
        return blocks.find_devices(container, machine)
    path = images.path_of(selector)
    return images.find_image(container, path, machine) if path is not None else ()


@contextmanager
def _hold(target: Target, identity: LuksIdentity, machine: Machine, *, resuming: bool) -> Iterator[Container]:
    is_device = not isinstance(identity.container, ImageIdentity) or identity.container.attached
    held = blocks.hold(target, machine) if is_device else images.hold(target, machine, resuming=resuming)
    with held as container:
        yield container


def _target(target: Target, identity: LuksIdentity, selector: Selector | None, machine: Machine) -> Target:
    survey = _survey_by_path(target.location, identity, selector, machine)
    sectors = (backup.found.file_system.sector_size for backup in survey.backups)
    return replace(
        target,
        kind="luks",
        header_size=survey.total,
        sector_size=max(target.sector_size, *sectors, 1),
        obstacles=(*target.obstacles, *survey.obstacles),
        residual=(*target.residual, Residual("header-backups-not-searched"), Residual("memory-and-swap")),
    )


def _survey_by_path(where: str, identity: LuksIdentity, selector: Selector | None, machine: Machine) -> Survey:
    """The survey before anything is held; what this host began to destroy is taken from its own note."""
    try:
        with header_reader(where) as (read, size, _):
            headers = find_headers(read, size)
    except OSError as error:
        return Survey(0, (), (Obstacle("open-failed", (("error", error_name(error)), ("where", where))),))
    begun = _state(identity, machine).load()
    return _survey(where, identity, selector, machine, begun=begun, headers=headers)


def _survey(
    where: str,
    identity: LuksIdentity,
    selector: Selector | None,
    machine: Machine,
    *,
    begun: Begun | None,
    headers: tuple[Header, ...],
) -> Survey:
    """What is there to be destroyed, and what stands in the way."""
    obstacles = [in_use(where, f"dm-crypt mapping {name}") for name in cryptsetup.mappings(machine, identity.luks_uuid)]
    header_size, doubts = _header_size(where, identity, headers, begun)
    backups, wrong = find_backups(_named(selector), where, identity.luks_uuid, begun, machine)
    return Survey(header_size, backups, (*obstacles, *doubts, *wrong))


def _header_size(
    where: str, identity: LuksIdentity, headers: tuple[Header, ...], begun: Begun | None
) -> tuple[int, tuple[Obstacle, ...]]:
    """Bytes of the header area, and why they are not to be touched; the UUID counts while a header tells it."""
    intact = [header for header in headers if header.is_intact]
    if not intact:
        if begun is not None:
            return begun.header_size, ()
        if any(header.version == 1 for header in headers):
            return 0, (Obstacle("luks-version", (("where", where),)),)
        return 0, (Obstacle("luks-header-missing", (("where", where),)),)
    others = [header.uuid for header in intact if header.uuid != identity.luks_uuid]
    end = max(header.end for header in intact)
    if not all(header.is_encrypted for header in intact):
        return end, (Obstacle("luks-not-encrypted", (("where", where),)),)
    if not others:
        return end, ()
    facts = (("expected", identity.luks_uuid), ("fact", "luks-uuid"), ("found", others[0]), ("where", where))
    return end, (Obstacle("identity-changed", facts),)


def _state(identity: LuksIdentity, machine: Machine) -> StateFile:
    return StateFile(machine.runs, identity)


def _named(selector: Selector | None) -> tuple[str, ...]:
    selects = selector.selects if selector is not None else None
    return selects.header_backups if isinstance(selects, LuksSelector) else ()
