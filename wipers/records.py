"""Part of what a database engine holds: taken out of its live files, which are then overwritten as files are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from certificates.statements import Kind
from wipers.acts import ConfirmSurvivors, Sample, Withdraw
from wipers.files import after_release
from wipers.model import Release, Step, Technique, Wanted
from wipers.techniques import written_and_read_back


@dataclass(frozen=True, slots=True)
class RecordsWiper:
    """Rewrites or refills what stays, and destroys what held the rest; always hunts, and counts the survivors."""

    kind: Kind
    summary: str

    def steps(self, technique: Technique, wanted: Wanted) -> tuple[Step, ...]:
        """Return the sample, the withdrawal, what becomes of the files held, the hunt and the survivors."""
        before = (Sample(names=False), Withdraw(technique.method[self.kind]))
        held = written_and_read_back(technique, "held", wanted.verification, first=len(before))
        beyond = after_release(replace(wanted, names=False, hunt=True))
        return (*before, *held, Release(), *beyond, ConfirmSurvivors())


RECORDS = RecordsWiper("records", "rows, tables or more of a database, with every place where its engine keeps copies")
