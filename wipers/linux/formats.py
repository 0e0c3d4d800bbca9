"""Formats of disk images that are more than the disk's own bytes: layers, snapshots and parents lie in other places."""

from __future__ import annotations

import os

from wipers.model import Obstacle

HEAD = 512
"""Bytes in which every one of the marks stands."""
LAYERED = (
    ("qcow or qcow2", 0, b"QFI\xfb"),
    ("QED", 0, b"QED\0"),
    ("VMDK", 0, b"KDMV"),
    ("VMDK", 0, b"COWD"),
    ("VMDK", 0, b"# Disk DescriptorFile"),
    ("VDI", 64, b"\x7f\x10\xda\xbe"),
    ("VHD", 0, b"conectix"),
    ("VHDX", 0, b"vhdxfile"),
    ("Parallels", 0, b"WithoutFreeSpace"),
    ("Parallels", 0, b"WithouFreSpacExt"),
    ("Bochs", 0, b"Bochs Virtual HD Image"),
)
"""Format, where its mark stands, and the mark (QEMU docs/interop/qcow2.txt and block/*.c; MS-VHDX 2.2)."""


def layered(head: bytes) -> str:
    """The format of an image that begins so; empty for a raw one."""
    return next((name for name, offset, mark in LAYERED if head[offset : offset + len(mark)] == mark), "")


def image_obstacles(head: bytes, where: str) -> tuple[Obstacle, ...]:
    """Why a file that begins so is no image whose bytes are the disk's; nothing where it is one."""
    found = layered(head)
    return (Obstacle("image-layered", (("format", found), ("where", where))),) if found else ()


def file_obstacles(path: str, where: str) -> tuple[Obstacle, ...]:
    """The same of the file at a path, as far as it can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ()
    try:
        return image_obstacles(os.pread(descriptor, HEAD, 0), where)
    except OSError:
        return ()
    finally:
        os.close(descriptor)
