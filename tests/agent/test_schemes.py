"""Schemes that an order brings along: read from a file, approved as bytes, written as approved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.drafting import Means, draft
from agent.schemes import read_scheme
from certificates.consistency import check_order
from certificates.errors import Refused, Untrusted
from certificates.statements import (
    ComplementOf,
    ConstantByte,
    ConstantPattern,
    DrawnByte,
    Filling,
    OverwriteRecord,
    Scheme,
)
from certificates.written import check_written
from tests.support import world
from tests.support.runs import Run, run_of
from tests.support.screens import EXAMPLES, Desk

FILES = sorted((EXAMPLES / "schemes").glob("*.toml"))
OWN = read_scheme(EXAMPLES / "schemes" / "own.toml")
MEANS = Means({"arch-07": "sha256:" + "ab" * 32}, lambda size: bytes(range(size)))


def write(folder: Path, text: str) -> Path:
    path = folder / "scheme.toml"
    path.write_text(text)
    return path


def plain(passes: str, more: str = "") -> str:
    return f'id = "mine"\nname = "Mine"\nsource = "A rule"\npasses = {passes}\n{more}'


def finished(scheme: Scheme = OWN) -> Run:
    run = run_of(scheme=scheme)
    run.go()
    return run


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_example_schemes_can_be_read_and_run(path: Path) -> None:
    """What people copy must work; each names its source, and no table row has its id."""
    run = finished(read_scheme(path))
    assert run.claim.outcome.value == "proven"
    check_written(run.evidence, read_scheme(path))
    assert read_scheme(path).id == path.stem or path.stem == "own"


def test_a_scheme_may_hold_every_kind_of_pass() -> None:
    """A byte, a word, a drawn byte, its complement, a keystream: in the file's order, the last one stays."""
    patterns = [one.pattern for one in finished().evidence.records if isinstance(one, OverwriteRecord)]
    drawn, complement = patterns[:2]
    assert isinstance(drawn, ConstantPattern)
    assert isinstance(complement, ConstantPattern)
    assert int(drawn.byte, 16) ^ int(complement.byte, 16) == 0xFF
    assert [one.kind for one in patterns] == ["constant", "constant", "repeated", "constant", "aes-256-ctr"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id = ", "it is not TOML"),
        (plain("[]"), "passes must be a list"),
        (plain('"00"'), "passes must be a list"),
        (plain('["0"]'), "passes[1] must be"),
        (plain('["00", "FF"]'), "passes[2] must be"),
        (plain("[0]"), "passes[1] must be"),
        (plain('["drawn"]'), "passes[1] must be"),
        (plain('["00"]', "rounds = 3"), "rounds is not known here"),
        ('name = "Mine"\nsource = "A rule"\npasses = ["00"]', "id"),
        (plain(str(["00"] * 65).replace("'", '"')), "passes"),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, text: str, expected: str) -> None:
    """A clerk mends what is named; a pass that was misread would destroy with other bytes than were meant."""
    with pytest.raises(Refused) as caught:
        read_scheme(write(tmp_path, text))
    assert caught.value.reason == "draft-wrong"
    assert expected in caught.value.tell("en")


def test_a_draft_takes_the_passes_into_the_order(tmp_path: Path) -> None:
    """What is signed are bytes: a file that changes later changes nothing."""
    (tmp_path / "minutes.txt").write_text("minutes")
    (tmp_path / "own.toml").write_text((EXAMPLES / "schemes" / "own.toml").read_text())
    path = Desk(tmp_path).edit("device-order.toml", ('technique = "random-1"', 'scheme = "own.toml"'))
    assert draft(path, MEANS).order.carriers[0].scheme == OWN
    (tmp_path / "own.toml").write_text("passes = 3")
    with pytest.raises(Refused, match=r"scheme must be a file that holds a scheme"):
        draft(path, MEANS)


@pytest.mark.parametrize(
    "changes",
    [
        {"technique": "zeros-1", "scheme": OWN},
        {"scheme": replace(OWN, passes=(ComplementOf("a"), DrawnByte("a")))},
        {"scheme": replace(OWN, passes=(ComplementOf("z"),))},
    ],
)
def test_an_order_whose_scheme_does_not_hold_together_is_refused(changes: dict[str, object]) -> None:
    """Two answers to what is written, or a complement of nothing."""
    with pytest.raises(Untrusted) as caught:
        check_order(world.order(carriers=(world.carrier(**changes),)))
    assert caught.value.reason == "order-inconsistent"


def test_a_scheme_must_not_take_the_name_of_a_technique() -> None:
    """`random-1` on a certificate means one thing."""
    with pytest.raises(Refused) as caught:
        run_of(scheme=replace(OWN, id="random-1"))
    assert caught.value.reason == "scheme-name-taken"


def test_a_scheme_does_not_destroy_keys() -> None:
    """It overwrites a whole target; what a container's header needs is another thing."""
    with pytest.raises(Refused) as caught:
        run_of("luks", scheme=OWN)
    assert caught.value.reason == "technique-unknown"


@pytest.mark.parametrize(
    "passes",
    [
        OWN.passes[1:],
        (*OWN.passes[:3], ConstantByte("01"), OWN.passes[4]),
        (DrawnByte("a"), DrawnByte("b"), *OWN.passes[2:4], ConstantByte("00")),
        (*OWN.passes[:2], ConstantByte("92"), *OWN.passes[3:]),
    ],
)
def test_evidence_of_other_passes_than_the_order_signed_is_a_lie(passes: tuple[Filling, ...]) -> None:
    """Registry and auditor hold every pass against the scheme in the order."""
    with pytest.raises(Untrusted) as caught:
        check_written(finished().evidence, replace(OWN, passes=passes))
    assert caught.value.reason == "binding-broken"
    assert "archive-2026" in caught.value.tell("en")
