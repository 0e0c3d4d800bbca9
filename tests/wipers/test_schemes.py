"""Named schemes: the bytes of every pass, what stays, what is drawn, and that a name promises nothing."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from certificates.encoding import decode, encode
from certificates.statements import (
    ConstantPattern,
    DrawnByte,
    Drew,
    FullReadBack,
    KeystreamPattern,
    Level,
    OverwriteRecord,
    Pattern,
    RepeatedPattern,
)
from tests.support.runs import Run, run_of
from tests.support.scheme_table import SCHEMES as TABLE
from wipers import WIPERS
from wipers.drawing import draw, pattern_of
from wipers.model import Overwrite, Plan, Technique
from wipers.patterns import fill
from wipers.planning import plan
from wipers.schemes import SCHEMES
from wipers.techniques import TECHNIQUES

every_scheme = pytest.mark.parametrize("name", TABLE)
every_row = pytest.mark.parametrize("row", SCHEMES, ids=lambda row: row.id)
SIZE = 65536


def finished(name: str) -> Run:
    run = run_of(technique=name)
    run.go()
    return run


def written(run: Run) -> list[Pattern]:
    return [record.pattern for record in run.evidence.records if isinstance(record, OverwriteRecord)]


def drawn(made: Plan, seed: int) -> tuple[Drew, list[Pattern]]:
    drew = draw(made, random.Random(seed).randbytes)
    return drew, [pattern_of(made, n, drew) for n, step in enumerate(made.steps) if isinstance(step, Overwrite)]


def answer(word: str, characters: dict[str, str]) -> str:
    """What the table's word stands for, given the bytes drawn."""
    if word in characters:
        return characters[word]
    return f"{255 - int(characters[word[1:]], 16):02x}" if word.startswith("~") else word


def told(pattern: Pattern) -> str:
    match pattern:
        case ConstantPattern(byte=byte):
            return byte
        case RepeatedPattern(word=word):
            return word
        case KeystreamPattern():
            return "random"


def test_the_table_names_every_scheme() -> None:
    """One that is not in it would have its bytes checked against nothing."""
    assert [row.id for row in SCHEMES] == list(TABLE)


@every_scheme
def test_a_run_writes_the_bytes_of_the_table(name: str) -> None:
    """Every pass in its place, none before, between or behind; a shuffled scheme's in the order it drew."""
    run = finished(name)
    (drew,) = run.journal.events(Drew)
    assert isinstance(drew, Drew)
    characters = {one.name: one.byte for one in drew.characters or ()}
    expected = [answer(word, characters) for word in TABLE[name]]
    if drew.order:
        expected[4:31] = [expected[origin] for origin in drew.order]
    assert [told(pattern) for pattern in written(run)] == expected
    keys = [pattern.key for pattern in written(run) if isinstance(pattern, KeystreamPattern)]
    assert len(set(keys)) == TABLE[name].count("random") == len(drew.keys)


@every_scheme
def test_the_last_pass_stays_and_is_what_was_read_back(name: str) -> None:
    """Nothing is appended: the medium holds the last pass of the scheme, and the read-back compared that one."""
    run = finished(name)
    last = bytearray(SIZE)
    fill(written(run)[-1], 0, 0, memoryview(last))
    assert run.simulated.storage.durable[0] == last
    (check,) = run.evidence.checks
    assert isinstance(check, FullReadBack)
    assert (check.compared_with, check.matched) == (len(TABLE[name]) - 1, SIZE)


@every_scheme
def test_the_last_pass_is_not_the_one_before_it(name: str) -> None:
    """Else a read-back would be satisfied by a medium that dropped every write of the last pass."""
    made = run_of(technique=name).plan
    for seed in range(50):
        _, patterns = drawn(made, seed)
        assert patterns[-1] not in patterns[-2:-1]


@pytest.mark.parametrize(
    "name", [row.id for row in SCHEMES if any(isinstance(p.filling, DrawnByte) for p in row.passes)]
)
def test_a_drawn_byte_is_no_other_pass_of_its_scheme(name: str) -> None:
    """Constants, their complements and other drawn bytes are left out, and what is left is all drawn at times."""
    made = run_of(technique=name).plan
    seen: set[str] = set()
    for seed in range(1000):
        drew, patterns = drawn(made, seed)
        fixed = [pattern.byte for pattern in patterns if isinstance(pattern, ConstantPattern)]
        assert len(set(fixed)) == len(fixed)
        seen.add((drew.characters or ())[0].byte)
    assert len(seen) > 240


def test_gutmanns_fixed_passes_are_shuffled_and_only_those() -> None:
    """The first four and the last four stay random; the 27 between are all written, in more than one order."""
    made = run_of(technique="gutmann-35").plan
    orders = set()
    for seed in range(200):
        drew, patterns = drawn(made, seed)
        assert drew.order is not None
        assert sorted(drew.order) == list(range(4, 31))
        assert Counter(map(told, patterns[4:31])) == Counter(TABLE["gutmann-35"][4:31])
        assert {told(pattern) for pattern in (*patterns[:4], *patterns[31:])} == {"random"}
        orders.add(drew.order)
    assert len(orders) == 200
    assert {order[0] for order in orders} == set(range(4, 31))


def test_what_was_drawn_survives_its_wire_form() -> None:
    """A resumed run replays from the journal alone."""
    for name in ("gutmann-35", "dod-5220.22-m-ece", "random-1"):
        made = run_of(technique=name).plan
        drew, patterns = drawn(made, 1)
        assert decode(encode(drew), Drew) == drew
        assert drawn(made, 1)[1] == patterns


def test_a_run_that_draws_keys_alone_is_journaled_as_ever() -> None:
    """Journals of plain runs keep their bytes, and so do golden documents and the digests of plans."""
    made = run_of().plan
    drew, _ = drawn(made, 1)
    assert set(decoded(encode(drew))) == {"keys", "kind"}
    assert "shuffled" not in decoded(encode(made))
    assert "shuffled" in decoded(encode(run_of(technique="gutmann-35").plan))


def decoded(data: bytes) -> dict[str, object]:
    tree = json.loads(data)
    assert isinstance(tree, dict)
    return tree


@every_row
def test_a_scheme_says_where_it_is_from_and_what_to_know(row: Technique) -> None:
    """A name alone would be taken for compliance."""
    assert row.warning
    assert row.citation
    assert row.basis in ("text", "code")
    assert not row.is_offered


def test_bmb21_is_never_offered_as_compliance() -> None:
    """Its text is restricted, the bytes are hearsay, and carriers of state secrets are never wiped here."""
    (row,) = (row for row in SCHEMES if "bmb" in row.id)
    assert row.warning is not None
    assert row.warning.startswith("NEVER compliance")
    assert row.basis == "code"


@pytest.mark.parametrize("order", [TECHNIQUES, TECHNIQUES[::-1]], ids=["as listed", "backwards"])
def test_no_scheme_is_chosen_by_itself(order: tuple[Technique, ...]) -> None:
    """Whatever its place in the table: only an order can name one."""
    run = run_of()
    found = run.host.find(run.ordered, None)
    chosen = plan("sha256:" + "0" * 64, run.ordered, found, WIPERS["device"], order)
    assert chosen.technique in ("random-1", "zeros-1")
    assert plan("sha256:" + "0" * 64, run.ordered, found, WIPERS["device"]).technique == "random-1"


@every_scheme
def test_no_scheme_reaches_more_than_one_pass_does(name: str) -> None:
    """The rule book looks at what was seen, not at names or numbers of passes."""
    assert finished(name).claim.level is Level.CLEAR
