"""Samples, hunt and every other act are told of one piece: what was left out, changed or embellished is found."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from certificates.audit import certificate_of
from certificates.audit.acts import judge_acts, judge_hunts
from certificates.audit.findings import Finding, Sign, Verdict
from certificates.audit.records import basis_of
from certificates.audit.telling import code_seen, tell_fact
from certificates.encoding import digest
from certificates.errors import Untrusted
from certificates.statements import (
    Began,
    Checked,
    Event,
    Evidence,
    Fact,
    FillRecord,
    Hits,
    KeystreamPattern,
    NamesRecord,
    NeedlesRecord,
    Noted,
    OverwriteRecord,
    Recorded,
    ReleaseRecord,
    ResidueHunt,
    SurvivorsCheck,
    WithdrawalRecord,
)
from tests.support import world
from tests.support.story import story, tell

NOW = world.NOW
SAME = digest(b"same")
LABELS = tuple(f"{number:064x}" for number in range(3))

TAKEN = NeedlesRecord(0, 2, 1, NOW)
WRITTEN = OverwriteRecord(1, "whole", KeystreamPattern("11" * 32), 4096, 4096, (), 0, NOW, NOW, 0)
RELEASED = ReleaseRecord(3, 1, NOW)
NAMED = NamesRecord(4, 2, 1 << 20, True, NOW)
FILLED = FillRecord(5, 1 << 20, 0, True, NOW)
SURVIVED = SurvivorsCheck(7, 1, 9, 9, SAME, SAME, "integrity_check", True, NOW)


def lines(*told: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in told)


NEEDLES = [
    {"number": 0, "sort": "contents", "label": LABELS[0], "stream": 0, "offset": 5, "length": 28},
    {"number": 1, "sort": "contents", "label": LABELS[1], "stream": 4, "offset": 0, "length": 12},
    {"number": 2, "sort": "names", "label": LABELS[2]},
]
FINDS = [
    {"number": 0, "label": LABELS[0], "form": "plain", "place": "free", "position": 4096, "device": 0},
    {"number": 0, "label": LABELS[0], "form": "zlib", "place": "free", "position": 9000, "device": 0},
    {"number": 2, "label": LABELS[2], "form": "plain", "place": "directories", "position": 7, "device": 0},
]
HITS = (Hits("contents", "free", 2), Hits("names", "directories", 1))


def hunt(*hits: Hits, finds: bytes = b"", **changes: Any) -> ResidueHunt:
    located = digest(finds) if finds else None
    made = ResidueHunt(6, "made", 2, 1, ("plain",), 1 << 20, 0, hits, NOW, located)
    return replace(made, **changes)


def files(needles: list[dict[str, Any]] | None = None, finds: bytes = b"") -> dict[str, bytes]:
    found = {"needles-0.jsonl": lines(*(NEEDLES if needles is None else needles))}
    return found | ({"hunt-6.jsonl": finds} if finds else {})


def evidence(*told: Any) -> Evidence:
    plain = certificate_of(tell(story()).entries)[0].evidence
    checks = tuple(one for one in told if isinstance(one, ResidueHunt | SurvivorsCheck))
    return replace(plain, records=tuple(one for one in told if one not in checks), checks=checks)


def journal(*told: Any) -> list[Event]:
    """Each step begins and ends; step 2 is the read-back, which these tests leave aside."""
    found: list[Event] = [Began(2), Checked(replace(SURVIVED, step=2))]
    for one in told:
        is_check = isinstance(one, ResidueHunt | SurvivorsCheck)
        found += [Began(one.step), Checked(one) if is_check else Recorded(one)]
    return found


WHOLE = (TAKEN, WRITTEN, RELEASED, NAMED, FILLED, hunt(), SURVIVED)


def judged(told: Iterable[Any], events: Iterable[Event] | None = None) -> tuple[Finding, ...]:
    steps = tuple(told)
    return judge_acts(tuple(events) if events is not None else tuple(journal(*steps)), evidence(*steps))


def why(told: Iterable[Any], events: Iterable[Event] | None = None) -> str:
    with pytest.raises(Untrusted) as caught:
        judged(told, events)
    assert caught.value.reason == "records-contradict"
    return f"{caught.value.facts['step']}: {caught.value.facts['detail']}"


def changed(one: Any, **changes: Any) -> tuple[Any, ...]:
    return tuple(replace(one, **changes) if each == one else each for each in WHOLE)


# ---------------------------------------------------------------------------------------------------------------- acts


def test_a_whole_run_holds() -> None:
    """Every act is told, and by whose word."""
    found = judged(WHOLE)
    assert [(one.code, one.sign, one.basis) for one in found] == [
        ("names-told", Sign.HOLDS, "attested"),
        ("fill-told", Sign.HOLDS, "attested"),
        ("survivors-told", Sign.HOLDS, "attested"),
    ]
    assert all("<" not in one.tell(language) for one in found for language in ("en", "zh"))


def test_a_step_that_began_and_is_not_told_is_found() -> None:
    """A hunt that found something, taken out of the evidence and of the journal's end."""
    events = [event for event in journal(*WHOLE) if not (isinstance(event, Checked) and event.check.step == 6)]
    assert why(WHOLE, events) == "6: it began, and nothing tells how it ended"


