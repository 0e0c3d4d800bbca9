"""From a carrier and what a host found for it to a plan, or to a refusal with its reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from certificates.claims import IN_A_FILE_SYSTEM, claim
from certificates.encoding import digest
from certificates.errors import Refused
from certificates.statements import (
    Area,
    Carrier,
    Check,
    ConstantPattern,
    Digest,
    Evidence,
    Fact,
    FilesIdentity,
    FillRecord,
    FullReadBack,
    KeyGone,
    Kind,
    Level,
    Method,
    NamesRecord,
    NeedlesRecord,
    Outcome,
    OverwriteRecord,
    RecordsIdentity,
    ReleaseRecord,
    Residual,
    ResidueHunt,
    StepRecord,
    SurvivorsCheck,
    WithdrawalRecord,
)
from wipers.acts import Act, ConfirmSurvivors, FillFree, Hunt, Sample, ScrubNames, Withdraw
from wipers.model import ConfirmKeyGone, Overwrite, Plan, ReadBack, Release, Step, Target, Technique, Wanted, Wiper
from wipers.policies import allowed, in_force_for
from wipers.schemes import technique_of
from wipers.techniques import TECHNIQUES, techniques_for

REACHED_BY: dict[type, tuple[str, ...]] = {
    ScrubNames: ("names-in-directories", "file-system-journal"),
    FillFree: ("free-blocks", "file-system-journal"),
}
"""Residual that an act of a plan takes upon itself."""
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def plan(
    order: Digest,
    carrier: Carrier,
    targets: Iterable[Target],
    wiper: Wiper,
    techniques: Iterable[Technique] = TECHNIQUES,
    *,
    policies: Iterable[str] = (),
) -> Plan:
    """Return the exact steps for the carrier on the one target found; raises Refused. Works for drafts as well.

    `policies`: ids of the policies that hold at this site, besides the one that the carrier may name.
    """
    target = _only_unit(carrier, tuple(targets))
    _check_counts(carrier, target)
    in_force = in_force_for(carrier, policies)
    rows = _eligible(carrier, target, wiper.kind, tuple(techniques), in_force)
    technique, steps = _choose(carrier, target, wiper, rows)
    return Plan(
        order=order,
        carrier=carrier.id,
        kind=target.kind,
        level=carrier.level,
        technique=technique.id,
        method=technique.method[target.kind],
        media=target.media,
        size=target.size,
        header_size=target.header_size,
        sector_size=target.sector_size,
        objects=target.objects,
        facts=target.facts,
        steps=steps,
        residual=_beyond(target, steps),
        shuffled=tuple(range(*technique.shuffled)) if technique.shuffled else None,
        policies=in_force or None,
    )


def _only_unit(carrier: Carrier, targets: tuple[Target, ...]) -> Target:
    """Return the target all candidates are paths to, the first by location, having seen no obstacle on any path."""
    if not targets:
        raise Refused("carrier-not-found", carrier=carrier.id)
    if len({target.unit for target in targets}) > 1:
        what = ", ".join(sorted(target.location for target in targets))
        raise Refused("carrier-ambiguous", carrier=carrier.id, count=len(targets), what=what)
    for obstacle in (one for target in targets for one in target.obstacles):
        raise Refused(obstacle.reason, **{"carrier": carrier.id, **dict(obstacle.facts)})
    return min(targets, key=lambda target: target.location)


def _check_counts(carrier: Carrier, target: Target) -> None:
    """More than was ordered is somebody else's data; fewer means that the order speaks of something else."""
    match carrier.identity:
        case FilesIdentity(least_count=least, most_count=most):
            what = "files"
        case RecordsIdentity(least_rows=least, most_rows=most):
            what = "rows"
        case _:
            return
    if not least <= target.objects <= most:
        raise Refused("count-outside-order", found=target.objects, what=what, least=least, most=most)


def _eligible(
    carrier: Carrier, target: Target, kind: Kind, techniques: tuple[Technique, ...], policies: tuple[str, ...]
) -> tuple[Technique, ...]:
    """Return the technique or scheme ordered, else the rows that policies allow, else those that are offered."""
    named = carrier.technique
    if carrier.scheme is not None:
        named = carrier.scheme.id
        if any(row.id == named for row in techniques):
            raise Refused("scheme-name-taken", carrier=carrier.id, scheme=named)
        techniques = (technique_of(carrier.scheme),)
    rows = tuple(row for row in techniques_for(kind, techniques) if named in (None, row.id))
    if not rows:
        raise Refused("technique-unknown", technique=named)
    if policies:
        return allowed(carrier, target, rows, policies)
    return rows if named is not None else tuple(row for row in rows if row.is_offered)


