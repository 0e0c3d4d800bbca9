"""What makes everything written to a file system durable, in one call for however many files."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct

EXT4_IOC_CHECKPOINT = 0x4004662B
"""_IOW('f', 43, __u32), Linux 5.15."""

_LIBC = ctypes.CDLL(None, use_errno=True)


def sync_file_system(descriptor: int) -> None:
    """Make everything written to the descriptor's file system durable, in one barrier; raises OSError, also for a
    write that failed in the background since the last barrier (Linux 5.8)."""
    if _LIBC.syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def checkpoint(descriptor: int) -> bool:
    """Everything that ext4's journal holds stands in its own place too; tell false where the kernel, the file system or
    a lack of privilege does not let this be asked: the journal does it by itself before it goes once round."""
    try:
        fcntl.ioctl(descriptor, EXT4_IOC_CHECKPOINT, struct.pack("=I", 0))
    except OSError:
        return False
    return True
