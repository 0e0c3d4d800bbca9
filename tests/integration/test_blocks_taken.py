"""Blocks that ordered files gave back and others took since: what others write there is no find in what was ordered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.statements import NeedlesRecord, ResidueHunt
from tests.support.erasing import Acting, Ordered, erase_with, order_files, write_all
from tests.support.grounds import Ground, MakeGround, btrfs, ext4, without_cow, xfs
from wipers.acts import Hunt, Sample
from wipers.model import Writer

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

GROUNDS: dict[str, MakeGround] = {
    "ext4": ext4("-b", "4096", size=48 << 20),
    "xfs": xfs(),
    "btrfs": btrfs("", without_cow),
}
LETTER = hashlib.shake_128(b"the head of every letter").digest(96 << 10)
"""What files that go and files that stay have in common."""


@pytest.fixture(params=GROUNDS)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    with GROUNDS[request.param](tmp_path) as made:
        yield made


def ordered_letters(ground: Ground, folder: Path) -> Ordered:
    (ground.root / "in" / "all").mkdir(parents=True)
    (ground.root / "in" / "all" / "letter").write_bytes(LETTER)
    ground.sync()
    return order_files(ground.root / "in", ("all",), folder / "state", destroy=("history",))


def take_everything(ground: Ground) -> None:
    """Somebody writes the same letter until no room is left."""
    with (ground.root / "in" / "letters").open("wb", buffering=0) as file:
        try:
            while file.write(LETTER):
                pass
        except OSError:
            pass
    ground.sync()


def found_by(writer: Writer) -> set[str]:
    hunt = writer.act(Hunt(), Acting().given())
    assert isinstance(hunt, ResidueHunt)
    assert hunt.hits, "the letter is there"
    return {hits.place for hits in hunt.hits}


def test_what_others_wrote_into_blocks_that_were_given_back_is_theirs(ground: Ground, tmp_path: Path) -> None:
    """Otherwise a busy file system whose files resemble one another could have none of them proven gone."""
    ordered = ordered_letters(ground, tmp_path)
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
        sampled = writer.act(Sample(names=False), Acting().given())
        assert isinstance(sampled, NeedlesRecord)
        assert sampled.needles > 0
        assert erase_with(writer).readback.matched >= len(LETTER)
        take_everything(ground)
        assert found_by(writer) <= {"other-file", "unknown"}


def test_as_long_as_a_name_is_left_they_count_as_those_of_the_order(tmp_path: Path) -> None:
    """Somebody gave the name to another file amid the run: whether the ordered one was emptied, nobody saw."""
    with GROUNDS["ext4"](tmp_path) as ground:
        ordered = ordered_letters(ground, tmp_path)
        letter = ground.root / "in" / "all" / "letter"
        with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
            writer.act(Sample(names=False), Acting().given())
            write_all(writer)
            other = letter.with_name("other")
            other.write_bytes(b"another's")
            os.replace(other, letter)
            writer.settle()
            writer.release()
            take_everything(ground)
            assert "carrier" in found_by(writer)
        assert letter.read_bytes() == b"another's"
