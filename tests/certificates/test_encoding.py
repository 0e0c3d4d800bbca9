"""The wire form: what goes out comes back, and nothing else comes in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.encoding import _of_statement as of_statement
from certificates.encoding import canonical, decode, digest, encode, format_time, parse, parse_time
from certificates.errors import Untrusted
from certificates.statements import Entry, FilesSelector, Grade, Order, SampledVerification, Selector
from tests.support import world

ORDER = encode(world.order())


def edited(**changes: Any) -> bytes:
    return canonical({**json.loads(ORDER), **changes})


def reason_of(data: bytes, kind: type = Order) -> str:
    with pytest.raises(Untrusted) as refused:
        decode(data, kind)
    return refused.value.reason


def test_an_order_comes_back_as_it_went_out() -> None:
    """With every kind of identity, absent fields and Chinese text in it."""
    assert decode(ORDER, Order) == world.order()
    assert digest(world.order()) == digest(ORDER)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (edited(version="1"), "field-wrong"),
        (edited(version=True), "field-wrong"),
        (edited(version=-1), "field-wrong"),
        (edited(version=None), "field-wrong"),
        (edited(id="a/b"), "field-wrong"),
        (edited(id="a\n"), "field-wrong"),
        (edited(id="é"), "field-wrong"),
        (edited(id="a" * 129), "field-wrong"),
        (edited(reason="e\u0301"), "field-wrong"),
        (edited(reason="bell\x07"), "field-wrong"),
        (edited(issued_at="2026-11-20T10:00:00+00:00"), "field-wrong"),
        (edited(issued_at="2026-02-30T10:00:00Z"), "field-wrong"),
        (edited(persons={}), "field-wrong"),
        (edited(persons=[]), "field-wrong"),
        (edited(persons=[{"id": "P-1", "role": "boss"}] * 2), "field-wrong"),
        (edited(unit=[]), "field-wrong"),
        (edited(carriers=[{"id": "C-1"}]), "field-missing"),
        (edited(extra=1), "field-unknown"),
        (canonical({k: v for k, v in json.loads(ORDER).items() if k != "unit"}), "field-missing"),
        (edited(supersedes="sha256:" + "A" * 64), "field-wrong"),
        (ORDER.replace(b":", b": ", 1), "document-not-canonical"),
        (b"\xef\xbb\xbf" + ORDER, "document-malformed"),
        (ORDER + b" ", "document-not-canonical"),
        (b"[]", "field-wrong"),
        (b"null", "field-wrong"),
        (b'{"a":1.0}', "document-malformed"),
        (b'{"a":-0}', "field-unknown"),
        (b'{"a":' + b"9" * 5000 + b"}", "document-malformed"),
        (b'{"a":"\\ud800"}', "field-unknown"),
        (b"{" * 300_000, "document-malformed"),
    ],
)
def test_what_is_not_exactly_an_order_is_refused(data: bytes, reason: str) -> None:
    """Naming the field where there is one."""
    assert reason_of(data) == reason


def test_an_error_names_the_field_and_what_it_must_be() -> None:
    """A clerk corrects it without reading code."""
    tree = json.loads(ORDER)
    tree["carriers"][0]["level"] = "gone"
    with pytest.raises(Untrusted, match=r"carriers\[0\]\.level must be one of clear, purge, destroy"):
        decode(canonical(tree), Order)


def test_a_statement_that_would_not_be_read_is_not_written() -> None:
    """The pen holds to the form as the reader does."""
    with pytest.raises(Untrusted):
        encode(world.order(id="has a space"))


def test_a_union_is_told_by_its_kind_alone() -> None:
    """Two kinds never share a mark."""
    tree = json.loads(encode(Selector("C-1", "0" * 64, FilesSelector("/srv", ("a",), "1" * 64))))
    tree["selects"]["kind"] = "path"
    assert reason_of(canonical(tree), Selector) == "field-unknown"
    tree["selects"]["kind"] = "nothing"
    assert reason_of(canonical(tree), Selector) == "field-wrong"


def test_a_journal_entry_is_not_an_order() -> None:
    """Types are never guessed."""
    assert reason_of(ORDER, Entry) == "field-unknown"


@given(st.integers(0, 253_402_300_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_times_come_back_in_whole_seconds(instant: datetime) -> None:
    """RFC 3339 with Z, one form for one instant."""
    assert parse_time(format_time(instant)) == instant.replace(microsecond=0)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T12:00:00+00:00",
        "2026-11-22T12:00:00.5Z",
        "2026-11-22 12:00:00Z",
        "20261122T120000Z",
        "2026-11-22T12:00Z",
        "2026-11-22Z",
        "2026-W47-7T12:00:00Z",
        "2026-11-22T12:00:00",
        "2026-11-22T24:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "Z",
        "",
    ],
)
def test_an_instant_has_one_form(text: str) -> None:
    """Two spellings of one time would be two documents that say the same."""
    with pytest.raises(ValueError, match=r".*"):
        parse_time(text)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    """Whatever comes over the wire ends in a tree or in Untrusted."""
    try:
        parse(data)
    except Untrusted as error:
        assert error.reason == "document-malformed"  # noqa: PT017 - either outcome is right, and no third one


@given(st.integers(min_value=0), st.integers(0, 7))
def test_no_flipped_bit_of_an_order_yields_the_same_order(position: int, bit: int) -> None:
    """The form has no slack: another byte is another document, or none."""
    data = bytearray(ORDER)
    data[position % len(data)] ^= 1 << bit
    try:
        assert decode(bytes(data), Order) != world.order()
    except Untrusted:
        return


@given(st.sampled_from(Grade), st.integers(500_000, 999_999), st.integers(1, 500_000))
def test_what_a_clerk_may_choose_comes_back(grade: Grade, confidence: int, fraction: int) -> None:
    """Round trip over the free choices of an order."""
    made = world.order(
        assets=(replace(world.ASSET, grade=grade),),
        carriers=(world.carrier(verification=SampledVerification(confidence, fraction)),),
    )
    assert decode(encode(made), Order) == made


@given(
    st.recursive(
        st.booleans() | st.integers(0, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abcxyz_", min_size=1), inner),
        max_leaves=20,
    )
)
def test_a_statements_bytes_are_those_of_the_standard(tree: Any) -> None:
    """Statements are written by a faster writer than any tree is; controls, quotes, marks and far planes included."""
    assert of_statement(tree) == canonical(tree)


def test_a_text_that_is_no_text_is_no_document() -> None:
    """Half a surrogate pair can be written with an escape, and in no encoding."""
    data = ORDER.replace(b'"reason":"', b'"reason":"\\ud800', 1)
    assert reason_of(data) in {"field-wrong", "document-malformed"}
