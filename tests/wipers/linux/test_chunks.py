"""btrfs addresses: each profile deals its bytes out in its own way, and a place is turned back into its address."""

from __future__ import annotations

import struct

import pytest

from wipers.linux.chunks import (
    DUP,
    RAID0,
    RAID1,
    RAID1C3,
    RAID5,
    RAID6,
    RAID10,
    Chunk,
    ChunkMap,
    Segment,
    Stripe,
    chunk_of,
)

KIB = 1024
MIB = KIB * KIB
STRIPE = 64 * KIB


def item(length: int, profile: int, copies: int, *stripes: tuple[int, int]) -> bytes:
    """A chunk item as the tree holds it (struct btrfs_chunk, then a struct btrfs_stripe each)."""
    head = struct.pack("<QQQQIIIHH", length, 2, STRIPE, profile | 1, 4096, 4096, 4096, len(stripes), copies)
    return head + b"".join(struct.pack("<QQ16s", *one, bytes(16)) for one in stripes)


def one_chunk(profile: int, copies: int, *stripes: tuple[int, int], length: int = 8 * MIB) -> ChunkMap:
    return ChunkMap((chunk_of(100 * MIB, item(length, profile, copies, *stripes)),))


@pytest.mark.parametrize(
    ("profile", "stripes"),
    [
        (0, ((1, 20 * MIB),)),
        (DUP, ((1, 20 * MIB), (1, 40 * MIB))),
        (RAID1, ((1, 20 * MIB), (2, 1 * MIB))),
        (RAID1C3, ((1, 20 * MIB), (2, 1 * MIB), (3, 7 * MIB))),
    ],
)
def test_mirrored_and_single_chunks_lie_whole_on_every_stripe(
    profile: int, stripes: tuple[tuple[int, int], ...]
) -> None:
    """One copy left out of a read-back would be one copy left over."""
    (segment,) = one_chunk(profile, 1, *stripes).segments(101 * MIB, 3 * MIB)
    assert segment == Segment(101 * MIB, 3 * MIB, tuple(Stripe(device, begin + MIB) for device, begin in stripes))


def test_raid_0_deals_stripes_out_among_devices() -> None:
    """64 KiB here, 64 KiB there (btrfs, stripe_len)."""
    found = list(one_chunk(RAID0, 1, (1, 0), (2, 50 * MIB)).segments(100 * MIB + 60 * KIB, 2 * STRIPE))
    assert [(one.length // KIB, one.places) for one in found] == [
        (4, (Stripe(1, 60 * KIB),)),
        (64, (Stripe(2, 50 * MIB),)),
        (60, (Stripe(1, STRIPE),)),
    ]


def test_raid_10_deals_stripes_out_among_pairs() -> None:
    """Each stripe lies on both devices of its pair."""
    found = list(one_chunk(RAID10, 2, (1, 0), (2, 0), (3, 0), (4, 0)).segments(100 * MIB, 3 * STRIPE))
    assert [one.places for one in found] == [
        (Stripe(1, 0), Stripe(2, 0)),
        (Stripe(3, 0), Stripe(4, 0)),
        (Stripe(1, STRIPE), Stripe(2, STRIPE)),
    ]


@pytest.mark.parametrize("profile", [RAID5, RAID6])
def test_parity_is_not_told(profile: int) -> None:
    """Where parity holds a share of what was overwritten, nothing is proven: unknown, and never a guess."""
    found = one_chunk(profile, 1, (1, 0), (2, 0), (3, 0))
    assert [one.places for one in found.segments(100 * MIB, MIB)] == [()]
    assert found.logical_at(1, 5) is None


def test_what_lies_between_chunks_has_no_place() -> None:
    """An address that no chunk maps is nowhere, and the read of it fails."""
    first = chunk_of(0, item(MIB, 0, 1, (1, 8 * MIB)))
    second = chunk_of(3 * MIB, item(MIB, 0, 1, (1, 9 * MIB)))
    found = list(ChunkMap((first, second)).segments(MIB // 2, 3 * MIB))
    assert [(one.logical, one.length, bool(one.places)) for one in found] == [
        (MIB // 2, MIB // 2, True),
        (MIB, 2 * MIB, False),
        (3 * MIB, MIB // 2, True),
    ]
    assert [one.places for one in ChunkMap(()).segments(5, 7)] == [()]


@pytest.mark.parametrize(
    ("profile", "copies", "stripes"),
    [
        (0, 1, ((1, 5 * MIB),)),
        (DUP, 1, ((1, 5 * MIB), (1, 90 * MIB))),
        (RAID1, 1, ((1, 5 * MIB), (2, 6 * MIB))),
        (RAID0, 1, ((1, 5 * MIB), (2, 6 * MIB), (3, 7 * MIB))),
        (RAID10, 2, ((1, 5 * MIB), (2, 6 * MIB), (3, 7 * MIB), (4, 8 * MIB))),
    ],
)
def test_every_place_leads_back_to_its_address(profile: int, copies: int, stripes: tuple[tuple[int, int], ...]) -> None:
    """A find on a device is told by the address that the files show; both ways must agree."""
    found = one_chunk(profile, copies, *stripes, length=6 * MIB)
    for at in range(100 * MIB, 106 * MIB, 37 * KIB):
        (segment,) = found.segments(at, 1)
        assert {found.logical_at(*place) for place in segment.places} == {at}


def test_devices_and_the_end_are_those_of_all_chunks() -> None:
    """Every device that holds a copy is opened."""
    found = ChunkMap((Chunk(0, MIB, RAID1, STRIPE, 1, (Stripe(3, 0), Stripe(1, 0))), Chunk(MIB, MIB, 0, STRIPE, 1, ())))
    assert (found.devices, found.end) == ((1, 3), 2 * MIB)
