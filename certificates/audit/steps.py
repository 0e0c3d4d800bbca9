"""What a journal tells of each step is what its record says at the end, and what was drawn is what was written.

The technique's own table is no part of the auditor: which bytes a scheme has to write is not judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from certificates import bundle
from certificates.audit.findings import Basis, Finding, holds
from certificates.errors import Untrusted
from certificates.render.words import number
from certificates.statements import (
    Advanced,
    Began,
    ConstantPattern,
    Drew,
    Event,
    Evidence,
    Extent,
    Failure,
    KeystreamPattern,
    OverwriteRecord,
    Recorded,
    Reproved,
    Resumed,
    Revisited,
)

_LISTED = 4096
"""Ranges that a statement lists; where there are as many, some may be missing."""


def check_steps(events: Sequence[Event], evidence: Evidence) -> None:
    """Keys, characters and places drawn are those written, and no record forgets what befell its step; raises
    Untrusted."""
    written = [record for record in evidence.records if isinstance(record, OverwriteRecord)]
    drew, begun = _drawn(events)
    if any(isinstance(record.pattern, KeystreamPattern) and record.pattern.key not in begun for record in written):
        raise _broken(len(events), "a pass was written under a key that was never drawn")
    if drew is not None:
        _check_drawn(drew, written, is_whole=len(written) == evidence.passes, line=len(events))
    _follow(events)


def tell_steps(events: Sequence[Event]) -> Iterator[Finding]:
    """Yield what an auditor should know of interruptions and of ranges that were tried again."""
    proved = [event for event in events if isinstance(event, Reproved)]
    if proved:
        blocks, bad = sum(one.blocks for one in proved), sum(one.mismatched for one in proved)
        facts = {"times": number(len(proved)), "blocks": number(blocks), "bad": number(bad)}
        anew = number(sum(one.mismatched > 0 for one in proved))
        yield holds("journal", Basis.ATTESTED, "journal-reproved", **facts, anew=anew)
    again = {event.step: event for event in events if isinstance(event, Revisited)}
    if again:
        left = sum(event.failed_size for event in again.values())
        yield holds("journal", Basis.ATTESTED, "journal-revisited", steps=number(len(again)), left=number(left))


def _drawn(events: Sequence[Event]) -> tuple[Drew | None, frozenset[str]]:
    """Return what was drawn, and the keys drawn before the first step began."""
    first = next((at for at, event in enumerate(events) if isinstance(event, Began)), len(events))
    drew = next((event for event in events if isinstance(event, Drew)), None)
    return drew, frozenset(key for event in events[:first] if isinstance(event, Drew) for key in event.keys)


def _check_drawn(drew: Drew, written: list[OverwriteRecord], *, is_whole: bool, line: int) -> None:
    """Every pass wrote its own key, at the place that was drawn for it, and every character drawn was written."""
    places = sorted(drew.order or ())
    origins = dict(zip(places, drew.order or (), strict=True))
    if len(origins) != len(places) or (is_whole and not origins.keys() <= {record.step for record in written}):
        raise _broken(line, "the order drawn for the passes is not one of passes that were written")
    in_plan = sorted(written, key=lambda record: origins.get(record.step, record.step))
    keys = [record.pattern.key for record in in_plan if isinstance(record.pattern, KeystreamPattern)]
    if keys != (list(drew.keys) if is_whole else [key for key in drew.keys if key in keys]):
        raise _broken(line, "the passes were not written under the keys drawn, in the order drawn")
    bytes_written = {record.pattern.byte for record in written if isinstance(record.pattern, ConstantPattern)}
    for one in drew.characters or ():
        if is_whole and one.byte not in bytes_written:
            raise _broken(line, f"the character drawn as {one.name} was never written")


@dataclass(slots=True)
class _Step:
    """How far a step came."""

    position: int = 0
    failed_size: int = 0
    failures: tuple[Failure, ...] = ()
    resumed: int = 0
    is_open: bool = True


def _follow(events: Sequence[Event]) -> None:
    """Take the journal entry by entry, and hold each record against what it tells of its step."""
    steps: dict[int, _Step] = {}
    for line, event in enumerate(events, start=1):
        match event:
            case Began(step=step):
                steps.setdefault(step, _Step())
            case Resumed():
                for one in steps.values():
                    one.resumed += one.is_open
            case Advanced() | Revisited() | Reproved():
                _move(_open(steps, event.step, line), event, line)
            case Recorded(record=OverwriteRecord() as record):
                _check_record(_open(steps, record.step, line), record, line)
                steps[record.step].is_open = False
            case _:
                pass


def _open(steps: dict[int, _Step], step: int, line: int) -> _Step:
    found = steps.get(step)
    if found is None or not found.is_open:
        raise _broken(line, f"step {step} goes on that has not begun, or has ended")
    return found


def _move(step: _Step, event: Advanced | Revisited | Reproved, line: int) -> None:
    match event:
        case Advanced(position=position) if position < step.position:
            raise _broken(line, f"step {event.step} goes back")
        case Advanced():
            step.position = event.position
            step.failures += event.failures
            step.failed_size += event.failed_size
        case Revisited():
            step.failures, step.failed_size = event.failures, event.failed_size
        case Reproved(position=position) if position != step.position:
            raise _broken(line, f"step {event.step} was proved again up to where it had not come")
        case Reproved() if event.mismatched:
            step.position, step.failures, step.failed_size = 0, (), 0


def _check_record(step: _Step, record: OverwriteRecord, line: int) -> None:
    """The record has at least the failures that the journal tells, and as many interruptions."""
    if record.failed_size < step.failed_size or record.size < step.position or record.resumed != step.resumed:
        raise _broken(line, f"the record of step {record.step} leaves out what the journal tells of it")
    if len(record.failures) < _LISTED and len(step.failures) < _LISTED:
        told = sorted(_ranges(record.failures))
        if not all(_is_within(one.extent, told) for one in step.failures):
            raise _broken(line, f"the record of step {record.step} leaves out a range that failed")


def _ranges(failures: tuple[Failure, ...]) -> Iterator[tuple[int, int, int]]:
    """Yield stream, begin and end of each range."""
    return ((one.extent.stream, one.extent.offset, one.extent.offset + one.extent.length) for one in failures)


def _is_within(extent: Extent, told: list[tuple[int, int, int]]) -> bool:
    """Tell whether ranges that follow each other cover the extent."""
    at, end = extent.offset, extent.offset + extent.length
    for stream, begin, behind in told:
        if stream == extent.stream and begin <= at < behind:
            at = behind
    return at >= end


def _broken(line: int, detail: str) -> Untrusted:
    return Untrusted("journal-broken", name=bundle.JOURNAL, line=line, detail=detail)
