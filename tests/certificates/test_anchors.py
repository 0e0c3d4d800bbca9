"""Anchors lie where partition tables, file systems and volume managers keep their marks, wherever the medium ends."""

from __future__ import annotations

import pytest

from certificates.anchors import DISK_RULE, RULES, anchor_blocks
from certificates.sampling import blocks_of
from certificates.statements import Extent

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
DISK = 4 * TIB + 13 * MIB + 512  # a size that nothing divides


@pytest.mark.parametrize(
    ("what", "offset"),
    [
        ("MBR", 446),
        ("GPT, sectors of 512 bytes", 512),
        ("GPT, sectors of 4096 bytes", 4096),
        ("last entry of a GPT, sectors of 4096 bytes", 2 * 4096 + 127 * 128),
        ("second GPT, sectors of 512 bytes", DISK - 512),
        ("entries of the second GPT, sectors of 512 bytes", DISK - 33 * 512),
        ("ext superblock", 1024),
        ("ext backup, blocks of 1 KiB, group 1", 8193 * KIB),
        ("ext backup, blocks of 1 KiB, group 3", 24577 * KIB),
        ("ext backup, blocks of 4 KiB, group 1", 32768 * 4 * KIB),
        ("ext backup, blocks of 4 KiB, group 49", 49 * 32768 * 4 * KIB),
        ("btrfs superblock", 64 * KIB),
        ("btrfs, first mirror", 64 * MIB),
        ("btrfs, second mirror", 256 * GIB),
        ("NTFS boot sector's mirror", DISK - 512),
        ("LUKS2, second header", 16 * KIB),
        ("LUKS2, second header, largest", 4 * MIB),
        ("LVM label", 512),
        ("LVM metadata", 4096),
        ("md 1.0", (DISK // 512 - 16) // 8 * 8 * 512),
        ("md 1.2", 4096),
        ("md 0.90", DISK // (64 * KIB) * 64 * KIB - 64 * KIB),
        ("ZFS label 0, list", 16 * KIB),
        ("ZFS label 1, list", 256 * KIB + 16 * KIB),
        ("ZFS label 2, uberblocks", DISK // (256 * KIB) * 256 * KIB - 512 * KIB + 128 * KIB),
        ("ZFS label 3, list", DISK // (256 * KIB) * 256 * KIB - 256 * KIB + 16 * KIB),
        ("swap signature", 4086),
        ("swap signature, pages of 64 KiB", 64 * KIB - 10),
        ("XFS, second allocation group of a disk of 4 TiB and more", (TIB - 1) // 4096 * 4096),
        ("UDF anchor", 512 * KIB),
        ("where the first partition begins", MIB),
        ("last byte", DISK - 1),
    ],
)
def test_a_mark_lies_on_an_anchor(what: str, offset: int) -> None:
    """Offsets from the documents that the rule names, worked out here by hand."""
    assert offset // 4096 in anchor_blocks(DISK_RULE, DISK), what


def test_xfs_groups_of_a_smaller_disk_are_quarters() -> None:
    """mkfs.xfs cuts a single disk below 4 TiB into four, rounded up to a block."""
    size = 300 * MIB + 4096
    assert {0, 19201, 38402, 57603} <= set(anchor_blocks(DISK_RULE, size))


def test_a_partition_is_a_medium_of_its_own() -> None:
    """Its file system counts from its first byte; and one that reaches beyond the end ends there."""
    begin, length = 3 * MIB + 512, 600 * MIB
    found = anchor_blocks(DISK_RULE, GIB, (Extent(0, begin, length), Extent(0, GIB - MIB, 5 * GIB)))
    marks = (1024, 64 * MIB, 128 * MIB, length - 512)
    assert {(begin + mark) // 4096 for mark in marks} <= set(found)
    assert set(found) > set(anchor_blocks(DISK_RULE, GIB))
    assert max(found) == blocks_of(GIB) - 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [0, 1, 512, 4096, 4097, 65536, MIB, 300 * MIB + 1, 64 * TIB])
def test_no_anchor_lies_outside(rule: str, size: int) -> None:
    """An auditor of a hostile bundle must not be sent astray; and the ends are always among them."""
    found = anchor_blocks(rule, size, (Extent(0, 2**53 - 1, 2**53 - 1), Extent(0, 0, 0)))
    assert list(found) == sorted(set(found))
    assert len(found) < 400
    assert all(0 <= block < blocks_of(size) for block in found)
    assert not size or {0, blocks_of(size) - 1} <= set(found)


def test_a_rule_that_never_was_is_not_guessed() -> None:
    """A later program's rule is not this one's."""
    with pytest.raises(KeyError):
        anchor_blocks("anchors-2", DISK)


def test_the_published_places_stay() -> None:
    """A certificate of today must be redone by the programs of ten years on."""
    assert anchor_blocks(DISK_RULE, 24 * MIB) == (
        *range(16),
        16,
        32,
        64,
        68,
        96,
        128,
        256,
        512,
        1024,
        1536,
        2048,
        3072,
        4608,
        6016,
        6020,
        6048,
        6080,
        6084,
        6112,
        *range(6128, 6144),
    )
    assert len(anchor_blocks(DISK_RULE, DISK)) == 125
