"""A record cannot forget what its journal told on the way, and what was drawn at random is what was written."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from certificates.audit import audit, certificate_of
from certificates.audit.steps import check_steps, tell_steps
from certificates.errors import Untrusted
from certificates.statements import (
    Advanced,
    Began,
    Certificate,
    Character,
    ConstantPattern,
    Drew,
    Event,
    Evidence,
    Extent,
    Failure,
    KeystreamPattern,
    OverwriteRecord,
    PassDescription,
    Pattern,
    Recorded,
    RepeatedPattern,
    Reproved,
    Resumed,
    Revisited,
)
from tests.support import world
from tests.support.runs import Run, carrier, run_of
from tests.support.simulated_host import Lies, Plug, PowerCut, Simulated
from tests.support.story import story, tell

KEYS = tuple(world.secret(f"key {number}").hex() for number in range(3))
LOST = Failure(Extent(0, 8192, 512), "EIO")
NEXT = Failure(Extent(0, 8704, 512), "EIO")


def record(step: int = 0, pattern: Pattern | None = None, **changes: Any) -> OverwriteRecord:
    made = OverwriteRecord(
        step, "whole", pattern or KeystreamPattern(KEYS[0]), 65536, 65536, (), 0, world.NOW, world.NOW, 0
    )
    return replace(made, **changes)


@cache
def plain() -> Evidence:
    return certificate_of(tell(story()).entries)[0].evidence


def seen(*records: OverwriteRecord, passes: int | None = None) -> Evidence:
    """Evidence of these passes."""
    return replace(plain(), records=records, passes=len(records) if passes is None else passes)


def judge(events: Iterable[Event], *records: OverwriteRecord, passes: int | None = None) -> str | None:
    """Why the journal does not hold; none where it does."""
    try:
        check_steps(tuple(events), seen(*records, passes=passes))
    except Untrusted as error:
        return f"{error.facts['line']}: {error.facts['detail']}"
    return None


def run(drew: Drew, *records: OverwriteRecord) -> list[Event]:
    """A journal in which these passes follow each other."""
    passes = (event for one in records for event in (Began(one.step), Recorded(one)))
    return [drew, *passes]


# --------------------------------------------------------------------------------------------------------- drawn


def test_keys_in_the_order_drawn_hold() -> None:
    """Two random passes around a constant one."""
    passes = (record(0), record(1, ConstantPattern("ff")), record(2, KeystreamPattern(KEYS[1])))
    assert judge(run(Drew(KEYS[:2]), *passes), *passes) is None


@pytest.mark.parametrize("keys", [(KEYS[1], KEYS[0]), KEYS, KEYS[:1]], ids=["swapped", "one too many", "one too few"])
def test_other_keys_than_were_drawn_do_not_hold(keys: tuple[str, ...]) -> None:
    """A run writes each key that it drew once, at its place."""
    passes = (record(0), record(1, KeystreamPattern(KEYS[1])))
    told = judge(run(Drew(keys), *passes), *passes)
    assert told is not None
    assert "key" in told


def test_a_shuffled_pass_is_written_where_its_place_was_drawn() -> None:
    """Place 0 took what step 2 of the plan writes, and so on: the first key belongs to the last pass written."""
    order = (2, 1, 0)
    passes = (
        record(0, KeystreamPattern(KEYS[1])),
        record(1, RepeatedPattern("924924")),
        record(2, KeystreamPattern(KEYS[0])),
    )
    assert judge(run(Drew(KEYS[:2], order=order), *passes), *passes) is None
    assert judge(run(Drew(KEYS[:2], order=(0, 1, 2)), *passes), *passes) is not None
    assert judge(run(Drew(KEYS[:2]), *passes), *passes) is not None


@pytest.mark.parametrize("order", [(0, 0), (1, 2), (0, 0, 1)])
def test_an_order_of_passes_that_there_are_not_does_not_hold(order: tuple[int, ...]) -> None:
    """Each place once, and every place a pass."""
    passes = (record(0, ConstantPattern("00")), record(1, ConstantPattern("ff")))
    assert judge(run(Drew((), order=order), *passes), *passes) is not None


def test_a_drawn_character_was_written() -> None:
    """It is published so that anyone can see that it was."""
    passes = (record(0, ConstantPattern("6d")),)
    assert judge(run(Drew((), (Character("b", "6d"),)), *passes), *passes) is None
    assert judge(run(Drew((), (Character("b", "6e"),)), *passes), *passes) is not None


def test_of_an_unfinished_run_only_what_was_written_is_asked() -> None:
    """Keys and characters of passes that were never made are no contradiction."""
    passes = (record(0, KeystreamPattern(KEYS[0])),)
    drew = Drew(KEYS[:2], (Character("b", "6e"),))
    assert judge(run(drew, *passes), *passes, passes=3) is None


# --------------------------------------------------------------------------------------------------------- steps


def course(*events: Event, **changes: Any) -> str | None:
    """Judge a pass on whose way these entries were made."""
    made = record(**changes)
    return judge([Drew(KEYS[:1]), Began(0), *events, Recorded(made)], made)


def test_failures_told_on_the_way_are_in_the_record() -> None:
    """Neighbours joined, as the record joins them."""
    whole = Failure(Extent(0, 8192, 1024), "EIO")
    on_the_way = (Advanced(0, 9000, (LOST,), 512), Advanced(0, 65536, (NEXT,), 512))
    assert course(*on_the_way, failures=(whole,), failed_size=1024, written=64512) is None
    assert course(*on_the_way, failures=(whole,), failed_size=512) is not None
    assert course(*on_the_way, failures=(LOST,), failed_size=1024) is not None
    assert course(*on_the_way) is not None


def test_what_was_tried_again_replaces_what_was_known() -> None:
    """A range that could be written after all is no failure, and one that could not stays one."""
    on_the_way = (Advanced(0, 65536, (LOST, NEXT), 1024), Revisited(0, (NEXT,), 512))
    assert course(*on_the_way, failures=(NEXT,), failed_size=512) is None
    assert course(*on_the_way) is not None
    assert course(Advanced(0, 65536, (LOST,), 512), Revisited(0)) is None


def test_a_step_that_differs_begins_anew() -> None:
    """What its journal told of it before is told of bytes that were lost; and it may go back only then."""
    again = (Resumed(()), Reproved(0, 40960, 30, 1), Advanced(0, 4096), Advanced(0, 65536))
    assert course(Advanced(0, 40960, (LOST,), 512), *again, resumed=1) is None
    held = (Resumed(()), Reproved(0, 40960, 30, 0), Advanced(0, 4096))
    assert course(Advanced(0, 40960), *held, resumed=1) is not None
    assert course(Advanced(0, 40960), Resumed(()), Reproved(0, 40961, 30, 0), resumed=1) is not None


@pytest.mark.parametrize("resumed", [0, 2])
def test_interruptions_are_counted(resumed: int) -> None:
    """As often as the journal was taken up while the step was open."""
    assert course(Resumed(()), resumed=1) is None
    assert course(Resumed(()), resumed=resumed) is not None


@pytest.mark.parametrize(
    "events",
    [
        (Advanced(1, 4096),),
        (Revisited(1),),
        (Advanced(0, 70000),),
        (Recorded(record()),),
    ],
    ids=["never begun", "never begun, tried again", "beyond the end", "recorded twice"],
)
def test_entries_that_belong_to_no_open_step_do_not_hold(events: tuple[Event, ...]) -> None:
    """A journal that could not have been written by a run was not."""
    assert course(*events) is not None


# --------------------------------------------------------------------------------------------------------- whole


def test_interruptions_and_second_tries_are_told() -> None:
    """In both languages, and as what they are: the host's word."""
    events = (Resumed(()), Reproved(0, 40960, 30, 1), Reproved(0, 4096, 2, 0), Revisited(0, (LOST,), 512), Revisited(0))
    proved, again = tell_steps(events)
    assert "2 times: 32 blocks" in proved.tell()
    assert "1 steps began anew" in proved.tell()
    assert "0 bytes still failed" in again.tell()
    assert "复读" in proved.tell("zh")
    assert {one.basis.value for one in (proved, again)} == {"attested"}
    assert list(tell_steps(())) == []


