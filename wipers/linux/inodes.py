"""What a file's inode and its extents say against overwriting it in place, for each kind of file system."""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Iterator

from wipers.linux.extents import Mapping
from wipers.linux.filesystems import FORBIDDING_FLAGS, JOURNALED, FileSystem, inode_flags

COMPRESSED = 0x00000004
NO_COPY_ON_WRITE = 0x00800000
FS_IOC_FSGETXATTR = 0x801C581F
"""_IOR('X', 31, struct fsxattr): flags first."""
REALTIME = 0x00000001
"""FS_XFLAG_REALTIME: contents lie on the realtime device."""

FORBIDDING = sum(FORBIDDING_FLAGS)

OF_EXTENTS = {
    "encoded": "file-compressed",
    "encrypted": "file-encrypted",
    "inline": "file-inline",
    "shared": "file-shared",
}
"""What an extent's doubt comes from; every other doubt is about its place."""


def reasons_against(found: FileSystem, descriptor: int, mapping: Mapping) -> tuple[str, ...]:
    """Return why the opened file must not be overwritten in place, each reason once; raises OSError."""
    return tuple(dict.fromkeys(_reasons(found, descriptor, mapping)))


def _reasons(found: FileSystem, descriptor: int, mapping: Mapping) -> Iterator[str]:
    flags = inode_flags(descriptor)
    for flag, reason in FORBIDDING_FLAGS.items() if flags & FORBIDDING else ():
        # What the journal keeps is wrapped away afterwards, where it can be seen that it is.
        if flags & flag and not (flag == JOURNALED and found.wraps_journal):
            yield reason
    if found.kind == "btrfs" and mapping.spans:
        if flags & COMPRESSED:
            yield "file-compressed"
        elif not flags & NO_COPY_ON_WRITE:
            yield "file-copy-on-write"
    if found.kind == "xfs" and _is_realtime(descriptor):
        yield "file-realtime"
    known = [OF_EXTENTS[doubt] for doubt in mapping.doubts if doubt in OF_EXTENTS]
    # What lies between other things is not aligned either: one reason says it.
    yield from known or (("extents-not-provable",) if mapping.doubts else ())


def _is_realtime(descriptor: int) -> bool:
    answer = bytearray(28)
    fcntl.ioctl(descriptor, FS_IOC_FSGETXATTR, answer)
    return bool(struct.unpack_from("=I", answer)[0] & REALTIME)
