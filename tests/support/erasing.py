"""Orders for files and databases, and a run over them without journal or agent: only what touches the storage."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from certificates.selectors import commitment
from certificates.statements import (
    Carrier,
    ConstantPattern,
    DatabaseIdentity,
    Digest,
    Extent,
    FilesIdentity,
    FilesSelector,
    FullVerification,
    Identity,
    KeystreamPattern,
    Level,
    PathSelector,
    Pattern,
    RecordsSelector,
    Selector,
    SelectorCommitment,
)
from wipers.acts import Given
from wipers.linux.host import LinuxHost
from wipers.model import Target, Writer
from wipers.overwrite import overwrite
from wipers.pipeline import Loop, Pace
from wipers.readback import FullFindings, read_back_all

KEYSTREAM = KeystreamPattern("5a" * 32)
ZEROS = ConstantPattern("00")
HOST: Digest = "sha256:" + "0" * 64
SALT = "11" * 32
LABEL_KEY = "22" * 32
Selects = FilesSelector | PathSelector | RecordsSelector


@dataclass(frozen=True, slots=True)
class Ordered:
    """A carrier with its selector, on a host whose state lies in a folder of the test."""

    host: LinuxHost
    carrier: Carrier
    selector: Selector

    def find(self) -> tuple[Target, ...]:
        return self.host.find(self.carrier, self.selector)

    def target(self) -> Target:
        (target,) = self.find()
        return target

    def reasons(self) -> set[str]:
        """Why the target must not be touched."""
        return {obstacle.reason for obstacle in self.target().obstacles}


@dataclass(frozen=True, slots=True)
class Erased:
    """What a whole run found."""

    unwritten: int
    readback: FullFindings
    names: int
    extents: bytes


def order_files(
    root: Path,
    names: tuple[str, ...],
    state: Path,
    *,
    most: int = 10_000,
    least: int = 0,
    destroy: tuple[Literal["names", "history"], ...] = (),
) -> Ordered:
    """An order for files below a directory."""
    identity = FilesIdentity(file_system_uuid(root), root.stat().st_ino, least, most, 1 << 40)
    ordered = _ordered(identity, FilesSelector(str(root), names, LABEL_KEY), state)
    return replace(ordered, carrier=replace(ordered.carrier, destroy=destroy))


def order_database(path: Path, state: Path, *, least: int = 0, most: int = 1_000_000) -> Ordered:
    """An order for a whole SQLite database."""
    uuid = file_system_uuid(path.parent)
    identity = DatabaseIdentity("sqlite", uuid, path.stat().st_ino, "database", least, most)
    return _ordered(identity, PathSelector(str(path), LABEL_KEY), state)


def _ordered(identity: Identity, selects: Selects, state: Path) -> Ordered:
    return Ordered(LinuxHost(state), *carrier_for(identity, selects))


def carrier_for(identity: Identity, selects: Selects, **changes: Any) -> tuple[Carrier, Selector]:
    """An order's words for one carrier, to clear it and read everything back, and the selector that they bind."""
    selector = Selector("c1", SALT, selects)
    carrier = Carrier(
        id="c1",
        label="label-1",
        assets=("a1",),
        identity=identity,
        hosts=(HOST,),
        level=Level.CLEAR,
        verification=FullVerification(),
        destination="internal-reuse",
        selector=SelectorCommitment(commitment(selector), 1, 1),
    )
    return replace(carrier, **changes), selector


def file_system_uuid(path: Path) -> str:
    """The UUID as blkid reads it, which shares no code with the wipers."""
    find = ("findmnt", "--noheadings", "--output", "SOURCE", "--target", str(path))
    node = subprocess.run(find, capture_output=True, text=True, check=True).stdout.strip()
    command = ("blkid", "-p", "-s", "UUID", "-o", "value", node)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def erase(ordered: Ordered, pattern: Pattern = KEYSTREAM) -> Erased:
    """Find, open, overwrite, read back, release."""
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
        return erase_with(writer, pattern)


def erase_with(writer: Writer, pattern: Pattern = KEYSTREAM) -> Erased:
    """Overwrite, read back, release through an open writer."""
    unwritten = write_all(writer, pattern)
    writer.settle()
    findings = read_back_all(writer, writer.layout("whole"), pattern, loop())
    extents = b"".join(writer.physical_extents() or ())
    return Erased(unwritten, findings, writer.release(), extents)


@dataclass(slots=True)
class Acting:
    """What an act is given, and what it made durable."""

    kept: dict[str, bytes] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    told: Callable[[int, int], None] = lambda done, total: None

    def given(self, *, resumed: bool = False) -> Given:
        return Given(
            number=3,
            now=lambda: datetime.now(UTC).replace(microsecond=0),
            stop=self.stop,
            told=self.told,
            note=lambda text: None,
            keep=self.kept.__setitem__,
            entropy=os.urandom,
            resumed=resumed,
        )


def write_all(writer: Writer, pattern: Pattern = KEYSTREAM) -> int:
    """One pass over everything; bytes that could not be written."""
    failed: list[int] = []
    overwrite(
        writer,
        writer.layout("whole"),
        pattern,
        start=0,
        advance=lambda _mark, _failures, size: failed.append(size),
        loop=loop(),
    )
    return sum(failed)


def layout_size(writer: Writer) -> int:
    """Bytes that the writer addresses."""
    extents: list[Extent] = list(writer.layout("whole"))
    return sum(extent.length for extent in extents)


def loop() -> Loop:
    """The chunk loop, which nobody stops."""
    return Loop(Pace(threads=2), threading.Event())
