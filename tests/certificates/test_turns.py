"""What an auditor reads of the order of steps: whom a copy came after, by the word of its journal."""

from __future__ import annotations

from dataclasses import replace

from certificates.audit import Part
from certificates.audit.together import compare_parts
from certificates.audit.turns import judge_turns
from certificates.statements import KnownCopy, RecordsIdentity
from certificates.turns import note_of, turns_of
from tests.support import world

ROWS = RecordsIdentity("mariadb", "7", "5f7d4c52-8a3e-4c2b-9f6e-0d1a2b3c4d5e", 12, "crm", "rows", 1, 9)
ORDER = world.order(
    carriers=(
        replace(world.carrier(), id="rows", identity=ROWS, copies=(KnownCopy("archive", "logs"), KnownCopy("dump"))),
        replace(world.carrier(), id="logs"),
    )
)


def test_a_journal_that_says_nothing_of_the_turn_is_told_and_denies_nothing() -> None:
    """It may be older than the rule; the claim speaks of this carrier alone."""
    (found,) = judge_turns(ORDER, "logs", ["rested: paused"])
    assert (found.code, found.leaves.value) == ("turn-not-shown", "proven")
    assert judge_turns(ORDER, "rows", []) == ()


def test_what_the_journal_says_it_came_after_is_told() -> None:
    """With the digest by which a stranger finds the other certificate."""
    by = "certificate sha256:" + "5" * 64
    (found,) = judge_turns(ORDER, "logs", ["rested: paused", note_of("rows", by)])
    assert (found.code, by in found.tell()) == ("turn-shown", True)


def test_that_a_run_had_begun_does_not_show_that_it_had_ended() -> None:
    """A Start is the executor's word before the first write: the rows may be where they were to this day."""
    (found,) = judge_turns(ORDER, "logs", [note_of("rows", "start sha256:" + "5" * 64)])
    assert found.code == "turn-not-shown"


def test_a_standby_need_only_have_begun() -> None:
    """It samples before the rows go, and ends after them."""
    same = replace(ROWS, engine="postgresql")
    rows = replace(world.carrier(), id="rows", identity=same, copies=(KnownCopy("replica", "standby"),))
    made = world.order(carriers=(rows, replace(world.carrier(), id="standby", identity=same)))
    by = "start start of standby, run 3"
    (alone,) = judge_turns(made, "rows", [note_of("standby", by)])
    first = replace(part("standby", sequence=3), turns=turns_of(made))
    (together,) = compare_parts(
        [replace(part("rows", note_of("standby", by), host="there"), turns=turns_of(made)), first]
    )
    assert (alone.code, together.code) == ("turn-shown", "turn-together")


def part(carrier: str, *notes: str, host: str = "here", sequence: int = 7) -> Part:
    """What a bundle tells of its turn."""
    start, certificate = (f"{kind} of {carrier}, run {sequence}" for kind in ("start", "certificate"))
    return Part("of both", carrier, host, sequence, start, certificate, turns_of(ORDER), notes)


def test_certificates_that_are_here_together_are_those_that_their_journals_name() -> None:
    """By the certificate, or by the number of a run of the same host; of another host's run a number says nothing."""
    rows = part("rows", sequence=3)
    for by, host, code in (
        ("certificate certificate of rows, run 3", "there", "turn-together"),
        ("start start of rows, run 3", "there", "turn-contradicted"),
        ("run 3", "here", "turn-together"),
        ("run 3", "there", "turn-contradicted"),
        ("run 4", "here", "turn-contradicted"),
        ("certificate certificate of rows, run 4", "there", "turn-contradicted"),
    ):
        logs = part("logs", "rested: paused", note_of("rows", by), host=host)
        (found,) = compare_parts([logs, rows])
        assert (found.code, found.leaves.value == "proven") == (code, code == "turn-together")


def test_a_certificate_that_is_not_here_is_missed_and_denies_nothing() -> None:
    """An auditor may have been given one host's alone, or another order's."""
    logs = part("logs", note_of("rows", "run 3"))
    for others in ([], [replace(part("rows", sequence=3), order="another")]):
        (found,) = compare_parts([logs, *others])
        assert (found.code, found.leaves.value) == ("turn-elsewhere", "proven")
    assert compare_parts([part("logs"), part("rows")]) == ()
