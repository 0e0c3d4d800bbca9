"""The verdict table: every row that refuses says why, how, and by which reason; every kind of file system has a row."""

from __future__ import annotations

import re

import pytest

from certificates.reasons import REASONS
from wipers.linux.filesystems import FORBIDDING_FLAGS
from wipers.linux.inodes import OF_EXTENTS
from wipers.verdicts import BY_KIND, OF_DATA_MODE, OF_FILE_SYSTEMS, OF_FILES, VERDICTS, Verdict, case_of


@pytest.mark.parametrize("row", VERDICTS.values(), ids=lambda row: row.case)
def test_a_row_that_refuses_has_a_reason_and_a_way_out(row: Verdict) -> None:
    """A refusal that does not say where to turn is the end of the road."""
    assert (row.outcome == "refused") == (row.reason is not None)
    assert row.reason is None or row.reason in REASONS
    assert all((row.what, row.why, row.way))
    assert "|" not in row.what + row.why + row.way


def test_no_case_has_two_rows() -> None:
    """A case is looked up by its id."""
    assert len(VERDICTS) == len(OF_FILE_SYSTEMS) + len(OF_FILES)


def test_whatever_forbids_erasure_in_place_has_a_row() -> None:
    """What the code refuses and the page does not tell would be a riddle."""
    told = {row.reason for row in VERDICTS.values()}
    assert {*FORBIDDING_FLAGS.values(), *OF_EXTENTS.values()} <= told
    assert {case for case in (*BY_KIND.values(), *OF_DATA_MODE.values()) if case} <= VERDICTS.keys()


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("xfs", "reached"),
        ("btrfs", "reached"),
        ("zfs", "refused"),
        ("tmpfs", "refused"),
        ("overlay", "refused"),
        ("nfs4", "refused"),
        ("fuse.sshfs", "refused"),
        ("fuseblk", "refused"),
        ("fuse.gocryptfs", "refused"),
        ("vfat", "refused"),
        ("something-new", "refused"),
    ],
)
def test_a_file_system_nobody_vouches_for_is_refused(kind: str, outcome: str) -> None:
    """What is not known to reach the blocks does not reach them."""
    assert case_of(kind).outcome == outcome


@pytest.mark.parametrize("kind", ["ext2", "ext3", "ext4"])
@pytest.mark.parametrize(
    ("mode", "case"),
    [
        ("ordered", "ext4-ordered"),
        ("writeback", "ext4-writeback"),
        ("no journal", "ext4-no-journal"),
        ("journal", "ext4-journal"),
        ("", "ext4-unknown"),
        ("other", "ext4-unknown"),
    ],
)
def test_what_the_journal_does_decides_on_ext4(kind: str, mode: str, case: str) -> None:
    """The journal of data=journal keeps what was overwritten, and a mode out of sight may be that one."""
    assert case_of(kind, data_mode=mode).case == case


def test_what_is_not_seen_or_lies_elsewhere_is_refused() -> None:
    """Contents in a journal that cannot be read, in clusters, on several devices."""
    assert case_of("ext4", data_mode="journal", is_raw_readable=False).reason == "file-data-journaled"
    assert case_of("ext4", data_mode="ordered", has_clusters=True).reason == "file-system-not-supported"
    assert case_of("btrfs", devices=2).reason == "file-system-spans-devices"


def test_ways_out_begin_like_sentences() -> None:
    """They stand in a table that people read."""
    for row in VERDICTS.values():
        for text in (row.why, row.way):
            assert re.match(r"[A-Z]|[a-z]+off", text), text
            assert not text.endswith("."), text
