"""Image files that no loop device lies over: overwritten in place, holes included, read back below the file system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from certificates.errors import Refused
from certificates.statements import (
    Area,
    Carrier,
    Check,
    Extent,
    Fact,
    ImageIdentity,
    LuksSelector,
    Media,
    PathSelector,
    Residual,
    Selector,
    StepRecord,
)
from wipers.acts import Act, Given
from wipers.linux import formats
from wipers.linux.filesystems import FileSystem
from wipers.linux.identity import check_free, check_same, check_unchanged, facts_of, image_facts, residual_of
from wipers.linux.inplace import FileInPlace, FoundFile, find_file, open_in_place
from wipers.linux.machine import THIS_MACHINE, Machine
from wipers.model import Advice, KeyState, Lost, Target


def find(carrier: Carrier, selector: Selector | None, machine: Machine = THIS_MACHINE) -> tuple[Target, ...]:
    """The image file at the selector's path, if its facts are the carrier's; reads only."""
    path = path_of(selector)
    identity = carrier.identity
    return find_image(identity, path, machine) if isinstance(identity, ImageIdentity) and path is not None else ()


def path_of(selector: Selector | None) -> str | None:
    """Where the selector says that the image lies."""
    match selector.selects if selector is not None else None:
        case PathSelector(path=path) | LuksSelector(path=path):
            return path
    return None


def find_image(identity: ImageIdentity, path: str, machine: Machine) -> tuple[Target, ...]:
    """The image file at the path, if its facts are the identity's; reads only."""
    found = find_file(path, machine)
    if found is None:
        return ()
    target = _target(found)
    if target.facts != facts_of(identity):
        return ()
    return (replace(target, obstacles=(*target.obstacles, *formats.file_obstacles(path, path))),)


@contextmanager
def open(  # noqa: A001 - the name of the port
    target: Target, carrier: Carrier, selector: Selector | None, resuming: bool, machine: Machine = THIS_MACHINE
) -> Iterator[ImageWriter]:
    """Hold the image file as `hold` does."""
    with hold(target, machine, resuming=resuming) as writer:
        check_same(target.location, "sector-size", target.sector_size, writer.sector_size)
        yield writer


@contextmanager
def hold(target: Target, machine: Machine, *, resuming: bool) -> Iterator[ImageWriter]:
    """The image file, identified on the open descriptor and used by nobody else; raises Refused. `resuming`: its blocks
    must be those that it had when the run began."""
    found = find_file(target.location, machine)
    if found is None:
        raise Refused("open-failed", where=target.location, error="ENOENT")
    check_unchanged(target.location, target.facts, _target(found).facts)
    with open_in_place(found, machine, stream=0, resuming=resuming) as file:
        writer = ImageWriter(file, target.location)
        check_unchanged(target.location, target.facts, writer.facts())
        check_free(formats.image_obstacles(writer.peek(0, min(formats.HEAD, writer.size)), target.location))
        yield writer


class ImageWriter:
    """An image file as one stream, 0."""

    place: Literal["device", "below-file-system"] = "below-file-system"

    def __init__(self, file: FileInPlace, location: str) -> None:
        """Write and read through the opened file."""
        self._file = file
        self._location = location

    @property
    def sector_size(self) -> int:
        return self._file.sector_size

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return self._file.size

    def facts(self) -> tuple[Fact, ...]:
        (_, inode), size, uuid = self._file.now()
        if size < self._file.size:
            raise Lost("target-lost", where=self._location, detail=f"it was cut to {size} bytes")
        return image_facts(uuid, inode, size, is_attached=False)

    def layout(self, area: Area) -> Iterable[Extent]:
        return (Extent(0, 0, self._file.size),) if area == "whole" else ()

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        self._check_stream(stream)
        self._file.read(offset, buffer)

    def peek(self, offset: int, length: int) -> bytes:
        """Bytes as they are now, for recognising what lies there; raises MediumError, Lost."""
        return self._file.peek(offset, length)

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        self._check_stream(stream)
        self._file.write(offset, buffer)

    def flush(self) -> None:
        self._file.flush()

    def settle(self) -> None:
        self._file.settle()

    def moved(self) -> tuple[Extent, ...]:
        return self._file.moved()

    def physical_extents(self) -> Iterable[bytes]:
        return (f"{line}\n".encode("ascii") for line in self._file.extent_lines())

    def release(self) -> int:
        """Nothing: the image file stays, as a device does."""
        return 0

    def key_state(self) -> KeyState:
        raise TypeError("a plain image holds no keys")

    def advice(self) -> Advice:
        return Advice()

    def temperature(self) -> int | None:
        return None

    def act(self, step: Act, given: Given) -> StepRecord | Check:
        raise TypeError(f"{step.kind} is not done on a device or image")

    def status(self) -> bytes:
        """Nothing: a file is no drive."""
        return b""

    def prepare(self, extent: Extent) -> None:
        """Nothing: every extent takes writes in any order."""

    def _check_stream(self, stream: int) -> None:
        if stream != 0:
            raise ValueError(f"an image has no stream {stream}")


def _target(found: FoundFile) -> Target:
    _, inode = found.number
    return Target(
        kind="image",
        location=found.path,
        facts=image_facts(found.file_system.uuid or "", inode, found.size, is_attached=False),
        unit=f"file {found.number[0]}:{inode}",
        media=Media.OPAQUE,
        size=found.size,
        header_size=0,
        sector_size=found.file_system.sector_size,
        objects=1,
        obstacles=found.obstacles,
        residual=residual_in_file(found.file_system),
        description=(Fact("file-system", found.file_system.kind),),
    )


def residual_in_file(file_system: FileSystem) -> tuple[Residual, ...]:
    """What overwriting a file in place does not reach."""
    below = () if file_system.is_raw_readable else (Residual("raw-storage-not-readable"),)
    return (*residual_of(Media.OPAQUE), Residual("free-blocks"), Residual("file-system-journal"), *below)