def test_a_step_that_ended_and_never_began_is_found() -> None:
    """A hunt that nobody made."""
    events = [event for event in journal(*WHOLE) if not (isinstance(event, Began) and event.step == 6)]
    assert why(WHOLE, events) == "6: it ended, and never began"


def test_a_step_taken_out_altogether_leaves_a_gap() -> None:
    """Later steps were done; that one was not is told as withheld, or it is a lie."""
    without = tuple(one for one in WHOLE if one.step != 5)
    assert why(without) == "5: nothing tells of it, and later steps were done"
    told = [*journal(*without), Noted("fill-free withheld: not everything was overwritten, or the read-back differs")]
    judged(without, told)


@pytest.mark.parametrize(
    ("act", "changes"),
    [
        (FILLED, {"unreached": 4096}),
        (FILLED, {"left": ("reserved-blocks",)}),
        (NAMED, {"left": ("file-system-journal",)}),
    ],
)
def test_what_was_not_reached_is_not_told_as_complete(act: Any, changes: dict[str, Any]) -> None:
    """The claim rests on that one word."""
    assert why(changed(act, **changes)) == f"{act.step}: everything was reached, and something was not"


@pytest.mark.parametrize("act", [FILLED, NAMED])
def test_what_is_incomplete_says_what_it_lacks(act: Any) -> None:
    """A certificate lists its limits."""
    assert why(changed(act, is_complete=False)) == f"{act.step}: something was not reached, and nothing tells what"


def test_what_was_not_reached_is_told_to_the_auditor() -> None:
    """As unknown, in words."""
    short = changed(FILLED, is_complete=False, unreached=4096, left=("reserved-blocks", "inode-slack"))
    found = next(one for one in judged(short) if one.code == "fill-told-short")
    assert found.sign is Sign.UNKNOWN
    assert "blocks that the file system keeps for itself" in found.tell()
    assert "文件系统保留的块" in found.tell("zh")


def test_samples_are_taken_before_the_first_write() -> None:
    """Afterwards there is nothing left to sample but the pattern."""
    late = (replace(TAKEN, step=4), WRITTEN, RELEASED, hunt(), replace(NAMED, step=0), FILLED, SURVIVED)
    assert why(late) == "4: samples were taken after the first write"


def test_nothing_is_written_after_the_hunt() -> None:
    """What moved later was looked for where it no longer was."""
    early = (TAKEN, WRITTEN, RELEASED, NAMED, replace(FILLED, step=6), hunt(step=5), SURVIVED)
    assert why(early) == "5: something was written after the hunt"


