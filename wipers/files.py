"""Regular files: overwritten in the blocks they occupy, read back below the file system, then released."""

from __future__ import annotations

from dataclasses import dataclass

from certificates.statements import Kind, Verification
from wipers.model import Release, Step, Technique
from wipers.techniques import written_and_read_back


@dataclass(frozen=True, slots=True)
class FilesWiper:
    """Overwrites what file names lead to; no name goes before its blocks were read back."""

    kind: Kind
    summary: str

    def steps(self, technique: Technique, verification: Verification) -> tuple[Step, ...]:
        """Return the passes, the read-back of the last, and the release."""
        return (*written_and_read_back(technique, "whole", verification, first=0), Release())


FILES = FilesWiper("files", "regular files on ext4, in place, with the slack of their last blocks")
