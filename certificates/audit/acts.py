"""What was done beside overwriting fits together: samples and hunt, names, free space, withdrawal, survivors.

A hunt cannot be made again by a stranger: what was looked for is gone. What can be told is whether its numbers, its
evidence and the samples taken before agree, and whether a step that was begun is told to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from certificates import bundle
from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, holds, short, unknown
from certificates.audit.needles import check_found, check_labels
from certificates.claims import ENGINE_COPIES
from certificates.errors import Untrusted
from certificates.render.words import number
from certificates.statements import (
    Began,
    Check,
    Checked,
    Event,
    Evidence,
    FillRecord,
    NamesRecord,
    NeedlesRecord,
    Noted,
    OverwriteRecord,
    Recorded,
    ReleaseRecord,
    ResidueHunt,
    StepRecord,
    SurvivorsCheck,
    WithdrawalRecord,
)

WITHHELD = " withheld: "
"""What stands in the note by which a journal tells that a step was left out."""


def check_acts(case: Dossier) -> tuple[Finding, ...]:
    """No step is begun and not told, none is missing, and no record or check contradicts another."""
    return judge_acts(tuple(entry.event for entry, _ in case.journal), case.certificate.statement.evidence)


def judge_acts(events: Sequence[Event], evidence: Evidence) -> tuple[Finding, ...]:
    """Return what acts a journal and its evidence tell of; raises Untrusted where they contradict each other."""
    _check_told(events)
    for record in evidence.records:
        _check_record(record)
    for check in evidence.checks:
        if isinstance(check, SurvivorsCheck):
            _check_survivors(check)
    _check_order(evidence)
    return tuple(_tell(evidence))


def check_hunts(case: Dossier) -> tuple[Finding, ...]:
    """What was sampled before is what was looked for afterwards, and the evidence lists what was found."""
    return judge_hunts(case.certificate.statement.evidence, bundle.evidence(case.entries))


def judge_hunts(evidence: Evidence, files: Mapping[str, bytes]) -> tuple[Finding, ...]:
    """Return what a hunt came to; raises Untrusted where samples, check and lists of finds are not of one piece."""
    sampled = [record for record in evidence.records if isinstance(record, NeedlesRecord)]
    hunts = [check for check in evidence.checks if isinstance(check, ResidueHunt)]
    if len(sampled) > 1 or len(hunts) > 1 or len(sampled) != len(hunts):
        step = min([one.step for one in hunts] + [one.step for one in sampled])
        raise contradiction(step, "samples and hunts are not one and one")
    return tuple(_tell_hunt(taken, hunt, files) for taken, hunt in zip(sampled, hunts, strict=True))


def contradiction(step: int, detail: str) -> Untrusted:
    """Return the error of records that cannot both be true."""
    return Untrusted("records-contradict", step=step, detail=detail)


def _check_told(events: Sequence[Event]) -> None:
    """Every step that began ended, every step that ended began, and a gap among them is told as withheld."""
    begun = {event.step for event in events if isinstance(event, Began)}
    ended = {event.record.step for event in events if isinstance(event, Recorded)}
    ended |= {event.check.step for event in events if isinstance(event, Checked)}
    if one_sided := begun ^ ended:
        told = "it began, and nothing tells how it ended" if one_sided & begun else "it ended, and never began"
        raise contradiction(min(one_sided), told)
    missing = set(range(max(ended, default=-1) + 1)) - ended
    withheld = {event.note for event in events if isinstance(event, Noted) and WITHHELD in event.note}
    if len(missing) > len(withheld):
        raise contradiction(min(missing), "nothing tells of it, and later steps were done")


def _check_record(record: StepRecord) -> None:
    match record:
        case NeedlesRecord(impossible=str()) if record.needles or record.names:
            raise contradiction(record.step, "samples were kept that could not be kept")
        case NeedlesRecord(impossible=None) if not record.needles and not record.names:
            raise contradiction(record.step, "no sample was kept, and nothing tells why")
        case NamesRecord(is_complete=True, left=left) if left:
            raise contradiction(record.step, "everything was reached, and something was not")
        case FillRecord(is_complete=True) if record.left or record.unreached:
            raise contradiction(record.step, "everything was reached, and something was not")
        case NamesRecord(is_complete=False, left=()):
            raise contradiction(record.step, "something was not reached, and nothing tells what")
        case FillRecord(is_complete=False, left=(), unreached=0):
            raise contradiction(record.step, "something was not reached, and nothing tells what")
        case WithdrawalRecord(objects=0) if record.size:
            raise contradiction(record.step, "bytes are held that are in no file")


def _check_survivors(check: SurvivorsCheck) -> None:
    if (check.rows_before != check.rows_after) and check.digest_before == check.digest_after:
        raise contradiction(check.step, "other rows survived, and have the same digest")


def _check_order(evidence: Evidence) -> None:
    """Samples come before the first write, what reaches beyond the blocks after the release, the hunt after all."""
    records = evidence.records
    changing = [one.step for one in records if not isinstance(one, NeedlesRecord)]
    for taken in (one for one in records if isinstance(one, NeedlesRecord)):
        if any(step < taken.step for step in changing):
            raise contradiction(taken.step, "samples were taken after the first write")
    written = [one.step for one in records if isinstance(one, OverwriteRecord)]
    for done in (one for one in records if isinstance(one, ReleaseRecord | NamesRecord | FillRecord)):
        if any(step > done.step for step in written):
            raise contradiction(done.step, "blocks were overwritten after they were released")
    for hunt in (one for one in evidence.checks if isinstance(one, ResidueHunt)):
        if any(step > hunt.step for step in changing):
            raise contradiction(hunt.step, "something was written after the hunt")


def _tell(evidence: Evidence) -> Iterator[Finding]:
    told: tuple[StepRecord | Check, ...] = (*evidence.records, *evidence.checks)
    for one in told:
        match one:
            case WithdrawalRecord():
                facts = {"rows": number(one.rows), "objects": number(one.objects), "size": number(one.size)}
                yield _reached("withdrawal-told", facts, sorted(ENGINE_COPIES.intersection(one.left)))
            case NamesRecord():
                facts = {"directories": number(one.directories), "journal": number(one.journal)}
                yield _reached("names-told", facts, one.left)
            case FillRecord():
                facts = {"filled": number(one.filled), "unreached": number(one.unreached)}
                yield _reached("fill-told", facts, one.left)
            case SurvivorsCheck():
                facts = {"after": number(one.rows_after), "before": number(one.rows_before), "check": one.engine_check}
                yield holds("acts", Basis.ATTESTED, "survivors-told", **facts)


def _reached(code: str, facts: Mapping[str, str], left: Sequence[str]) -> Finding:
    if left:
        return unknown("acts", Basis.ATTESTED, f"{code}-short", **facts, left=", ".join(left))
    return holds("acts", Basis.ATTESTED, code, **facts)


def _tell_hunt(taken: NeedlesRecord, hunt: ResidueHunt, files: Mapping[str, bytes]) -> Finding:
    labels = check_labels(taken, files)
    if hunt.state != "made":
        if hunt.needles or hunt.names or hunt.hits or hunt.size or hunt.located:
            raise contradiction(hunt.step, "a hunt that was not made found something")
        return unknown("hunt", Basis.ATTESTED, "hunt-not-made", state=hunt.state)
    if (hunt.needles, hunt.names) != (taken.needles, taken.names):
        raise contradiction(hunt.step, "other samples were looked for than were taken")
    check_found(hunt, labels, files)
    found = sum(hits.count for hits in hunt.hits)
    size, whole = number(hunt.size), taken.storage_size
    if whole is not None and hunt.size < whole:
        return short("hunt", Basis.ATTESTED, "hunt-short", size=size, whole=number(whole))
    facts = {"needles": number(hunt.needles), "names": number(hunt.names), "size": size}
    code = "hunt-holds" if whole is not None else "hunt-size-untold"
    return holds("hunt", Basis.ATTESTED, code, **facts, found=number(found), unread=number(hunt.unread_size))
