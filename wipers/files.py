"""Regular files: overwritten in the blocks they occupy, read back below the file system, then released."""

from __future__ import annotations

from dataclasses import dataclass

from certificates.statements import Kind
from wipers.acts import FillFree, Hunt, Sample, ScrubNames
from wipers.model import Release, Step, Technique, Wanted
from wipers.techniques import written_and_read_back


@dataclass(frozen=True, slots=True)
class FilesWiper:
    """Overwrites what file names lead to; no name goes before its blocks were read back."""

    kind: Kind
    summary: str

    def steps(self, technique: Technique, wanted: Wanted) -> tuple[Step, ...]:
        """Return the passes, the read-back of the last, and the release; around them what names and history need."""
        before = (Sample(wanted.names),) if wanted.is_hunted else ()
        written = written_and_read_back(technique, "whole", wanted.verification, first=len(before))
        return (*before, *written, Release(), *after_release(wanted))


def after_release(wanted: Wanted) -> tuple[Step, ...]:
    """Return the steps that reach beyond the blocks of what was named, and the look over the whole storage."""
    scrub = (ScrubNames(),) if wanted.names else ()
    fill = (FillFree(),) if wanted.history else ()
    return (*scrub, *fill, *((Hunt(),) if wanted.is_hunted else ()))


FILES = FilesWiper("files", "regular files, in place, with the slack of their last blocks")
