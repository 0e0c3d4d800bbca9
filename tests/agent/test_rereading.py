"""An audit reads the medium again, and sees every byte that differs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.rereading import Medium, compare_with, final_pass, open_medium, reread_from
from certificates.errors import Refused
from certificates.statements import ConstantPattern, Extent, KeyGone, OverwriteRecord
from tests.support import world

SIZE = 1 << 20
ZONE, GAP = 65536, 16384
"""Bytes of a zone, and of those behind its capacity."""


class Told:
    """As much of a certificate as reading again needs."""

    def __init__(self, kind: str = "image", size: int = SIZE) -> None:
        record = OverwriteRecord(
            0, "whole", ConstantPattern("5a"), size, size, (), 0, started_at=world.NOW, ended_at=world.NOW, resumed=0
        )
        self.evidence: Any = type("Evidence", (), {"kind": kind, "records": (record,), "checks": ()})()


def read(path: Path, told: Any) -> Any:
    return reread_from(path, lambda: world.NOW)(told)


def test_an_untouched_medium_matches(tmp_path: Path) -> None:
    """Byte for byte."""
    (tmp_path / "image").write_bytes(b"\x5a" * SIZE)
    found = read(tmp_path / "image", Told())
    assert (found.matched, found.mismatched_size, found.unread_size) == (SIZE, 0, 0)


@pytest.mark.parametrize("at", [0, 4095, SIZE // 2, SIZE - 1])
def test_one_byte_that_differs_is_found(tmp_path: Path, at: int) -> None:
    """Wherever it stands."""
    data = bytearray(b"\x5a" * SIZE)
    data[at] ^= 1
    (tmp_path / "image").write_bytes(data)
    found = read(tmp_path / "image", Told())
    assert found.mismatched_size > 0
    assert found.mismatched[0].offset <= at < found.mismatched[0].offset + found.mismatched[0].length


def test_what_a_medium_is_too_short_for_counts_as_unread(tmp_path: Path) -> None:
    """Another, smaller medium must not pass."""
    (tmp_path / "image").write_bytes(b"\x5a" * (SIZE // 2))
    found = read(tmp_path / "image", Told())
    assert (found.size, found.matched, found.unread_size) == (SIZE, SIZE // 2, SIZE // 2)


@pytest.mark.parametrize("at", [0, 3 * ZONE, 4 * ZONE - GAP - 1])
def test_of_a_zoned_device_the_blocks_are_read_and_not_the_gaps(tmp_path: Path, at: int) -> None:
    """As many bytes from the first on would leave the last zones unread, and call what stands there a match."""
    data = bytearray(4 * ZONE)
    data[at] = 0x55
    (tmp_path / "drive").write_bytes(data)
    blocks = tuple(Extent(0, begin, ZONE - GAP) for begin in range(0, 4 * ZONE, ZONE))
    last = replace(Told(size=4 * (ZONE - GAP)).evidence.records[0], pattern=ConstantPattern("00"))
    with open_medium(tmp_path / "drive") as storage:
        found = compare_with(storage, last, lambda: world.NOW, blocks)
    assert (found.size, found.mismatched_size, found.unread_size) == (last.size, 512, 0)
    assert found.mismatched[0].offset == at // 512 * 512


def test_files_have_no_path_any_more() -> None:
    """Their names are gone; saying so beats a wrong verdict."""
    told: Any = Told("files")
    with pytest.raises(Refused) as caught:
        final_pass(told)
    assert caught.value.reason == "medium-not-rereadable"


def test_the_last_pass_is_the_one_that_counts() -> None:
    """An earlier one is covered by it."""
    told: Any = Told()
    first = told.evidence.records[0]
    told.evidence.records = (first, replace(first, step=1, pattern=ConstantPattern("00")))
    assert final_pass(told).step == 1


@pytest.mark.parametrize(("backups", "is_read"), [(0, True), (1, False)])
def test_a_header_pass_that_ran_over_backups_too_is_not_read_again(backups: int, is_read: bool) -> None:
    """Its record counts the bytes of all; so many read from the container would call sound ciphertext a difference."""
    told: Any = Told("luks")
    told.evidence.records = (replace(told.evidence.records[0], area="header"),)
    told.evidence.checks = (KeyGone(2, 1, 2, 0, 0, "cryptsetup", True, backups, 0, world.NOW),)
    if is_read:
        assert final_pass(told).area == "header"
        return
    with pytest.raises(Refused) as caught:
        final_pass(told)
    assert caught.value.reason == "medium-not-rereadable"


def test_a_medium_that_goes_away_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence, and no bug's traceback: nothing is known of what was not read."""
    image = tmp_path / "image"
    image.write_bytes(b"\x5a" * SIZE)

    def shrink(self: Medium) -> None:
        os.truncate(image, 4096)

    monkeypatch.setattr(Medium, "settle", shrink)
    with pytest.raises(Refused) as caught:
        read(image, Told())
    assert caught.value.reason == "file-unreadable"
