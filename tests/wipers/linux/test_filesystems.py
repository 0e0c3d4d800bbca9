"""Mounts and layers that keep a write in place from reaching the blocks, where this kernel has none of the sort."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fake_machine import SECTOR, FakeMachine
from wipers.linux.filesystems import FORBIDDING_FLAGS, FileSystem, refusals
from wipers.linux.mapper import Row

XFS = FileSystem(
    kind="xfs",
    device=os.makedev(253, 0),
    uuid="5f74798e-1c0d-4e57-9a3b-77d2c1a0b6e4",
    node=None,
    block_size=4096,
    sector_size=512,
    data_mode="",
    has_clusters=False,
    is_read_only=False,
    is_raw_readable=True,
)
LV = "LVM-" + "a" * 32 + "b" * 32


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    machine = FakeMachine(tmp_path)
    machine.disk("sdb", "8:16")
    return machine


def reasons(fake: FakeMachine, found: FileSystem) -> list[str]:
    return [one.reason for one in refusals(found, "/srv/in", fake.machine)]


@pytest.mark.parametrize(("option", "is_refused"), [("dax", True), ("dax=always", True), ("dax=never", False)])
def test_a_mount_with_direct_access_is_refused(fake: FakeMachine, option: str, is_refused: bool) -> None:
    """What processes map there is the storage itself; a file alone may bear the flag too (dax=inode)."""
    found = replace(XFS, device=os.makedev(8, 16), options=("rw", option))
    assert reasons(fake, found) == (["file-direct-access"] if is_refused else [])
    assert FORBIDDING_FLAGS[0x02000000] == "file-direct-access"


@pytest.mark.parametrize(
    ("target", "words", "expected"),
    [
        ("linear", "8:16 0", []),
        ("snapshot-origin", "8:16", ["blocks-elsewhere"]),
        ("snapshot", "8:16 8:17 P 8", ["blocks-elsewhere"]),
        ("thin", "253:9 1", ["blocks-elsewhere"]),
        ("cache", "253:1 253:2 253:3 512 0 default 0", ["blocks-elsewhere"]),
    ],
)
def test_files_on_a_volume_are_refused_where_it_keeps_older_blocks(
    fake: FakeMachine, target: str, words: str, expected: list[str]
) -> None:
    """LVM: the origin of a snapshot copies the old block away before every write."""
    fake.mapping("dm-0", "253:0", "sdb", LV, Row(0, (1 << 30) // SECTOR, target, words))
    assert reasons(fake, XFS) == expected


def test_files_on_a_volume_of_zfs_are_refused(fake: FakeMachine) -> None:
    """A zvol writes every block to a new place of its pool."""
    folder = fake.disk("zd0", "230:0")
    (folder / "device").rmdir()
    assert reasons(fake, replace(XFS, device=os.makedev(230, 0))) == ["blocks-elsewhere"]
    assert reasons(fake, replace(XFS, kind="zfs", device=os.makedev(230, 0)))[0] == "file-system-copies"
