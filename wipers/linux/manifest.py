"""What a withdrawal has done so far, line by line, each durable before the next: a crash finds its way by it."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certificates.errors import Refused
from certificates.statements import Carrier

FORMAT = "records-1"
ENDING = ".records"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was about to be done, or was done."""

    phase: str
    """Which, in the words of the engine or of the frame."""
    facts: dict[str, Any]
    """What is needed to undo or complete it; paths of files and numbers, no content."""


class Manifest:
    """The lines of one carrier's withdrawal, in the state directory, readable by its owner alone."""

    def __init__(self, directory: Path, carrier: Carrier, ending: str = ENDING) -> None:
        """Name the file after the selector's commitment, which says nothing; read what is there."""
        commitment = carrier.selector.commitment if carrier.selector is not None else ""
        self._path = directory / f"{commitment.removeprefix('sha256:') or 'none'}{ending}"
        self._lines, self._size = _read(self._path)

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, the first first."""
        return tuple(self._lines)

    def last(self, phase: str) -> Line | None:
        """The last line of a phase; none where it was not reached."""
        return next((line for line in reversed(self._lines) if line.phase == phase), None)

    def write(self, phase: str, **facts: Any) -> None:
        """Add a line, durable before this returns; raises OSError."""
        is_new = self._size == 0
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            # What a crash cut off was not acted on, and must not run into the next line.
            os.ftruncate(descriptor, self._size)
            written = _written(*([_HEAD] if is_new else []), Line(phase, facts))
            if os.write(descriptor, written) != len(written):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            os.fsync(descriptor)
            self._size += len(written)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self._path.parent)
        self._lines.append(Line(phase, facts))

    def put_aside(self, number: int) -> None:
        """The lines are those of a withdrawal that does not go on, kept under a number for the one that does; durable
        before this returns. Raises OSError."""
        if self._path.exists():
            self._path.rename(self._path.with_suffix(f".left-{number}"))
            sync_folder(self._path.parent)
        self._lines, self._size = [], 0

    def forget(self) -> None:
        """Remove it: the run has its certificate."""
        self._lines.clear()
        self._size = 0
        if self._path.exists():
            self._path.unlink()
            sync_folder(self._path.parent)


def left_aside(directory: Path, carrier: Carrier) -> tuple[Manifest, ...]:
    """Return the lines of withdrawals of a carrier that did not go on, the first first; none once it has ended."""
    found: list[Manifest] = []
    while (made := Manifest(directory, carrier, f".left-{len(found) + 1}")).lines:
        found.append(made)
    return tuple(found)


_HEAD = Line(FORMAT, {})


def _written(*lines: Line) -> bytes:
    return b"".join(json.dumps([line.phase, line.facts]).encode("ascii") + b"\n" for line in lines)


def _read(path: Path) -> tuple[list[Line], int]:
    """The whole lines of a file, and how many bytes they are; a last one may have been cut by a crash."""
    try:
        text = path.read_bytes()
    except (FileNotFoundError, PermissionError):
        return [], 0
    whole = text[: text.rfind(b"\n") + 1]
    try:
        lines = [Line(phase, facts) for phase, facts in map(json.loads, whole.splitlines())]
    except (ValueError, TypeError) as error:
        raise Refused("run-state-unreadable", where=path, detail=type(error).__name__) from error
    if lines and lines[0].phase != FORMAT:
        raise Refused("run-state-unreadable", where=path, detail=lines[0].phase)
    return lines[1:], len(whole)


def sync_folder(path: Path) -> None:
    """Names made or removed in a directory are durable; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
