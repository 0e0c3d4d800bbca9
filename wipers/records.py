"""Part of what a database engine holds: taken out of its live files, which are then overwritten as files are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from certificates.statements import Kind, Residual, ResidualCode
from wipers.acts import ConfirmSurvivors, Sample, Withdraw
from wipers.files import after_release
from wipers.model import Obstacle, Release, Step, Target, Technique, Wanted
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

RESIDUAL_OF_COPIES: dict[str, ResidualCode] = {
    "replica": "replicas",
    "archive": "archived-log",
    "backup": "backups",
    "dump": "backups",
}
"""What a sort of copy that is outside the order is called where an erasure's limits are listed."""
UNORDERED: dict[str, ResidualCode] = {
    "replica": "unordered-replicas",
    "archive": "unordered-archives",
    "backup": "unordered-backups",
    "dump": "unordered-backups",
}
"""What a sort of copy is called there that the server knows and no order names, where the site has it listed."""
NOT_ORDERED = "copies-not-ordered"


def listing_copies(target: Target) -> Target:
    """Return the target with the copies that no order names among its limits, and no longer among its obstacles."""
    found = [one for one in target.obstacles if one.reason == NOT_ORDERED]
    if not found:
        return target
    listed = tuple(_residual(one) for one in found)
    obstacles = tuple(one for one in target.obstacles if one.reason != NOT_ORDERED)
    return replace(target, obstacles=obstacles, residual=(*target.residual, *listed))


def _residual(obstacle: Obstacle) -> Residual:
    facts = dict(obstacle.facts)
    return Residual(UNORDERED.get(facts["what"], "unordered-copies"), int(facts["count"]))
