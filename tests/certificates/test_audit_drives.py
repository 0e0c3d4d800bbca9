"""What a drive answered about itself is filed before and after, checked in form, and told as its own word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from certificates.audit import Report, audit
from certificates.audit.verdict import CHECKS
from certificates.render.report import _ORDER, tell_report
from tests.certificates.test_audit_profiles import with_evidence
from tests.support.runs import run_of

ANSWER = {"command": "identify", "data": "00ff", "detail": "", "outcome": "good", "sense": ""}


def lines(*answers: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(answer).encode() + b"\n" for answer in answers)


def report(**files: bytes) -> Report:
    made = with_evidence({f"drive-{name}.jsonl": data for name, data in files.items()})
    return audit(made.packed, made.trust)


def test_answers_are_told_as_the_drives_own_word() -> None:
    """A drive may say what it likes: nothing rests on it, and the auditor reads that."""
    told = report(before=lines(ANSWER, ANSWER), after=lines(ANSWER))
    (finding,) = [one for one in told.findings if one.name == "drive"]
    assert (finding.code, finding.basis.value, told.verdict.exit_code) == ("drive-told", "attested", 0)
    assert finding.tell().startswith("3 answers")
    assert "自述" in finding.tell("zh")


def test_every_check_of_an_audit_has_its_line_on_the_page() -> None:
    """One that had none was found on the first real drive: the audit ended in a traceback."""
    known = {name for name, _ in CHECKS} | {"bundle", "time", "medium"}
    assert known <= set(_ORDER)
    assert "drive" in tell_report(report(before=lines(ANSWER)), "en")


def test_a_bundle_without_answers_says_nothing_of_them() -> None:
    """A loop device has nothing to say."""
    assert [one for one in report().findings if one.name == "drive"] == []


@pytest.mark.parametrize(
    "data",
    [
        b"no answer\n",
        b"[]\n",
        lines(ANSWER, {**ANSWER, "data": "0"}),
        lines({**ANSWER, "data": "0G"}),
        lines({**ANSWER, "sense": 3}),
        lines({**ANSWER, "more": ""}),
        lines({name: value for name, value in ANSWER.items() if name != "outcome"}),
    ],
)
def test_what_is_no_answer_does_not_hold(data: bytes) -> None:
    """Whatever else might be smuggled along under that name."""
    assert [one.name for one in report(before=data).findings if one.code == "binding-broken"] == ["drive"]


def test_an_endless_answer_is_not_read() -> None:
    """A mebibyte is a hundred times what drives say."""
    told = report(after=lines({**ANSWER, "data": "00" * (1 << 20)}))
    assert [one.name for one in told.findings if one.code == "document-too-large"] == ["drive"]


def test_a_run_files_what_its_drive_answers_and_nothing_for_one_that_is_silent() -> None:
    """Before the first write and after the last check; an empty file would look like an answer."""
    run = run_of()
    run.simulated.status = lines(ANSWER)
    run.go()
    assert {name for name in run.kept if name.startswith("drive")} == {"drive-before.jsonl", "drive-after.jsonl"}
    silent = run_of()
    silent.go()
    assert not [name for name in silent.kept if name.startswith("drive")]
