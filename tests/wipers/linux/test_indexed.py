"""The hash by which ext4 finds a name in a large directory, and names that go where one is wanted."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest

from wipers.linux.indexed import Gap, Tree, hash_of, names_beyond, names_into

SEED = struct.unpack("<4I", UUID("5f74798e-1c0d-4e57-9a3b-77d2c1a0b6e4").bytes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", 0xD5FA7D7A),
        ("abcd", 0xAD7557A8),
        ("NAME-OF-A-SECRET-0001", 0xB3418D78),
        ("x" * 32, 0xAE38AE70),
        ("y" * 33, 0xCF79E5D6),
        ("z" * 255, 0x3B4D55EA),
    ],
)
def test_the_hash_is_that_of_debugfs(name: str, expected: int) -> None:
    """Printed by `debugfs -R 'dx_hash -h half_md4 NAME'` (e2fsprogs 1.47), without a seed."""
    assert hash_of(name.encode(), (0, 0, 0, 0)) == expected


def test_names_go_into_the_first_gap_that_they_fit_and_into_no_full_block() -> None:
    """Into a block without room a name would be put by splitting it, which leaves more copies behind."""
    gaps = {1: [Gap(40, False), Gap(300, True), Gap(600, False)], 2: [Gap(12, True)], 3: [Gap(24, False)]}
    tree = Tree([0, 0x55555556, 0xAAAAAAAA], [1, 2, 3])
    names = list(names_into(tree, gaps, SEED, 10_000))
    leaves = [tree.leaf_of(hash_of(name.encode(), SEED)) for name in names]
    assert set(leaves) == {1, 2}
    assert [len(name) for name, leaf in zip(names, leaves, strict=True) if leaf == 2] == [4]
    assert not any(gap.is_stale for found in gaps.values() for gap in found)
    assert gaps[3] == [Gap(24, False)]


def test_the_search_for_names_ends() -> None:
    """A leaf that no hash leads to keeps what stands in it, and that is seen afterwards."""
    gaps = {9: [Gap(300, True)]}
    assert list(names_into(Tree([0], [1]), gaps, SEED, 50)) == []


def test_names_go_beyond_what_fits_by_one() -> None:
    """For that one the file system splits the block: more would split it again."""
    gaps = {1: [Gap(40, False), Gap(600, False)], 2: [Gap(8, False)]}
    tree = Tree([0, 0x55555556, 0xAAAAAAAA], [1, 2, 3])
    names = list(names_beyond(tree, gaps, SEED, 10_000))
    leaves = [tree.leaf_of(hash_of(name.encode(), SEED)) for name in names]
    assert sorted(leaves) == [1, 1, 1, 2]
    assert {len(name) for name in names} == {255}