def test_blocks_are_not_overwritten_after_their_release() -> None:
    """They belong to others then."""
    swapped = (TAKEN, replace(WRITTEN, step=3), replace(RELEASED, step=1), NAMED, FILLED, hunt(), SURVIVED)
    assert why(swapped) == "1: blocks were overwritten after they were released"


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        (NeedlesRecord(0, 3, 0, NOW, "swap-not-encrypted"), "samples were kept that could not be kept"),
        (NeedlesRecord(0, 0, 0, NOW), "no sample was kept, and nothing tells why"),
        (WithdrawalRecord(0, 3, 0, 99, 1, NOW), "bytes are held that are in no file"),
    ],
)
def test_a_record_that_cannot_be_true_is_found(record: Any, detail: str) -> None:
    """Numbers that exclude each other."""
    assert why((record, WRITTEN)) == f"0: {detail}"


def test_other_rows_have_another_digest() -> None:
    """The digest goes over every row."""
    assert why(changed(SURVIVED, rows_after=8)) == "7: other rows survived, and have the same digest"


def test_a_withdrawal_is_told() -> None:
    """Rows, files and bytes, as the host says."""
    (found,) = judged((WithdrawalRecord(0, 10, 2, 8192, 4, NOW), WRITTEN))
    assert (found.code, found.tell()) == (
        "withdrawal-told",
        "10 rows were taken out; 2 files of 8,192 bytes were held and overwritten",
    )


# --------------------------------------------------------------------------------------------------------------- hunts


def test_what_an_engine_keeps_and_nobody_reached_is_told_to_the_auditor() -> None:
    """An archive is a copy of its own, which the certificate lists elsewhere."""
    taken = WithdrawalRecord(0, 10, 2, 8192, 4, NOW, left=("archived-log", "write-ahead-log"))
    short = next(one for one in judged((taken, WRITTEN)) if one.code == "withdrawal-told-short")
    assert short.sign is Sign.UNKNOWN
    assert short.tell().endswith("not reached: write-ahead log")
    (found,) = judged((replace(taken, left=("archived-log",)), WRITTEN))
    assert found.code == "withdrawal-told"


def found(*told: Any, **more: Any) -> Finding:
    (one,) = judge_hunts(evidence(*told), files(**more))
    return one


def test_a_hunt_that_found_nothing_holds() -> None:
    """Samples, labels and hunt are of one piece; that the host chose them is its word alone."""
    one = found(TAKEN, hunt())
    assert (one.code, one.sign, one.basis) == ("hunt-size-untold", Sign.HOLDS, "attested")
    told = found(replace(TAKEN, storage_size=1 << 20), hunt())
    assert (told.code, told.sign, told.basis) == ("hunt-holds", Sign.HOLDS, "attested")
    assert "0 found" in one.tell()
    assert "<" not in one.tell("zh")


def test_a_shortened_hunt_is_a_finding() -> None:
    """A host that looks through half of its storage, and says so in a sum of bytes, would pass for thorough: what there
    is to look through is noted before the first write."""
    one = found(replace(TAKEN, storage_size=1 << 20), hunt(size=(1 << 20) - 1))
    assert (one.code, one.sign, one.leaves) == ("hunt-short", Sign.FAILS, Verdict.NOT_PROVEN)
    assert "1,048,575 bytes only" in one.tell()


def test_a_hunt_that_found_something_lists_it() -> None:
    """As many finds as the check counts, each of a sample that was taken."""
    finds = lines(*FINDS)
    assert "3 found" in found(TAKEN, hunt(*HITS, finds=finds), finds=finds).tell()


def field(*told: Any, **more: Any) -> str:
    """The part that does not bind."""
    with pytest.raises(Untrusted) as caught:
        judge_hunts(evidence(*told), files(**more))
    return f"{caught.value.reason} {caught.value.facts.get('field') or caught.value.facts['detail']}"


def test_a_hunt_taken_out_is_found() -> None:
    """Samples that nobody looked for, and a hunt without samples."""
    assert field(TAKEN) == "records-contradict samples and hunts are not one and one"
    assert field(hunt()) == "records-contradict samples and hunts are not one and one"


