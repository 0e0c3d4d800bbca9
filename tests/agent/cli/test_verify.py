"""`expunge verify` finds every byte that is not as expected, says what it read, and refuses what makes no sense."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.comparing import Expected, compare
from certificates.audit.patterns import expected
from certificates.errors import Refused
from certificates.sampling import strata_of, stratified_positions
from certificates.statements import ConstantPattern, DeviceIdentity, KeystreamPattern, RepeatedPattern
from tests.support import world
from tests.support.screens import SCHEMAS, invoke
from tests.support.story import sampled, story, tell
from tests.support.world import Papers

SIZE = (1 << 20) + 4096 + 512


def image(folder: Path, content: bytes, **changed: int) -> Path:
    """An image with this content, but for the bytes named by offset (`at_5=1`)."""
    data = bytearray(content)
    for where, value in changed.items():
        data[int(where.removeprefix("at_"))] = value
    path = folder / "image"
    path.write_bytes(data)
    return path


def seen(*arguments: object) -> dict[str, Any]:
    """The JSON form, which is as its schema says."""
    done = invoke("--json", "--quiet", "verify", *arguments)
    told: dict[str, Any] = json.loads(done.stdout)
    Draft202012Validator(json.loads((SCHEMAS / "verify.schema.json").read_text())).validate(told)
    assert told["exit"] == done.exit_code
    return told


@pytest.mark.parametrize(("word", "byte"), [("zeros", b"\0"), ("ones", b"\xff")])
def test_what_is_as_expected_matches(tmp_path: Path, word: str, byte: bytes) -> None:
    """To the odd last byte."""
    told = seen(image(tmp_path, byte * (SIZE + 3)), "--expect", word)
    assert (told["exit"], told["outcome"], told["matched"]) == (0, "match", SIZE + 3)
    assert seen(tmp_path / "image", "--expect", {"zeros": "ones", "ones": "zeros"}[word])["matched"] == 0


@pytest.mark.parametrize("at", [0, 511, 512, SIZE // 2, SIZE - 1])
def test_one_byte_that_differs_is_found_and_placed(tmp_path: Path, at: int) -> None:
    """In units of 512 bytes."""
    told = seen(image(tmp_path, bytes(SIZE), **{f"at_{at}": 1}), "--expect", "zeros")
    assert (told["exit"], told["outcome"], told["differing_size"]) == (5, "differs", 512)
    assert told["differing"] == [{"offset": at // 512 * 512, "length": 512}]


def test_ranges_are_printed_and_the_result_says_what_it_is(tmp_path: Path) -> None:
    """In both languages; a statement is no certificate."""
    place = image(tmp_path, bytes(SIZE), at_0=1, at_600=1, at_9000=1)
    english = invoke("verify", place, "--expect", "zeros").stdout
    assert "0 - 1,023" in english
    assert "8,704 - 9,215" in english
    assert "certifies nothing" in english
    assert "[exit 5]" in english
    assert "不作任何证明" in invoke("verify", place, "--expect", "zeros", language="zh").stdout


def test_many_ranges_are_cut_short_on_the_screen(tmp_path: Path) -> None:
    """A table of thousands helps nobody; the JSON form has more of them."""
    place = image(tmp_path, bytes(SIZE), **{f"at_{number * 2048}": 1 for number in range(25)})
    assert "… 5" in invoke("verify", place, "--expect", "zeros").stdout
    assert len(seen(place, "--expect", "zeros")["differing"]) == 25


def test_the_first_finding_ends_it_where_that_is_wanted(tmp_path: Path) -> None:
    """A medium of many terabytes that was never wiped shows it at once."""
    place = image(tmp_path, bytes(64 << 20), at_0=1)
    told = seen(place, "--expect", "zeros", "--stop-at-first")
    assert told["stopped"]
    assert told["exit"] == 5
    assert told["looked_at"] < told["size"]
    assert "the rest is not known" in invoke("verify", place, "--expect", "zeros", "--stop-at-first").output
    clean = seen(image(tmp_path, bytes(SIZE)), "--expect", "zeros", "--stop-at-first")
    assert (clean["stopped"], clean["exit"]) == (False, 0)


# -------------------------------------------------------------------------------------------------------- sample


def test_a_sample_reads_less_and_says_so(tmp_path: Path) -> None:
    """Sections, anchors, confidence, and the seed by which the same blocks can be read again."""
    size = 6144 * 4096
    place = image(tmp_path, bytes(size))
    told = seen(place, "--expect", "zeros", "--sample", "95%,1%")
    sample = told["sample"]
    assert (sample["confidence_ppm"], sample["fraction_ppm"], sample["strata"]) == (950_000, 10_000, 1000)
    assert told["looked_at"] == 4096 * (sample["read"] + sample["anchors"]) < size
    assert (
        "what was not read is not known" in invoke("verify", place, "--expect", "zeros", "--sample", "0.95,1%").stdout
    )
    blocks = stratified_positions(bytes.fromhex(sample["seed"]), 6144, strata_of(6144), 950_000, 10_000)
    assert sample["read"] == len(blocks)


def test_a_sample_finds_what_no_section_may_hide(tmp_path: Path) -> None:
    """A wipe that stopped half-way, and one superblock that was left."""
    place = image(tmp_path, bytes(12 << 20) + b"\xa5" * (12 << 20))
    assert seen(place, "--expect", "zeros", "--sample", "0.5,0.5")["outcome"] == "differs"
    assert seen(image(tmp_path, bytes(24 << 20), at_1080=0x53), "--expect", "zeros", "--sample", "0.5,0.5")["exit"] == 5


# -------------------------------------------------------------------------------------------------------- bundle


def papers(pattern: Any) -> Papers:
    technique = "zeros-1" if isinstance(pattern, ConstantPattern) else "random-1"
    carrier = world.carrier(technique=technique, verification=sampled())
    assert isinstance(carrier.identity, DeviceIdentity)
    small = replace(carrier, identity=replace(carrier.identity, size=SIZE))
    return tell(story(order=world.order(carriers=(small,)), pattern=pattern))


@pytest.mark.parametrize(
    "pattern",
    [ConstantPattern("5a"), RepeatedPattern("924924"), KeystreamPattern("5c" * 32)],
    ids=lambda pattern: pattern.kind,
)
def test_a_bundle_says_what_its_last_pass_left(tmp_path: Path, pattern: Any) -> None:
    """Of whatever kind; and a document that nobody checked is called that."""
    bundle = tmp_path / "C-1.expunge"
    bundle.write_bytes(papers(pattern).packed)
    place = image(tmp_path, expected(pattern, 0, SIZE))
    told = seen(place, "--expect", bundle)
    assert (told["exit"], told["matched"]) == (0, SIZE)
    assert told["expected"]["document"]["checked"] is False
    assert "NOT CHECKED" in invoke("verify", place, "--expect", bundle).stdout
    data = bytearray(place.read_bytes())
    data[70_000] ^= 1
    place.write_bytes(data)
    assert seen(place, "--expect", bundle)["differing"] == [{"offset": 69_632, "length": 512}]


def test_a_trust_file_has_the_bundle_audited_first(tmp_path: Path) -> None:
    """Held against what the reader accepts; a bundle that does not hold says nothing about any medium."""
    made = papers(ConstantPattern("00"))
    bundle, trust = tmp_path / "C-1.expunge", tmp_path / "trust.json"
    bundle.write_bytes(made.packed)
    trust.write_bytes(world.trust_file(made.trust))
    place = image(tmp_path, bytes(SIZE))
    assert seen(place, "--expect", bundle, "--trust", trust)["expected"]["document"]["checked"] is True
    assert "its documents hold" in invoke("verify", place, "--expect", bundle, "--trust", trust).stdout
    foreign = json.loads(trust.read_text())
    foreign["keyrings"] = ["sha256:" + "0" * 64]
    trust.write_text(json.dumps(foreign))
    done = invoke("verify", place, "--expect", bundle, "--trust", trust)
    assert done.exit_code == 7
    assert "Untrusted" in done.stderr


def test_a_medium_that_is_too_short_does_not_match(tmp_path: Path) -> None:
    """Another, smaller one must not pass; what lies behind the pass on a longer one is not compared, and said so."""
    bundle = tmp_path / "C-1.expunge"
    bundle.write_bytes(papers(ConstantPattern("00")).packed)
    short = seen(image(tmp_path, bytes(SIZE // 2)), "--expect", bundle)
    assert (short["exit"], short["outcome"], short["missing_size"]) == (5, "unknown", SIZE - SIZE // 2)
    longer = image(tmp_path, bytes(SIZE) + b"more")
    assert seen(longer, "--expect", bundle)["exit"] == 0
    assert "4 bytes behind what is expected" in invoke("verify", longer, "--expect", bundle).stdout


# ------------------------------------------------------------------------------------------------------- nonsense


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--expect", "zero"), "zero is none of them"),
        (("--expect", "zeros", "--sample", "0.99"), "such as 0.99,0.001"),
        (("--expect", "zeros", "--sample", "0.99,0.1,3"), "such as 0.99,0.001"),
        (("--expect", "zeros", "--sample", "nan,0.1"), "such as 0.99,0.001"),
        (("--expect", "zeros", "--sample", "99,0.1"), "above 0 and up to 1"),
        (("--expect", "zeros", "--sample", "0.99,0"), "above 0 and up to 1"),
        (("--expect", "zeros", "--sample", "0.99,0.0000001"), "above 0 and up to 1"),
        (("--expect", "zeros", "--trust", __file__), "judges a bundle"),
        ((), "--expect"),
    ],
)
def test_what_makes_no_sense_is_a_question_of_usage(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    """Told in words of the option."""
    done = invoke("verify", image(tmp_path, b"\0"), *arguments)
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_bundle_is_not_compared_with_itself(tmp_path: Path) -> None:
    """A slip of completion, caught."""
    place = image(tmp_path, b"\0")
    done = invoke("verify", place, "--expect", place)
    assert (done.exit_code, "same file" in done.stderr) == (2, True)


@pytest.mark.parametrize("what", ["nothing", "folder", "empty", "pipe"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, what: str) -> None:
    """Exit 3, and nothing hangs on a pipe that nobody writes to."""
    place = tmp_path / what
    if what == "folder":
        place.mkdir()
    elif what == "empty":
        place.write_bytes(b"")
    elif what == "pipe":
        os.mkfifo(place)
    done = invoke("verify", place, "--expect", "zeros")
    assert done.exit_code == 3
    assert "Refused" in done.stderr


def test_a_medium_that_goes_away_is_refused(tmp_path: Path) -> None:
    """Nothing is said about what was not read."""
    place = image(tmp_path, bytes(64 << 20))

    def moved(done: int, total: int) -> None:
        os.truncate(place, 4096)

    with pytest.raises(Refused) as caught:
        compare(place, Expected(ConstantPattern("00"), None), moved=moved)
    assert caught.value.reason == "file-unreadable"
