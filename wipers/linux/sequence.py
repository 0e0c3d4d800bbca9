"""The number that the kernel gives a disk whenever a medium appears in it, and never again: it tells a swap of drives
that bear one name."""

from __future__ import annotations

import fcntl
import struct

BLKGETDISKSEQ = 0x80081280
"""_IOR(0x12, 128, __u64) (linux/fs.h, Linux 5.15)."""


def sequence_of(descriptor: int) -> int:
    """The number of the disk behind an open device; 0 where this kernel gives none."""
    answer = bytearray(8)
    try:
        fcntl.ioctl(descriptor, BLKGETDISKSEQ, answer)
    except OSError:
        return 0
    return int(struct.unpack("=Q", answer)[0])