def _choose(
    carrier: Carrier, target: Target, wiper: Wiper, rows: tuple[Technique, ...]
) -> tuple[Technique, tuple[Step, ...]]:
    """Return the technique of those eligible that reaches the level with the least, and its steps."""
    reaching = []
    for row in rows:
        steps = wiper.steps(row, wanted_of(carrier))
        if (level := reachable(carrier, target, row, steps)) is not None:
            is_second = target.preferred not in (None, row.method[target.kind])
            reaching.append((level.rank, is_second, row, steps))
    if not reaching:
        named = " / ".join(row.id for row in rows)
        raise Refused("level-not-reachable", level=carrier.level.value, media=target.media.value, technique=named)
    _, _, row, steps = min(reaching, key=lambda one: one[:2])
    return row, steps


def _beyond(target: Target, steps: tuple[Step, ...]) -> tuple[Residual, ...]:
    """Return what the steps do not reach: what an act is there for, its own record tells."""
    reached = {code for step in steps for code in REACHED_BY.get(type(step), ())}
    return tuple(one for one in target.residual if one.code not in reached)


def wanted_of(carrier: Carrier) -> Wanted:
    """Return what the carrier's order wants of the steps besides a level."""
    return Wanted(
        carrier.verification,
        names="names" in carrier.destroy,
        history="history" in carrier.destroy,
        hunt=carrier.hunt or False,
    )


def reachable(carrier: Carrier, target: Target, technique: Technique, steps: tuple[Step, ...]) -> Level | None:
    """Return the level that a flawless run would prove by the rule book, if it is at least the ordered one.

    What the order wants besides the contents (names, history) is judged afterwards: it never makes a run pointless.
    """
    made = claim(_flawless(carrier, target, technique.method[target.kind], steps), carrier.level)
    return made.level if made.outcome is Outcome.PROVEN else None


def _flawless(carrier: Carrier, target: Target, method: Method, steps: tuple[Step, ...]) -> Evidence:
    done = [_done(number, step, target, method) for number, step in enumerate(steps)]
    return Evidence(
        kind=target.kind,
        method=method,
        technique="any",
        media=target.media,
        size=target.size,
        sector_size=target.sector_size,
        objects=target.objects,
        before=target.facts,
        after=target.facts,
        passes=sum(isinstance(step, Overwrite) for step in steps),
        records=tuple(one for one in done if isinstance(one, StepRecord)),
        checks=tuple(one for one in done if isinstance(one, Check)),
        destroy=(),
        residual=target.residual,
        copies=carrier.copies,
        crypto_erase=carrier.crypto_erase,
        hunt=carrier.hunt,
    )


def _done(number: int, step: Step, target: Target, method: Method) -> StepRecord | Check:
    """Return what the step leaves behind when nothing goes wrong."""
    match step:
        case Overwrite(area=area):
            size = _size(target, area)
            pattern = ConstantPattern("00")
            return OverwriteRecord(number, area, pattern, size, size, (), 0, _ANY_TIME, _ANY_TIME, 0)
        case ReadBack(area=area, compared_with=compared_with):
            size = _size(target, area)
            whole = FullReadBack(number, compared_with, area, "device", size, size, (), 0, (), 0, _ANY_TIME)
            is_below = method in IN_A_FILE_SYSTEM or Fact("attached", "false") in target.facts
            return replace(whole, place="below-file-system") if is_below else whole
        case ConfirmKeyGone():
            return KeyGone(number, 1, 2, 0, 0, "any", True, 0, 0, _ANY_TIME)
        case Release():
            return ReleaseRecord(number, target.objects, _ANY_TIME)
        case _:
            return _acted(number, step, target)


def _acted(number: int, step: Act, target: Target) -> StepRecord | Check:
    """Return what an act leaves behind when nothing goes wrong."""
    match step:
        case Sample(names=names):
            return NeedlesRecord(number, 1, 1 if names else 0, _ANY_TIME)
        case Withdraw():
            return WithdrawalRecord(number, target.objects, 1, target.size, 0, _ANY_TIME)
        case ScrubNames():
            return NamesRecord(number, 1, 1, True, _ANY_TIME)
        case FillFree():
            return FillRecord(number, 0, 0, True, _ANY_TIME)
        case Hunt():
            return ResidueHunt(number, "made", 1, 1, ("plain",), target.size, 0, (), _ANY_TIME)
        case ConfirmSurvivors():
            same = digest(b"")
            return SurvivorsCheck(number, 1, 0, 0, same, same, "any", True, _ANY_TIME)


def _size(target: Target, area: Area) -> int:
    return target.header_size if area == "header" else target.size
