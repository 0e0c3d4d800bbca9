"""Anchors lie where the programs that people use put their marks: made with those programs, looked for without ours."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from certificates.anchors import DISK_RULE, anchor_blocks
from tests.support.ext4_image import run
from tests.support.simulated_host import Plug, Simulated, SimulatedWriter
from wipers.partitions import partitions_on

pytestmark = pytest.mark.integration

MIB = 1 << 20


def sparse(folder: Path, size: int) -> Path:
    path = folder / "image"
    path.touch()
    os.truncate(path, size)
    return path


def anchored(offset: int, size: int) -> bool:
    return offset // 4096 in anchor_blocks(DISK_RULE, size)


@pytest.mark.parametrize("block", [1024, 2048, 4096])
def test_every_superblock_of_an_ext4_is_an_anchor(tmp_path: Path, block: int) -> None:
    """Whoever has one of them has the file system's size, name and times."""
    size = 1500 * MIB + 8192
    image = sparse(tmp_path, size)
    run("mkfs.ext4", "-q", "-F", "-b", str(block), image)
    told = subprocess.run(["dumpe2fs", image], capture_output=True, text=True, check=True).stdout
    backups = [int(number) * block for number in re.findall(r"Backup superblock at (\d+)", told)]
    assert len(backups) >= 4
    assert all(anchored(offset, size) for offset in (1024, *backups)), backups


def test_both_headers_of_a_luks2_container_are_anchors(tmp_path: Path) -> None:
    """The second one says as much as the first."""
    size = 64 * MIB
    image = sparse(tmp_path, size)
    options = ("--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--batch-mode")
    subprocess.run(["cryptsetup", "luksFormat", *options, image, "-"], input=b"word", check=True)
    data = image.read_bytes()
    second = data.index(b"SKUL\xba\xbe")
    assert data.startswith(b"LUKS\xba\xbe")
    assert anchored(0, size)
    assert anchored(second, size), second


def test_a_swap_area_is_known_by_an_anchor(tmp_path: Path) -> None:
    """At the end of its first page."""
    image = sparse(tmp_path, 8 * MIB)
    run("mkswap", image)
    assert anchored(image.read_bytes().index(b"SWAPSPACE2"), 8 * MIB)


@pytest.mark.parametrize("label", ["gpt", "dos"])
def test_tables_are_anchors_and_their_partitions_are_read(tmp_path: Path, label: str) -> None:
    """Both tables of a GPT, byte for byte; and what sfdisk lists is what is told, logical partitions among it."""
    size = 32 * MIB
    image = sparse(tmp_path, size)
    logical = "start=30000, size=20000, type=E\nstart=32048, size=4096\n" if label == "dos" else ""
    table = f"label: {label}\nstart=2048, size=8192\nstart=16384, size=8000\n{logical}"
    subprocess.run(["sfdisk", "-q", image], input=table, text=True, check=True)
    data = image.read_bytes()
    written = {at // 4096 for at in range(0, size, 512) if any(data[at : at + 512])}
    tables = {at for at in written if not 4 <= at <= size // 4096 - 9}
    assert tables <= set(anchor_blocks(DISK_RULE, size))
    told = subprocess.run(["sfdisk", "-d", image], capture_output=True, text=True, check=True).stdout
    listed = {
        (int(start) * 512, int(length) * 512)
        for start, length, kind in re.findall(r"start=\s*(\d+), size=\s*(\d+), type=(\w+)", told)
        if kind != "5"
    }
    medium = Simulated(sizes=(size,))
    medium.storage.seen[0][:] = data
    found = partitions_on(SimulatedWriter(medium, Plug()), size)
    assert {(one.offset, one.length) for one in found} == listed
    assert len(listed) == (3 if label == "dos" else 2)
