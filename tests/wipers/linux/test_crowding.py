"""What an xfs says of itself that keeps names elsewhere too."""

from __future__ import annotations

import struct

import pytest

from wipers.linux.crowding import keeps_parents


class Superblock:
    """A storage of which only the first sector is read."""

    def __init__(self, features: int) -> None:
        self._sector = b"XFSB" + bytes(212) + struct.pack(">I", features) + bytes(292)

    def peek(self, offset: int, length: int) -> bytes:
        return self._sector[offset : offset + length]


@pytest.mark.parametrize(("features", "expected"), [(0x0B, False), (0x8B, True)])
def test_an_xfs_with_names_of_parents_is_known(features: int, expected: bool) -> None:
    """Its attributes hold every name once more, in a shape of their own (mkfs.xfs -n parent=1)."""
    assert keeps_parents(Superblock(features)) is expected