def test_the_journals_of_real_runs_hold() -> None:
    """With bad sectors, interruptions at every effect, and passes whose places and bytes were drawn."""
    for technique in ("gutmann-35", "dod-5220.22-m"):
        made = run_of(technique=technique)
        made.go()
        check_steps([entry.event for entry in made.journal.entries], made.evidence)
    hurt = run_of()
    hurt.simulated.lies = Lies(bad_writes={(0, 9): "EIO", (0, 10): "EIO", (0, 77): "EIO"})
    hurt.go()
    check_steps([entry.event for entry in hurt.journal.entries], hurt.evidence)
    for cut_at in range(3, 70, 6):
        cut = Run(Simulated(lies=Lies(bad_writes={(0, 9): "EIO"})), carrier(), plug=Plug(cut_at=cut_at))
        with suppress(PowerCut):
            cut.go()
        cut.restore_power()
        cut.go()
        check_steps([entry.event for entry in cut.journal.entries], cut.evidence)


def test_a_certificate_describes_as_many_passes_as_were_recorded() -> None:
    """The description is for people, who count."""

    def boast(told: Certificate) -> Certificate:
        more = (*told.applied.passes, PassDescription(2, "one more"))
        return replace(told, applied=replace(told.applied, passes=more))

    papers = tell(story(certified=boast))
    report = audit(papers.packed, papers.trust)
    assert ("journal", "binding-broken") in [(one.name, one.code) for one in report.findings]
