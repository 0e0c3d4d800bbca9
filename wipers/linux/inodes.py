"""What a file's inode and its extents say against overwriting it in place, for each kind of file system."""

from __future__ import annotations

from collections.abc import Iterator

from wipers.linux.extents import Mapping
from wipers.linux.filesystems import FORBIDDING_FLAGS

COMPRESSED = 0x00000004
NO_COPY_ON_WRITE = 0x00800000

OF_EXTENTS = {
    "encoded": "file-compressed",
    "encrypted": "file-encrypted",
    "inline": "file-inline",
    "shared": "file-shared",
}
"""What an extent's doubt comes from; every other doubt is about its place."""


def reasons_against(kind: str, flags: int, mapping: Mapping) -> tuple[str, ...]:
    """Return why a file of such a file system must not be overwritten in place, each reason once."""
    return tuple(dict.fromkeys(_reasons(kind, flags, mapping)))


def _reasons(kind: str, flags: int, mapping: Mapping) -> Iterator[str]:
    yield from (reason for flag, reason in FORBIDDING_FLAGS.items() if flags & flag)
    if kind == "btrfs" and mapping.spans:
        if flags & COMPRESSED:
            yield "file-compressed"
        elif not flags & NO_COPY_ON_WRITE:
            yield "file-copy-on-write"
    for doubt in mapping.doubts:
        yield OF_EXTENTS.get(doubt, "extents-not-provable")