def test_a_hunt_for_other_samples_than_were_taken_is_found() -> None:
    """Fewer needles find less."""
    detail = "records-contradict other samples were looked for than were taken"
    assert field(TAKEN, hunt(needles=1)) == detail
    assert field(TAKEN, hunt(names=0)) == detail


@pytest.mark.parametrize(
    "hits",
    [
        (),
        (Hits("contents", "free", 1), Hits("names", "directories", 1)),
        (Hits("contents", "other-file", 2), Hits("names", "directories", 1)),
        (*HITS, Hits("contents", "free", 1)),
        (*HITS, Hits("contents", "slack", 0)),
    ],
)
def test_finds_that_were_counted_otherwise_are_found(hits: tuple[Hits, ...]) -> None:
    """A find moved to where it does no harm, one left out, a place told twice."""
    finds = lines(*FINDS)
    assert field(TAKEN, hunt(*hits, finds=finds), finds=finds) == "binding-broken hunt-6.jsonl"


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 7},
        {"label": LABELS[1]},
        {"position": 1 << 20},
        {"position": -1},
        {"place": "slack"},
        {"device": True},
        {"name": "more.txt"},
    ],
)
def test_a_list_of_finds_that_was_changed_is_found(changes: dict[str, Any]) -> None:
    """Each line is of a sample that was taken, on the storage that was looked through."""
    finds = lines({**FINDS[0], **changes}, *FINDS[1:])
    assert field(TAKEN, hunt(*HITS, finds=finds), finds=finds) == "binding-broken hunt-6.jsonl"


def test_a_list_of_finds_is_the_one_that_the_check_names() -> None:
    """By its digest."""
    finds = lines(*FINDS)
    assert field(TAKEN, hunt(*HITS, finds=finds), finds=lines(*reversed(FINDS))) == "binding-broken hunt-6.jsonl"
    assert field(TAKEN, hunt(*HITS, finds=finds)) == "binding-broken hunt-6.jsonl"
    assert field(TAKEN, hunt(finds=finds), finds=finds) == "binding-broken hunt-6.jsonl"


@pytest.mark.parametrize(
    "needles",
    [
        NEEDLES[:2],
        [*NEEDLES, {**NEEDLES[2], "number": 3}],
        [NEEDLES[0], {**NEEDLES[1], "number": 0}, NEEDLES[2]],
        [{**NEEDLES[0], "label": "secret"}, *NEEDLES[1:]],
        [{**NEEDLES[0], "value": "secret"}, *NEEDLES[1:]],
        [{**NEEDLES[0], "offset": -1}, *NEEDLES[1:]],
        [{**NEEDLES[0], "sort": "rows"}, *NEEDLES[1:]],
    ],
)
def test_a_list_of_samples_is_the_one_that_the_record_counts(needles: list[dict[str, Any]]) -> None:
    """Labels alone, as many as were taken; a name or content among them is none of ours."""
    assert field(TAKEN, hunt(), needles=needles) == "binding-broken needles-0.jsonl"


def test_a_hunt_that_was_not_made_says_so() -> None:
    """After a restart the samples are gone."""
    lost = ResidueHunt(6, "needles-lost", 0, 0, (), 0, 0, (), NOW)
    one = found(TAKEN, lost)
    assert (one.sign, one.tell()) == (
        Sign.UNKNOWN,
        "no hunt was made: the samples were lost in a restart, or none could be kept",
    )
    assert field(TAKEN, replace(lost, size=7)) == "records-contradict a hunt that was not made found something"


def test_what_a_hunt_saw_stands_beside_the_claim() -> None:
    """In numbers, by the host's word."""
    told = evidence(TAKEN, hunt(*HITS), SURVIVED)
    assert code_seen(told) == "hunt:3:3:1048576, survivors:9:9"
    assert (
        tell_fact(Fact("seen", code_seen(told)), "en") == "3 finds of 3 samples on 1,048,576 bytes, 9 of 9 rows survive"
    )
    assert basis_of(told) == "attested"
