"""What a run on a LUKS container must still know once the header is gone: sizes alone, private to this host."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from certificates.encoding import digest
from certificates.errors import Refused
from certificates.statements import LuksIdentity
from wipers.linux.luks_backups import Backup, FileMark
from wipers.linux.notes import write_note


@dataclass(frozen=True, slots=True)
class Begun:
    """A run as its note tells."""

    header_size: int
    """Bytes of the container's own header area."""
    backups: frozenset[FileMark]
    """File system and inode of each header backup that it took up: device numbers change when a machine restarts."""


class StateFile:
    """The note of one container, named after its identity, which says nothing of its contents."""

    def __init__(self, directory: Path, identity: LuksIdentity) -> None:
        """Name the file."""
        self._path = directory / f"{digest(identity).removeprefix('sha256:')}.luks"

    def load(self) -> Begun | None:
        """The run that began, or none; raises Refused where its note cannot be read."""
        try:
            told = json.loads(self._path.read_text("ascii"))
            backups = frozenset((str(uuid), int(inode)) for uuid, inode in told["backups"])
            return Begun(int(told["header_size"]), backups)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Refused("run-state-unreadable", where=str(self._path), detail=type(error).__name__) from error

    def save(self, header_size: int, backups: Iterable[Backup]) -> None:
        """The note is durable before anything is written; raises Refused where it cannot be."""
        told = {"header_size": header_size, "backups": sorted(backup.mark for backup in backups)}
        try:
            write_note(self._path, json.dumps(told))
        except OSError as error:
            raise Refused("journal-not-writable", detail=str(error.strerror)) from error
